import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlkit.core.errors import SettingsError
from mlkit.evaluate import summarise
from mlkit.evaluation.champion import champion_score, load_and_compare_champion
from mlkit.evaluation.fit_diagnosis import confirm_fit
from mlkit.evaluation.metrics_file import metrics_details_json, metrics_json
from mlkit.evaluation.scores import describe_test_score, plot_score, show_scores
from mlkit.evaluation.slices import read_sensitive_columns
from mlkit.evaluation.threshold import cheapest_threshold, choose_threshold, cost_table, describe_costs
from mlkit.models.calibration import Calibrator, FinalModel
from mlkit.pipeline.notebooks import check_parameters, list_stages
from mlkit.task.intervals import score_intervals
from mlkit.task.task import mean_cost
from tests.judging import BINARY, MANY, NUMBER, example, task_of, two


def own_of(task, value, low, high):
    return pd.Series({"metric": task.metric, "value": value, "low": low, "high": high})


# ---------------------------------------- what the score means
def test_the_score_is_set_against_baseline_goal_and_promise():
    task = task_of("binary", goal=0.8)
    said = describe_test_score(task, own_of(task, 0.86, 0.84, 0.88), 0.5, 0.87, 400)
    for part in ("AUC-ROC is 0.860", "400 rows", "between 0.840 and 0.880", "0.500, which is clearly worse"):
        assert part in said
    assert "**The goal of 0.8 is reached**, by the whole interval." in said and "confirm." in said


@pytest.mark.parametrize(
    "metric, own, goal, part",
    [
        ("roc_auc", (0.81, 0.78, 0.84), 0.8, "may be luck"),
        ("roc_auc", (0.79, 0.75, 0.84), 0.8, "not reached"),
        ("roc_auc", (0.79, 0.75, 0.84), None, "No goal was stated"),
        ("roc_auc", (0.60, 0.48, 0.70), None, "as good, for all that is proved"),
        ("roc_auc", (0.60, 0.55, 0.65), None, "better than the test rows confirm"),
        ("roc_auc", (1.0, 1.0, 1.0), None, "50 rows still allow mistakes in 6.0%"),
        ("log_loss", (0.3, 0.25, 0.35), 0.4, "is reached**, by the whole interval"),
        ("log_loss", (0.3, 0.25, 0.45), 0.4, "may be luck"),
        ("log_loss", (0.5, 0.45, 0.55), 0.4, "not reached"),
    ],
)
def test_the_score_in_words(metric, own, goal, part):
    task = task_of("binary", metric, goal=goal)
    assert part in describe_test_score(
        task, own_of(task, *own), 0.5 if metric == "roc_auc" else 0.69, 0.8, 50
    )


def test_the_table_marks_the_own_metric_and_what_should_be_small():
    scores = score_intervals(NUMBER, *example("regression", 50))
    html = show_scores(NUMBER, scores, dict.fromkeys(scores.metric, 0.0), "Caption.").to_html()
    assert "Mean absolute error ↓" in html and "R² ↓" not in html and "Caption." in html
    assert "#T_scores_row0_col0" in html and "#T_scores_row1_col0" not in html


def test_the_score_is_drawn_with_and_without_goal():
    for task, lines in ((task_of("binary", goal=0.8), 1), (BINARY, 0)):
        axes = plot_score(task, own_of(task, 0.86, 0.84, 0.88), 0.5, 0.9, 0.87, [0.86, 0.88]).axes[0]
        assert sum(line.get_linestyle() == "--" for line in axes.lines) == lines
        assert "test rows  0.860" in [label.get_text() for label in axes.get_yticklabels()]


# ---------------------------------------- threshold and costs
@given(st.floats(0.1, 100), st.floats(0.1, 100))
def test_the_threshold_weighs_both_mistakes_alike(false_positive, false_negative):
    task = task_of("binary", cost_false_positive=false_positive, cost_false_negative=false_negative)
    start = choose_threshold(task)["used"]
    assert math.isclose((1 - start) * false_positive, start * false_negative, rel_tol=1e-9)
    assert choose_threshold(task, "0.25")["used"] == 0.25


def test_no_other_threshold_is_cheaper_when_probabilities_keep_their_word():
    task, (truth, output) = task_of("binary", cost_false_negative=4.0), example("binary", 200_000)
    starts = (0.05, 0.1, 0.2, 0.35, 0.5, 0.8)
    by = {start: cost_table(task, truth, output, {"used": start}).cost.iloc[-1] for start in starts}
    assert min(by, key=by.get) == choose_threshold(task)["used"] == 0.2


def test_costs_of_acting_on_none_and_on_all_follow_from_the_shares():
    task, truth = task_of("binary", cost_false_positive=2.0, cost_false_negative=3.0), np.array([0, 0, 0, 1])
    table = cost_table(task, truth, two(np.array([0.0, 1.0, 0.2, 0.9])), {"used": 0.3})
    assert table.acted.tolist() == [0, 1, 0.5, 0.5] and table.cost.tolist() == [750, 1500, 500, 500]
    assert "saves 250.0 in 1,000 rows" in describe_costs(table)
    assert "does not pay" in describe_costs(
        cost_table(task, 1 - truth, two(np.array([0.0, 1.0, 0.2, 0.9])), {"used": 0.3})
    )


@pytest.mark.parametrize(
    ("thresholds", "last"),
    [
        ({"used": 0.2, "theory": 0.2, "held_back": 0.3}, "act from 0.2 on (by theory, used)"),
        (
            {"used": 0.3, "theory": 0.2, "held_back": 0.3},
            "act from 0.3 on (cheapest on validation rows, used)",
        ),
        ({"used": 0.5, "theory": 0.2, "held_back": 0.3}, "act from 0.5 on (used)"),
    ],
)
def test_the_used_threshold_has_one_row_the_last(thresholds, last):
    task, (truth, output) = task_of("binary", cost_false_negative=4.0), example("binary", 200)
    table = cost_table(task, truth, output, thresholds)
    starts = [way.split()[2] for way in table.way if way.startswith("act from")]
    assert table.way.iloc[-1] == last and len({*starts}) == len(starts)
    assert describe_costs(table).startswith(last.partition(" (")[0].replace("act", "To act", 1))


@pytest.mark.parametrize("text", ["30", "-0.1", "30 %", "", "nan", "inf", "Auto"])
def test_what_is_no_threshold_is_refused(text):
    with pytest.raises(SettingsError, match="must be auto, or a probability from 0 to 1"):
        check_parameters("evaluate", {"threshold": text})


def test_all_wrong_settings_come_in_one_message():
    wrong = {"resamples": 10, "confidence": 95.0, "threshold": "x", "curve_points": 1}
    wrong |= {"on_verdict": "sleep", "recalibrate": "magic"}
    with pytest.raises(SettingsError) as error:
        check_parameters("evaluate", wrong)
    assert {line.split(":")[0] for line in str(error.value).splitlines()} == {f"evaluate.{n}" for n in wrong}
    check_parameters(
        "evaluate", {"resamples": 100, "confidence": 0.9, "threshold": "auto", "curve_points": 0}
    )


@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.sampled_from([0.1, 0.2, 0.5, 0.7, 0.9])), min_size=1, max_size=40
    )
)
def test_the_cheapest_threshold_is_cheapest(rows):
    task = task_of("binary", cost_false_positive=1.0, cost_false_negative=3.0)
    truth, said = (np.array(side) for side in zip(*rows, strict=True))
    cut = cheapest_threshold(task, truth, two(said))
    cost = {
        start: mean_cost(task, truth, two(said), start) for start in (cut, 0.05, 0.15, 0.3, 0.6, 0.8, 0.95)
    }
    assert cost[cut] == min(cost.values())


def test_theory_gives_way_only_where_probabilities_break_their_word():
    task, found = task_of("binary", cost_false_negative=4.0), []
    for seed in range(30):
        truth, output = example("binary", 500, seed)
        found.append(choose_threshold(task, "auto", truth, output)["used"] != 0.2)
        sly = two(output[:, 1] ** 3)
        assert choose_threshold(task, "auto", truth, sly)["used"] < 0.1
    assert sum(found) <= 2


# ---------------------------------------- the contract
CHOICE = {"family": "forest", "train": 0.99, "validation": 0.87, "folds": [0.86, 0.88], "rows": 1600}


def test_metrics_json_is_the_contract():
    task, (truth, output) = task_of("binary", goal=0.7), example("binary", 300)
    scores = score_intervals(task, truth, output)
    metrics = metrics_json(task, scores, 0.5, CHOICE, "good", 300, 0.2)
    contract = "task metric direction score interval baseline goal reached train validation fit model rows"
    assert set(metrics) == {*contract.split(), "test", "threshold", "target", "intervals"}
    assert metrics["rows"] == {"train": 1600, "test": 300} and metrics["model"] == "forest"
    assert metrics["reached"] is True and metrics["score"] == metrics["test"]["roc_auc"]
    assert metrics["interval"][0] < metrics["score"] < metrics["interval"][1]
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics
    assert summarise(metrics).startswith(f"AUC-ROC {metrics['score']:.3f} (")
    assert summarise(metrics).endswith("; baseline 0.500; fit: good")


def test_what_is_undefined_is_null():
    scores = score_intervals(BINARY, np.zeros(10, dtype=int), two(np.linspace(0, 1, 10)))
    metrics = metrics_json(BINARY, scores, math.nan, CHOICE | {"train": np.float64("nan")}, "good", 10)
    assert metrics["score"] is metrics["baseline"] is metrics["train"] is metrics["reached"] is None
    assert metrics["interval"] == [None, None] and "undefined" in summarise(metrics)
    assert json.dumps(metrics, allow_nan=False)


def test_regression_has_no_threshold():
    scores = score_intervals(NUMBER, *example("regression", 50))
    assert metrics_json(NUMBER, scores, 0.0, CHOICE, "good", 50)["threshold"] is None


def test_the_parameters_are_the_stage_s_whole_interface():
    parameters = list_stages()["evaluate"].parameters
    assert {name: parameter.default for name, parameter in parameters.items()} == {
        "run": "",
        "resamples": 200,
        "confidence": 0.95,
        "champion": "",
        "on_verdict": "tell",
        "recalibrate": "auto",
        "threshold": "auto",
        "sensitive": "",
        "curve_points": 4,
        "seed": 42,
    }


def final_of(task, **more):
    return FinalModel(task, None, None, "forest", {}, **more)


@pytest.mark.parametrize("task, kind", [(BINARY, "binary"), (MANY, "multiclass"), (NUMBER, "regression")])
def test_the_rest_of_metrics_json_is_plain(task, kind):
    truth, output = example(kind, 300)
    facing = {"score": 0.7, "words": "better by 0.012 (0.004 to 0.021)", "verdict": "better"}
    calibrator = Calibrator("sigmoid", (1.0, 0.0)) if kind == "binary" else None
    more = metrics_details_json(
        task,
        final_of(task, calibrator=calibrator),
        {"used": 0.5},
        ["More rows."],
        truth,
        output,
        output,
        facing,
    )
    metrics = metrics_json(task, score_intervals(task, truth, output), 0.5, CHOICE, "good", 300, more=more)
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics and metrics["advice"] == ["More rows."]
    assert summarise(metrics).endswith("; champion: better by 0.012 (0.004 to 0.021)")
    assert ("classes" in metrics) == (kind != "regression")
    if kind == "binary":
        assert metrics["calibration"]["method"] == "sigmoid" and metrics["thresholds"] == {"used": 0.5}


def test_without_a_champion_nothing_is_compared():
    assert load_and_compare_champion(BINARY, "", pd.DataFrame(), np.array([]), np.array([])) is None
    assert champion_score(None) is None and champion_score({"verdict": "unknown"}) is None
    with pytest.raises(SettingsError, match="evaluate.champion names 'gone', which is not there"):
        load_and_compare_champion(BINARY, "somewhere/gone", pd.DataFrame(), np.array([]), np.array([]))


def test_a_sensitive_column_that_the_model_does_not_read_is_read_all_the_same():
    test = pd.DataFrame({"sex": ["f", "m"] * 40, "age": ["30", "41"] * 40})
    frame = read_sensitive_columns("sex|age", test, pd.DataFrame({"age": [30.0, 41.0] * 40}))
    assert frame["age"].tolist() == [30.0, 41.0] * 40 and frame["sex"].tolist() == ["f", "m"] * 40


@pytest.mark.parametrize("metric, validation, test, baseline, fit", [
    ("roc_auc", 0.888, (0.553, 0.45, 0.65), 0.5, "overfit"), ("roc_auc", 0.80, (0.77, 0.70, 0.83), 0.5, "good"),
    ("roc_auc", 0.62, (0.48, 0.3, 0.7), 0.5, "overfit"), ("roc_auc", 0.80, (0.78, 0.765, 0.79), 0.5, "good"),
    ("log_loss", 0.30, (0.60, 0.5, 0.7), 0.69, "overfit"), ("log_loss", 0.30, (0.31, 0.25, 0.4), 0.69, "good"),
    ("roc_auc", 0.80, (math.nan, math.nan, math.nan), math.nan, "unknown")])  # fmt: skip
def test_no_fit_is_good_when_the_test_rows_contradict_it(metric, validation, test, baseline, fit):
    folds = [validation - 0.01, validation + 0.01, validation]
    said, why = confirm_fit(task_of("binary", metric), "good", validation, folds, test, baseline)
    assert said == fit and ("do not confirm" in why) == (fit == "overfit")
    assert confirm_fit(task_of("binary", metric), "underfit", validation, folds, test, baseline) == (
        "underfit",
        "",
    )
