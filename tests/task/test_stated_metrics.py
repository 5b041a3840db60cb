"""Metrics that are scored where they were stated: as scikit-learn counts them, with intervals, from a table to the card."""

import math

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

import mlkit
from mlkit.core.errors import MLKitError
from mlkit.monitoring.losses import make_loss_measure
from mlkit.task.intervals import influence_values, score_interval
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
    assert {name for name in METRICS if not METRICS[name].is_usual} == set(THEIRS)
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
