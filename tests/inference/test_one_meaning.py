"What a cell means does not depend on its neighbours, on the format of its file, or on who reads it."

import csv
import io
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from mlkit.data.column_spec import ColumnSpec
from mlkit.data.constraints import parse_constraint
from mlkit.data.schema import Rule, Schema
from mlkit.data.table_spec import DerivedInput, TableSpec
from mlkit.inference.frame_reader import read_frame
from mlkit.inference.row_reader import RowReader
from mlkit.sources.file_formats import ReadOptions, ReadReport
from mlkit.sources.readers import rebatch, stream_source

TABLE = TableSpec(
    (
        ColumnSpec("age", "number", missing=("", "n/a", "-999")),
        ColumnSpec("length", "number", unit="h", units={"min": 1 / 60, "m": 1 / 60}),
        ColumnSpec("weight", "number", unit="kg", units={"g": 0.001}, missing=("", "-1")),
        ColumnSpec("price", "number", decimal=","),
        ColumnSpec("member", "boolean"),
        ColumnSpec("since", "date", has_time=True),
        ColumnSpec("plan", "category", categories=("basic", "pro", "1", "True"), other_category="basic"),
        ColumnSpec("city", "category", categories=("Bern", "9007199254740993", "0")),
        ColumnSpec("engine", "numbers", number_patterns=("#nm@#rpm", "#")),
        ColumnSpec("note", "text"),
    )
).with_derived([DerivedInput("", "age", "/", "weight")])
SCHEMA = Schema(
    {
        "age": Rule("number", missing=0, low=0, high=120), "length": Rule("number", low=0.5),
        "weight": Rule("number"), "price": Rule("number"), "member": Rule("boolean", missing=0),
        "since": Rule("date", low="2001-01-01"), "plan": Rule("category", categories=("basic", "pro", "1")),
        "city": Rule("category", pattern="[A-Z0-9].*"), "note": Rule("text", missing=0),
    },
    (parse_constraint("age < 2 * weight"),),
    {"missing_column": "error"},
)  # fmt: skip
READER = RowReader(TABLE, SCHEMA, "target")
NAMES = [column.name for column in TABLE.columns]
TEXTS = st.sampled_from([
    "", " ", "42", "4.5", "4,5", "1,5", "-1", "-999", "12 kg", "900 g", "2h 50m", "1:30", "90 min", "5", "yes", "no",
    "TRUE", "True", "0", "-0.0", "n/a", "2020-02-03", "03/04/2020", "1580688000", "basic", "PRO", "1", "1.0", "bern",
    "113nm@4500rpm", "9007199254740993", "\ud800", "１２", "1e400", "null", "see you",
])  # fmt: skip
NUMBERS = st.one_of(
    st.sampled_from([0, 1, -1, 5, -999, 0.0, -0.0, 1.0, 2.5, 1e308, 2**53, 2**53 + 1, 2**63, 2**70, 1580688000,
                     1580688000123, 1580688000123456789]),
    st.integers(), st.integers(-(2**80), 2**80), st.floats(allow_nan=False, allow_infinity=False))  # fmt: skip
CELLS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS, st.text(max_size=5))
NESTED = st.one_of(CELLS, st.lists(CELLS, max_size=2), st.just([1, [2, "a"]]))
FILES = settings(
    max_examples=60,
    phases=(
        Phase.explicit,
        Phase.reuse,
        Phase.generate,
    ),  # a file is shrunk in minutes, and seldom tells more
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("desk")


def assert_read_alike(path: Path, rows: list[dict], length: int) -> None:
    "Each row of a file, read in tables of a length, gives what the row gives by itself."
    frames = stream_source(str(path), ReadOptions(keep_types=True), ReadReport(), "source")
    seen = 0
    for frame in rebatch(frames, length):
        batch = read_frame(READER, frame)
        for place in range(len(frame)):
            row, read = rows[seen], READER.read(rows[seen])
            assert np.array_equal(batch.numbers[place], np.float32(read.numbers), equal_nan=True), row
            assert batch.words[place].tolist() == read.words, row
            found = {violation for violation, where in batch.violations if where[place]}
            assert found == {*read.violations}, row
            seen += 1
    assert seen == len(rows)


@given(
    rows=st.lists(
        st.dictionaries(st.sampled_from([*NAMES, "target", "other"]), NESTED, min_size=2), min_size=1, max_size=8
    ),
    length=st.integers(1, 4),
)  # fmt: skip
@FILES
def test_json_lines(desk, rows, length):
    names = {name for row in rows for name in row}
    rows = [row for row in rows if row]
    (desk / "new.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    if len(names) > 1:
        assert_read_alike(desk / "new.jsonl", rows, length)


@given(
    columns=st.lists(
        st.tuples(
            st.sampled_from(NAMES),
            st.lists(CELLS, min_size=6, max_size=6) | st.lists(NUMBERS, min_size=6, max_size=6),
        ),
        min_size=2, max_size=6, unique_by=lambda column: column[0]),
    length=st.integers(1, 4),
)  # fmt: skip
@FILES
def test_json_records_whose_columns_are_of_one_type_or_of_several(desk, columns, length):
    rows = [
        dict(zip(dict(columns), cells, strict=True)) for cells in zip(*dict(columns).values(), strict=True)
    ]
    (desk / "new.json").write_text(json.dumps(rows), encoding="utf-8")
    assert_read_alike(desk / "new.json", rows, length)


@given(
    rows=st.lists(
        st.lists(CELLS.map(str).filter(str.isprintable), min_size=3, max_size=3), min_size=2, max_size=6
    ),
    names=st.permutations(NAMES),
)  # fmt: skip
@FILES
def test_csv(desk, rows, names):
    text, usual = io.StringIO(), ["42", "basic", "see you"]
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([names[:3], usual, *rows, usual])
    (desk / "new.csv").write_text(text.getvalue(), encoding="utf-8", newline="")
    cells = next(rebatch(stream_source(str(desk / "new.csv"), ReadOptions(), ReadReport(), "source"), 99))
    read = [[None if cell != cell else cell for cell in row] for row in cells.to_numpy(object).tolist()]
    assert_read_alike(desk / "new.csv", [dict(zip(names[:3], row, strict=True)) for row in read], 3)


ARROW = {
    pa.bool_(): st.booleans(), pa.int64(): st.integers(-(2**63), 2**63 - 1), pa.int8(): st.integers(-3, 3),
    pa.uint64(): st.integers(0, 2**64 - 1), pa.float64(): st.floats(), pa.float32(): st.floats(width=32),
    pa.string(): TEXTS.filter(str.isprintable).filter(lambda text: "\ud800" not in text),
    pa.date32(): st.dates(), pa.decimal128(12, 2): st.decimals(-99999, 99999, places=2),
    pa.timestamp("us"): st.datetimes(date_min := datetime(1700, 1, 1)),
    pa.timestamp("us", "UTC"): st.datetimes(date_min, datetime(2200, 1, 1), timezones=st.just(UTC)),
    pa.duration("ms"): st.timedeltas(timedelta(-9999), timedelta(9999)),
}  # fmt: skip


@given(
    columns=st.lists(
        st.tuples(
            st.sampled_from(NAMES),
            st.sampled_from([*ARROW]).flatmap(
                lambda kind: st.tuples(st.just(kind), st.lists(st.none() | ARROW[kind], min_size=5, max_size=5))
            ),
        ),
        min_size=2, max_size=5, unique_by=lambda column: column[0]),
    length=st.integers(2, 5),
)  # fmt: skip
@FILES
def test_parquet(desk, columns, length):
    table = pa.table({name: pa.array(cells, kind) for name, (kind, cells) in columns})
    parquet.write_table(table, desk / "new.parquet")
    assert_read_alike(desk / "new.parquet", table.to_pylist(), length)


@pytest.mark.parametrize(
    "name, cell, neighbours",
    [
        ("age", True, ["forty"]), ("age", False, [None]), ("length", 5, ["2h 50m"]), ("length", 2.5, ["1:30", None]),
        ("member", -0.0, ["yes"]), ("member", -0.0, [1, "no"]), ("member", 1, [True]), ("plan", True, ["basic"]),
        ("city", 2**53 + 1, [0.5]), ("city", 2**53 + 1, [None]), ("weight", 2**70, ["12 kg"]), ("weight", -1, ["12 kg"]),
        ("since", 1580688000123456789, [0.5]), ("note", [1, {"a": None}], ["see you"]), ("age", 1e999, [3]),
    ],
)  # fmt: skip
def test_a_cell_among_others(desk, name, cell, neighbours):
    rows = [{name: each, "target": 0} for each in [cell, *neighbours, cell]]
    (desk / "among.jsonl").write_text("\n".join(map(json.dumps, rows)))
    for length in (1, 2, 9):
        assert_read_alike(desk / "among.jsonl", rows, length)


@pytest.mark.parametrize(
    "cell, text",
    [([1, {"a": "é"}], '[1, {"a": "é"}]'), (np.array([1, 2]), "[1, 2]"), ({}, "{}"), (Decimal("1.5"), ""),
     (date(2020, 1, 2), "2020-01-02")],
)  # fmt: skip
def test_lists_and_records_are_texts_of_json(cell, text):
    note = READER.read(dict.fromkeys(NAMES) | {"note": cell})
    plain = READER.read(dict.fromkeys(NAMES) | {"note": text or "1.5"})
    assert (note.words, len(note.violations)) == (plain.words, len(plain.violations))
