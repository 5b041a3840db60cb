"""A code is the same code, whichever way a file, a spreadsheet or a client writes its digits."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from mlkit import fit
from mlkit.data.column_reader import read_column
from mlkit.data.column_spec import read_cell
from mlkit.data.schema_inference import infer_schema
from mlkit.data.table_spec import TableSpec
from mlkit.data.type_inference import infer_table_spec
from mlkit.inference.row_reader import RowReader

CODES = [101, 102, 103, 106, 120]
SAME = [106, 106.0, "106", "106.0", " 106", "106.00", "106.", "1.06E+02", "1.06e2", "106,0", "+106", "１０６",
        np.float32(106), np.int8(106), Decimal("106")]  # fmt: skip
OTHER = ["1060", "1.06", "-106", "1.1E+02", "106,000", "106a", "1E+02", "", None]


def learned(cells):
    frame = pd.DataFrame({"store_code": cells, "x": np.linspace(0, 1, len(cells))})
    table = infer_table_spec(frame)
    return TableSpec.from_dict(table.to_dict()), infer_schema(table, frame)


@pytest.mark.parametrize(
    "cells, name",
    [
        (pd.Series(CODES * 40), "106"),
        (pd.Series(CODES * 40).astype("Int64"), "106"),
        (pd.Series([*CODES, None] * 40, dtype="float64"), "106"),
        (pd.Series([*map(str, CODES)] * 40, dtype="str"), "106"),
        (pd.Series([f"{code}.0" for code in CODES] * 40, dtype="str"), "106.0"),
        (pd.Series([f"{code:05}" for code in CODES] * 40, dtype="str"), "00106"),
    ],
)
def test_every_way_to_write_a_code_is_that_code(cells, name):
    table, schema = learned(cells)
    reader, column = RowReader(table, schema), table["store_code"]
    for cell in SAME:
        assert read_cell(column, cell) == name, cell
        assert read_column(column, pd.Series([cell, cell])).tolist() == [name, name]
        read = reader.read({"store_code": cell, "x": 0.5})
        assert read.words == [name] and not read.violations, cell
    for cell in OTHER:
        assert read_cell(column, cell) is None, cell
    assert read_cell(column, "00106") == (name if name == "00106" else None)


@pytest.mark.parametrize("dtype", ["float64", "Int64", "float32", "str", "object"])
def test_a_typed_column_with_gaps_holds_the_same_codes(dtype):
    column = learned(pd.Series(CODES * 40))[0]["store_code"]
    cells = pd.Series([106, 101, None], dtype="float64").astype(dtype)
    assert read_column(column, cells).tolist() == ["106", "101", ""]


def test_codes_of_different_length_with_leading_zeros_stay_apart():
    table, _ = learned(pd.Series(["030", "30", "0711", "711", "89"] * 40, dtype="str"))
    assert [read_cell(table["store_code"], cell) for cell in ("030", "30", "0030", "0089")] == [
        "030",
        "30",
        None,
        None,
    ]


def test_words_with_digits_are_no_codes():
    column = learned(pd.Series(["1E5", "100000", "2E5", "7"] * 40, dtype="str"))[0]["store_code"]
    assert column.kind == "number" or read_cell(column, "1E5") == "1E5"
    mixed = learned(pd.Series(["A106", "106", "B7", "007"] * 40, dtype="str"))[0]["store_code"]
    assert read_cell(mixed, "0106") is None


def test_a_model_predicts_the_same_for_every_spelling():
    rng = np.random.default_rng(0)
    codes = rng.choice(CODES, 300)
    rows = pd.DataFrame({"store_code": codes, "x": rng.normal(size=300)})
    model = fit(rows.assign(y=codes % 7 + rows.x), "y", budget=0, trials=1, models="linear")
    spellings = (
        [106, 120],
        [106.0, 120.0],
        ["106.0", "120.0"],
        [" 106", "1.20E+02"],
        pd.array([106, 120], "Int64"),
    )
    new = [pd.DataFrame({"store_code": cells, "x": 0.0}) for cells in spellings]
    assert len({tuple(model.predict(frame).round(6)) for frame in new}) == 1
