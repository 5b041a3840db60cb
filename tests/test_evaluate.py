import json
import math
import time
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import mlkit.evaluate as evaluate
from mlkit.evaluate import (
    balanced_order,
    bootstrap,
    calibration,
    check_settings,
    choose_threshold,
    costs,
    curve_sizes,
    groups_of,
    in_short,
    learning_curve,
    metrics_json,
    plot_confusion,
    plot_curve,
    plot_score,
    plots,
    readable,
    say_costs,
    say_curve,
    say_score,
    say_slices,
    show_scores,
    show_slices,
    slices,
    verdict_on_fit,
)
from mlkit.kit.errors import SettingsError
from mlkit.kit.notebook import stages
from mlkit.kit.plot import installed_fonts
from mlkit.problem import all_scores, baseline_output, metrics_for, score, settle, state_problem
from mlkit.train import fit_estimator, output_of

TARGETS = {
    "binary": pd.Series(["no", "yes"] * 30),
    "multiclass": pd.Series(["a", "b", "c"] * 20),
    "regression": pd.Series(np.linspace(0, 1, 60)),
}


def task_of(kind, metric="auto", **stated):
    return settle(state_problem("target", task=kind, metric=metric, **stated), TARGETS[kind])


BINARY, MANY, NUMBER = map(task_of, TARGETS)


def two(probability):
    return np.column_stack([1 - probability, probability])


def drawn(probability, rng):
    return (rng.random(len(probability)) < probability).astype(int)


def example(kind, rows, seed=0):
    """Truth, and an output that knows something of it."""
    rng = np.random.default_rng(seed)
    if kind == "regression":
        truth = rng.normal(size=rows)
        return truth, truth + rng.normal(size=rows)
    if kind == "binary":
        output = two(rng.random(rows))
        return drawn(output[:, 1], rng), output
    output = rng.dirichlet(np.ones(3), rows)
    return (output.cumsum(axis=1) > rng.random((rows, 1))).argmax(axis=1), output


def own_of(task, value, low, high):
    return pd.Series({"metric": task.metric, "value": value, "low": low, "high": high})


@pytest.mark.parametrize(
    "value, text",
    [(0.8612, "0.861"), (-1e-17, "0.000"), (0, "0.000"), (-0.4, "-0.400"), (0.000021, "2.1e-05"),
     (42, "42.0"), (51234.5, "51,234"),
     (math.nan, "undefined"), (math.inf, "undefined"), (None, "undefined")],
)
def test_numbers_are_written_for_readers(value, text):
    assert readable(value) == text


# ---------------------------------------- intervals
def normal_classes(rng, rows):
    """AUC-ROC is the chance that a normal number from around 1 is larger than one from around 0."""
    truth = rng.permutation(rows) % 2
    return truth, two(1 / (1 + np.exp(-(truth + rng.normal(size=rows)))))


def normal_errors(rng, rows):
    guess = rng.normal(size=rows)
    return guess + rng.normal(size=rows), guess


@pytest.mark.parametrize(
    "task, make, known",
    [
        (BINARY, normal_classes, 0.5 * (1 + math.erf(0.5))),
        (task_of("regression", "mae"), normal_errors, math.sqrt(2 / math.pi)),
    ],
    ids=["auc", "mae"],
)
def test_intervals_hold_the_truth_about_as_often_as_they_say(task, make, known):
    rng, inside = np.random.default_rng(1), []
    for _ in range(150):
        own = bootstrap(task, *make(rng, 100), resamples=60).iloc[0]
        inside.append(own.low <= known <= own.high)
    assert 0.90 <= np.mean(inside) <= 0.99


@settings(max_examples=20, deadline=None)
@given(kind=st.sampled_from(list(TARGETS)), rows=st.integers(30, 200), seed=st.integers(0, 99))
def test_every_metric_has_an_ordered_interval_and_the_seed_repeats_it(kind, rows, seed):
    task, (truth, output) = task_of(kind), example(kind, rows, seed)
    scores = bootstrap(task, truth, output, resamples=20, seed=seed)
    assert scores.metric[0] == task.metric and set(scores.metric) == set(metrics_for(kind))
    assert (scores.low <= scores.high).all()
    assert dict(zip(scores.metric, scores.value, strict=True)) == all_scores(task, truth, output)
    pd.testing.assert_frame_equal(scores, bootstrap(task, truth, output, resamples=20, seed=seed))


def test_more_confidence_is_a_wider_interval():
    narrow, wide = (bootstrap(BINARY, *example("binary", 200), confidence=c).iloc[0] for c in (0.5, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_intervals_of_large_tables_are_as_wide_as_if_all_rows_were_drawn(monkeypatch):
    truth, output = example("regression", 6000)
    honest = bootstrap(NUMBER, truth, output, resamples=400)
    monkeypatch.setattr(evaluate, "MOST_DRAWN", 600)
    shrunk = bootstrap(NUMBER, truth, output, resamples=400)
    ratio = (shrunk.high - shrunk.low) / (honest.high - honest.low)
    assert ratio.between(0.8, 1.25).all()


@pytest.mark.filterwarnings("error")
def test_draws_without_one_of_the_classes_do_not_count():
    truth, output = np.eye(1, 20, dtype=int)[0], two(np.linspace(0.9, 0.1, 20))
    own = bootstrap(BINARY, truth, output, resamples=100).iloc[0]
    assert math.isfinite(own.low) and math.isfinite(own.high)


@pytest.mark.filterwarnings("error")
def test_what_cannot_be_scored_is_undefined_and_breaks_nothing():
    truth, output = np.zeros(20, dtype=int), two(np.linspace(0, 1, 20))
    scores = bootstrap(BINARY, truth, output, resamples=20)
    assert scores[["value", "low", "high"]].iloc[0].isna().all()
    assert "undefined" in say_score(BINARY, scores.iloc[0], 0.5, 0.8, 20)


def test_a_thousand_draws_of_ten_thousand_rows_take_seconds():
    started = time.process_time()
    bootstrap(BINARY, *example("binary", 50_000), resamples=100)
    assert time.process_time() - started < 1  # 100 of 1,000


# ---------------------------------------- what the score means
def test_the_score_is_set_against_baseline_goal_and_promise():
    task = task_of("binary", goal=0.8)
    said = say_score(task, own_of(task, 0.86, 0.84, 0.88), 0.5, 0.87, 400)
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
    assert part in say_score(task, own_of(task, *own), 0.5 if metric == "roc_auc" else 0.69, 0.8, 50)


def test_the_table_marks_the_own_metric_and_what_should_be_small():
    scores = bootstrap(NUMBER, *example("regression", 50), resamples=10)
    html = show_scores(NUMBER, scores, dict.fromkeys(scores.metric, 0.0), "Caption.").to_html()
    assert "Mean absolute error ↓" in html and "R² ↓" not in html and "Caption." in html
    assert "#T_scores_row0_col0" in html and "#T_scores_row1_col0" not in html


# ---------------------------------------- fit
def cross_validated(task, estimator, inputs, truth):
    """Mean score on learned rows, mean score on others, the latter one by one, and the baseline."""
    rows, learned, others = np.arange(len(truth)), [], []
    for fold in range(5):
        learn, judge = rows[rows % 5 != fold], rows[rows % 5 == fold]
        fitted = fit_estimator(estimator, inputs.iloc[learn], truth[learn])
        for part, scores in ((learn, learned), (judge, others)):
            scores.append(score(task, truth[part], output_of(fitted, task, inputs.iloc[part])))
    baseline = score(task, truth, baseline_output(task, truth, len(truth)))
    return float(np.mean(learned)), float(np.mean(others)), others, baseline


def fit_of(kind, metric, estimator, noise):
    rng = np.random.default_rng(3)
    inputs = pd.DataFrame(rng.normal(size=(400, 5)), columns=list("vwxyz"))
    signal = 3 * (inputs.v + inputs.w).to_numpy() * (not noise)
    truth = signal + rng.normal(size=400)
    if kind == "binary":
        truth = drawn(np.full(400, 0.4) if noise else 1 / (1 + np.exp(-signal)), rng)
    task = task_of(kind, metric)
    return verdict_on_fit(task, *cross_validated(task, estimator, inputs, truth))[0]


@pytest.mark.parametrize("metric", metrics_for("binary"))
def test_fit_of_classifiers(metric):
    assert fit_of("binary", metric, DecisionTreeClassifier(random_state=0), noise=True) == "overfit"
    assert fit_of("binary", metric, DummyClassifier(), noise=False) == "underfit"
    assert fit_of("binary", metric, LogisticRegression(), noise=False) == "good"


@pytest.mark.parametrize("metric", metrics_for("regression"))
def test_fit_of_regressors(metric):
    assert fit_of("regression", metric, DecisionTreeRegressor(random_state=0), noise=True) == "overfit"
    assert fit_of("regression", metric, DummyRegressor(), noise=False) == "underfit"
    assert fit_of("regression", metric, Ridge(), noise=False) == "good"


@settings(max_examples=100, deadline=None)
@given(st.floats(0.5, 1), st.floats(0.4, 1), st.floats(0, 0.2), st.floats(0.3, 0.7))
def test_fit_keeps_its_stated_rules(train, validation, spread, baseline):
    folds = [validation - spread, validation, validation + spread]
    fit, said = verdict_on_fit(BINARY, train, validation, folds, baseline)
    noise, gain, gap = 2 * spread / math.sqrt(3), train - baseline, train - validation
    assert (fit == "underfit") == (not gain > 0.1 * min(baseline, 1 - baseline))
    assert (fit == "overfit") == (fit != "underfit" and gap > max(gain / 2, noise))
    assert readable(train) in said and readable(validation) in said and readable(baseline) in said


def test_fit_does_not_ask_which_way_is_better():
    loss = task_of("binary", "brier")
    for train, validation in ((0.01, 0.24), (0.1, 0.12), (0.249, 0.25)):
        upside_down = 1 - 2 * train, 1 - 2 * validation
        fit, _ = verdict_on_fit(BINARY, *upside_down, [upside_down[1]], 0.5)
        assert verdict_on_fit(loss, train, validation, [validation], 0.25)[0] == fit


def test_a_gap_within_the_spread_of_the_folds_is_no_overfit():
    assert verdict_on_fit(BINARY, 0.8, 0.6, [0.3, 0.6, 0.9], 0.5)[0] == "good"
    assert verdict_on_fit(BINARY, 0.8, 0.6, [0.58, 0.6, 0.62], 0.5)[0] == "overfit"


def test_a_small_gain_over_a_small_baseline_is_no_underfit():
    rare = task_of("binary", "average_precision")
    assert verdict_on_fit(rare, 0.08, 0.07, [0.07] * 3, 0.01)[0] == "good"


# ---------------------------------------- learning curve
FRAME = pd.DataFrame({"x": np.random.default_rng(0).normal(size=600)})
CODES = drawn(1 / (1 + np.exp(-2 * FRAME.x.to_numpy())), np.random.default_rng(1))
FOLDS = [(np.flatnonzero(np.arange(600) % 5 != k), np.flatnonzero(np.arange(600) % 5 == k)) for k in range(5)]


@given(most=st.integers(1, 10**6), points=st.integers(0, 12))
def test_sizes_ascend_from_an_eighth_to_all(most, points):
    sizes = curve_sizes(most, points)
    assert sizes == sorted(set(sizes)) and len(sizes) <= points
    if points:
        assert sizes[-1] == most and sizes[0] >= min(most, 30)
    if most >= 240 and points > 1:
        assert len(sizes) == points and sizes[0] == most // 8
    assert all(b > a for a, b in pairwise(sizes))


@given(st.lists(st.integers(0, 2), min_size=3, max_size=80), st.integers(0, 99))
def test_every_beginning_holds_all_classes_in_their_shares(codes, seed):
    truth = np.array(codes)
    order = balanced_order(MANY, truth, np.random.default_rng(seed))
    assert sorted(order) == list(range(len(truth)))
    for end in range(1, len(truth) + 1):
        for code in set(codes):
            share = np.mean(truth == code)
            assert abs(np.sum(truth[order[:end]] == code) - share * end) <= len(set(codes))


def test_a_rare_class_is_there_from_the_beginning():
    truth = np.arange(1000) % 100 // 95
    for seed in range(5):
        order = balanced_order(BINARY, truth, np.random.default_rng(seed))
        assert np.abs(np.cumsum(truth[order]) - 0.05 * np.arange(1, 1001)).max() <= 2


def test_the_curve_has_its_points_repeats_and_leaves_the_estimator_alone():
    estimator, told = LogisticRegression(), []
    curve = learning_curve(estimator, BINARY, FRAME, CODES, FOLDS, points=3, tell=told.append)
    assert curve.rows.tolist() == [60] * 3 + [170] * 3 + [480] * 3 and set(curve.fold) == {0, 1, 2}
    assert curve.validation.between(0.7, 1).all() and not hasattr(estimator, "coef_") and len(told) == 3
    pd.testing.assert_frame_equal(curve, learning_curve(estimator, BINARY, FRAME, CODES, FOLDS, points=3))


def test_the_curve_stops_when_time_is_up_and_says_on_how_many_rows_it_was_measured():
    curve = learning_curve(LogisticRegression(), BINARY, FRAME, CODES, FOLDS, seconds=0)
    assert curve.rows.unique().tolist() == [60]
    assert "cannot tell" in say_curve(BINARY, curve, 600)
    assert "measured on 200 of 9,000 rows" in say_curve(BINARY, curve_of([0.7] * 3, [0.8] * 3), 9000)


def test_the_curve_is_capped(monkeypatch):
    monkeypatch.setattr(evaluate, "MOST_LEARNED", 100)
    assert learning_curve(LogisticRegression(), BINARY, FRAME, CODES, FOLDS).rows.max() == 100


def test_no_curve_is_wanted():
    assert learning_curve(LogisticRegression(), BINARY, FRAME, CODES, FOLDS, points=0).empty


def curve_of(before, after, train=0.9):
    parts = [pd.DataFrame({"rows": rows, "fold": range(len(part)), "train": train, "validation": part})
             for rows, part in ((100, before), (200, after))]
    return pd.concat(parts)


@pytest.mark.parametrize(
    "metric, curve, part",
    [
        ("roc_auc", curve_of([0.70, 0.72, 0.74], [0.75, 0.77, 0.80]), "would probably help"),
        ("roc_auc", curve_of([0.80, 0.81, 0.82], [0.80, 0.81, 0.82], 0.83), "columns that say more"),
        ("roc_auc", curve_of([0.80, 0.70, 0.75], [0.70, 0.82, 0.78], 0.80), "columns that say more"),
        ("roc_auc", curve_of([0.70, 0.71, 0.72], [0.70, 0.71, 0.72], 1.0), "stricter settings"),
        ("roc_auc", curve_of([0.98, 0.99, 0.99], [0.99, 0.98, 0.99], 1.0), "Little is left"),
        ("log_loss", curve_of([0.60, 0.62, 0.64], [0.50, 0.52, 0.55], 0.3), "would probably help"),
        ("log_loss", curve_of([0.50, 0.52, 0.55], [0.60, 0.62, 0.64], 0.55), "columns that say more"),
    ],
)
def test_the_curve_in_words(metric, curve, part):
    assert part in say_curve(task_of("binary", metric), curve, 250)


# ---------------------------------------- threshold and costs
@given(st.floats(0.1, 100), st.floats(0.1, 100))
def test_the_threshold_weighs_both_mistakes_alike(false_positive, false_negative):
    task = task_of("binary", cost_false_positive=false_positive, cost_false_negative=false_negative)
    start = choose_threshold(task)
    assert math.isclose((1 - start) * false_positive, start * false_negative, rel_tol=1e-9)
    assert choose_threshold(task, "0.25") == 0.25


def test_no_other_threshold_is_cheaper_when_probabilities_keep_their_word():
    task, (truth, output) = task_of("binary", cost_false_negative=4.0), example("binary", 200_000)
    starts = (0.05, 0.1, 0.2, 0.35, 0.5, 0.8)
    by = {start: costs(task, truth, output, start).cost.iloc[-1] for start in starts}
    assert min(by, key=by.get) == choose_threshold(task) == 0.2


def test_costs_of_acting_on_none_and_on_all_follow_from_the_shares():
    task, truth = task_of("binary", cost_false_positive=2.0, cost_false_negative=3.0), np.array([0, 0, 0, 1])
    table = costs(task, truth, two(np.array([0.0, 1.0, 0.2, 0.9])), 0.3)
    assert table.acted.tolist() == [0, 1, 0.5, 0.5] and table.cost.tolist() == [0.75, 1.5, 0.5, 0.5]
    assert "saves 0.250 a row" in say_costs(table)
    assert "does not pay" in say_costs(costs(task, 1 - truth, two(np.array([0.0, 1.0, 0.2, 0.9])), 0.3))


@pytest.mark.parametrize("text", ["30", "-0.1", "30 %", "", "nan", "inf", "Auto"])
def test_what_is_no_threshold_is_refused(text):
    with pytest.raises(SettingsError, match="no probability; write auto, or 0 to 1"):
        check_settings(1000, 0.95, text, 4)


def test_all_wrong_settings_come_in_one_message():
    with pytest.raises(SettingsError) as error:
        check_settings(10, 95, "x", 1)
    lines = str(error.value).splitlines()
    assert [line.split(" = ")[0] for line in lines] == [
        f"[evaluate] {name}" for name in ("resamples", "confidence", "threshold", "curve_points")
    ]
    check_settings(100, 0.9, "auto", 0)


# ---------------------------------------- calibration
def test_a_model_that_keeps_its_word_lies_on_the_diagonal():
    groups = calibration(*example("binary", 20_000))
    assert len(groups) == 10 and groups.rows.tolist() == [2000] * 10
    assert (groups.said - groups.happened).abs().max() < 0.04
    assert groups.said.is_monotonic_increasing


def test_a_model_that_exaggerates_does_not():
    truth, output = example("binary", 20_000)
    groups = calibration(truth, two(np.where(output[:, 1] > 0.5, 0.99, 0.01)))
    assert not groups.said.between(groups.low, groups.high).any()


@pytest.mark.parametrize("rows", [1, 5, 45])
def test_few_rows_and_one_probability_for_all_make_fewer_groups(rows):
    groups = calibration(np.arange(rows) % 2, two(np.full(rows, 0.4)))
    assert groups.rows.sum() == rows and len(groups) == max(1, rows // 20)
    assert np.allclose(groups.said, 0.4) and (groups.low <= groups.happened + 1e-9).all()


# ---------------------------------------- plots
@pytest.mark.parametrize("kind, number", [("binary", 3), ("multiclass", 1), ("regression", 1)])
def test_every_task_has_its_pictures(kind, number):
    shown = plots(task_of(kind), *example(kind, 3000), 0.2)
    assert len(shown) == number
    assert all(plot._repr_png_().startswith(b"\x89PNG") for plot in shown)


@pytest.mark.filterwarnings("error")
def test_japanese_labels_are_drawn():
    if len(installed_fonts()["font.family"]) < 2:
        pytest.skip("this machine has no Japanese font")
    task = settle(state_problem("天気", positive="雨"), pd.Series(["晴れ", "雨"] * 30))
    for plot in plots(task, *example("binary", 200)):
        plot._repr_png_()


def test_of_many_classes_the_largest_are_shown():
    names = [f"class {number:02d}" for number in range(40)]
    task = settle(state_problem("target", task="multiclass"), pd.Series(names * 5))
    truth = np.repeat(np.arange(40), np.arange(1, 41))
    axes = plot_confusion(task, truth, truth).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == [task.classes[c] for c in range(25, 40)]
    title = axes.get_title() + axes.get_title(loc="left")
    assert title.endswith("The 15 largest classes")


def test_the_score_is_drawn_with_and_without_goal():
    for task, lines in ((task_of("binary", goal=0.8), 1), (BINARY, 0)):
        axes = plot_score(task, own_of(task, 0.86, 0.84, 0.88), 0.5, 0.9, 0.87, [0.86, 0.88]).axes[0]
        assert sum(line.get_linestyle() == "--" for line in axes.lines) == lines
        assert "test rows  0.860" in [label.get_text() for label in axes.get_yticklabels()]


def test_the_learning_curve_is_drawn():
    axes = plot_curve(BINARY, curve_of([0.7, 0.8], [0.75, 0.85])).axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["100", "200"]


# ---------------------------------------- slices
def frame_of(rows, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame({
        "city": rng.choice(["Kobe", "Oslo", "Lima", ""], rows), "age": rng.normal(40, 10, rows),
        "joined": pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 900, rows), unit="D"),
        "member": rng.choice([0.0, 1.0, np.nan], rows), "name": [f"name {row}" for row in range(rows)],
        "same": 1.0, "nothing": np.nan, "rare": ["x"] * 20 + ["y"] * (rows - 20)})


def test_groups_of_each_kind_of_column():
    groups = {name: groups_of(column) for name, column in frame_of(900).items()}
    assert [name for name, group in groups.items() if group is None] == ["name", "same", "nothing"]
    assert set(groups["city"]) == {"Kobe", "Oslo", "Lima", "missing"}
    assert set(groups["member"]) == {"0", "1", "missing"}
    assert groups["age"].value_counts().tolist() == [300] * 3
    assert groups["joined"].nunique() == 3 and any(name.startswith("up to 202") for name in groups["joined"])


@pytest.mark.parametrize("kind", TARGETS)
def test_a_model_that_is_right_rarely_raises_an_alarm(kind):
    task = task_of(kind)
    alarms = [
        slices(task, frame_of(300, seed), *example(kind, 300, seed), draws=40).by_chance[0] <= 0.05
        for seed in range(20)
    ]
    assert sum(alarms) <= 4


@pytest.mark.parametrize("kind", TARGETS)
def test_where_the_model_fails_is_found(kind):
    task, frame, (truth, output) = task_of(kind), frame_of(900), example(kind, 900)
    oslo = (frame.city == "Oslo").to_numpy()
    output[oslo] = np.random.default_rng(5).permutation(output[oslo])
    table = slices(task, frame, truth, output)
    assert table.loc[0, ["column", "group"]].tolist() == ["city", "Oslo"] and table.by_chance[0] <= 0.05
    assert abs(table.expected[0] - table.score[0]) > 0.1
    assert "`city` Oslo" in say_slices(task, table) and "weaker than it claims" in say_slices(task, table)
    assert (table.rows >= 30).all() and "x" not in set(table.group)


def test_a_model_that_is_too_sure_of_itself_everywhere_raises_no_alarm_about_groups():
    alarms = []
    for seed in range(20):
        truth, output = example("binary", 300, seed)
        odds = np.exp(8 * (np.log(output[:, 1]) - np.log(output[:, 0])))
        table = slices(BINARY, frame_of(300, seed), truth, two(odds / (1 + odds)), draws=40)
        alarms.append(table.by_chance[0] <= 0.05)
    assert sum(alarms) <= 4


def test_a_group_that_is_harder_to_tell_apart_is_no_failure():
    rng = np.random.default_rng(0)
    easy = rng.random(2000) < 0.5
    output = two(np.where(easy, rng.choice([0.02, 0.98], 2000), rng.uniform(0.4, 0.6, 2000)))
    frame = pd.DataFrame({"kind": np.where(easy, "easy", "hard")})
    table = slices(BINARY, frame, drawn(output[:, 1], rng), output)
    hard = table[table.group == "hard"].iloc[0]
    assert hard.score < 0.65 and hard.by_chance > 0.05


@pytest.mark.filterwarnings("error")
def test_no_group_is_large_enough():
    table = slices(BINARY, frame_of(25), *example("binary", 25))
    assert table.empty and "No group has 30 rows" in say_slices(BINARY, table)
    assert len(show_slices(BINARY, table)) == 1


@pytest.mark.filterwarnings("error")
def test_groups_without_one_of_the_classes_are_left_out():
    frame = pd.DataFrame({"side": ["left"] * 40 + ["right"] * 40})
    truth, output = np.repeat([0, 1], 40), two(np.linspace(0.1, 0.9, 80))
    assert slices(BINARY, frame, truth, output).empty


# ---------------------------------------- the contract
CHOICE = {"family": "forest", "train": 0.99, "validation": 0.87, "folds": [0.86, 0.88], "rows": 1600}


def test_metrics_json_is_the_contract():
    task, (truth, output) = task_of("binary", goal=0.7), example("binary", 300)
    scores = bootstrap(task, truth, output, resamples=50)
    metrics = metrics_json(task, scores, 0.5, CHOICE, "good", 300, 0.2)
    contract = "task metric direction score interval baseline goal reached train validation fit model rows"
    assert set(metrics) == {*contract.split(), "test", "intervals", "threshold", "target"}
    assert metrics["rows"] == {"train": 1600, "test": 300} and metrics["model"] == "forest"
    assert metrics["reached"] is True and metrics["score"] == metrics["test"]["roc_auc"]
    assert metrics["interval"][0] < metrics["score"] < metrics["interval"][1]
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics
    assert in_short(metrics).startswith(f"roc_auc {metrics['score']:.3f} (")
    assert in_short(metrics).endswith("; baseline 0.500; fit: good")


def test_what_is_undefined_is_null():
    scores = bootstrap(BINARY, np.zeros(10, dtype=int), two(np.linspace(0, 1, 10)), resamples=10)
    metrics = metrics_json(BINARY, scores, math.nan, CHOICE | {"train": np.float64("nan")}, "good", 10)
    assert metrics["score"] is metrics["baseline"] is metrics["train"] is metrics["reached"] is None
    assert metrics["interval"] == [None, None] and "undefined" in in_short(metrics)
    assert json.dumps(metrics, allow_nan=False)


def test_regression_has_no_threshold():
    scores = bootstrap(NUMBER, *example("regression", 50), resamples=10)
    assert metrics_json(NUMBER, scores, 0.0, CHOICE, "good", 50)["threshold"] is None


def test_the_parameters_are_the_stage_s_whole_interface():
    parameters = stages()["evaluate"].parameters
    assert {name: parameter.default for name, parameter in parameters.items()} == {
        "run": "", "resamples": 1000, "confidence": 0.95, "threshold": "auto", "curve_points": 4, "seed": 42}
