"A row that is checked and read at once says what the slow way says, and a table says what its rows say."

from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlkit.core.errors import DataError, SettingsError
from mlkit.data.column_spec import ColumnSpec
from mlkit.data.constraints import parse_constraint
from mlkit.data.conventions import FileConventions
from mlkit.data.schema import DEFAULT_ACTIONS, VIOLATION_ACTIONS, Rule, Schema, make_schema
from mlkit.data.schema_inference import infer_schema
from mlkit.data.table_spec import DerivedInput, TableSpec
from mlkit.data.type_inference import infer_table_spec
from mlkit.inference.frame_reader import read_frame
from mlkit.inference.predictor import Predictor
from mlkit.inference.row_reader import RowReader, is_text_input
from mlkit.quality.schema_check import row_violations
from mlkit.sources.examples import load_example

TABLE = TableSpec(
    (
        ColumnSpec("age", "number"),
        ColumnSpec("weight", "number", unit="kg", units={"g": 0.001}),
        ColumnSpec("price", "number", decimal=",", currency="€"),
        ColumnSpec("member", "boolean"),
        ColumnSpec("since", "date", has_time=True),
        ColumnSpec("day", "date", date_order="day"),
        ColumnSpec("plan", "category", categories=("basic", "pro"), other_category="basic"),
        ColumnSpec("city", "category", categories=("Bern", "Zürich"), spellings={"Zurich": "Zürich"}),
        ColumnSpec("note", "text"),
        ColumnSpec("code", "identifier", use=False, unused_reason="it tells rows apart"),
    )
).with_derived([DerivedInput("", "age", "/", "price")])
SCHEMA = Schema({
    "age": Rule("number", missing=0, low=0, high=120), "weight": Rule("number", low=1),
    "price": Rule("number"),
    "member": Rule("boolean", missing=0.5), "since": Rule("date", low="2001-01-01", high="2030-12-31"),
    "plan": Rule("category", categories=("basic", "pro")), "note": Rule("text", missing=0),
    "city": Rule("category", pattern="[A-Z].*"),
}, (parse_constraint("age < 2 * weight"),))  # fmt: skip
READER = RowReader(TABLE, SCHEMA, "target")

TEXTS = st.sampled_from([
    "", " ", "42", "4.5", "4,5", "€ 3", "$3", "12 kg", "900 g", "forty", "yes", "no", "TRUE", "0", "n/a", "-",
    "2020-02-03", "03/04/2020", "2020-02-03 04:05", "1999-12-31", "basic", "PRO", "premium", "Zurich", "bern",
    "see you", "a" * 200, "１２", "1e400", "nan", "null", "?",
])  # fmt: skip
CELLS = st.one_of(
    st.none(), st.booleans(), st.integers(-10**6, 10**6), st.integers(), st.floats(), TEXTS,
    st.text(max_size=8))  # fmt: skip
NAMES = [column.name for column in TABLE.columns]


def parts(read):
    "A row's inputs, in a form that can be compared."
    return [None if value != value else float(np.float32(value)) for value in read.numbers], read.words


@given(st.dictionaries(st.sampled_from([*NAMES, "target", "other"]), CELLS))
@settings(max_examples=150)
def test_a_row_is_read_as_the_slow_way_reads_it(row):
    read, slow = READER.read(row), TABLE.row_inputs(row)
    kinds = TABLE.input_kinds
    numbers = [float(value) for name, value in slow.items() if not is_text_input(kinds[name])]
    assert parts(read)[0] == [None if value != value else value for value in numbers]
    assert read.words == [value for name, value in slow.items() if is_text_input(kinds[name])]
    broken = {(violation.column, violation.message) for violation in read.violations
              if violation.check not in ("unknown_column", "missing_column")}  # fmt: skip
    assert {column for column, _ in broken} == {
        column for column, _ in row_violations(READER.schema, TABLE, row)
    }
    assert {t.column for t in read.violations if t.check == "unknown_column"} == {*row} & {"other"}
    absent = {t.column for t in read.violations if t.check == "missing_column"}
    assert absent == {column.name for column in TABLE.used} - {*row}


@given(st.lists(st.fixed_dictionaries(dict.fromkeys(NAMES, CELLS)), min_size=1, max_size=12))
@settings(max_examples=60)
def test_a_table_is_read_as_its_rows_are(rows):
    frame = pd.DataFrame({name: pd.Series([row[name] for row in rows], dtype=object) for name in NAMES})
    batch = read_frame(READER, frame)
    for place, row in enumerate(rows):
        read = READER.read(row)
        assert np.array_equal(batch.numbers[place], np.array(read.numbers, "float32"), equal_nan=True)
        assert batch.words[place].tolist() == read.words
        assert {violation for violation, where in batch.violations if where[place]} == {*read.violations}
    assert batch.rejected().tolist() == [bool(READER.read(row).errors) for row in rows]


NUMBER_TEXTS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr), st.integers(-10**4, 10**4).map(str),
    st.sampled_from(["+7", "-0", "1.", ".5", "1e400", "1e39", "nan", "inf", "-Infinity", "12,5", "1.000.000", " 7"]),
)  # fmt: skip
DATE_TEXTS = st.sampled_from(
    ["03/04/2020", "13/04/2020", "04/13/2020", "2020-02-03", "3.4.2020", "soon", "-"]
)


@given(st.lists(st.tuples(st.none() | NUMBER_TEXTS, DATE_TEXTS), min_size=1, max_size=5), st.integers(1, 4))
@settings(max_examples=150)
def test_columns_of_texts_are_read_as_their_cells_are(cells, times):
    rows = [{"age": age, "weight": age, "day": day, "since": day, "note": age} for age, day in cells * times]
    batch = read_frame(READER, pd.DataFrame(rows, dtype="str"))
    for place, row in enumerate(rows):
        read = READER.read(row)
        assert parts(read) == (
            [None if value != value else float(value) for value in batch.numbers[place]],
            batch.words[place].tolist(),
        )
        assert {*read.violations} == {violation for violation, where in batch.violations if where[place]}


@given(st.lists(st.fixed_dictionaries({"age": NUMBER_TEXTS, "price": NUMBER_TEXTS, "day": DATE_TEXTS,
                                       "since": DATE_TEXTS}), min_size=1, max_size=6))  # fmt: skip
@settings(max_examples=150)
def test_a_request_is_refused_for_what_its_rows_say_together(rows):
    predictor = Predictor(Path("."), {"name": "x"}, None, 0.5, frozenset(), TABLE, SCHEMA, None, "1")
    whole = FileConventions(TABLE.used)
    whole.add_rows(rows)
    try:
        predictor.check_rows(rows)
    except DataError as error:
        assert str(error) == whole.problem("request")
    else:
        assert not whole.problem("request")


@pytest.mark.parametrize("name", ["customers", "wine", "breast_cancer"])
def test_typed_columns_are_read_as_their_cells_are(name):
    frame = load_example(name).head(300)
    target = frame.columns[-1]
    table = infer_table_spec(frame, ignore=[target])
    reader = RowReader(table, infer_schema(table, frame), target)
    for view in (frame, frame.convert_dtypes(), frame.astype(object)):
        batch = read_frame(reader, view)
        for place in range(0, len(view), 7):
            read = reader.read(view.iloc[place].to_dict())
            assert np.array_equal(batch.numbers[place], np.array(read.numbers, "float32"), equal_nan=True)
            assert batch.words[place].tolist() == read.words


@pytest.mark.parametrize("row, check, column", [
    ({"age": 400}, "range", "age"), ({"age": "forty"}, "kind", "age"), ({"age": None}, "missing_value", "age"),
    ({"plan": "premium"}, "category", "plan"), ({"city": "bern"}, "pattern", "city"),
    ({"agee": 3}, "unknown_column", "agee"), ({}, "missing_column", "plan"),
    ({"since": datetime(1990, 1, 1)}, "range", "since"),
    ({"age": 50, "weight": 3}, "constraint", "age, weight"), ({"age": [1, {"a": 2}]}, "kind", "age"),
    ({"member": "perhaps"}, "kind", "member"),
])  # fmt: skip
def test_each_violation_has_its_check(row, check, column):
    found = [violation for violation in READER.read(row).violations if violation.check == check]
    assert column in [violation.column for violation in found]
    assert all(violation.action == DEFAULT_ACTIONS[check] for violation in found)


@pytest.mark.parametrize("action", VIOLATION_ACTIONS)
def test_the_schema_says_what_a_violation_means(action):
    said = SCHEMA.to_dict() | {"serving": {"range": action, "unknown_column": "error"}}
    reader = RowReader(TABLE, make_schema(said), "target")
    read = reader.read({"age": 400, "other": 1})
    assert ("age" in [t.column for t in read.errors]) == (action == "error")
    assert ("age" in [t.column for t in read.warnings]) == (action == "warn")
    assert "other" in [t.column for t in read.errors]


@pytest.mark.parametrize("serving, said", [
    ({"rang": "warn"}, "serving: there is no check 'rang'; did you mean 'range'?"),
    ({"range": "ignore"}, "serving: range is one of error, warn, default, not ignore"),
    (["range"], "serving is an object"),
])  # fmt: skip
def test_a_schema_that_cannot_be_meant_is_refused(serving, said):
    with pytest.raises(SettingsError, match=said.replace("?", r"\?")):
        make_schema({"columns": {}, "serving": serving})


def test_a_message_never_repeats_a_cell():
    secret = "4929 1234 5678 9012"
    row = dict.fromkeys(NAMES, secret) | {"age": secret, "since": secret}
    assert all(secret not in violation.message for violation in READER.read(row).violations)


def test_long_texts_and_many_values_do_not_stay_in_memory():
    reader = RowReader(TABLE, SCHEMA)
    import tracemalloc

    for number in range(3_000):
        reader.read({"note": f"{number} " + "x" * 50, "plan": f"p{number}", "age": number + 0.5})
    tracemalloc.start()
    for number in range(3_000, 8_000):
        reader.read({"note": f"{number} " + "x" * 50, "plan": f"p{number}", "age": number + 0.5})
    grown = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert grown < 3_000_000


# rows with little in them
CUSTOMERS = load_example("customers")
CUSTOMER_TABLE = infer_table_spec(CUSTOMERS, ignore=["churned"])
CUSTOMER_READER = RowReader(CUSTOMER_TABLE, infer_schema(CUSTOMER_TABLE, CUSTOMERS), "churned")
FULL = {name: cell for name, cell in CUSTOMERS.iloc[0].items() if name != "churned"}
COLUMNS = len(CUSTOMER_TABLE.used)


@pytest.mark.parametrize(
    "row, check, action",
    [
        (dict.fromkeys(FULL), "empty_row", "warn"),
        (dict.fromkeys(FULL, " n/a "), "empty_row", "warn"),
        (dict.fromkeys(FULL, float("nan")), "empty_row", "warn"),
        ({}, "empty_row", "warn"),
        (dict.fromkeys(FULL) | {"age": "41", "plan": "pro"}, "sparse_row", "warn"),
        (FULL | {"note": None, "satisfaction": "", "age": "unknown"}, "", ""),
        (
            FULL
            | {
                "region": "the moon",
                "plan": "gold",
                "contract": "for ever",
                "note": None,
                "satisfaction": None,
                "age": None,
                "usage_hours": None,
            },
            "",
            "",
        ),
        (FULL, "", ""),
    ],
)
def test_a_row_with_little_or_nothing_in_it_is_answered_with_a_warning(row, check, action):
    [found] = [v for v in CUSTOMER_READER.read(row).violations if v.check.endswith("_row")] or [None]
    assert found is None if not check else (found.check, found.action) == (check, action)
    frame = read_frame(CUSTOMER_READER, pd.DataFrame([row] * 2, index=range(2)))
    assert [v for v, where in frame.violations if v.check.endswith("_row") and where.all()] == [found] * bool(
        check
    )
    assert list(frame.rejected()) == [action == "error"] * 2
    if check == "sparse_row":
        assert f"{COLUMNS - 2} of {COLUMNS} columns are empty" in found.message


def test_rows_of_a_table_that_is_mostly_empty_are_as_usual():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(600, 8))
    table = pd.DataFrame(np.where(rng.random((600, 8)) < 0.75, np.nan, values), columns=list("abcdefgh"))
    spec = infer_table_spec(table, ignore=[])
    reader = RowReader(spec, infer_schema(spec, table))
    assert not [v for v, _ in read_frame(reader, table).violations if v.check.endswith("_row")]
