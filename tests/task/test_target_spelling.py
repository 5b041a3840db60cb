"""Which labels of a target are classes, which are one class, which stand for nothing, and which are counts."""

import numpy as np
import pandas as pd
import pytest

from mlkit.quality.row_filters import drop_unreadable_targets, drop_unusable_rows
from mlkit.task.problem import state_problem
from mlkit.task.target import missing_targets
from mlkit.task.task import Task, target_values
from mlkit.task.task_inference import make_task


def settle(cells, rows=30, **stated):
    column = pd.Series([cell for cell in cells for _ in range(rows)], name="y")
    usable = column[~missing_targets(column)]
    task = make_task(state_problem("y", **stated), usable)
    assert Task.from_dict(task.to_dict()) == task
    return task, target_values(task, usable)


@pytest.mark.parametrize(
    "cells, yes",
    [
        (["yes", "Yes ", "YES", "y", "no", "No", "N"], "yes"),
        (["Y", "y", "N", "n"], "y"),
        (["TRUE", "False", "true", "f"], "true"),
        (["1", "0", "true"], "true"),
        (["ｙｅｓ", "yes\u00a0", "no", "NO "], "yes"),
        (["はい", "いいえ", "はい "], "はい"),
        (["Y", "yes", "no"], "yes"),
    ],
)
def test_words_for_yes_and_no_are_two_classes(cells, yes):
    task, values = settle(cells)
    assert (task.type, task.positive) == ("binary", yes)
    assert set(values) == set(task.classes)


@pytest.mark.parametrize(
    "cells, classes",
    [
        (["ZA", "NA", "BW"], {"ZA", "NA", "BW"}),
        (["None", "mild", "severe"], {"None", "mild", "severe"}),
        (["null", "fraud"], {"null", "fraud"}),
        (["AA", "Aa", "aa"], {"AA", "Aa", "aa"}),
        (["AA", "Aa", "aa", "BB", "Bb", "bb"], {"AA", "Aa", "aa", "BB", "Bb", "bb"}),
        (["T", "F", "N"], {"T", "F", "N"}),
        (["a", "A"], {"a", "A"}),
        (["Red", "red", "RED", "blue"], {"red", "blue"}),
        (["106", "106.0", 107.0, "108"], {"106", "107", "108"}),
        (["007", "008", "7"], {"007", "008", "7"}),
        (["yes", "no", "NA", "nan", "", None], {"yes", "no"}),
        (["1", "2", "3", "-999"], {"1", "2", "3"}),
    ],
)
def test_classes_are_what_the_words_say(cells, classes):
    task, values = settle(cells)
    assert set(task.classes) == set(values) == classes


def test_an_unseen_spelling_is_the_class_that_it_spells():
    task = settle(["yes", "no"])[0]
    assert [task.read_class(cell) for cell in ("YES", "Y", "n", True, "maybe", None, " ")] == [
        "yes", "yes", "no", "yes", "maybe", None, None]  # fmt: skip
    genotype = settle(["AA", "Aa", "aa"])[0]
    assert [genotype.read_class(cell) for cell in ("Aa", "aA")] == ["Aa", "aA"]
    assert settle(["Y", "yes", "no"], positive="N")[0].positive == "no"


@pytest.mark.parametrize("code", [-999, 9999, "-999", "-99,9"])
def test_a_code_among_the_numbers_of_a_target_is_set_aside_and_said(code):
    numbers = np.random.default_rng(0).normal(50, 8, 460).round(1)
    cells = [f"{number}".replace(".", ",") for number in numbers] if code == "-99,9" else [*map(str, numbers)]
    if isinstance(code, int):
        cells = [*numbers]
    frame = pd.DataFrame({"x": range(500), "level": [*cells, *[code] * 40]})
    if code == "-99,9":
        frame["level"] = frame["level"].replace("-99,9", "-999,0")
    rows, _ = drop_unusable_rows(frame, "level")
    task = make_task(state_problem("level"), rows["level"])
    assert len(drop_unreadable_targets(rows, task)) == 460
    assert "in 40 rows of 500" in task.reason and "taken as missing" in task.reason


@pytest.mark.parametrize("top", [99, 999, 9999])
def test_the_top_of_an_honest_target_stays(top):
    numbers = np.append(np.linspace(0, top, 200).round(1), [top] * 20)
    assert not make_task(state_problem("y"), pd.Series(numbers)).number_format


def test_counts_are_numbers_and_grades_are_classes():
    chance = np.random.default_rng(1)
    for counts in (chance.poisson(1.4, 600), chance.geometric(0.5, 600) - 1, chance.poisson(0.7, 3000)):
        assert make_task(state_problem("y"), pd.Series(counts)).type == "regression"
    visits = pd.Series([0] * 200 + [1] * 150 + [2] * 90 + [3] * 30 + [5] * 9 + [9])
    assert make_task(state_problem("y"), visits).type == "regression"
    assert make_task(state_problem("y", task="multiclass"), visits[visits < 9]).type == "multiclass"
    for rows in ((20, 30, 60, 90, 40), (100, 90, 80), (40,) * 10, (5, 60, 300, 280, 90, 12)):
        grades = pd.Series(np.repeat(range(1, len(rows) + 1), rows))
        task = make_task(state_problem("y"), grades)
        assert task.type == "multiclass" and f"in order from 1 to {len(rows)}" in task.reason
    words = make_task(state_problem("y"), pd.Series(["low", "medium", "high"] * 20))
    assert "low < medium < high" in words.reason
