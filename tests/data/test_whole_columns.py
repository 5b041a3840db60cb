"What is done to a whole column, or to all columns at once, gives what the careful way gives cell by cell."

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from mlkit.data.cells import MISSING_MARKERS, parse_number
from mlkit.data.column_reader import cells_key, plain_floats, read_column
from mlkit.data.column_spec import ColumnSpec, read_cell
from mlkit.data.column_stats import ColumnStats, compute_column_stats, count_cells, count_values
from mlkit.data.model_inputs import input_cell, input_columns
from mlkit.data.quantities import infer_number_column
from mlkit.data.type_inference import infer_column

NUMBERS = st.one_of(
    st.integers(-(10**18), 10**18).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(["+5", "5.", ".5", "-0", "007", "1e400", "1E-3", "-.5e+3", "12.500", "1e38", "1.1e38"]),
)
OTHERS = st.sampled_from(
    [
        "",
        " ",
        "nan",
        "inf",
        "-Infinity",
        "0x1F",
        "1_000",
        " 5",
        "5 ",
        "１２",
        "$5",
        "5%",
        "12,5",
        "n/a",
        "word",
        "5\n",
    ]
)
COLUMNS = st.lists(st.one_of(NUMBERS, OTHERS, st.none()), min_size=1, max_size=30)


def column_of(cells: list) -> pd.Series:
    return pd.Series(cells, dtype="str", name="x")


@given(COLUMNS)
@settings(max_examples=300)
def test_a_column_of_numbers_is_read_as_its_cells_are(cells):
    spec = ColumnSpec("x", "number")
    one_by_one = np.array([np.nan if (read := read_cell(spec, cell)) is None else read for cell in cells])
    np.testing.assert_array_equal(read_column(spec, column_of(cells)).to_numpy(), one_by_one)


@given(st.lists(st.one_of(NUMBERS, st.just(""), st.none()), min_size=1, max_size=30))
def test_plain_numbers_are_taken_all_at_once(cells):
    read = plain_floats(column_of(cells))
    if read is not None:
        sizes = [np.nan if not cell else float(cell) for cell in cells]
        np.testing.assert_array_equal(read, sizes)
    else:
        assert any(not np.isfinite(float(cell)) for cell in cells if cell)


@given(COLUMNS)
def test_counts_of_a_short_column_are_those_of_pandas(cells):
    counts = count_values(column_of(cells))
    assert [*count_cells(column_of(cells)).items()] == [*zip(counts.index, counts.tolist(), strict=True)]


@given(
    st.lists(st.sampled_from(["a", "A ", "n/a", "Unknown", "-", "b c", "b  c", "é"]), min_size=1, max_size=20)
)
@settings(max_examples=30)
def test_short_and_long_columns_have_the_same_stats(cells):
    times = 10_001 // len(cells) + 1  # more than what is looked at as a short column
    markers = frozenset(MISSING_MARKERS)
    short = compute_column_stats(column_of(cells), markers)
    long = compute_column_stats(column_of(cells * times), markers)
    assert {text: times * rows for text, rows in short.text_counts.items()} == long.text_counts
    assert {text: times * rows for text, rows in short.missing_counts.items()} == long.missing_counts
    assert (times * short.known_rows, short.distinct_values) == (long.known_rows, long.distinct_values)


class CarefulStats(ColumnStats):
    "Counts that do not say of themselves that all cells are plain numbers."

    holds_plain_numbers = False


@given(
    st.dictionaries(
        st.one_of(NUMBERS, st.decimals(0, 99_999, places=3).map(str)), st.integers(1, 9), min_size=1
    )
)
@settings(max_examples=300)
def test_plain_numbers_are_understood_as_if_each_was_looked_at(counts):
    counts = {text: rows for text, rows in counts.items() if parse_number(text) is not None} or {"1": 1}
    series, rows = column_of([*counts]), sum(counts.values())
    facts = series, rows, rows, len(counts), counts, {}
    blank = ColumnSpec("x", "empty")
    assert infer_number_column(blank, ColumnStats(*facts)) == infer_number_column(blank, CarefulStats(*facts))


def test_what_is_known_of_a_column_goes_with_its_cells_and_with_nothing_else():
    cells = column_of([f"{number / 7:.3f}" for number in range(60)])
    again = pd.concat([cells.iloc[:30], cells.iloc[30:]])
    assert cells_key(cells) == cells_key(again) != cells_key(cells.iloc[::-1])
    assert cells_key(cells) != cells_key(cells.where(cells != "0.000"))
    read = read_column(infer_column(cells), cells)
    read.iloc[0] = -1.0
    assert read_column(infer_column(cells), again).iloc[0] == 0.0
    texts = read_column(ColumnSpec("x", "text"), cells)
    texts.iloc[0] = "mine"
    assert read_column(ColumnSpec("x", "text"), cells).iloc[0] == "0.000"
    assert infer_column(cells.rename("code")).kind == "number" and infer_column(cells.rename("y")).name == "y"
    before = cells_key(cells)
    cells.iloc[0] = "changed in place"
    assert cells_key(cells) != before == cells_key(again)


@given(
    st.lists(
        st.one_of(
            OTHERS,
            NUMBERS,
            st.none(),
            st.text(max_size=6),
            st.sampled_from(["N/A", "Not  Known", "a b", "a  b"]),
        ),
        min_size=1,
        max_size=20,
    ),
    st.sampled_from(["text", "identifier", "category"]),
)
@settings(max_examples=300)
def test_a_column_of_texts_is_read_as_its_cells_are(cells, kind):
    spec = ColumnSpec(
        "x", kind, missing=(*MISSING_MARKERS, "word"), categories=("A b", "5%"), other_category="o"
    )
    cells = [None if cell is None else cell.encode("utf-8", "ignore").decode() for cell in cells]
    assert read_column(spec, column_of(cells)).tolist() == [read_cell(spec, cell) or "" for cell in cells]
    frame = input_columns(ColumnSpec("x", "text"), column_of(cells))
    assert [*zip(*(column.tolist() for column in frame.values()), strict=True)] == [
        input_cell(ColumnSpec("x", "text"), cell) for cell in cells
    ]
