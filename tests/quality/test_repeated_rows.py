"""Equal rows: chance keeps them, copies go or stay together, and what that does to the target is said."""

import numpy as np
import pandas as pd
import pytest

from mlkit.features.plan import make_target_frame
from mlkit.quality.row_filters import describe_lost_rows, describe_repeated_rows, drop_unusable_rows
from mlkit.quality.splitting import split_train_test
from mlkit.task.copy_groups import copy_groups
from mlkit.task.problem import Problem
from mlkit.task.repeated_rows import find_repeated_rows
from mlkit.task.task_inference import make_task


def few_values(rows=2000, seed=0):
    """Rows that are equal by chance: an income in a few hundred values, and an answer that follows from it."""
    random = np.random.default_rng(seed)
    income = random.normal(49, 10, rows).round(1)
    return pd.DataFrame({"income": income, "late": random.poisson(0.3, rows),
                         "default": (random.random(rows) < 1 / (1 + np.exp((income - 35) / 4))).astype(int)})  # fmt: skip


def bookings(rows=4000, seed=0):
    """Groups book the same stay many times; some of a group differ in the number of adults or requests."""
    random = np.random.default_rng(seed)
    group = np.repeat(np.arange(rows), random.geometric(0.4, rows))[:rows]
    lead, agent, month = (random.integers(0, high, rows)[group] for high in (300, 40, 12))
    price, left = random.integers(40, 200, rows)[group] / 1.0, (random.random(rows) < 0.37)[group]
    return pd.DataFrame({"lead": lead, "agent": agent, "month": month, "price": price,
                         "adults": random.choice([1, 2, 2, 2, 3], rows), "requests": random.poisson(0.5, rows),
                         "canceled": left.astype(int)})  # fmt: skip


TABLES = {
    "few values": (few_values(), "default"),
    "bookings": (bookings(), "canceled"),
    "dice": (pd.DataFrame(np.random.default_rng(0).integers(0, 4, (900, 4)), columns=list("abcy")), "y"),
    "answer of one number": (pd.DataFrame({"x": np.random.default_rng(0).integers(0, 400, 700)})
                             .assign(y=lambda t: t.x > 150), "y"),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
def test_rows_that_are_equal_by_chance_stay(name):
    frame, target = TABLES[name]
    assert frame.duplicated().sum() > 100
    rows, gone = drop_unusable_rows(frame, target)
    assert len(rows) == len(frame) and gone["repeated"] == 0
    assert "are kept" in describe_repeated_rows(frame, rows, target)
    rows, gone = drop_unusable_rows(frame, target, "drop")
    assert len(rows) == len(frame.drop_duplicates())
    assert "left out: repeated" in describe_lost_rows(gone, len(frame))[0]
    assert "kept" not in describe_repeated_rows(frame, rows, target)


@pytest.mark.parametrize("seed", range(3))
def test_copies_go_and_the_change_of_the_shares_is_said(seed):
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {"a": random.normal(size=400), "b": random.integers(0, 9, 400), "y": random.random(400) < 0.3}
    )
    doubled = pd.concat([frame, frame[frame.y], frame[frame.y]]).sample(frac=1, random_state=seed)
    rows, gone = drop_unusable_rows(doubled.reset_index(drop=True), "y")
    assert len(rows) == 400 and gone["repeated"] == 2 * frame.y.sum()
    said = describe_repeated_rows(doubled, rows, "y")
    assert f"from {doubled.y.mean():.1%} to {frame.y.mean():.1%}" in said
    assert len(drop_unusable_rows(doubled, "y", "keep")[0]) == len(doubled)
    coded = few_values(600).assign(key=[f"K{n:04}" for n in range(600)])
    assert drop_unusable_rows(pd.concat([coded, coded.head(20)]), "default")[1]["repeated"] == 20


@pytest.mark.parametrize("kind", ["class", "number"])
@pytest.mark.parametrize("numbered", [True, False])
def test_copies_never_stand_on_both_sides_of_a_split_or_in_two_folds(kind, numbered):
    random = np.random.default_rng(1)
    frame = pd.DataFrame(random.normal(size=(300, 3)).round(3), columns=list("abc"))
    frame["y"] = random.random(300) < 0.3 if kind == "class" else random.normal(size=300)
    frame = pd.concat([frame, *[frame[frame.y > 0.5]] * 3]).sample(frac=1, random_state=0)
    if numbered:
        frame = frame.assign(no=range(len(frame)))
    frame = frame.reset_index(drop=True)
    task = make_task(Problem("y"), frame["y"])
    train, test, way = split_train_test(frame, task)
    assert way.method == "chance" and 0.15 < len(test) / len(frame) < 0.25
    cells = [*"abc"]
    assert not set(map(tuple, train[cells].values)) & set(map(tuple, test[cells].values))
    folds = make_target_frame(task, train.reset_index(drop=True))["fold"]
    assert folds.groupby([*train[cells].reset_index(drop=True).T.values]).nunique().max() == 1


def test_a_table_without_copies_is_split_as_before():
    frame = few_values(500)
    assert copy_groups(frame, "default") is None
    assert find_repeated_rows(frame.head(0)).origin == "none" == find_repeated_rows(frame.head(1)).origin
    assert copy_groups(pd.DataFrame({"no": range(30), "y": [0, 1] * 15}), "y") is None
