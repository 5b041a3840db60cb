"""Numbers in JSON that a float cannot hold mean the same in a request and in a file."""

import json

import numpy as np
import pandas as pd
import pytest

from mlkit.data.column_spec import ColumnSpec
from mlkit.data.schema import Rule, Schema
from mlkit.data.table_spec import TableSpec
from mlkit.inference.frame_reader import read_frame
from mlkit.inference.row_reader import RowReader
from mlkit.serving.http import RequestError, parse_json
from mlkit.sources.file_formats import ReadOptions, ReadReport
from mlkit.sources.readers import stream_source

IDS = tuple(str(2**power + 1) for power in (53, 63, 64, 90)) + (str(-(2**70)), "0", "1" + "0" * 400)
TABLE = TableSpec(
    (
        ColumnSpec("number", "number"),
        ColumnSpec("minutes", "number", unit="h", units={"min": 1 / 60}),
        ColumnSpec("code", "category", categories=IDS),
        ColumnSpec("flag", "boolean"),
        ColumnSpec("day", "date"),
        ColumnSpec("note", "text", parts=("characters", "words")),
    )
)
NAMES = [column.name for column in TABLE.columns]
READER = RowReader(TABLE, Schema({"number": Rule("number", missing=0)}))
NUMBERS = [
    "1e400", "-1e400", "1E+400", "-0", "-0.0", "0e999", "1e-400", "123456789012345678901234567890", "-1e38", "1.1e38",
    "12345678901234567890.5", "0.12345678901234567890123", "9" * 400, "-" + "9" * 3950, "9" * 5000, *IDS,
]  # fmt: skip


def from_file(tmp_path, text, form):
    path = tmp_path / f"new.{form}"
    path.write_text(text if form == "jsonl" else f"[{text}]")
    options = ReadOptions(keep_types=True)
    return pd.concat(stream_source(str(path), options, ReadReport(), "source"))


@pytest.mark.parametrize("number", NUMBERS, ids=lambda text: text[:20])
@pytest.mark.parametrize("form", ["jsonl", "json"])
@pytest.mark.parametrize("beside", ["", "5", '"7"', "null", "0.5"])
def test_a_request_and_a_file_read_one_number(tmp_path, number, form, beside):
    texts = [
        "{" + ", ".join(f'"{name}": {cell}' for name in NAMES) + "}" for cell in (number, beside) if cell
    ]
    rows = parse_json(f"[{','.join(texts)}]".encode())
    together = read_frame(READER, from_file(tmp_path, ("\n" if form == "jsonl" else ",").join(texts), form))
    for place, row in enumerate(map(READER.read, rows)):
        assert bool(row.errors) == bool(together.rejected()[place])
        assert np.array_equal(np.float32(row.numbers), together.numbers[place], equal_nan=True)
        assert row.words == together.words[place].tolist()


@pytest.mark.parametrize("number", IDS, ids=lambda text: text[:20])
def test_every_digit_of_a_code_counts(number):
    assert READER.read(parse_json(f'{{"code": {number}}}'.encode())).words[0] == number


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": NaN}', b'{"a": 1e400, "b": NaN}', b'{"a": 1e400, "b": -Infinity}', b'{"a": 1e400, "a": 2}',
        b'{"a": 1e400, "b": "\xff"}', b'{"a": 1e400, "b": "\\ud800"}', b"[1e400" + b"[" * 100_000,
        b"[" * 40 + b"1e400" + b"]" * 40, b"1e400", b'{"a": 12345678901234567890,}',
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_no_json_stays_none_beside_a_long_number(body):
    if body == b"1e400":
        assert parse_json(body) == float("inf")
        return
    with pytest.raises(RequestError) as caught:
        parse_json(body)
    assert caught.value.status_code in (400, 422)


def test_training_reads_numbers_beyond_a_float(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text("\n".join(json.dumps({"a": cell, "b": 1}) for cell in [0.5, 10**400, 3]))
    frame = pd.concat(stream_source(str(path), ReadOptions(), ReadReport(), "source"))
    assert frame["a"].tolist() == [0.5, float("inf"), 3.0]
