"""Copies with a little noise stay together in the split and in folds; honest rows are no copies."""

import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlkit import fit
from mlkit.features.plan import make_target_frame
from mlkit.quality.row_filters import describe_near_copies
from mlkit.quality.splitting import split_train_test
from mlkit.sources.examples import load_example
from mlkit.task.copy_groups import copy_groups, find_near_copies
from mlkit.task.problem import Problem
from mlkit.task.task_inference import make_task

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))
from leaks import HONEST  # noqa: E402


def multiplied(columns=4, rows=400, copies=3, noise=0.001, only=None, seed=0, words=False, integer=False):
    "Answers by chance; the rows (of one class, or all) several times over, with noise."
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(random.normal(size=(rows, columns)), columns=[f"x{n}" for n in range(columns)])
    names = list(frame)
    if words:
        frame["shop"] = random.choice(["north", "south", "east"], rows)
    if integer:
        frame["age"] = random.integers(18, 80, rows)
    frame["y"] = np.where(random.random(rows) < (0.5 if only is None else 0.15), "yes", "no")
    again = pd.concat([frame if only is None else frame[frame.y == only]] * copies)
    again[names] += random.normal(0, noise, (len(again), columns))
    whole = pd.concat([frame, again]).assign(origin=lambda each: each.index)
    return whole.sample(frac=1, random_state=seed).round(6).reset_index(drop=True)


CASES = {
    "every row": multiplied(),
    "two columns": multiplied(2, rows=300, noise=0.0003),
    "many columns": multiplied(14, copies=1),
    "a rare class": multiplied(5, only="yes", copies=8),
    "much noise": multiplied(6, noise=0.01),
    "words and counts": multiplied(3, words=True, integer=True),
    "one copy of some": multiplied(4, rows=800, only="yes", copies=1),
}


@pytest.mark.parametrize("written", ["numbers", "texts", "numbered"])
@pytest.mark.parametrize("case", CASES)
def test_copies_with_noise_stay_together(case, written):
    frame = CASES[case].drop(columns="origin")
    if written == "texts":
        frame = frame.astype("str")
    elif written == "numbered":
        frame = frame.assign(no=[f"R{n:05}" for n in range(len(frame))])
    origin = CASES[case]["origin"]
    groups = copy_groups(frame, "y")
    assert groups is not None
    kept = pd.Series(groups).groupby(origin).nunique()
    assert (kept == 1).mean() > 0.97, "copies are in one group"
    assert len(np.unique(groups)) > 0.95 * origin.nunique(), "and strangers are not"
    task = make_task(Problem("y"), frame["y"])
    train, test, way = split_train_test(frame, task)
    assert way.method == "chance" and 0.12 < len(test) / len(frame) < 0.28
    both = set(origin[train.index]) & set(origin[test.index])
    assert len(both) <= 0.03 * origin.nunique()
    folds = make_target_frame(task, train.reset_index(drop=True))["fold"]
    spread = folds.groupby(origin[train.index].to_numpy()).nunique()
    assert (spread == 1).mean() > 0.97
    assert "but for a little noise" in describe_near_copies(frame, "y")


def test_the_score_of_answers_by_chance_is_chance():
    frame = CASES["every row"].drop(columns="origin")
    with pytest.warns(UserWarning, match="but for a little noise"):
        model = fit(frame, "y", models="boosting forest", trials=4, budget=0)
    assert model.metrics["score"] < 0.65 and "copies" in model.metrics["dropped"]


REAL = ["customers", "breast_cancer", "wine", "diabetes", "digits"]


@pytest.mark.parametrize("name", [*HONEST, *REAL, "line", "plane", "days", "clusters"])
def test_honest_rows_are_no_copies(name):
    random = np.random.default_rng(2)
    if name in HONEST:
        frame, target = HONEST[name](3)
        frame = frame.head(1500)
    elif name in REAL:
        frame, target = load_example(name), None
    else:
        t, u = random.random((2, 800))
        frame = {
            "line": pd.DataFrame({"a": t, "b": 3 * t + 1, "c": np.sin(t)}),
            "plane": pd.DataFrame({"a": t.round(2), "b": u.round(1), "c": (t * u).round(3)}),
            "days": pd.DataFrame({"d": np.arange(800) / 7, "v": np.cumsum(random.normal(size=800))}),
            "clusters": pd.DataFrame(
                random.normal(size=(5, 3))[random.integers(0, 5, 800)] * 20 + random.normal(size=(800, 3))
            ).add_prefix("x"),
        }[name].assign(y=random.random(800) < 0.4)
        target = "y"
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        groups = copy_groups(frame, target)
    assert groups is None or frame.duplicated().sum(), name
    assert "noise" not in describe_near_copies(frame, target or str(frame.columns[-1]))


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_a_price_list_holds_no_copies(seed):
    """Goods of one kind differ in price alone, and lie on a short line far from the next kind."""
    chance = np.random.default_rng(seed)
    kind = chance.integers(0, 200, 6_000)
    spread = np.exp(chance.normal(size=200))[kind] * np.exp(chance.normal(0, 0.3, 6_000))
    price = 10 * (10 * spread).round() + 10
    cost = (0.75 * price).round() + chance.integers(0, 2, 6_000)
    listed = pd.DataFrame({"kind": 1_000 * (kind // 10) + kind, "cost": cost, "price": price})
    assert find_near_copies(listed) is None
