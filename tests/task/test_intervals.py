import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlkit.core.errors import DataError, RunError, SettingsError
from mlkit.core.formatting import format_number
from mlkit.core.run_folder import RunFolder
from mlkit.evaluation.champion import find_champion_file, load_champion, predict_with_champion
from mlkit.task.comparison import ScoreDifference, compare_folds, compare_outputs
from mlkit.task.influence import influence_values
from mlkit.task.intervals import auc_interval, proportion_interval, score_interval, score_intervals
from mlkit.task.metrics import metric_names_for
from mlkit.task.task import score_all_metrics, score_output
from tests.bench.intervals import (
    AREAS,
    MANY,
    NUMBER,
    SHAPES,
    TWO,
    coverage,
    few_coverage,
    few_scores,
    truth_of,
)
from tests.judging import BINARY, TARGETS, example, task_of, two


@pytest.mark.parametrize(
    "value, text",
    [
        (0.8612, "0.861"),
        (-1e-17, "0.000"),
        (0, "0.000"),
        (-0.4, "-0.400"),
        (0.000021, "2.1e-05"),
        (42, "42.0"),
        (51234.5, "51,234"),
        (math.nan, "undefined"),
        (math.inf, "undefined"),
        (None, "undefined"),
    ],
)
def test_numbers_are_written_for_readers(value, text):
    assert format_number(value) == text


# ---------------------------------------- intervals
PROVED = [
    ("roc_auc", TWO, "5 % positive", 200),
    ("roc_auc", TWO, "30 % positive", 100),
    ("log_loss", TWO, "5 % positive", 500),
    ("accuracy", TWO, "30 % positive", 200),
    ("f1", TWO, "5 % positive", 500),
    ("f1_macro", MANY, "3 classes", 200),
    ("roc_auc_ovr", MANY, "3 classes", 200),
    ("r2", NUMBER, "normal errors", 200),
    ("mae", NUMBER, "prices", 200),
    ("rmse", NUMBER, "errors that grow", 500),
    ("average_precision", TWO, "30 % positive", 200),
]


@pytest.mark.parametrize("metric, tables, name, rows", PROVED, ids=[f"{one[0]}, {one[2]}" for one in PROVED])
def test_intervals_hold_the_truth_as_often_as_they_say(metric, tables, name, rows):
    make, threshold = tables[name]
    holds, above, below, _ = coverage(metric, make, threshold, rows, 500, truth_of(metric, make, threshold))
    assert (
        0.925 <= holds <= 0.98 and max(above, below) < 0.06
    )  # 93 to 97 %, and what 500 tables leave to chance


@pytest.mark.parametrize("positives", [1, 2, 3, 5])
def test_intervals_hold_the_truth_with_a_handful_of_positives(positives):
    """Alone, 200 tables leave 4 points to chance; all shapes and areas together, hardly one."""
    holds = [few_coverage(shape, area, positives, 200)[0] for shape in SHAPES for area in AREAS]
    assert min(holds) >= 0.88 and np.mean(holds) >= 0.945
    assert few_scores("average_precision", 3.0, positives, 200)[0] >= 0.93


@settings(max_examples=20)
@given(kind=st.sampled_from(list(TARGETS)), rows=st.integers(30, 200), seed=st.integers(0, 99))
def test_every_metric_has_an_interval_around_it(kind, rows, seed):
    task, (truth, output) = task_of(kind), example(kind, rows, seed)
    scores = score_intervals(task, truth, output)
    assert scores.metric[0] == task.metric and set(scores.metric) == set(metric_names_for(kind))
    assert (scores.low <= scores.value + 1e-12).all() and (scores.value <= scores.high + 1e-12).all()
    assert dict(zip(scores.metric, scores.value, strict=True)) == score_all_metrics(task, truth, output)
    pd.testing.assert_frame_equal(scores, score_intervals(task, truth, output))


@pytest.mark.parametrize("kind", TARGETS)
def test_the_influence_is_what_leaving_a_row_out_does(kind):
    truth, output = example(kind, 300, 5)
    for metric in metric_names_for(kind):
        if metric == "medae":
            continue
        pulls, whole = influence_values(metric, truth, output), score_output(metric, truth, output)
        assert abs(pulls.mean()) < 1e-8
        for row in (0, 17, 170):
            rest = np.delete(np.arange(300), row)
            assert pulls[row] / 299 == pytest.approx(
                whole - score_output(metric, truth[rest], output[rest]), abs=2e-4
            )


@pytest.mark.parametrize("kind", TARGETS)
def test_more_confidence_is_a_wider_interval(kind):
    truth, output = example(kind, 200)
    for metric in metric_names_for(kind):
        narrow, wide = (score_interval(metric, truth, output, confidence) for confidence in (0.5, 0.99))
        assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_a_perfect_score_is_not_taken_for_certain():
    truth = np.arange(100) % 2
    for metric in ("roc_auc", "accuracy", "f1", "balanced_accuracy", "average_precision"):
        low, high = score_interval(metric, truth, two(truth * 0.9 + 0.05))
        assert 0.9 < low < 1 and high == pytest.approx(1, abs=1e-3)
    few = np.arange(60) < 5
    assert 0.6 < auc_interval(few, few.astype(float))[0] < 0.9


@pytest.mark.filterwarnings("error")
def test_what_cannot_be_scored_is_undefined_and_breaks_nothing():
    truth, output = np.zeros(20, dtype=int), two(np.linspace(0.01, 0.99, 20))
    assert score_intervals(BINARY, truth, output)[["value", "low", "high"]].iloc[0].isna().all()
    assert all(math.isnan(end) for end in score_interval("r2", np.array([1.0]), np.array([1.0])))
    for metric in metric_names_for("binary"):
        score_interval(metric, np.eye(1, 20, dtype=int)[0], output)
    for metric in metric_names_for("regression"):
        score_interval(metric, np.linspace(0, 1, 20), np.linspace(0, 1, 20))


def test_shares_without_rows_may_be_anything():
    assert [float(end) for end in proportion_interval(0, 0)] == [0, 1]


# ---------------------------------------- two models
def heard(rng, rows, *noises):
    truth, shared = rng.integers(0, 2, rows), rng.normal(size=rows)
    odds = [2 * truth - 1 + shared + noise * rng.normal(size=rows) for noise in noises]
    return truth, *(two(1 / (1 + np.exp(-one))) for one in odds)


@pytest.mark.parametrize("metric", ["roc_auc", "log_loss", "accuracy", "average_precision"])
def test_the_difference_of_two_models_holds_the_truth(metric):
    task, rng, inside = task_of("binary", metric), np.random.default_rng(4), []
    truth, a, b = heard(rng, 200_000, 0.3, 0.8)
    known = compare_outputs(task, truth, a, b).value
    assert known > 0.005
    for _ in range(400):
        found = compare_outputs(task, *heard(rng, 200, 0.3, 0.8))
        inside.append(found.low <= known <= found.high)
    assert 0.92 <= np.mean(inside) <= 0.985


def test_the_difference_is_that_of_a_paired_bootstrap():
    rng = np.random.default_rng(2)
    truth, a, b = heard(rng, 500, 0.3, 0.8)
    found, drawn = compare_outputs(BINARY, truth, a, b), []
    for _ in range(600):
        rows = rng.integers(0, 500, 500)
        drawn.append(score_output(BINARY, truth[rows], a[rows]) - score_output(BINARY, truth[rows], b[rows]))
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert found.low == pytest.approx(low, abs=0.006) and found.high == pytest.approx(high, abs=0.006)


def test_differences_in_words():
    assert str(ScoreDifference(0.012, 0.004, 0.021)) == "better by 0.012 (0.004 to 0.021)"
    assert str(ScoreDifference(-0.05, -0.08, -0.02)) == "worse by 0.050 (0.020 to 0.080)"
    assert str(ScoreDifference(0.01, -0.01, 0.03)) == "no difference can be told (-0.010 to 0.030)"
    assert str(ScoreDifference(0.01, math.nan, math.nan)) == "no difference can be told"


def test_folds_that_share_rows_count_for_less():
    a, b = [0.83, 0.85, 0.86, 0.84, 0.87], [0.82, 0.82, 0.84, 0.83, 0.85]
    (corrected, chance), (naive, less) = compare_folds(a, b, 400, 100), compare_folds(a, b, 400, 0)
    assert corrected.value == naive.value == pytest.approx(0.018)
    assert (corrected.high - corrected.low) / (naive.high - naive.low) == pytest.approx(
        math.sqrt((0.2 + 0.25) / 0.2)
    )
    assert chance > less
    assert compare_folds([0.5], [0.4], 1, 1)[0].verdict == "unclear"
    assert compare_folds([0.5, 0.6], [0.5, 0.6], 1, 1)[1] == 1


# ---------------------------------------- the model in use
class Model:
    """A champion, from outside."""

    def __init__(self, task, output=None):
        self.task, self.said = task, output

    def output(self, frame):
        return self.said if self.said is not None else two(frame["age"].to_numpy())


def test_a_champion_is_found_in_a_run_or_a_file(tmp_path):
    run = RunFolder(tmp_path / "old", "train")
    run.save("model", Model(BINARY))
    assert find_champion_file(str(tmp_path / "old")).name == "model.joblib"
    RunFolder(tmp_path / "old", "evaluate").save("final", Model(BINARY))
    file = find_champion_file(str(tmp_path / "old"))
    assert file.name == "final.joblib" and load_champion(file).task == BINARY
    assert find_champion_file(str(file)) == file
    file.write_bytes(b"other")
    with pytest.raises(RunError, match="not what that run wrote"):
        find_champion_file(str(tmp_path / "old"))
    with pytest.raises(SettingsError, match="cannot be opened as a model"):
        load_champion(file)


@pytest.mark.parametrize("place, part", [("nowhere", "is not there"), (".", "a folder without a model")])
def test_a_champion_that_is_none_is_refused_in_one_line(tmp_path, place, part):
    with pytest.raises(SettingsError, match=part) as error:
        find_champion_file(str(tmp_path / place))
    assert "\n" not in str(error.value) and str(tmp_path) not in str(error.value)


def test_a_champion_that_cannot_read_these_rows_says_why_in_one_line():
    other = task_of("binary", positive="no")
    said = two(np.array([0.2, 0.7]))
    assert (
        predict_with_champion(BINARY, Model(other, said), pd.DataFrame()).tolist() == said[:, ::-1].tolist()
    )
    for model, part in (
        (Model(task_of("regression")), "predicts"),
        (Model(BINARY), "cannot read these rows"),
    ):
        with pytest.raises(DataError, match=part) as error:
            predict_with_champion(BINARY, model, pd.DataFrame({"fee": [1, 2]}))
        assert "\n" not in str(error.value)
