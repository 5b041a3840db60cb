"""Decimal marks and the order of day and month: decided once for a file, and a new file is held to them as a whole."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mlkit.core.errors import DataError
from mlkit.data.column_reader import read_column
from mlkit.data.column_spec import ColumnSpec, read_cell
from mlkit.data.conventions import FileConventions
from mlkit.data.table_spec import TableSpec
from mlkit.data.type_inference import infer_column, infer_table_spec
from mlkit.inference.predictor import load_predictor
from mlkit.scoring.batch_job import read_input_chunks
from mlkit.sources.file_formats import ReadOptions, ReadReport


def table(**columns):
    return pd.DataFrame({name: pd.Series(cells, dtype="str") for name, cells in columns.items()})


AMOUNTS = [f"{thousands}.{rest:03}" for thousands in range(1, 40) for rest in (0, 475, 880)]


@pytest.mark.parametrize("others", [{"rate": "1,7"}, {"profit": "9072,57"}])
def test_the_columns_of_a_file_tell_each_other_what_a_point_means(others):
    frame = table(sales=AMOUNTS, **{name: [cell, "0,25", "3,1"] * 39 for name, cell in others.items()})
    spec = infer_table_spec(frame, ignore=["profit"] if "profit" in others else [])
    assert spec["sales"].decimal == "," and "thousands" in spec["sales"].kind_reason
    assert TableSpec.from_dict(spec.to_dict())["sales"].decimal == ","
    assert [read_cell(spec["sales"], text) for text in ("850", "12.500", "1.250.000")] == [
        850,
        12_500,
        1_250_000,
    ]


@pytest.mark.parametrize("other", ["1.7", "12", "abc"])
def test_without_a_decimal_comma_points_stay_points(other):
    assert infer_table_spec(table(sales=AMOUNTS, rate=[other, "0", "3"] * 39))["sales"].decimal == "."


def problem(column, *pieces):
    seen, at = FileConventions((column,)), 0
    for cells in pieces:
        frame = pd.DataFrame({"c": pd.Series(cells, dtype="str")})
        frame.index += at
        seen.add(frame)
        at += len(cells)
    return seen.problem()


COMMA, POINT = ColumnSpec("c", "number", decimal=","), ColumnSpec("c", "number")
DAY, MONTH = ColumnSpec("c", "date", date_order="day"), ColumnSpec("c", "date", date_order="month")


@pytest.mark.parametrize(
    "column, cells, row",
    [
        (COMMA, ["12.500", "7.25", "1,234.56"], 2),
        (POINT, ["1,234", "1,7"], 2),
        (POINT, ["1.234,5"], 1),
        (DAY, ["03/04/2023", "05/14/2023"], 2),
        (DAY, ["25.12.2023", "12.25.2023"], 2),
        (MONTH, ["3-4-23", "14-5-23 10:30"], 2),
    ],
)
def test_a_file_of_another_convention_is_told(column, cells, row):
    assert f"row {row})" in problem(column, cells)
    assert f"row {row + 3})" in problem(column, ["", "?", "7"], cells)


@pytest.mark.parametrize(
    "column, cells",
    [
        (COMMA, ["12.500", "850", "1.250.000", "0,5", "1.234,56"]),
        (POINT, ["1,234", "1.5", "1,234,567.8", "$5", "12%"]),
        (POINT, ["1.5"] * 50 + ["2.5", "3.5", "1,7"]),
        (DAY, ["14/05/2023", "03/04/2023", "2023-04-03", "3 May 2023"]),
        (MONTH, ["05/14/2023", "03/04/2023", "1716143911"]),
        (DAY, [f"{day}/05/2023" for day in range(13, 32)] * 3 + ["05/14/2023"]),
        (ColumnSpec("c", "category"), ["1,7", "1.7"]),
    ],
)
def test_a_file_of_the_same_convention_is_read(column, cells):
    assert not problem(column, cells)


def test_scoring_refuses_the_file_before_any_row_is_answered(package, tmp_path):
    predictor = load_predictor(package)
    dates = replace(predictor.table, columns=(*predictor.table.columns, replace(DAY, name="when")))
    path = tmp_path / "new.csv"
    path.write_text("when,x\n" + "\n".join(f"0{n % 9 + 1}/{n % 28 + 1}/2023,1" for n in range(2_500)))
    with pytest.raises(DataError, match="'when' .*month first"):
        next(read_input_chunks(str(path), ReadOptions(), ReadReport(), replace(predictor, table=dates)))
    path.write_text("when,x\n" + "\n".join(f"{n % 28 + 1}/0{n % 9 + 1}/2023,1" for n in range(2_500)))
    assert sum(len(some.frame) for some in read_input_chunks(
        str(path), ReadOptions(), ReadReport(), replace(predictor, table=dates))) == 2_500  # fmt: skip


@pytest.mark.parametrize(
    "text, number",
    [("12'500", 12_500), ("12’500.5", 12_500.5), ("12\u2009500", 12_500), ("12\u202f500", 12_500), ("12\u00a0500", 12_500),
     ("1,23,456", 123_456), ("12,34,56,789.5", 123_456_789.5), ("1,234,567", 1_234_567), ("1,23,45", None)],
)  # fmt: skip
def test_thousands_of_other_countries(text, number):
    column = ColumnSpec("c", "number")
    assert read_cell(column, text) == number
    read = read_column(column, pd.Series([text], dtype="str")).iloc[0]
    assert read == number or (number is None and np.isnan(read))


def test_the_top_of_a_long_tailed_scale_is_kept_and_a_code_is_not():
    chance = np.random.default_rng(0)
    gains = pd.Series(
        np.concatenate([np.zeros(3000), chance.integers(100, 8900, 360), np.full(640, 99999)]), name="gain"
    )
    assert "99999" not in infer_column(gains).missing
    ages = pd.Series(np.concatenate([chance.integers(0, 99, 3000), np.full(300, 999)]), name="age")
    assert "999" in infer_column(ages).missing


@pytest.mark.parametrize("gap", [None, pd.NA, 3, True])
def test_a_row_without_the_column_hides_no_foreign_mark(gap):
    columns = (ColumnSpec("price", "number", decimal=","), ColumnSpec("day", "date", date_order="day"))
    rows = [
        {"price": "4.5", "day": "12/25/2020"},
        *([{"price": gap, "day": gap}] if gap is not pd.NA else [{}]),
    ]
    frame = pd.DataFrame(
        {name: pd.Series([row.get(name, pd.NA) for row in rows], dtype=object) for name in ("price", "day")}
    )
    by_row, by_column = FileConventions(columns), FileConventions(columns)
    by_row.add_rows(rows)
    by_column.add(frame)
    assert by_row.problem() == by_column.problem() != ""
