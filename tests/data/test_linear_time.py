"""Reading a cell takes time in proportion to its length, whatever it is made of."""

import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest

from mlkit.core.errors import MLKitError
from mlkit.data.cells import split_units
from mlkit.data.column_reader import read_column
from mlkit.data.column_spec import ColumnSpec
from mlkit.data.model_inputs import input_cell
from mlkit.data.ordered_categories import ordered_categories
from mlkit.data.personal import infer_personal_kind
from mlkit.data.type_inference import infer_column, infer_table_spec
from mlkit.sources.joins import parse_joins
from mlkit.sources.locations import parse_location
from mlkit.sources.readers import read_batches
from mlkit.task.target import normalise_label

# What regular expressions stumble over: one sign again and again, and what makes it fail at the end.
ALPHABETS = ["1", "0", " ", ",", ".", "/", "(", "[", "-", "+", "m", "k", "e", "E", "'", '"', ":", "%", "$",
             "1,", "1 ", "1.", "1/", "1-", "1:", "1e", "1E", "1m", "m2", "1'", ",'", "12,345", "0 .", "x1 ",
             "é", "e\u0301", "\u0301", "９", "\u3000", "年", "時", "Mon ", "a@", "a.", "日1"]  # fmt: skip
TAILS = ["!", "1"]
COLUMNS = {
    "number": ColumnSpec("c", "number"),
    "decimal comma": ColumnSpec("c", "number", decimal=","),
    "unit": ColumnSpec("c", "number", unit="kg", units={"g": 0.001, "": 1.0}),
    "hours": ColumnSpec("c", "number", unit="h"),
    "currency": ColumnSpec("c", "number", currency="USD"),
    "boolean": ColumnSpec("c", "boolean"),
    "date": ColumnSpec("c", "date", date_order="day"),
    "numbers": ColumnSpec("c", "numbers", number_patterns=("#/#", "#x#")),
    "text": ColumnSpec("c", "text"),
    "category": ColumnSpec("c", "category", categories=("a", "1")),
}
READERS = {
    **{f"row: {name}": lambda text, column=column: input_cell(column, text) for name, column in COLUMNS.items()},
    **{f"frame: {name}": lambda text, column=column: read_column(column, pd.Series([text], dtype="str"))
       for name, column in COLUMNS.items()},
    "label": normalise_label,
    "units": split_units,
    "scale": lambda text: ordered_categories([text, "low", "high"]),
}  # fmt: skip


def seconds(read, text):
    began = time.process_time()
    read(text)
    return time.process_time() - began


def is_linear(read, sign, tail="!", long=8_000, worst=40):
    "Ten times the letters take about ten times as long; what is quick beyond doubt is not compared."
    short, longer = ((sign * size)[:size] + tail for size in (long // 10, long))
    base = max(min(seconds(read, short) for _ in range(2)), 0.0005)
    return any(seconds(read, longer) < worst * base for _ in range(3))


@pytest.mark.parametrize("name", READERS)
def test_a_long_cell_takes_time_in_proportion(name):
    assert [
        (sign, tail) for sign in ALPHABETS for tail in TAILS if not is_linear(READERS[name], sign, tail)
    ] == []


@pytest.mark.parametrize("name", [name for name in READERS if not name.startswith("frame")])
def test_a_cell_of_a_megabyte_takes_time_in_proportion(name):
    assert [sign for sign in ("1", "x1 ", "0 .") if not is_linear(READERS[name], sign, "!", 1_000_000)] == []


def test_learning_from_long_cells_takes_time_in_proportion():
    def learn(text):
        infer_table_spec(pd.DataFrame({"c": [text + tail for tail in TAILS] * 2}))

    assert [sign for sign in ALPHABETS if not is_linear(learn, sign, long=4_000)] == []


def test_numbers_beyond_every_limit_are_no_trouble():
    for text in (
        "1" * 5000,
        "1e" + "9" * 5000,
        "-1E-" + "9" * 5000,
        "0." + "0" * 5000 + "1",
        "1" * 5000 + "e-5000",
    ):
        for name, column in COLUMNS.items():
            cell, frame = input_cell(column, text), read_column(column, pd.Series([text], dtype="str"))
            assert (cell[0] == "") == (frame.iloc[0] == "") or column.kind == "numbers", name
    for number in (10**5000, -(10**5000), [10**5000]):
        for column in COLUMNS.values():
            input_cell(column, number)
        infer_column(pd.Series([number, 1, 2] * 10, dtype=object))


def read_file(text):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        path.write_text(text, encoding="utf-8")
        next(iter(read_batches(source=str(path))))


def allowing_refusal(read):
    def tried(text):
        with suppress(MLKitError):
            read(text)

    return tried


PARSERS = {
    "personal": lambda text: [infer_personal_kind(name, [text] * 5)
                              for name in ("x", "phone", "name", "address", "passport_no", "birth_date")],
    "personal by name": lambda text: infer_personal_kind(text, ["a b", "c d"]),
    "joins": allowing_refusal(lambda text: parse_joins(f"a.csv on k | {text}")),
    "location": allowing_refusal(parse_location),
}  # fmt: skip
OTHER_SIGNS = [
    "\n",
    ";",
    "\t",
    '""',
    '"a,',
    "on ",
    " on ",
    "on\t",
    "|a on b",
    "[]",
    "key=",
    "//",
    "?",
    "*",
    "\\",
]


@pytest.mark.parametrize("size", [100_000, 1_000_000])
@pytest.mark.parametrize("name", PARSERS)
def test_parsers_of_people_joins_and_places_take_time_in_proportion(name, size):
    signs = [*ALPHABETS, *OTHER_SIGNS] if size < 1_000_000 else ["1", "a@", "x1 ", *OTHER_SIGNS]
    assert [sign for sign in signs if not is_linear(PARSERS[name], sign, "!", size)] == []


def test_a_file_with_a_long_cell_is_read_in_proportion():
    read = allowing_refusal(lambda text: read_file(f"a,b,c\n1,2,3\n4,5,6\n{text},2,3\n7,8,9\n"))
    signs = [sign for sign in [*ALPHABETS, ";", "\t", '""', '"a,', "[]", "#", "="] if "," not in sign]
    assert [sign for sign in signs if not is_linear(read, sign, "!", 100_000)] == []


def test_a_join_is_parted_at_its_last_on():
    [join] = parse_joins("what goes on here.csv  on  id = key")
    assert (join.source, join.keys) == ("what goes on here.csv", (("id", "key"),))
