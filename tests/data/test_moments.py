"""One moment is one moment, whichever way it is written; numbers since 1970 are moments."""

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest

from mlkit.data.column_reader import read_column
from mlkit.data.column_spec import ColumnSpec, read_cell
from mlkit.data.type_inference import infer_column

MOMENT = datetime(2024, 5, 19, 18, 38, 31)
SECONDS = 1716143911
WAYS = [
    "2024-05-19 18:38:31", "2024-05-19T18:38:31Z", "2024-05-19T18:38:31.000+00:00", "2024-05-20 03:38:31+09:00",
    "2024-05-19T14:38:31-0400", "20240519T183831Z", "20240519183831", "2024/05/19 18:38:31",
    SECONDS, float(SECONDS), str(SECONDS), f"{SECONDS}.0", SECONDS * 1000, float(SECONDS * 1000), f"{SECONDS}000",
    SECONDS * 10**6, f"{SECONDS}000000.0", SECONDS * 10**9, f"{SECONDS}000000000", "1.716143911e9", np.int64(SECONDS),
    MOMENT, MOMENT.replace(tzinfo=UTC), MOMENT.replace(tzinfo=UTC).astimezone(timezone(timedelta(hours=9))),
    pd.Timestamp(MOMENT), np.datetime64(MOMENT),
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_one_moment_is_one_moment(way):
    column = ColumnSpec("when", "date", date_order="day", has_time=True)
    assert read_cell(column, way) == MOMENT
    for series in (pd.Series([way] * 3), pd.Series([way, "?", None], dtype=object)):
        assert read_column(column, series).iloc[0] == pd.Timestamp(MOMENT)


def test_a_date_and_its_midnight_are_one():
    column = ColumnSpec("when", "date")
    cells = [
        "2024-05-19",
        "20240519",
        20240519,
        20240519.0,
        date(2024, 5, 19),
        "2024-05-19T00:00:00Z",
        1716076800,
    ]
    assert {read_cell(column, cell) for cell in cells} == {datetime(2024, 5, 19)}


def moments(scale, name, kind, rows=400):
    seconds = np.random.default_rng(3).integers(1_700_000_000, 1_730_000_000, rows)
    values = pd.Series(seconds * scale if scale > 1 else seconds, name=name)
    if kind == "fractions":
        values = values + 0.25
    return values.astype("str") if kind == "text" else values.astype("float64") if kind == "float" else values


@pytest.mark.parametrize("scale", [1, 10**3, 10**6, 10**9])
@pytest.mark.parametrize("kind", ["integer", "float", "text", "fractions"])
@pytest.mark.parametrize("name", ["event_time", "createdAt", "x"])
def test_numbers_since_1970_are_moments(scale, kind, name):
    column = infer_column(moments(scale, name, kind))
    assert column.kind == "date" and column.has_time, column.kind_reason
    assert "2023-11" in column.kind_reason


@pytest.mark.parametrize(
    "name, cells",
    [
        ("phone", [f"{n}" for n in range(1_312_345_678, 1_912_345_678, 1_000_003)]),
        ("order", [*range(1_500_000_000, 1_500_000_400)]),
        ("revenue", [1.2e9, 3.4e8, 9e9, 5e7, 2e6] * 20),
        ("population", [*range(10_000, 1_400_000_000, 7_000_003)]),
        ("amount", [*np.random.default_rng(0).lognormal(21, 1, 300).round().tolist()]),
    ],
)
def test_other_large_numbers_are_not(name, cells):
    assert infer_column(pd.Series(cells, name=name)).kind != "date"
