"""Tables below a title and facts, and above totals and notes: any number of lines, in Excel and in CSV."""

import csv
from datetime import date

import openpyxl
import pytest

from mlkit.sources.collection import collect

DAY = date(2024, 5, 1)
TABLES = {
    "numbers": (
        ["speed", "temp", "kind", "y"],
        [[n / 7, n, "rq"[n % 2], "ab"[n % 3 == 0]] for n in range(40)],
    ),
    "few rows": (
        ["speed", "temp", "kind", "y"],
        [[n / 7, n, "rq"[n % 2], "ab"[n % 3 == 0]] for n in range(6)],
    ),
    "texts": (
        ["name", "city", "kind", "y"],
        [[f"N{n}", f"C{n % 5}", "rq"[n % 2], "ab"[n % 2]] for n in range(40)],
    ),
    "two columns": (["size", "y"], [[n / 7, "ab"[n % 3 == 0]] for n in range(40)]),
}
ABOVE = {
    "a title and two facts": [["Report of May"], ["Region:", "North"], ["Made by:", "M. Okada"]],
    "with blank lines": [["Report of May"], [], ["Region:", "North"], ["Made by:", "M. Okada"], []],
    "facts of numbers and dates": [["Report of May"], ["Rows", 40], ["Date", DAY]],
    "facts without a title": [["Region:", "North"], ["Date:", DAY]],
    "many facts": [["Report"], *([f"Key {n}:", f"value {n}"] for n in range(12))],
    "two facts a row": [["Report"], ["Region:", "North", "Year:", 2024], ["Made:", DAY, "By:", "M"]],
    "a table of its own": [["Report"], ["Region", "North", "South"], ["Year", 2024, 2025]],
    "conditions of use": [[f"Line {n} of the conditions of use"] for n in range(25)],
}
OPEN = {  # nothing tells the header from what stands above it
    ("two facts a row", "texts"), ("a table of its own", "texts"), ("a table of its own", "two columns"),
    ("conditions of use", "few rows"),
}  # fmt: skip
BELOW = {
    "eight notes": [["Source: Ministry"], ["Note: provisional"], ["* a star"], ["Exported on: 2024-01-01"],
                    ["Updated: in May"], ["(40 rows)"], ["Copyright 2024"], ["Legend: r is red"]],
    "notes with blank lines": [[], ["Source: us"], [], ["Made by M. Okada in May"]],
    "facts": [[], ["Rows:", 40], ["Made by:", "M. Okada"]],
    "a signature": [[], ["Approved:", "", "M. Okada"]],
    "sentences": [["These figures are provisional and may be changed without notice."]] * 7,
    "a total and facts": [["Total", 780], [], ["Made by:", "M. Okada"]],
}  # fmt: skip


def write(folder, form, lines, wide):
    path = folder / f"x.{form[:4].rstrip()}"
    if form == "xlsx":
        book = openpyxl.Workbook()
        for line in lines:
            book.active.append(line)
        book.save(path)
    else:
        padded = [[*line, *[""] * (wide - len(line))] for line in lines] if form == "csv, padded" else lines
        with path.with_suffix(".csv").open("w", newline="") as file:
            csv.writer(file).writerows(padded)
        path = path.with_suffix(".csv")
    return str(path)


@pytest.mark.parametrize("above, table", [(a, t) for a in ABOVE for t in TABLES if (a, t) not in OPEN])
@pytest.mark.parametrize("form", ["xlsx", "csv", "csv, padded"])
def test_lines_above_the_header_are_skipped(tmp_path, form, above, table):
    names, rows = TABLES[table]
    read, origin = collect(write(tmp_path, form, [*ABOVE[above], names, *rows], len(names)))
    assert list(read) == names and len(read) == len(rows)
    assert origin.lines_above_header == len(ABOVE[above])


@pytest.mark.parametrize("below", BELOW)
@pytest.mark.parametrize("form", ["xlsx", "csv", "csv, padded"])
def test_lines_below_the_table_are_set_aside_and_said(tmp_path, form, below):
    names, rows = TABLES["numbers"]
    read, origin = collect(write(tmp_path, form, [names, *rows, *BELOW[below]], len(names)))
    assert list(read) == names and len(read) == len(rows) and "totals or notes" in "; ".join(origin.notes)


@pytest.mark.parametrize("form", ["xlsx", "csv"])
@pytest.mark.parametrize(
    "names, rows",
    [
        (["name", "score"], [["Ann", 4], ["Bob", "absent"], *[["Cy", 5]] * 20]),
        (["name:", "score"], [["Ann", 4], *[["Cy", 5]] * 20]),
        (["name", "score"], [["absent", "none"], *[["Cy", 5]] * 20]),
        (["plan", "a", "b"], [["x:", "y", "z"], *[["p", "q", "r"]] * 20]),
    ],
)
def test_rows_of_a_table_are_not_taken_for_lines_above_it(tmp_path, form, names, rows):
    read, origin = collect(write(tmp_path, form, [names, *rows], len(names)))
    assert list(read) == names and len(read) == len(rows) and not origin.lines_above_header
