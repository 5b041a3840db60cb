"""A numeric target is written as the other columns of its file are."""

import numpy as np
import pandas as pd
import pytest

from mlkit import fit
from mlkit.task.problem import state_problem
from mlkit.task.target import parse_target_numbers
from mlkit.task.task import encode_target, target_values
from mlkit.task.task_inference import infer_number_format, make_task

POINTS = [f"{thousands}.{rest:03}" for thousands in range(1, 40) for rest in (0, 475, 880)]
TEXT = {
    "price": POINTS,
    "note": ["see 1.2.3", "a"] * 58 + ["b"],
    "day": ["14.05.2023", "03.04.2023", "1.1.2023"] * 39,
}


def frame(**columns):
    return pd.DataFrame({name: pd.Series(cells, dtype="str") for name, cells in (TEXT | columns).items()})


@pytest.mark.parametrize(
    "others, first",
    [
        ({"rate": ["1,7", "0,25", "3,1"] * 39}, 1_000),
        ({"sales": ["1.250.000", "850", "12.500"] * 39}, 1_000),
        ({"rate": ["1,7", "3", "4"] * 39, "size": ["12.500", "7.125", "1.000"] * 39}, 1_000),
        ({"rate": ["1.7", "0.25", "3.1"] * 39}, 1.0),
        ({"rate": ["1", "2", "3"] * 39}, 1.0),
        ({}, 1.0),
    ],
)
def test_points_in_the_target_mean_what_they_mean_in_the_file(others, first):
    rows = frame(**others)
    task = make_task(state_problem("price"), rows["price"], rows)
    assert task.type == "regression"
    assert encode_target(task, target_values(task, rows["price"]))[0] == first


def test_a_comma_in_the_target_is_decimal_where_it_is_elsewhere():
    commas = [text.replace(".", ",") for text in POINTS]
    for rate, first in (("1,7", 1.0), ("1.7", 1_000.0)):
        rows = frame(price=commas, rate=[rate, "2", "5"] * 39)
        number = infer_number_format(rows["price"], rows)
        assert parse_target_numbers(rows["price"], number)[0] == first


def test_fit_predicts_amounts_in_the_convention_of_the_file():
    rng = np.random.default_rng(0)
    size = rng.uniform(1, 9, 200).round(1)
    amounts = (10_000 * size + rng.normal(0, 9_000, 200)).astype(int) + 50_000
    rows = pd.DataFrame({"size": [f"{x:.1f}".replace(".", ",") for x in size],
                         "amount": [f"{n:,}".replace(",", ".") for n in amounts]})  # fmt: skip
    model = fit(rows, "amount", budget=0, trials=1, models="linear")
    assert model.table["size"].decimal == "," and model.predict(rows).mean() > 10_000
