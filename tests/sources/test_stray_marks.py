"Rows are never lost to a quote that was meant as a mere character; remarks are no header."

import random
from pathlib import Path

import pytest

from mlkit.core.errors import DataError
from mlkit.sources.collection import read_source

ROWS = [(f"{number / 7:.3f}", random.Random(number).choice("abc"), str(number)) for number in range(400)]


def read(folder: Path, lines: list[str], end: str = "\n") -> int:
    (folder / "table.csv").write_text(end.join(lines) + end, encoding="utf-8", newline="")
    return len(read_source(str(folder / "table.csv")))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    ("stray", "second"),
    [((100, 300), '"{}'), ((100, 101), '"{}'), ((100, 300), '{}"'), (range(400), '"{}')],
    ids=["far", "near", "closed at the end of a cell", "in every row"],
)
def test_quotes_that_are_none(tmp_path, stray, second, delimiter, end):
    lines = [delimiter.join(("size", "kind", "price"))]
    for number, (size, kind, price) in enumerate(ROWS):
        odd = number in stray and [*stray].index(number) % 2 == 1
        written = (second if odd else '"{}').format(kind) if number in stray else kind
        lines.append(delimiter.join((size, written, price)))
    with pytest.raises(DataError, match=r"line 102|line 2 ") as told:
        read(tmp_path, lines, end)
    assert "stray quotes" in str(told.value)


@pytest.mark.parametrize("text", [
    "Dear all,\nthank you,\nMina", "two\nlines", ",\n,", "a, b\nc, d\ne, f\ng, h", "x,1\n2,3,4", "\n\n\n\n",
])  # fmt: skip
def test_texts_of_several_lines_are_texts(tmp_path, text):
    lines = ["size,kind,price", *(f'{size},"{kind} {text}",{price}' for size, kind, price in ROWS)]
    assert read(tmp_path, lines) == 400


def test_quotes_within_a_line_lose_nothing(tmp_path):
    for cell in ('"{}" big', '5" {}', '"{}"', '""{}""', '{}"'):
        lines = [
            "size,kind,price",
            *(",".join((size, cell.format(kind), price)) for size, kind, price in ROWS),
        ]
        assert read(tmp_path, lines) == 400


@pytest.mark.parametrize("remark", ["# made by hand", "# one, with, commas", "# a\n# one, with, commas\n# b"])
def test_remarks_above_the_header_are_no_header(tmp_path, remark):
    lines = ["# made by hand", remark, "size,kind,price", *map(",".join, ROWS)]
    assert read(tmp_path, lines) == 400
    assert [*read_source(str(tmp_path / "table.csv"))] == ["size", "kind", "price"]


def test_a_header_that_begins_like_a_remark_is_the_header(tmp_path):
    assert read(tmp_path, ["# size,kind,price", *map(",".join, ROWS)]) == 400
    assert [*read_source(str(tmp_path / "table.csv"))] == ["# size", "kind", "price"]
