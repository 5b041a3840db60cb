"An interval counts persons, not rows, where the rows of a person hang together."

import warnings

import numpy as np
import pandas as pd
import pytest

from mlkit import fit
from mlkit.task.intervals import score_intervals
from mlkit.task.problem import Problem
from mlkit.task.task import score_output
from mlkit.task.task_inference import make_task


def draw(rng, groups: int, size: int, metric: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    "Group, truth and output; the rows of a group are nearly the same."
    group = np.repeat(np.arange(groups), size)
    level = rng.normal(size=groups)[group]
    if metric in ("r2", "rmse"):
        guess = 0.6 * level + rng.normal(0, 0.5, groups)[group] + rng.normal(0, 0.1, len(group))
        return group, level + rng.normal(0, 0.5, len(group)), guess
    truth = (rng.random(groups)[group] < 1 / (1 + np.exp(-2 * level))).astype(int)
    share = 1 / (1 + np.exp(-level - rng.normal(0, 0.1, len(group))))
    return group, truth, np.column_stack([1 - share, share])


@pytest.mark.parametrize(
    ("groups", "size", "metric"),
    [
        (20, 8, "roc_auc"),
        (40, 4, "roc_auc"),
        (20, 8, "r2"),
        (20, 8, "rmse"),
        (20, 8, "accuracy"),
        (60, 4, "f1"),
    ],
)
def test_intervals_hold_the_truth(groups, size, metric):
    rng = np.random.default_rng(0)
    cells = pd.Series(["no", "yes"] * 50 if metric not in ("r2", "rmse") else np.linspace(0, 1, 100))
    task = make_task(Problem("y", metric=metric), cells)
    known = score_output(metric, *draw(rng, 20_000, size, metric)[1:])
    held = {"rows": 0, "groups": 0}
    for _ in range(200):
        group, truth, output = draw(rng, groups, size, metric)
        for name, codes in (("rows", None), ("groups", group)):
            own = score_intervals(task, truth, output, groups=codes).iloc[0]
            held[name] += own.low <= known <= own.high
    assert held["groups"] >= 180 and held["rows"] < 170, held


def test_one_row_a_group_changes_nothing():
    rng = np.random.default_rng(1)
    _, truth, output = draw(rng, 300, 1, "roc_auc")
    task = make_task(Problem("y"), pd.Series(["no", "yes"] * 50))
    both = [score_intervals(task, truth, output, groups=codes) for codes in (None, np.arange(300))]
    assert np.allclose(*(each[["low", "high"]].to_numpy(float) for each in both), atol=0.01)


@pytest.mark.parametrize("name", ["email", "patient_id"])
def test_a_table_of_persons(name):
    "Labels are drawn by person: nothing can be learned, and the interval must not exclude 0.5."
    rng = np.random.default_rng(0)
    person = rng.permutation(np.repeat(np.arange(100), 8))
    frame = pd.DataFrame(
        rng.normal(size=(100, 3))[person] + rng.normal(0, 0.05, (800, 3)), columns=list("abc")
    )
    frame[name] = [f"p{one}@x.org" if name == "email" else 1000 + one for one in person]
    frame["ill"] = rng.integers(0, 2, 100)[person]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        metrics = fit(frame, "ill", budget=0, trials=2, models="linear").metrics
    low, high = metrics["interval"]
    assert low <= 0.5 <= high and high - low > 0.3, metrics["interval"]
