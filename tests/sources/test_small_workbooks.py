"""Workbooks of a few rows, and of columns that are named as units are."""

import openpyxl
import pytest

from mlkit import fit
from mlkit.core.errors import DataError
from mlkit.sources.collection import collect


def workbook(path, *rows, merged=""):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(list(row))
    if merged:
        book.active.merge_cells(merged)
    book.save(path)
    return str(path)


def body(count, texts):
    return [(f"a{n}" if texts else n + 1, 1.5 * n, n % 3) for n in range(count)]


@pytest.mark.parametrize(
    "names", [("m", "kg", "s"), ("year", "month", "count"), ("%", "usd", "hours"), ("id", "date", "index")]
)
@pytest.mark.parametrize("above", [[], [("Report",)], [("Report",), ()]])
@pytest.mark.parametrize("texts", [True, False])
def test_names_of_columns_that_are_units_stay_names(tmp_path, names, above, texts):
    for count in (1, 2, 3, 4, 5, 30):
        source = workbook(tmp_path / f"{count}.xlsx", *above, names, *body(count, texts))
        table, origin = collect(source)
        assert (tuple(table.columns), len(table), origin.rows) == (names, count, count)
        assert table.iloc[-1].tolist() == list(body(count, texts)[-1])


def test_a_row_of_units_below_names_is_set_aside_and_told(tmp_path):
    source = workbook(tmp_path / "t.xlsx", ("length", "weight", "time"), ("m", "kg", "s"), *body(30, False))
    table, origin = collect(source)
    assert list(table) == ["length", "weight", "time"] and len(table) == 30
    assert "row 2 looks like units" in origin.notes[0]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 19])
def test_too_few_rows_are_told_with_their_number(tmp_path, count):
    table, _ = collect(workbook(tmp_path / "t.xlsx", ("a", "b", "c"), *body(count, False)))
    with pytest.raises(DataError, match=f"^{count} usable rows? of {count} .*at least 20"):
        fit(table, "c")
    with pytest.raises(DataError, match="a header but no row"):
        collect(workbook(tmp_path / "empty.xlsx", ("a", "b", "c")))
