"What a program hands to `fit` and `predict` is used as it is meant, or refused in one line."

import numpy as np
import pandas as pd
import pytest

from mlkit import fit
from mlkit.core.errors import DataError, SettingsError

RNG = np.random.default_rng(1)
FRAME = pd.DataFrame(
    {
        "size": RNG.normal(size=300),
        "count": RNG.integers(0, 9, 300),
        "kind": RNG.choice(["a", "b"], 300),
        "at": pd.Timestamp("2020") + pd.to_timedelta(RNG.integers(0, 900, 300), unit="h"),
        "member": RNG.random(300) < 0.5,
    }
)
FRAME["answer"] = np.where(FRAME["size"] + FRAME["count"] / 9 > 0.5, "u", "v")
QUICK = {"budget": 0, "trials": 2, "models": "linear", "split": "chance"}


@pytest.mark.parametrize("wrong", [
    {"test_size": "a"}, {"test_size": None}, {"test_size": 0.999}, {"trials": 2.5}, {"trials": "many"},
    {"trials": True}, {"budget": "x"}, {"budget": None}, {"models": None}, {"models": [1]}, {"metric": None},
    {"metric": 3}, {"jobs": "a"}, {"seed": "a"}, {"seed": None}, {"seed": 1.5}, {"known": 3}, {"known": None},
    {"known": [1]}, {"ensemble": "no"}, {"refit": "no"}, {"split": 1}, {"time_column": 3}, {"task": None},
    {"choose": 1}, {"on_leak": None}, {"duplicates": True}, {"group_column": FRAME["kind"]}, {"test_size": np.zeros(2)},
    {"known": FRAME}, {"models": np.array(["linear", "tree"])}, {"time_column": FRAME["at"].to_numpy()},
])  # fmt: skip
def test_arguments_of_a_wrong_type(wrong):
    with pytest.raises(SettingsError) as told:
        fit(FRAME, "answer", **(QUICK | wrong))
    assert [*wrong][0] in str(told.value) and "\n" not in str(told.value)


def test_numbers_of_numpy_are_numbers():
    given = {
        "test_size": np.float32(0.25),
        "seed": np.int64(3),
        "trials": np.int32(2),
        "ensemble": np.bool_(True),
    }
    assert fit(FRAME, "answer", **(QUICK | given)).metrics["rows"]["test"] == 75


def test_columns_of_arrow_are_columns():
    plain, arrow = (
        fit(frame, "answer", **QUICK) for frame in (FRAME, FRAME.convert_dtypes(dtype_backend="pyarrow"))
    )
    assert [column.kind for column in arrow.table.columns] == [column.kind for column in plain.table.columns]
    assert (arrow.predict(FRAME.convert_dtypes(dtype_backend="pyarrow")) == plain.predict(FRAME)).all()


@pytest.fixture(scope="module")
def model():
    return fit(FRAME, "answer", **QUICK)


def test_no_rows_are_no_predictions(model):
    assert model.predict(FRAME.head(0)).shape == (0,) and model.predict_proba(FRAME.head(0)).shape == (0, 2)
    number = fit(FRAME.assign(answer=FRAME["size"] * 2 + RNG.normal(size=300)), "answer", **QUICK)
    assert number.predict(FRAME.head(0)).shape == (0,)


@pytest.mark.parametrize(
    "rows, said",
    [
        (None, "must be a table .*, not NoneType"),
        ({"size": 1}, "rows: 'size' should be a 1d array"),
        ([{"size": 1}], "column"),
        (FRAME.to_numpy(), "column"),
        (FRAME.iloc[0], "of one row: row.to_frame"),
        ("a.csv", "not str; read a file first"),
    ],
    ids=["nothing", "a row", "a row with a column", "an array", "a series", "a name"],
)
def test_rows_that_are_no_table(model, rows, said):
    with pytest.raises(DataError, match=said):
        model.predict(rows)


def test_a_test_set_of_one_class_is_said():
    late = pd.Series(np.arange(300) >= 200)
    answer = np.where(late | (FRAME["size"] + RNG.normal(size=300) > 0), "u", "v")
    frame = FRAME.assign(at=pd.Timestamp("2020") + pd.to_timedelta(np.arange(300), unit="D"), answer=answer)
    with pytest.warns(UserWarning, match="no score: .*class 'v'"):
        assert (
            fit(frame, "answer", **(QUICK | {"split": "time", "time_column": "at"})).metrics["score"] is None
        )
