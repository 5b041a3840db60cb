"""Coverage-guided fuzzing of everything that reads what strangers write: cells, declarations, request bodies.

By hand, in an environment of its own that has atheris beside what mlkit needs:
`python tests/bench/fuzz_readers.py [WHAT] [CORPUS] -max_total_time=SECONDS`; WHAT is cells, declarations, requests or
all. Findings are written as they come, each kind once, and the run goes on: an error that is not one of ours, a number
that is not finite, an answer that depends on whether a row is read alone or in a frame, and an input that takes
seconds. libFuzzer prints the executions.
"""

import json
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

import atheris

with atheris.instrument_imports(include=["mlkit"]):
    import numpy as np
    import pandas as pd

    from mlkit.core.errors import MLKitError, SettingsError
    from mlkit.data.cells import (
        as_text,
        detect_currency,
        parse_boolean,
        parse_hours,
        parse_number,
        split_numbers,
        split_units,
        to_python,
    )
    from mlkit.data.column_reader import read_column
    from mlkit.data.column_spec import ColumnSpec, read_cell
    from mlkit.data.conventions import FileConventions
    from mlkit.data.dates import parse_date
    from mlkit.data.moments import parse_moment
    from mlkit.data.schema import Rule, Schema, make_schema
    from mlkit.data.table_spec import TableSpec
    from mlkit.inference.frame_reader import read_frame
    from mlkit.inference.row_reader import RowReader
    from mlkit.serving.http import RequestLimits, check_request_rows, parse_json
    from mlkit.serving.protocols import (
        parse_csv_rows,
        parse_inference_request,
        parse_mlflow_rows,
        tensor_rows,
    )

TABLE = TableSpec(
    (
        ColumnSpec("a", "number", missing=("", "n/a", "-999")),
        ColumnSpec("b", "number", unit="h", units={"min": 1 / 60, "d": 24.0}),
        ColumnSpec("c", "number", decimal=","),
        ColumnSpec("d", "boolean"),
        ColumnSpec("e", "date", date_order="day", has_time=True),
        ColumnSpec("f", "category", categories=("basic", "pro", "1", "True"), other_category="basic"),
        ColumnSpec("g", "category", categories=("Bern", "9007199254740993", "0")),
        ColumnSpec("h", "text", parts=("characters", "words")),
        ColumnSpec("i", "numbers", number_patterns=("#x#",), parts=("1", "2")),
    )
)
READER = RowReader(TABLE, Schema({"a": Rule("number", low=0, high=120), "h": Rule("text", missing=0)}))
NAMES = [column.name for column in TABLE.columns]
_KNOWN: set[str] = set()
COUNTS = {"executions": 0, "rows": 0, "findings": 0}


class Finding(Exception):
    """Something that is wrong though nothing was raised."""


def check(holds: bool, what: str) -> None:
    if not holds:
        raise Finding(what)


def same(one: Any, other: Any) -> bool:
    """Whether two read cells are one value."""
    gone = [cell is None or cell == "" or cell != cell for cell in (one, other)]
    return gone[0] and gone[1] or (not any(gone) and (one == other or str(one) == str(other)))


def cells(data: bytes) -> None:
    """Every reader of single cells, and each kind of column: alone and in a series of one."""
    text = data.decode("utf-8", "replace")
    for mark in (".", ","):
        number = parse_number(text, mark)
        check(number is None or bool(np.isfinite(number)), "a number that is not finite")
        split_numbers(text, mark)
    parse_hours(text), split_units(text), detect_currency(text), parse_boolean(text)
    for order in ("", "day", "month"):
        parse_date(text, order), parse_moment(text, order)
    check(as_text(text) == as_text(as_text(text)), "the text of a text is another one")
    for column in TABLE.columns:
        read_cell(column, text)
    if COUNTS["executions"] % 20:  # frames are slow
        return
    for column in TABLE.columns:
        alone = read_cell(column, text)
        among = to_python(read_column(column, pd.Series([text], dtype="str")).iloc[0])
        check(same(alone, among), f"{column.kind} {column.name}: {alone!r} alone, {among!r} in a column")
    read_rows([dict.fromkeys(NAMES, text)])


def read_rows(rows: list[dict[str, Any]]) -> None:
    """Rows one by one and as a frame: the same inputs, and the same rows rejected."""
    COUNTS["rows"] += len(rows)
    alone = [READER.read(row) for row in rows]
    FileConventions(TABLE.columns).add_rows(rows)
    names = dict.fromkeys(name for row in rows for name in row)
    frame = pd.DataFrame(
        {name: pd.Series([row.get(name, pd.NA) for row in rows], dtype=object) for name in names}
    )
    together = read_frame(READER, frame)
    for place, (row, gone) in enumerate(zip(alone, together.rejected(), strict=True)):
        check(bool(row.errors) == bool(gone), f"rejected alone: {bool(row.errors)}, in a frame: {bool(gone)}")
        check(
            np.array_equal(np.float32(row.numbers), together.numbers[place], equal_nan=True), "other numbers"
        )
        check(row.words == together.words[place].tolist(), "other words")


def declarations(data: bytes) -> None:
    """`table.json` and `schema.json`, whatever is in them."""
    try:
        written = json.loads(data)
    except (ValueError, RecursionError):
        return
    for make in (TableSpec.from_dict, make_schema):
        try:
            made = make(written)
            if isinstance(made, TableSpec):
                made.row_inputs({column.name: "1,5" for column in made.columns})
                check(TableSpec.from_dict(made.to_dict()).to_dict() == made.to_dict(), "declared otherwise")
        except MLKitError as error:
            check(isinstance(error, SettingsError) or "\n" not in str(error), "a message of two lines")


def requests(data: bytes) -> None:
    """Bodies of every protocol, and the rows that they hold."""
    limits = RequestLimits()
    ways: tuple[Callable[[], Any], ...] = (
        lambda: parse_json(data),
        lambda: parse_mlflow_rows(parse_json(data), NAMES),
        lambda: parse_csv_rows(data),
        lambda: tensor_rows(parse_inference_request(data, None).inputs),
        lambda: tensor_rows(parse_inference_request(data[2:], data[:2]).inputs),
    )
    for way in ways:
        try:
            rows = way()
            rows = [rows] if isinstance(rows, dict) else rows
            if isinstance(rows, list):
                check_request_rows(rows, limits, 100, len(data))
                read_rows(rows)
        except MLKitError as error:
            check("\n" not in str(error), "a message of two lines")


TARGETS = {"cells": cells, "declarations": declarations, "requests": requests}


def watched(target: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """Findings are printed once for each place in the code, and the fuzzer goes on."""

    def run(data: bytes) -> None:
        COUNTS["executions"] += 1
        begun = time.process_time()
        try:
            target(data)
            seconds = time.process_time() - begun
            check(seconds < 2, "an input that takes seconds")
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            kind = f"{type(error).__name__} in {last.name}: {str(error)[:40] if isinstance(error, Finding) else ''}"
            COUNTS["findings"] += 1
            if kind not in _KNOWN:
                _KNOWN.add(kind)
                print(f"FINDING {kind}: {str(error)[:200]!r} of {data[:400]!r}", file=sys.stderr, flush=True)
                traceback.print_exc()
        if COUNTS["executions"] % 20_000 == 0:
            print(f"{COUNTS}, kinds {len(_KNOWN)}", file=sys.stderr, flush=True)

    return run


def everything(data: bytes) -> None:
    """One of the three, by the first byte."""
    if data:
        [*TARGETS.values()][data[0] % 3](data[1:])


def main() -> None:
    named = sys.argv.pop(1) if sys.argv[1:2] and sys.argv[1] in (*TARGETS, "all") else "all"
    atheris.Setup(sys.argv, watched(TARGETS.get(named, everything)))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
