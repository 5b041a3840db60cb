"""Metrics that are scored where they were stated: as scikit-learn counts them, with intervals, from a table to the card."""

import math

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

import mlkit
from mlkit.core.errors import MLKitError
from mlkit.monitoring.losses import make_loss_measure
from mlkit.task.influence import influence_values
from mlkit.task.intervals import score_interval
from mlkit.task.metrics import METRICS, metric_names_for
from mlkit.task.task import Task, baseline_output, score_all_metrics, score_output

THEIRS = {
    "mape": sk.mean_absolute_percentage_error,
    "rmsle": sk.root_mean_squared_log_error,
    "poisson_deviance": sk.mean_poisson_deviance,
    "tweedie_deviance": lambda truth, said: sk.mean_tweedie_deviance(truth, said, power=1.5),
    "pinball_10": lambda truth, said: sk.mean_pinball_loss(truth, said, alpha=0.1),
    "pinball_90": lambda truth, said: sk.mean_pinball_loss(truth, said, alpha=0.9),
}
RNG = np.random.default_rng(3)
SAID = RNG.gamma(4, 1, 400)
TRUTH = RNG.poisson(SAID).astype(float)


def test_they_are_all_there_and_none_is_usual() -> None:
    classes = {"quadratic_kappa", "expected_cost"}
    more = {name for name in METRICS if name.startswith(("top_", "recall_at_"))}
    assert {name for name in METRICS if not METRICS[name].is_usual} == {*THEIRS} | classes | more
    assert not {*metric_names_for("regression")} & {*THEIRS}
    assert {*metric_names_for("regression", stated=True)} == {*metric_names_for("regression"), *THEIRS}


@pytest.mark.parametrize("name", THEIRS)
def test_they_are_those_of_scikit_learn(name: str) -> None:
    for truth in (TRUTH, TRUTH + 1):
        assert score_output(name, truth, SAID) == pytest.approx(THEIRS[name](truth, SAID), rel=1e-9)


@pytest.mark.parametrize("name", THEIRS)
def test_each_has_an_interval_and_the_influence_of_each_row(name: str) -> None:
    truth = TRUTH + 1
    low, high = score_interval(name, truth, SAID)
    value = score_output(name, truth, SAID)
    assert 0 < low < value < high
    pulls = influence_values(name, truth, SAID)
    for row in (0, 17, 170):
        rest = np.delete(np.arange(len(truth)), row)
        left = value - score_output(name, truth[rest], SAID[rest])
        assert pulls[row] / (len(truth) - 1) == pytest.approx(left, abs=2e-4)


@pytest.mark.parametrize("name", ["rmsle", "poisson_deviance", "tweedie_deviance"])
def test_negative_numbers_have_no_such_score(name: str) -> None:
    assert math.isnan(score_output(name, np.array([-1.0, 2.0]), np.ones(2)))
    assert math.isfinite(score_output(name, np.array([1.0, 2.0]), np.array([-1.0, 0.0])))


@pytest.mark.parametrize("name", THEIRS)
def test_the_baseline_is_the_best_constant_for_it(name: str) -> None:
    task = Task("y", "regression", name, "minimize")
    own = score_output(name, TRUTH + 1, baseline_output(task, TRUTH + 1, len(TRUTH)))
    assert own <= score_output(name, TRUTH + 1, np.full(len(TRUTH), 2 * TRUTH.mean()))
    assert [*score_all_metrics(task, TRUTH, SAID)][-1] == name
    assert make_loss_measure(task, TRUTH + 1, SAID).losses(TRUTH + 1, SAID).max() <= 1


def test_a_model_is_searched_and_scored_by_it() -> None:
    table = pd.DataFrame({"size": SAID, "other": RNG.normal(size=400), "count": TRUTH.astype(int)})
    model = mlkit.fit(table, "count", metric="poisson_deviance", trials=2, budget=0, models="linear", jobs=1,
                      split="chance", task="regression")  # fmt: skip
    assert model.metrics["metric"] == "poisson_deviance" and model.metrics["direction"] == "minimize"
    assert model.metrics["score"] < model.metrics["baseline"] and "Poisson deviance" in repr(model)
    low, high = model.metrics["interval"]
    assert low < model.metrics["score"] < high
    with pytest.raises(MLKitError, match="is not for"):
        mlkit.fit(table.assign(count=np.where(TRUTH > 3, "a", "b")), "count", metric="mape")


def graded(rows: int = 600, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Codes of four ordered classes, and probabilities that are mostly right or next to it."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 4, rows)
    near = np.clip(truth + rng.integers(-1, 2, rows), 0, 3)
    return truth, 0.7 * np.eye(4)[near] + 0.3 * rng.dirichlet(np.ones(4), rows)


def test_quadratic_kappa_is_that_of_scikit_learn_with_an_interval_that_holds() -> None:
    truth, output = graded(200_000, 1)
    right = score_output("quadratic_kappa", truth, output)
    assert right == pytest.approx(sk.cohen_kappa_score(truth, output.argmax(axis=1), weights="quadratic"))
    held = 0
    for start in range(0, 100_000, 500):
        low, high = score_interval("quadratic_kappa", truth[start : start + 500], output[start : start + 500])
        held += low <= right <= high
    assert 0.91 <= held / 200 <= 0.99
    by_chance = score_interval("quadratic_kappa", truth, output[::-1])
    assert by_chance[0] < 0.01 and by_chance[1] > -0.01
    assert math.isnan(
        score_output("quadratic_kappa", np.zeros(5, dtype=int), np.eye(4)[np.zeros(5, dtype=int)])
    )


def test_quadratic_kappa_takes_classes_in_their_order() -> None:
    truth, output = graded(300)
    table = pd.DataFrame({"a": output @ np.arange(4), "b": RNG.normal(size=300)})
    how = {
        "metric": "quadratic_kappa",
        "trials": 1,
        "budget": 0,
        "models": "tree",
        "jobs": 1,
        "split": "chance",
    }
    for names in (["very low", "low", "high", "very high"], ["1", "2", "9", "10"]):
        model = mlkit.fit(table.assign(grade=np.array(names)[truth]), "grade", task="multiclass", **how)
        assert [str(each) for each in model.classes_] == names and model.metrics["score"] > 0.5
        low, high = model.metrics["interval"]
        assert low < model.metrics["score"] < high
    words = np.array(["oak", "elm", "fir", "ash"])[truth]
    with pytest.raises(MLKitError, match="quadratic_kappa is for classes in an order"):
        mlkit.fit(table.assign(grade=words), "grade", **how)


def test_the_interval_of_a_negative_r2_holds_too() -> None:
    rng, held = np.random.default_rng(4), 0
    for _ in range(300):
        truth = rng.normal(size=200)
        low, high = score_interval("r2", truth, rng.normal(0, 0.7, 200))
        held += low <= -0.49 <= high
    assert 0.91 <= held / 300 <= 0.99
