"""Expected cost, top-k accuracy, recall at the top: counted right, with intervals that hold, from table to prediction."""

import math

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

import mlkit
from mlkit.core.errors import DataError, MLKitError
from mlkit.monitoring.losses import make_loss_measure
from mlkit.task.comparison import compare_outputs
from mlkit.task.influence import influence_values
from mlkit.task.intervals import score_interval, score_intervals, widen_interval
from mlkit.task.metrics import METRICS
from mlkit.task.task import (
    Task,
    baseline_output,
    break_even_threshold,
    mean_cost,
    score_all_metrics,
    score_output,
)
from tests.bench.intervals import MANY, TWO
from tests.judging import example, task_of

COSTLY = Task("y", "binary", "expected_cost", "minimize", ["no", "yes"], "yes", cost_false_negative=5)
RECALLS = [name for name in METRICS if name.startswith("recall_at_")]
TOPS = [name for name in METRICS if name.startswith("top_")]


# ---------------------------------------- expected cost
def test_expected_cost_is_counted_at_the_threshold_where_acting_breaks_even() -> None:
    truth, output = example("binary", 500)
    assert COSTLY.threshold == break_even_threshold(COSTLY) == pytest.approx(1 / 6)
    assert score_output(COSTLY, truth, output) == mean_cost(COSTLY, truth, output, 1 / 6)
    said = output[:, 1] >= 0.3
    by_hand = np.mean(said * (truth == 0) + 5 * ~said * (truth == 1))
    assert score_output(COSTLY, truth, output, 0.3) == pytest.approx(by_hand)
    metric = COSTLY.scored_by
    assert (metric.lowest, metric.highest, metric.perfect, metric.greater_is_better) == (0, 5, 0, False)
    assert Task.from_dict(COSTLY.to_dict()) == COSTLY


def test_where_it_is_reported_beside_another_metric_it_counts_what_the_model_does() -> None:
    task = task_of("binary", "roc_auc", metrics="expected_cost", cost_false_negative=5)
    truth, output = example("binary", 500)
    assert task.threshold == 0.5
    scores = score_all_metrics(task, truth, output)
    assert scores["expected_cost"] == mean_cost(task, truth, output, 0.5)
    assert score_all_metrics(task, truth, output, 0.2)["expected_cost"] == mean_cost(task, truth, output, 0.2)


def test_the_cost_without_a_model_is_that_of_the_better_constant() -> None:
    for share, best in ((0.5, 0.5), (0.1, 0.5)):  # act on all; act on none
        truth = (np.arange(200) < 200 * share).astype(int)
        assert score_output(COSTLY, truth, baseline_output(COSTLY, truth, 200)) == pytest.approx(best)


@pytest.mark.parametrize("name", ["30 % positive", "5 % positive", "50 %, strong model"])
@pytest.mark.parametrize(
    "metric",
    [COSTLY.scored_by, "recall_at_5_percent", "recall_at_20_percent"],
    ids=lambda metric: getattr(metric, "name", metric),
)
def test_two_class_intervals_hold_as_often_as_they_say(metric, name) -> None:
    make, rng = TWO[name][0], np.random.default_rng(1)
    known, held = score_output(metric, *make(rng, 400_000)), 0
    for _ in range(300):
        low, high = score_interval(metric, *make(rng, 200))
        held += low <= known <= high
    assert 0.92 <= held / 300 <= 0.99


def test_the_interval_of_a_cost_ends_within_its_range_and_reaches_beyond_no_mistakes() -> None:
    truth = np.repeat([0, 1], 30)
    low, high = score_interval(COSTLY.scored_by, truth, np.eye(2)[truth])
    assert low == 0 and 0.1 < high < 5
    assert widen_interval(COSTLY.scored_by, 4.0, 3.5, 4.5, 20)[1] <= 5


def test_two_models_are_compared_by_their_cost_row_by_row() -> None:
    truth, output = example("binary", 2000)
    found = compare_outputs(COSTLY, truth, output, output[:, ::-1])
    one, other = (score_output(COSTLY, truth, each) for each in (output, output[:, ::-1]))
    assert found.verdict == "better" and found.value == pytest.approx(other - one)


def test_a_model_searched_by_cost_acts_where_it_breaks_even(tmp_path) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.normal(size=400), "b": rng.normal(size=400)})
    table["left"] = np.where(rng.random(400) < 1 / (1 + np.exp(1.5 - 2 * table.a)), "yes", "no")
    how = {"trials": 2, "budget": 0, "models": "linear", "jobs": 1, "split": "chance"}
    model = mlkit.fit(table, "left", metric="expected_cost", cost_false_negative=9, **how)
    said = model.metrics
    assert said["threshold"] == pytest.approx(0.1) and said["direction"] == "minimize"
    assert said["interval"][0] < said["score"] < said["interval"][1] and said["score"] < said["baseline"]
    assert "Expected cost" in repr(model)
    acted = model.predict_proba(table)[:, 1] >= 0.1
    assert (model.predict(table) == np.where(acted, "yes", "no")).all() and 0.5 < acted.mean()
    estimator = mlkit.MLKitClassifier(metric="expected_cost", cost_false_negative=9, **how)
    said = estimator.fit(table[["a", "b"]], table.left).predict(table[["a", "b"]])
    assert (said == np.where(estimator.predict_proba(table[["a", "b"]])[:, 1] >= 0.1, "yes", "no")).all()
    estimator.save(tmp_path / "package")
    assert (mlkit.load(tmp_path / "package").predict(table) == said).all()
    with pytest.raises(MLKitError, match="costs are numbers from 0 on"):
        mlkit.fit(table, "left", metric="expected_cost", cost_false_positive=-1, **how)
    with pytest.raises(MLKitError, match="cost_false_positive must be a number"):
        mlkit.fit(table, "left", metric="expected_cost", cost_false_positive="1", **how)
    with pytest.raises(MLKitError, match="is not for 'a', which is regression"):
        mlkit.fit(table, "a", metric="expected_cost", **how)


def test_a_monitor_watches_the_cost_itself() -> None:
    truth, output = example("binary", 500)
    measure = make_loss_measure(COSTLY, truth, output, 1 / 6)
    losses = measure.losses(truth, output)
    assert measure.exact and measure.name == "expected_cost" and 0 <= losses.min() <= losses.max() <= 1
    assert measure.score(losses.mean()) == pytest.approx(score_output(COSTLY, truth, output))
    assert measure.loss(measure.score(0.3)) == pytest.approx(0.3)


# ---------------------------------------- top-k accuracy
@pytest.mark.parametrize("name", TOPS)
def test_top_k_accuracy_is_that_of_scikit_learn(name: str) -> None:
    rng, k = np.random.default_rng(2), METRICS[name].settings["k"]
    truth, output = rng.integers(0, 12, 500), rng.dirichlet(np.ones(12), 500)
    right = sk.top_k_accuracy_score(truth, output, k=k)
    assert score_output(name, truth, output) == pytest.approx(right) and str(k) in METRICS[name].label
    task = Task("y", "multiclass", name, "maximize", [str(each) for each in range(12)])
    measure = make_loss_measure(task, truth, output)
    assert measure.exact and measure.score(measure.losses(truth, output).mean()) == pytest.approx(right)


def test_of_equal_probabilities_the_first_classes_are_named() -> None:
    level = np.full((4, 4), 0.25)
    assert score_output("top_2_accuracy", np.arange(4), level) == 0.5


def test_its_interval_holds_as_often_as_it_says() -> None:
    make, rng = MANY["5 classes, rare ones"][0], np.random.default_rng(1)
    known, held = score_output("top_2_accuracy", *make(rng, 400_000)), 0
    for _ in range(300):
        low, high = score_interval("top_2_accuracy", *make(rng, 200))
        held += low <= known <= high
    assert 0.92 <= held / 300 <= 0.99


def test_naming_all_classes_is_no_metric() -> None:
    assert task_of("multiclass", "top_2_accuracy").scored_by.label == "Top-2 accuracy"
    with pytest.raises(
        DataError, match="top_3_accuracy says nothing of 'target', which has 3 classes: .* take accuracy"
    ):
        task_of("multiclass", "top_3_accuracy")


def test_a_model_of_many_classes_is_searched_by_it() -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.normal(size=400), "b": rng.normal(size=400)})
    table["kind"] = np.array(["p", "q", "r", "s", "t"])[
        np.digitize(table.a + 0.7 * rng.normal(size=400), [-1, -0.3, 0.3, 1])
    ]
    model = mlkit.fit(table, "kind", metric="top_2_accuracy", metrics="top_3_accuracy", trials=2, budget=0,
                      models="linear", jobs=1, split="chance")  # fmt: skip
    assert model.metrics["baseline"] < model.metrics["score"] < model.metrics["test"]["top_3_accuracy"]
    assert model.metrics["test"]["accuracy"] < model.metrics["score"] and "Top-2 accuracy" in repr(model)


# ---------------------------------------- recall at the top
def test_recall_at_the_top_counts_the_positives_among_the_first_rows() -> None:
    value = np.linspace(0.99, 0.01, 100)
    output = np.column_stack([1 - value, value])
    truth = np.zeros(100, dtype=int)
    truth[[0, 3, 8, 50]] = 1
    assert [score_output(f"recall_at_{share}_percent", truth, output) for share in (1, 5, 10, 20)] == [
        0.25,
        0.5,
        0.75,
        0.75,
    ]
    assert score_output("recall_at_1_percent", truth[:30], output[:30]) == pytest.approx(1 / 3)  # one row


@pytest.mark.parametrize("name", RECALLS)
def test_rows_of_equal_probability_are_taken_in_part(name: str) -> None:
    truth, share = np.tile([0, 0, 0, 1], 100), METRICS[name].settings["share"]
    task = task_of("binary", name)
    assert score_output(name, truth, baseline_output(task, truth, 400)) == pytest.approx(share)
    assert f"{share:.0%}".replace("%", " %") in METRICS[name].label


def test_the_influence_of_a_row_is_what_leaving_it_out_does() -> None:
    truth, output = example("binary", 400, 3)
    output = np.column_stack([1 - output[:, 1] ** 2, output[:, 1] ** 2])
    pulls = influence_values("recall_at_20_percent", truth, output)
    assert abs(pulls.mean()) < 1e-9
    draws, rng = [], np.random.default_rng(0)
    for _ in range(400):
        pick = rng.integers(0, 400, 400)
        draws.append(score_output("recall_at_20_percent", truth[pick], output[pick]))
    assert pulls.std() / math.sqrt(400) == pytest.approx(np.std(draws), rel=0.15)
    for row in (0, 17, 170):
        rest = np.delete(np.arange(400), row)
        moved = score_output(COSTLY, truth, output) - score_output(COSTLY, truth[rest], output[rest])
        found = influence_values(COSTLY.scored_by, truth, output)[row] / 399
        assert found == pytest.approx(moved, abs=2e-4)


@pytest.mark.parametrize("name", [*RECALLS, *TOPS[:1], "expected_cost"])
def test_rows_that_hang_together_widen_its_interval(name: str) -> None:
    kind = "multiclass" if name in TOPS else "binary"
    task, (truth, output) = task_of(kind, name), example(kind, 200)
    truth, output = np.repeat(truth, 5), np.repeat(output, 5, axis=0)
    plain, grouped = (
        score_intervals(task, truth, output, groups=groups).iloc[0]
        for groups in (None, np.repeat(np.arange(200), 5))
    )
    assert grouped.low < plain.low <= plain.value <= plain.high < grouped.high
    assert task.scored_by.lowest <= grouped.low and grouped.high <= task.scored_by.highest


@pytest.mark.parametrize("name", RECALLS)
def test_a_monitor_watches_its_near_relative(name: str) -> None:
    truth, output = example("binary", 300)
    measure = make_loss_measure(task_of("binary", name), truth, output)
    assert "watched by the order of pairs" in measure.label and measure.losses(truth, output).max() <= 1
