import math
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import mlkit.evaluation.second_search as second_search
from mlkit.core.formatting import format_number
from mlkit.evaluation.fit_diagnosis import describe_advice, diagnose_scores, suggest_improvements
from mlkit.evaluation.learning_curve import (
    curve_sizes,
    describe_learning_curve,
    learning_curve,
    plot_learning_curve,
)
from mlkit.evaluation.reference_models import (
    REFERENCE_FAMILIES,
    ReferenceModel,
    evaluate_out_of_fold,
    stratified_order,
)
from mlkit.evaluation.second_search import SecondSearch, run_second_search, second_search_families
from mlkit.models.cross_validation import TrainingData, estimator_output, fit_estimator
from mlkit.models.trials import Trial
from mlkit.task.comparison import ScoreDifference
from mlkit.task.metrics import metric_names_for
from mlkit.task.task import baseline_output, score_output
from tests.bench.verdicts import constructed, made
from tests.judging import BINARY, MANY, drawn, task_of


# ---------------------------------------- fit
def cross_validated(task, estimator, inputs, truth):
    """Mean score on training rows, mean score on others, the latter one by one, and the baseline."""
    rows, learned, others = np.arange(len(truth)), [], []
    for fold in range(5):
        learn, judge = rows[rows % 5 != fold], rows[rows % 5 == fold]
        fitted = fit_estimator(estimator, inputs.iloc[learn], truth[learn])
        for part, scores in ((learn, learned), (judge, others)):
            scores.append(score_output(task, truth[part], estimator_output(fitted, task, inputs.iloc[part])))
    baseline = score_output(task, truth, baseline_output(task, truth, len(truth)))
    return float(np.mean(learned)), float(np.mean(others)), others, baseline


def fit_of(kind, metric, estimator, noise):
    rng = np.random.default_rng(3)
    inputs = pd.DataFrame(rng.normal(size=(400, 5)), columns=list("vwxyz"))
    signal = 3 * (inputs.v + inputs.w).to_numpy() * (not noise)
    truth = signal + rng.normal(size=400)
    if kind == "binary":
        truth = drawn(np.full(400, 0.4) if noise else 1 / (1 + np.exp(-signal)), rng)
    task = task_of(kind, metric)
    return diagnose_scores(task, *cross_validated(task, estimator, inputs, truth))[0]


@pytest.mark.parametrize("metric", metric_names_for("binary"))
def test_fit_of_classifiers(metric):
    assert fit_of("binary", metric, DecisionTreeClassifier(random_state=0), noise=True) == "overfit"
    assert fit_of("binary", metric, DummyClassifier(), noise=False) == "underfit"
    assert fit_of("binary", metric, LogisticRegression(), noise=False) == "good"


@pytest.mark.parametrize("metric", metric_names_for("regression"))
def test_fit_of_regressors(metric):
    assert fit_of("regression", metric, DecisionTreeRegressor(random_state=0), noise=True) == "overfit"
    assert fit_of("regression", metric, DummyRegressor(), noise=False) == "underfit"
    assert fit_of("regression", metric, Ridge(), noise=False) == "good"


@settings(max_examples=100)
@given(st.floats(0.5, 1), st.floats(0.4, 1), st.floats(0, 0.2), st.floats(0.3, 0.7))
def test_fit_keeps_its_stated_rules(train, validation, spread, baseline):
    folds = [validation - spread, validation, validation + spread]
    fit, said = diagnose_scores(BINARY, train, validation, folds, baseline)
    noise, gain, gap = 2 * spread / math.sqrt(3), train - baseline, train - validation
    assert (fit == "underfit") == (not gain > 0.1 * min(baseline, 1 - baseline))
    assert (fit == "overfit") == (fit != "underfit" and gap > max(gain / 2, noise))
    assert (
        format_number(train) in said and format_number(validation) in said and format_number(baseline) in said
    )


def test_fit_does_not_ask_which_way_is_better():
    loss = task_of("binary", "brier")
    for train, validation in ((0.01, 0.24), (0.1, 0.12), (0.249, 0.25)):
        upside_down = 1 - 2 * train, 1 - 2 * validation
        fit, _ = diagnose_scores(BINARY, *upside_down, [upside_down[1]], 0.5)
        assert diagnose_scores(loss, train, validation, [validation], 0.25)[0] == fit


def test_a_gap_within_the_spread_of_the_folds_is_no_overfit():
    assert diagnose_scores(BINARY, 0.8, 0.6, [0.3, 0.6, 0.9], 0.5)[0] == "good"
    assert diagnose_scores(BINARY, 0.8, 0.6, [0.58, 0.6, 0.62], 0.5)[0] == "overfit"


def test_a_small_gain_over_a_small_baseline_is_no_underfit():
    rare = task_of("binary", "average_precision")
    assert diagnose_scores(rare, 0.08, 0.07, [0.07] * 3, 0.01)[0] == "good"


# ---------------------------------------- with usual models beside it
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "kind, shapes",
    [("binary", ("sum", "noise")), ("multiclass", ("product",)), ("regression", ("sum", "steps"))],
)
def test_models_that_were_built_to_learn_too_little_or_too_much_are_named(kind, shapes):
    found = list(constructed(11, kind, 300, shapes))
    wrong = [one for one in found if one[0] != one[2]]
    assert len(found) >= 3 and not wrong  # the bench counts them over many seeds


def rival(ahead, low, train=0.9, validation=0.85):
    return ReferenceModel("boosting", train, validation, ScoreDifference(ahead, low, ahead + 0.02))


def test_a_rival_that_is_clearly_ahead_shows_what_was_left_undone():
    little = diagnose_scores(BINARY, 0.62, 0.61, [0.61] * 3, 0.5, [rival(0.24, 0.2)])
    much = diagnose_scores(BINARY, 1.0, 0.70, [0.70] * 3, 0.5, [rival(0.15, 0.1)])
    assert little[0] == "underfit" and "boosting* model gets 0.850" in little[1]
    assert much[0] == "overfit" and "boosting* model gets 0.850" in much[1]
    assert diagnose_scores(BINARY, 0.83, 0.82, [0.82] * 3, 0.5, [rival(0.03, 0.01)])[0] == "good"
    assert diagnose_scores(BINARY, 0.62, 0.61, [0.61] * 3, 0.5, [rival(0.24, -0.01)])[0] == "good"


def test_memory_does_no_harm_where_no_rival_does_better():
    alone, facing = (
        diagnose_scores(BINARY, 1.0, 0.72, [0.72] * 3, 0.5, rivals)[0]
        for rivals in ([], [rival(0.01, -0.01, 0.75, 0.73)])
    )
    assert (alone, facing) == ("overfit", "good")


def test_advice_says_what_would_help():
    ahead = [rival(0.2, 0.15)]
    assert (
        suggest_improvements(BINARY, "underfit", ahead, "flat")[0]
        == "A richer model: boosting gets 0.850 on validation rows."
    )
    assert suggest_improvements(BINARY, "overfit", ahead)[0].startswith("Stricter settings")
    assert suggest_improvements(BINARY, "good", [], "rising") == [
        "More rows: the learning curve still rises."
    ]
    assert suggest_improvements(BINARY, "underfit", [], "flat") == [
        "Columns that say more: the usual models learn no more either."
    ]
    assert suggest_improvements(BINARY, "good", [], "full") == ["Nothing: little is left to gain."]
    assert "retrain" in describe_advice(["x"], "overfit", "tell") and "retrain" not in describe_advice(
        ["x"], "good", "tell"
    )


# ---------------------------------------- a second search
def test_a_second_search_makes_an_overfit_model_room_for_a_better_one():
    task, plan, inputs, truth, folds = made("sum", "binary", 3, 400)
    data = TrainingData(inputs, truth, np.arange(400) % 5, plan, task)
    held = evaluate_out_of_fold(DecisionTreeClassifier(random_state=0), task, inputs, truth, folds)
    second = run_second_search(data, "overfit", "tree", held.validation, jobs=1)
    assert (
        second.kept
        and second.found.value > 0.05
        and second.after.family in second_search_families("overfit", "tree")
    )


@pytest.mark.parametrize(
    "metric, before, after",
    [
        ("roc_auc", [0.80, 0.82, 0.84], [0.83, 0.80, 0.85]),
        ("log_loss", [0.50, 0.52, 0.54], [0.47, 0.55, 0.52]),
    ],
)
def test_what_is_better_by_chance_only_is_not_kept(metric, before, after, monkeypatch):
    trial = Trial(0, "linear", {}, "complete", after, after)
    monkeypatch.setattr(second_search, "search_trials", lambda *given, **more: [trial])
    task = task_of("binary", metric)
    data = TrainingData(pd.DataFrame({"x": range(30)}), np.arange(30) % 2, np.arange(30) % 3, None, task)
    second = run_second_search(data, "overfit", "tree", before)
    assert isinstance(second, SecondSearch) and not second.kept and second.found.value > 0


def test_families_of_a_second_search():
    assert "neural" not in second_search_families("overfit", "linear")
    assert {"boosting", "neural"} <= set(second_search_families("underfit", "tree"))
    assert set(REFERENCE_FAMILIES) <= set(second_search_families("overfit", "sklearn.svm.SVC"))


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
    order = stratified_order(MANY, truth, np.random.default_rng(seed))
    assert sorted(order) == list(range(len(truth)))
    for end in range(1, len(truth) + 1):
        for code in set(codes):
            share = np.mean(truth == code)
            assert abs(np.sum(truth[order[:end]] == code) - share * end) <= len(set(codes))


def test_a_rare_class_is_there_from_the_beginning():
    truth = np.arange(1000) % 100 // 95
    for seed in range(5):
        order = stratified_order(BINARY, truth, np.random.default_rng(seed))
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
    assert "cannot tell" in describe_learning_curve(BINARY, curve, 600)
    assert "measured on 200 of 9,000 rows" in describe_learning_curve(
        BINARY, curve_of([0.7] * 3, [0.8] * 3), 9000
    )


def test_the_curve_ends_at_what_the_folds_have():
    few = [(learn[:100], judge) for learn, judge in FOLDS]
    assert learning_curve(LogisticRegression(), BINARY, FRAME, CODES, few).rows.max() == 100


def test_no_curve_is_wanted():
    assert learning_curve(LogisticRegression(), BINARY, FRAME, CODES, FOLDS, points=0).empty


def curve_of(before, after, train=0.9):
    parts = [
        pd.DataFrame({"rows": rows, "fold": range(len(part)), "train": train, "validation": part})
        for rows, part in ((100, before), (200, after))
    ]
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
    assert part in describe_learning_curve(task_of("binary", metric), curve, 250)


def test_the_last_point_of_the_curve_is_taken_from_what_is_known():
    held = evaluate_out_of_fold(LogisticRegression(), BINARY, FRAME, CODES, FOLDS)
    again = learning_curve(LogisticRegression(), BINARY, FRAME, CODES, FOLDS, points=3)
    known = learning_curve(LogisticRegression(), BINARY, FRAME, CODES, FOLDS, points=3, held=held)
    pd.testing.assert_frame_equal(again, known)


def test_the_learning_curve_is_drawn():
    axes = plot_learning_curve(BINARY, curve_of([0.7, 0.8], [0.75, 0.85])).axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["100", "200"]
