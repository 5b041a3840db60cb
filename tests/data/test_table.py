"What a raw cell says, how a column is recognised, and that both executors agree."

import json
import math
import pickle
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlkit.core.errors import DataError
from mlkit.data.cells import (
    LARGEST_NUMBER,
    MISSING_MARKERS,
    as_text,
    detect_currency,
    is_missing,
    normalise_text,
    parse_boolean,
    parse_hours,
    parse_number,
    split_numbers,
    split_units,
    to_python,
)
from mlkit.data.column_reader import ISO_TIME_PATTERN, ZONED_TIME_PATTERN, read_column
from mlkit.data.column_spec import KINDS, ColumnSpec, read_cell
from mlkit.data.dates import parse_date
from mlkit.data.model_inputs import input_cell, input_columns, input_names
from mlkit.data.ordered_categories import ordered_categories
from mlkit.data.sentinels import find_sentinels
from mlkit.data.table_spec import DerivedInput, TableSpec
from mlkit.data.type_inference import infer_column, infer_kind, infer_table_spec
from mlkit.data.words import tokenise_text
from mlkit.sources.examples import EXAMPLES, load_example, make_customers

# ---------------------------------------------------------------- cells


@pytest.mark.parametrize(
    "text, number",
    [
        ("12", 12),
        (" 12 ", 12),
        ("-1.5", -1.5),
        ("+3", 3),
        (".5", 0.5),
        ("5.", 5),
        ("1e-3", 0.001),
        ("1.5E3", 1500),
        ("1,250", 1250),
        ("1 250", 1250),
        ("1\u00a0250", 1250),
        ("1\u202f250,5", None),
        ("1'250.50", 1250.5),
        ("12,345,678.9", 12345678.9),
        ("1.250,50", 1250.5),
        ("1.234.567,8", 1234567.8),
        ("12%", 12),
        ("12 %", 12),
        ("(5)", -5),
        ("($5,720)", -5720),
        ("$5,720", 5720),
        ("-$5", -5),
        ("$-5", -5),
        ("US$ 5", 5),
        ("5 €", 5),
        ("EUR 5", 5),
        ("5 USD", 5),
        ("￥１，２５０", 1250),
        ("1,250円", 1250),
        ("−5", -5),
        ("▲5", -5),
        ("10,000+", 10000),
        ("19M", 19e6),
        ("8.7k", 8700),
        ("2.3K", 2300),
        ("4.35B", 4.35e9),
        ("3万", 30000),
        ("120万円", 1.2e6),
        ("１２３", 123),
        ("0401", 401),
        ("-0", 0),
        ("1e-400", 0),
    ],
)
def test_numbers_are_read(text, number):
    assert parse_number(text) == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "-",
        ".",
        "+",
        "abc",
        "1_250",
        "1,25",
        "1,2345",
        "12,50",
        "0,250",
        "1.2.3",
        "192.168.100.200",
        "0x1F",
        "inf",
        "-inf",
        "nan",
        "1e999",
        "5m",
        "5b",
        "5²",
        "½",
        "⑴",
        "٣",
        "3rd",
        "(-5)",
        "+-5",
        "1 2",
        "1, 250",
        "5 5",
        "2020-01-01",
        "10:30",
        "$",
        "%",
    ],
)
def test_what_is_no_number_is_refused(text):
    assert parse_number(text) is None


def test_what_is_too_large_for_a_float_is_refused():
    assert [parse_number(sign + "9" * 400) for sign in ("", "-", "$", "-$")] == [None] * 4


@pytest.mark.parametrize(
    "text, number",
    [
        ("1,25", 1.25),
        ("1,250", 1.25),
        ("1.250", 1250),
        ("1.250,5", 1250.5),
        ("1,250.5", 1250.5),
        ("0,5", 0.5),
        ("12.5", None),
    ],
)
def test_a_decimal_comma_is_declared(text, number):
    assert parse_number(text, ",") == number


@pytest.mark.parametrize(
    "text, moment",
    [
        ("2013-10-20", (2013, 10, 20)),
        ("2013/10/20", (2013, 10, 20)),
        ("2013.1.2", (2013, 1, 2)),
        ("20131020", (2013, 10, 20)),
        ("20.10.2013", (2013, 10, 20)),
        ("10/20/2013", (2013, 10, 20)),
        ("20/10/13", (2013, 10, 20)),
        ("3/3/2020", (2020, 3, 3)),
        ("January 7, 2018", (2018, 1, 7)),
        ("Jan 7 2018", (2018, 1, 7)),
        ("Sept. 7, 2018", (2018, 9, 7)),
        ("7 Jan 2018", (2018, 1, 7)),
        ("7-Jan-18", (2018, 1, 7)),
        ("07JAN1999", (1999, 1, 7)),
        ("7th May 2018", (2018, 5, 7)),
        ("Sunday, 7 January 2018", (2018, 1, 7)),
        ("Jan 2018", (2018, 1, 1)),
        ("2018-01", (2018, 1, 1)),
        ("1999年03月", (1999, 3, 1)),
        ("2013年10月20日", (2013, 10, 20)),
        ("２０１３年１０月２０日(日)", (2013, 10, 20)),
        ("令和5年4月1日", (2023, 4, 1)),
        ("令和元年5月1日", (2019, 5, 1)),
        ("H31.4.30", (2019, 4, 30)),
        ("2020-01-01T10:00:00Z", (2020, 1, 1, 10)),
        ("2020-01-01 10:00:00+09:00", (2020, 1, 1, 1)),
        ("2020-01-01 10:00:00-0530", (2020, 1, 1, 15, 30)),
        ("2020-01-01 10:30", (2020, 1, 1, 10, 30)),
        ("2020-01-01 10:00:00.123456789", (2020, 1, 1, 10, 0, 0, 123456)),
        ("1/20/2020 12:05 AM", (2020, 1, 20, 0, 5)),
        ("2020年1月2日 3時40分", (2020, 1, 2, 3, 40)),
    ],
)
def test_dates_are_read(text, moment):
    assert parse_date(text) == datetime(*moment)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "03/04/2020",
        "2020-02-30",
        "2020-13-01",
        "0000-01-01",
        "2020",
        "12",
        "1.5",
        "10:30",
        "2020-01-01 25:00",
        "2020-01/02",
        "Foo 7, 2018",
        "20191320",
        "12345678",
        "1.2.3.4",
        "9999-12-31 23:59:59-01:00",
        "2020-01-01 noon",
    ],
)
def test_what_is_no_date_or_leaves_it_open_is_refused(text):
    assert parse_date(text) is None


def test_the_order_of_day_and_month_is_declared_and_kept():
    assert parse_date("03/04/2020", "month") == datetime(2020, 3, 4)
    assert parse_date("03/04/2020", "day") == datetime(2020, 4, 3)
    assert parse_date("25/04/2020", "month") is None


@given(st.datetimes())
def test_every_iso_moment_is_read_back(moment):
    assert parse_date(moment.isoformat()) == moment
    assert parse_date(str(moment)) == moment


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_python_number_is_read_back(number):
    assert parse_number(repr(number)) == (number if abs(number) <= LARGEST_NUMBER else None)


@given(st.text())
def test_no_text_is_too_strange(text):
    for read in (parse_number, parse_date, parse_boolean, is_missing, normalise_text, as_text):
        read(text)
    if text.isascii():
        assert normalise_text(f" {text.upper()}\t") == normalise_text(normalise_text(text))


def test_yes_no_and_nothing():
    assert [parse_boolean(text) for text in ("Yes", "t", "はい")] == [True, True, True]
    assert [parse_boolean(text) for text in ("ＮＯ", "0")] == [False, False]
    assert [parse_boolean(text) for text in ("maybe", "")] == [None, None]
    assert all(map(is_missing, ("", "  ", "NA", "n/A", "NaN", "NULL", "None", "?", "-", "--", "#N/A", "－")))
    assert not any(is_missing(text) for text in ("refused", "0", "no", "x"))


@pytest.mark.parametrize(
    "text, hours",
    [
        ("23:45", 23.75),
        ("8:05 PM", 20 + 5 / 60),
        ("12:30 a.m.", 0.5),
        ("1:30:36", 1.51),
        ("125:00", 125),
        ("8時30分", 8.5),
        ("１０：１５", 10.25),
        ("24:60", None),
        ("13:00 PM", None),
        ("16:9", None),
        ("10", None),
        ("2020-01-01 10:30", None),
    ],
)
def test_times_are_read_as_hours(text, hours):
    assert parse_hours(text) == (hours and pytest.approx(hours))


@pytest.mark.parametrize(
    "text, shape, numbers",
    [
        ("640Nm@ 1740rpm", "#nm@#rpm", (640, 1740)),
        ("120 / 80", "#/#", (120, 80)),
        ("10-19", "#-#", (10, 19)),
        ("-5 to -3.5", "#to#", (-5, -3.5)),
        ("(35.68, -139.7)", "(#,#)", (35.68, -139.7)),
        ("1,000～5,000円", "#~#円", (1000, 5000)),
        ("5 - 3", "#-#", (5, 3)),
        ("#1 of 3", "no#of#", (1, 3)),
        ("none", "none", ()),
    ],
)
def test_several_numbers_are_told_from_what_stands_around_them(text, shape, numbers):
    assert split_numbers(text) == (shape, numbers)


def test_a_decimal_comma_holds_for_several_numbers_too():
    assert split_numbers("1,5 x 1.250,25", ",") == ("#x#", (1.5, 1250.25))


def test_a_unit_stands_behind_its_number():
    assert split_units("2h 50m") == [("2", "h"), ("50", "m")] and split_units("85 m²") == [("85", "m²")]
    assert [detect_currency(text) for text in ("US$ 5", "5 €", "1,250円", "5", "CHF 5")] == [
        "USD",
        "EUR",
        "JPY",
        "",
        "CHF",
    ]


@pytest.mark.parametrize(
    "text, words",
    [
        ("Don't  CALL (again)!", "don't call again"),
        ("", ""),
        ("…!?", ""),
        ("Ｎｏ　ｗａｙ", "no way"),
        ("3.5 GB, e-mail;x", "3.5 gb e-mail x"),
        ("東京都民", "東京 京都 都民"),
        ("太郎は東京へ", "太郎 は 東京 へ"),
        ("スーパーマーケット", "スーパーマーケット"),
        ("ｶﾅとABC", "カナ と abc"),
        ("Straße", "strasse"),
        ("ありがとう。", "あり りが がと とう"),
    ],
)
def test_the_words_of_a_text_can_be_split_at_blanks(text, words):
    assert tokenise_text(text) == words


@given(st.text())
def test_words_are_folded_once_and_for_all(text):
    words = tokenise_text(text)
    assert words == " ".join(words.split()) and not set(",;()[]!?。、") & set(words)
    if text.isascii():
        assert tokenise_text(words) == words == tokenise_text(text.upper())


# ---------------------------------------------------------------- both executors agree

ZONE = timezone(timedelta(hours=9))
UGLY = [
    "",
    " ",
    "NA",
    "?",
    "unknown",
    "Basic",
    "basic ",
    "ＢＡＳＩＣ",
    "Gold",
    "(other)",
    "yes",
    "No",
    "1",
    "0",
    "1.0",
    "-1",
    "-1.0",
    "1,250",
    "1.250",
    "1.250,50",
    "12,5",
    "$5",
    "€5",
    "5円",
    "(7)",
    "19M",
    "2h 50m",
    "1:30",
    "120/80",
    "3-4",
    "-5 to -3",
    "500g",
    "5 kg",
    "5kg",
    "５kg",
    "12%",
    "1e39",
    "-3.5e38",
    "1e400",
    "1e-50",
    "inf",
    "0401",
    "2020-02-29",
    "2020/2/30",
    "03/04/2020",
    "25.12.2020",
    "20131020",
    "令和5年4月1日",
    "0001-01-01",
    "9999-12-31 23:59:59.999999",
    "2020-01-01T10:00:00+09:00",
    "2020-01-01T10:00:00.5Z",
    "9999-12-31T23:59:59-05:00",
    "1000-01-01T00:00+23:59",
    "\ud800",
    "1\n",
    "１２３",
]
TEXTS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(UGLY),
    st.from_regex(ISO_TIME_PATTERN, fullmatch=True),
    st.from_regex(ZONED_TIME_PATTERN, fullmatch=True),
    st.floats().map(repr),
    st.integers().map(str),
    st.datetimes().map(str),
    st.dates().map(str),
    st.decimals(allow_nan=False, allow_infinity=False, places=2).map("{:,}".format),
    st.from_regex(
        r"[+-]?[$€]?([0-9]{1,3}([.,][0-9]{3}){0,2}|[0-9]{1,5})([.,][0-9]{1,3})?( ?(kg|KG|g|lb|m|h|%|円|€))?",
        fullmatch=True,
    ),
    st.from_regex(
        r"[0-9]{1,4}[/.-][0-9]{1,2}[/.-][0-9]{1,4}([ T][0-9]{1,2}:[0-9]{2}(:[0-9]{2})?)?", fullmatch=True
    ),
)
TYPED = st.one_of(
    st.sampled_from([None, pd.NA, pd.NaT]),
    st.floats(),
    st.integers(),
    st.booleans(),
    st.decimals(),
    st.dates(),
    st.datetimes(),
    st.datetimes(timezones=st.sampled_from([UTC, ZONE])),
    st.timedeltas(),
    st.fractions(),
    st.floats(width=32).map(np.float32),
    st.integers(-(2**63), 2**63 - 1).map(np.int64),
    st.booleans().map(np.bool_),
    st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1)).map(pd.Timestamp),
    st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1)).map(np.datetime64),
    st.sampled_from([np.datetime64("NaT", "us"), np.datetime64(20000, "Y"), np.timedelta64(5, "m")]),
    st.sampled_from([[1], {"a": 1}, b"x", 1j, 10**400, -(10**5000), [10**5000], Decimal("sNaN")]),
)
COLUMNS = st.builds(
    ColumnSpec,
    name=st.just("a"),
    kind=st.sampled_from(["number", "date", "number", "date", "numbers", "text", *KINDS]),
    decimal=st.sampled_from(".,"),
    unit=st.sampled_from(["", "kg", "h", "%"]),
    units=st.sampled_from([{}, {"g": 0.001, "lb": 0.45359237}, {"m": 1 / 60, "": 1.0}, {"": 100.0}]),
    currency=st.sampled_from(["", "USD"]),
    number_patterns=st.sampled_from([(), ("#-#-#",), ("#-#", "#.#.#"), ("#kg",)]),
    date_order=st.sampled_from(["", "day", "month"]),
    has_time=st.booleans(),
    exact_match=st.booleans(),
    categories=st.sampled_from([(), ("Basic", "Gold"), ("1", "0401")]),
    other_category=st.sampled_from(["", "(other)"]),
    spellings=st.sampled_from([{}, {"BASIC": "Basic"}]),
    missing=st.sampled_from([MISSING_MARKERS, (*MISSING_MARKERS, "unknown", "-1", "2020-02-29", "5kg")]),
)


def same(ours, theirs):
    ours, theirs = (None if cell is None or cell != cell or cell == "" else cell for cell in (ours, theirs))
    return ours == theirs and isinstance(ours, str) == isinstance(theirs, str)


def check_agreement(column, series):
    "Every cell of the series reads the same one by one, as raw and as model input."
    read, inputs = read_column(column, series), input_columns(column, series)
    assert list(inputs) == list(input_names(column))
    for place, raw in enumerate(series.tolist()):
        assert same(read_cell(column, raw), to_python(read.iloc[place])), (raw, read.iloc[place])
        for cell, name in zip(input_cell(column, raw), inputs, strict=True):
            assert same(cell, inputs[name].iloc[place]), (name, raw, cell)


@settings(max_examples=120)
@given(COLUMNS, st.lists(TEXTS, max_size=12))
@example(ColumnSpec("a", "number"), ["\ud800"])
@example(ColumnSpec("a", "date"), ["\ud800", "2020-02-29"])
@example(ColumnSpec("a", "text"), ["\ud800", "plain", "a\ud800b"])
@example(ColumnSpec("a", "category", categories=("Basic", "a?b")), ["\ud800", "a\ud800b"])
@example(ColumnSpec("a", "numbers", number_patterns=("#-#",)), ["\ud800", "1-2"])
def test_executors_agree_on_text(column, cells):
    check_agreement(column, pd.Series(cells, dtype="object"))
    cells = [cell for cell in cells if "\ud800" not in cell]
    check_agreement(column, pd.Series([*cells, None], dtype="str"))
    check_agreement(column, pd.Series(cells, dtype="category"))


@settings(max_examples=150)
@given(COLUMNS, st.lists(TEXTS | TYPED, max_size=12))
def test_executors_agree_on_mixed_cells(column, cells):
    check_agreement(column, pd.Series(cells, dtype="object"))


@pytest.mark.parametrize(
    "declared",
    [
        *(ColumnSpec("a", kind, has_time=True, categories=("Basic", "1")) for kind in KINDS),
        ColumnSpec("a", "number", decimal=","),
        ColumnSpec("a", "number", unit="kg"),
        ColumnSpec("a", "date", date_order="day"),
        ColumnSpec("a", "date", date_order="month"),
    ],
    ids=lambda column: column.kind + column.unit + column.date_order + column.decimal,
)
def test_executors_agree_on_ugly_cells(declared):
    more = replace(
        declared, missing=(*MISSING_MARKERS, "unknown", "-1", "2020-02-29", "401"), other_category="rest"
    )
    for column in (declared, more):
        check_agreement(column, pd.Series([cell for cell in UGLY if cell != "\ud800"], dtype="str"))
        check_agreement(column, pd.Series([-1.0, 401.0, 20200229.0, 1e39, math.inf, None]))


def typed(dtype, numbers):
    "A column of this type made of any whole numbers."
    width = 8 if dtype == "int8" else 64
    signed = [(number + 2 ** (width - 1)) % 2**width - 2 ** (width - 1) for number in numbers]
    if dtype == "uint64":
        return pd.Series([number % 2**64 for number in numbers], dtype=dtype)
    if dtype == "bool":
        return pd.Series([number > 0 for number in numbers], dtype=dtype)
    if dtype == "boolean":
        return pd.Series([n > 0 if n else None for n in numbers]).astype(dtype)
    return pd.Series(signed, dtype=dtype)


@given(
    COLUMNS,
    st.lists(st.integers(-(2**63), 2**64 - 1) | st.integers(-3, 3), max_size=8),
    st.sampled_from(["int64", "int8", "uint64", "Int64", "bool", "boolean"]),
)
def test_executors_agree_on_typed_columns(column, numbers, dtype):
    check_agreement(column, typed(dtype, numbers))


@given(
    COLUMNS,
    st.lists(st.integers(-(10**11), 10**12) | st.sampled_from([1582934400, -(10**11)]), max_size=8),
    st.integers(0, 999_999),
    st.sampled_from(["datetime64[s]", "datetime64[us]", "Asia/Tokyo", "timedelta64[us]"]),
)
def test_executors_agree_on_columns_of_moments(column, seconds, fraction, dtype):
    "Seconds since 1970 reach from before the year 1 to after 9999; one of them is a marker, 2020-02-29."
    if dtype == "datetime64[s]":
        return check_agreement(column, pd.Series(seconds, dtype="int64").astype(dtype))
    moments = pd.Series([second * 10**6 + fraction for second in seconds], dtype="int64")
    if dtype != "Asia/Tokyo":
        return check_agreement(column, moments.astype(dtype))
    check_agreement(column, moments.astype("datetime64[us]").dt.tz_localize("UTC").dt.tz_convert(dtype))


@given(COLUMNS, st.lists(st.integers(-(2**63) + 1, 2**63 - 1) | st.just(-(2**63) + 9), max_size=8))
def test_executors_agree_on_nanoseconds(column, numbers):
    check_agreement(column, pd.Series(numbers, dtype="int64").astype("datetime64[ns]"))
    check_agreement(column, pd.Series(numbers, dtype="int64").astype("timedelta64[ns]"))


@given(
    COLUMNS,
    st.lists(st.floats() | st.floats(width=32) | st.sampled_from([-0.0, 1.0, 401.0]), max_size=8),
    st.sampled_from(["float64", "float32", "Float64", "double[pyarrow]"]),
)
def test_executors_agree_on_columns_of_floats(column, numbers, dtype):
    with np.errstate(over="ignore"):
        series = pd.Series(numbers, dtype="float64").astype(dtype)
    check_agreement(column, series)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "series",
    [
        pd.Series([1, None, 401], dtype="int64[pyarrow]"),
        pd.Series([True, None], dtype="bool[pyarrow]"),
        pd.Series(["5", None, "2020-02-29"], dtype=pd.ArrowDtype(pa.string())),
        pd.Series([datetime(2020, 2, 29, 10), None], dtype=pd.ArrowDtype(pa.timestamp("us", "Asia/Tokyo"))),
        pd.Series([date(2020, 2, 29), None], dtype=pd.ArrowDtype(pa.date32())),
        pd.Series([Decimal("1.50"), None], dtype=pd.ArrowDtype(pa.decimal128(9, 2))),
        pd.Series([1.0, None, 401.0], dtype="category"),
        pd.Series(["2020-01", None], dtype="period[M]"),
        pd.Series(["$5", None, "2020-02-29", "5/6"], dtype=pd.StringDtype("python", na_value=np.nan)),
        pd.Series(["$5", None, "2020-02-29", "5/6"], dtype="string"),
        pd.Series(["5 kg", None, "1"], dtype="category"),
        pd.Series(pd.interval_range(0, 3)),
        pd.Series([time(23, 45), None], dtype=object),
        pd.Series([date(2020, 2, 29), None], dtype=object),
        pd.Series([timedelta(hours=1), None], dtype="timedelta64[s]"),
        pd.Series([1_600_000_000_000, None], dtype="Int64").astype("datetime64[ms]"),
        pd.Series([3, None], dtype="Int8"),
        pd.Series([3.5, None], dtype="Float32"),
        pd.Series([1, "1", 1.0, True, Decimal("1"), date(2020, 2, 29), "", None], dtype=object),
    ],
    ids=lambda series: str(series.dtype),
)
def test_executors_agree_on_arrow_and_other_columns(series, kind):
    check_agreement(ColumnSpec("a", kind, categories=("1", "401"), has_time=True), series)
    check_agreement(infer_column(series.rename("a")), series)


def ugly_table(rows=400):
    "A table with every kind of column, as people send them."
    draw = np.random.default_rng(5)

    def of(*cells):
        return draw.choice(np.array(cells, dtype=object), rows)

    def whole(low, high):
        return draw.integers(low, high, rows)

    return pd.DataFrame(
        {
            "price": [f"${n:,}.50" for n in whole(1, 9999)],
            "komma": [f"{n / 8:.3f}".replace(".", ",") for n in whole(1, 9999)],
            "weight": [f"{n} {unit}" for n, unit in zip(whole(1, 900), of("kg", "g", "㎏"), strict=True)],
            "rate": of("12%", "8 %", "0.25", ""),
            "opens": of("8:05 PM", "23:45", "n/a"),
            "took": of("2h 50m", "19h", "45m"),
            "pressure": [f"{a}/{b}" for a, b in zip(whole(90, 180), whole(50, 100), strict=True)],
            "when": [
                f"{m}/{d}/2024 {h}:05"
                for m, d, h in zip(whole(1, 13), whole(13, 29), whole(0, 24), strict=True)
            ],
            "era": [f"令和{y}年{m}月1日" for y, m in zip(whole(1, 7), whole(1, 13), strict=True)],
            "plan": of("Basic", "basic ", "ＰＲＯ", "unknown"),
            "sure": of("yes", "NO", "?"),
            "waited": of(*range(30), 999),
            "note": [f"called {n} times about 東京都民" for n in whole(0, 9999)],
            "mixed": of(1, "2", 3.5, None, "x", True),
            "typed": draw.normal(size=rows),
            "moment": pd.Timestamp("2024-01-01") + pd.to_timedelta(whole(0, 10**7), "s"),
            "group": pd.Categorical(of("a", "b")),
            "flag": pd.array(of(True, False, None), dtype="boolean"),
            "id": [f"K-{n}" for n in range(rows)],
        }
    )


def test_a_table_is_read_alike_by_rows_in_batches_and_in_any_order():
    frame = ugly_table()
    table = infer_table_spec(frame)
    assert {column.kind for column in table.columns} == {*KINDS} - {"constant", "empty"}
    table = table.with_derived([DerivedInput("", "price", "/", "weight")])
    assert set(table.input_kinds.values()) == {"number", "category", "text", "cycle"}
    inputs = table.inputs(frame)
    for place, row in enumerate(frame.to_dict("records")):
        answer = table.row_inputs(row)
        assert list(answer) == list(inputs)
        for name in inputs:
            assert same(answer[name], inputs[name].iloc[place]), (name, row)
    parts = pd.concat(
        [table.inputs(frame.iloc[:7]), table.inputs(frame.iloc[7:8]), table.inputs(frame.iloc[8:])]
    )
    pd.testing.assert_frame_equal(parts, inputs)
    shuffled = frame.sample(frac=1, random_state=2)
    pd.testing.assert_frame_equal(table.inputs(shuffled).sort_index(), inputs)
    assert infer_table_spec(shuffled).columns == table.columns
    assert TableSpec.from_dict(json.loads(json.dumps(table.to_dict()))) == table


@settings(max_examples=40)
@given(
    st.lists(st.tuples(TEXTS, TEXTS | TYPED, st.floats() | st.none()), min_size=1, max_size=60), st.randoms()
)
def test_a_learned_table_serves_both_executors_and_ignores_the_order_of_rows(rows, chance):
    frame = pd.DataFrame(rows, columns=["日本 ", "b[.]", "b[.].year"], dtype="object")
    table = infer_table_spec(frame)
    inputs = table.inputs(frame)
    assert list(inputs) == list(table.input_names) == list(table.input_kinds)
    for place, row in enumerate(frame.to_dict("records")):
        answer = table.row_inputs(row)
        assert all(same(answer[name], inputs[name].iloc[place]) for name in inputs)
    shuffled = list(range(len(frame)))
    chance.shuffle(shuffled)
    assert infer_table_spec(frame.take(shuffled)) == table
    assert TableSpec.from_dict(json.loads(json.dumps(table.to_dict()))) == table


OPERANDS = st.floats() | st.sampled_from([0.0, -0.0, 1e300, 1e-300, 3.5e38, 7.0])


@given(st.lists(st.tuples(OPERANDS, OPERANDS), max_size=8), st.sampled_from("+-*/"))
def test_executors_agree_on_derived_columns(rows, operation):
    frame = pd.DataFrame(rows, columns=["a", "b"], dtype="float64")
    table = TableSpec((ColumnSpec("a", "number"), ColumnSpec("b", "number")))
    table = table.with_derived([DerivedInput("", "a", operation, "b")])
    inputs = table.inputs(frame)[f"a {operation} b"]
    assert inputs.dtype == "float32" and not np.isinf(inputs).any()
    for place, row in enumerate(frame.to_dict("records")):
        assert same(table.row_inputs(row)[f"a {operation} b"], inputs.iloc[place])
    assert TableSpec.from_dict(json.loads(json.dumps(table.to_dict()))) == table


# ---------------------------------------------------------------- kinds


def texts(*cells):
    return pd.Series(cells, dtype="str", name="a")


def many(cell, count=100):
    return pd.Series([cell(number) for number in range(count)], name="a")


@pytest.mark.parametrize(
    "series, kind",
    [
        (texts("1", "2.5", ""), "number"),
        (many(lambda n: f"${n * 997:,}"), "number"),
        (many(lambda n: str(n % 3)), "number"),
        (many(lambda n: n / 7), "number"),
        (many(lambda n: n * n * 1000), "number"),
        (many(lambda n: n % 3 or None), "number"),
        (many(lambda n: f"{n / 7:.2f}".replace(".", ",")), "number"),
        (many(lambda n: f"{n} kg"), "number"),
        (many(lambda n: pd.Timedelta(days=n)), "number"),
        (many(lambda n: Decimal(n) / 4), "number"),
        (many(lambda n: "x" if n == 0 else str(n / 3)), "number"),
        (many(lambda n: "x" if n % 20 == 0 else str(n % 15)), "category"),
        (many(lambda n: "Varies with device" if n % 5 == 0 else f"{n / 10}M"), "number"),
        (texts("yes", "No", "YES", "n/a"), "boolean"),
        (texts("t", "f"), "boolean"),
        (many(lambda n: n % 2), "boolean"),
        (many(lambda n: n % 2 == 0), "boolean"),
        (many(lambda n: [True, False, None][n % 3]).astype("boolean"), "boolean"),
        (texts("1", "0", "1"), "boolean"),
        (texts("t", "y"), "category"),
        (texts("yes", "no", "maybe"), "category"),
        (many(lambda n: f"2020-01-{n % 28 + 1:02}"), "date"),
        (many(lambda n: pd.Timestamp("2020-01-01") + pd.Timedelta(n, "h")), "date"),
        (many(lambda n: pd.Timestamp("2020-01-01", tz="Asia/Tokyo") + pd.Timedelta(n, "D")), "date"),
        (many(lambda n: date(2020, 1, n % 28 + 1)), "date"),
        (many(lambda n: 20200101 + n % 28), "date"),
        (many(lambda n: f"{n % 12 + 1}/{n % 28 + 1}/2020"), "date"),
        (many(lambda n: f"K-{n}"), "identifier"),
        (many(lambda n: n + 1), "identifier"),
        (many(lambda n: f"{n:05}"), "identifier"),
        (many(lambda n: float(n + 1)), "identifier"),
        (many(lambda n: str(n * n * 31)).rename("customerID"), "identifier"),
        (many(lambda n: f"K-{n}", 40), "category"),
        (many(lambda n: f"{n % 30:04}"), "category"),
        (many(lambda n: n % 30 * 997).rename("Provider Zip Code"), "category"),
        (many(lambda n: n % 30 * 997).rename("idle"), "number"),
        (many(lambda n: f"customer {n} asked to be called back"), "text"),
        (many(lambda n: f"太郎{n}は東京へ行くと言った"), "text"),
        (many(lambda n: "abc"[n % 3]), "category"),
        (many(lambda n: "abc"[n % 3]).astype("category"), "category"),
        (texts("same", "same ", "SAME"), "constant"),
        (texts("same", ""), "category"),
        (texts("", "NA", "-"), "empty"),
        (pd.Series([], dtype="object", name="a"), "empty"),
        (pd.Series([None, float("nan")], name="a"), "empty"),
    ],
)
def test_kinds(series, kind):
    column = infer_column(series)
    assert (column.kind, infer_kind(series)) == (kind, kind), column.kind_reason
    assert column.kind_reason and bool(column.unused_reason) != column.use
    assert not (column.use and kind in ("identifier", "constant", "empty"))


def test_what_was_seen_along_with_a_kind_is_declared():
    comma = infer_column(many(lambda n: f"{n * 37 / 8:,.2f}".translate(str.maketrans(".,", ",."))))
    assert comma.decimal == "," and read_cell(comma, "1.250") == 1250
    weight = infer_column(many(lambda n: f"{n} kg"))
    assert weight.unit == "kg"
    assert [read_cell(weight, text) for text in ("5 kg", "５kg", "5", "5 lb")] == [5, 5, 5, None]
    size = infer_column(many(lambda n: "Varies" if n % 5 == 0 else f"{n / 10}M"))
    assert "varies" in size.missing and read_cell(size, "VARIES") is None
    american = infer_column(texts("12/25/2020", "03/04/2020"))
    assert american.date_order == "month" and read_cell(american, "03/04/2020") == datetime(2020, 3, 4)
    assert infer_column(texts("25/12/2020", "03/04/2020")).date_order == "day"
    assert infer_column(texts("05.06.2020", "03.04.2020")).date_order == "day"
    assert "assumed" in infer_column(texts("05/06/2020", "03/04/2020")).kind_reason
    assert not infer_column(texts("2020-01-01", "2020-01-02")).has_time
    assert infer_column(texts("2020-01-01", "2020-01-02 10:00")).has_time


def test_one_typing_error_does_not_turn_a_column_into_decimal_commas():
    cells = many(lambda n: "12,5" if n == 0 else f"{n + 1},250")
    assert infer_column(cells).decimal == "." and read_cell(infer_column(cells), "1,250") == 1250


def test_spellings_are_joined_and_rare_categories_put_together():
    cells = ["Basic"] * 60 + ["basic "] * 30 + ["ＢＡＳＩＣ"] * 5 + ["Pro"] * 50 + ["x", "y"]
    column = infer_column(pd.Series(cells, name="plan"))
    assert column.categories == ("Basic", "Pro") and column.other_category == "(other)"
    assert column.spellings == {"basic": "Basic", "ＢＡＳＩＣ": "Basic"}
    cells = [read_cell(column, text) for text in (" BASIC", "x", "never seen", "?")]
    assert cells == ["Basic", "(other)", "(other)", None]


def test_unseen_categories_are_missing_where_none_was_rare():
    column = infer_column(pd.Series(["a", "b", "c"] * 50, name="plan"))
    assert column.other_category == "" and read_cell(column, "z") is None


def test_the_label_of_the_others_is_no_category():
    column = infer_column(pd.Series(["(other)", "b", "c"] * 50 + ["z"], name="plan"))
    assert column.other_category == "((other))" and read_cell(column, "z") == "((other))"


def test_at_most_two_hundred_categories_are_learned_and_none_is_no_use():
    column = infer_column(pd.Series([f"c{n % 300}" for n in range(9000)], name="plan"))
    assert len(column.categories) == 200 and column.use
    rare = infer_column(pd.Series([f"c{n % 700}" for n in range(2100)], name="plan"))
    assert not rare.use and rare.unused_reason


def test_missing_markers_may_be_declared():
    assert infer_column(texts("a", "b", "unknown"), missing=["Unknown"]).categories == ("a", "b")
    assert read_cell(infer_column(many(lambda n: str(n % 9)), missing=["-1"]), -1.0) is None
    frame = pd.DataFrame({"a": ["x", "y", "ask"] * 9, "b": ["x", "y", "ask"] * 9})
    table = infer_table_spec(frame, markers={"a": ["ASK"]})
    assert len(table["a"].categories) == 2 and len(table["b"].categories) == 3
    with pytest.raises(DataError, match="no column 'aa'; did you mean 'a'"):
        infer_table_spec(frame, markers={"aa": ["ask"]})


def test_a_declared_kind_is_not_questioned():
    frame = pd.DataFrame({"calls": [1, 2, 3] * 40, "id": range(120)})
    table = infer_table_spec(frame, kinds={"calls": "category", "id": "number"})
    assert table["calls"].categories == ("1", "2", "3")
    assert table.input_kinds == {"calls": "category", "id": "number"}
    assert infer_column(texts("5", "x", "y"), "number").kind_reason.startswith("1 of 3")
    assert not infer_column(texts("5", "x"), "identifier").use


def test_units_are_converted_where_they_can_be():
    weight = infer_column(many(lambda n: f"{n} {'kg' if n % 3 else 'g'}"))
    assert weight.kind == "number" and weight.unit == "kg" and "converted from g" in weight.kind_reason
    assert [read_cell(weight, text) for text in ("2 KG", "500g", "1 lb", "7")] == [2, 0.5, None, None]
    flight = infer_column(many(lambda n: f"{n % 9}h {n % 7 * 5}m" if n % 4 else f"{n % 12}h"))
    assert [read_cell(flight, text) for text in ("2h 30m", "3 h", "45m")] == [2.5, 3, 0.75]
    rooms = infer_column(many(lambda n: f"{n % 5 + 0.5} rooms" if n % 3 else "1 room"))
    assert rooms.kind == "number" and read_cell(rooms, "1 room") == 1


def test_units_that_do_not_convert_are_left_out_or_no_numbers():
    few = infer_column(many(lambda n: f"{10 + n / 7:.1f} {'kmpl' if n % 20 else 'km/kg'}"))
    assert few.unit == "kmpl" and "'10.0 km/kg', are taken as missing" in few.kind_reason
    assert [read_cell(few, text) for text in ("12.5 kmpl", "12.5 km/kg")] == [12.5, None]
    assert infer_column(many(lambda n: f"{n} {'kmpl' if n % 3 else 'km/kg'}")).kind != "number"
    euros = infer_column(many(lambda n: f"€{n}" if n % 20 == 0 else f"${n}"))
    assert euros.currency == "USD" and [read_cell(euros, text) for text in ("$5", "5", "€5")] == [5, 5, None]
    assert infer_column(many(lambda n: f"€{n}" if n % 2 else f"${n}")).kind != "number"


def test_percents_and_shares_do_not_mix_quietly():
    shares = infer_column(many(lambda n: f"{n}%" if n % 3 else f"{n / 100}"))
    assert [read_cell(shares, cell) for cell in ("12%", "0.12", 0.12)] == [
        12,
        12,
        12,
    ] and "shares of 1" in shares.kind_reason
    plain = infer_column(many(lambda n: f"{n}%" if n % 3 else f"{n}"))
    assert [read_cell(plain, text) for text in ("12%", "12")] == [
        12,
        12,
    ] and "taken to be percent" in plain.kind_reason


def test_points_between_thousands_are_no_decimal_points():
    rent = infer_column(many(lambda n: f"{300 + n * 27:,} €".replace(",", ".")))
    assert read_cell(rent, "1.234 €") == 1234 and "points between thousands" in rent.kind_reason
    assert read_cell(infer_column(many(lambda n: f"{n / 1000:.3f}")), "1.234") == 1.234


@pytest.mark.parametrize(
    "cell, parts",
    [
        (lambda n: f"{100 + n % 70}/{60 + n % 40}", ("1", "2")),
        (lambda n: f"{n % 5 * 10}-{n % 5 * 10 + 9}", ("1", "2")),
        (lambda n: f"{60 + n}Nm@ {1500 + n % 9 * 100}rpm", ("1", "2")),
        (lambda n: f"{n % 11}/10", ("1",)),
        (lambda n: f"{n % 17} x {n % 13} x {n % 11} cm", ("1", "2", "3")),
        (lambda n: f"{n * 10:,} to {n * 100:,}", ("1", "2")),
        (lambda n: pd.Interval(n, n + 5), ("1", "2")),
        (lambda n: f"{n / 7:.4f}, {-n / 3:.4f}", ("1", "2")),
    ],
)
def test_several_numbers_in_a_cell_become_inputs_of_their_own(cell, parts):
    column = infer_column(many(cell))
    assert (column.kind, column.parts) == ("numbers", parts), column
    assert not math.isnan(input_cell(column, cell(3))[0]) and math.isnan(input_cell(column, "none")[0])


@pytest.mark.parametrize(
    "cell",
    [
        lambda n: f"03-{1000 + n}-{9999 - n}",
        lambda n: f"{200 + n}-{555 + n}-{1000 + n}",
        lambda n: f"10.0.{n}.1",
        lambda n: f"1.{n % 9}.{n % 7}",
        lambda n: f"{n % 12 + 1}/{n % 28 + 1}",
        lambda n: f"{10 + n % 9}/{11 + n % 9}",
        lambda n: f"K{n}-{n * 7}",
        lambda n: f"{2010 + n % 9}/{11 + n % 9}",
        lambda n: f"{n % 12 + 1}/2020",
        lambda n: f"2020-01-{n % 28 + 1:02}",
        lambda n: f"{n % 24}:{n % 60:02}",
        lambda n: f"{12345 + n}-{1000 + n}",
        lambda n: f"GET /item/{n} HTTP/1.1",
        lambda n: f"{n % 9}:{n % 7}",
    ],
)
def test_codes_dates_times_and_telephone_numbers_are_not_several_numbers(cell):
    assert infer_column(many(cell)).kind != "numbers"


def test_words_for_nothing_are_answers_where_they_have_to_be():
    assert infer_column(texts("a", "b", "unknown", "不明")).categories == ("a", "b")
    assert set(infer_column(texts("allowed", "unknown")).categories) == {"allowed", "unknown"}
    assert set(infer_column(texts("single", "double", "None")).categories) == {"single", "double", "None"}
    assert set(infer_column(texts("US", "JP", "NA")).categories) == {"US", "JP", "NA"}
    assert infer_column(texts("yes", "no", "unknown")).kind == "boolean"
    assert (
        "'unknown' in 2 rows taken as missing"
        in infer_column(texts("a", "b", "Unknown", "unknown")).kind_reason
    )


@pytest.mark.parametrize(
    "categories, ordered",
    [
        (["High", "low", "MEDIUM"], ("low", "MEDIUM", "High")),
        (["L", "S", "XL", "M"], ("S", "M", "L", "XL")),
        (["高", "低", "中"], ("低", "中", "高")),
        (["Good", "Ideal", "Fair", "Premium", "Very Good"],) * 1
        + (("Fair", "Good", "Very Good", "Premium", "Ideal"),),
        (
            ["Agree", "Strongly agree", "Disagree", "Neutral"],
            ("Disagree", "Neutral", "Agree", "Strongly agree"),
        ),
        (["A", "B", "C"], None),
        (["low", "high"], None),
        (["low", "medium", "blue"], None),
        ([], None),
        (["S", "M", "D", "W"], None),
        (["Model 3", "Model Y", "Model S"], None),
        (["1-2", "3 kg+", "5-6"], None),
        (["55-64", "65+", "18-24", "under 18"], ("under 18", "18-24", "55-64", "65+")),
        (["10+ years", "1 year", "< 1 year", "2 years"], ("< 1 year", "1 year", "2 years", "10+ years")),
        (["Model 3", "Model 1", "Model 2"], None),
        (["20歳未満", "20～29歳", "30歳以上"], ("20歳未満", "20～29歳", "30歳以上")),
        (
            ["$50,000-$75,000", "$0-$25,000", "over $75,000"],
            ("$0-$25,000", "$50,000-$75,000", "over $75,000"),
        ),
    ],
)
def test_well_known_scales_have_their_order(categories, ordered):
    assert ordered_categories(categories) == ordered == ordered_categories(categories[::-1])


# ---------------------------------------------------------------- sentinels

HONEST = {
    "temperatures": lambda draw, n: draw.normal(12, 11, n).round(1),
    "incomes": lambda draw, n: draw.lognormal(10, 1, n),
    "lognormal": lambda draw, n: draw.lognormal(3, 2, n).round(),
    "pareto": lambda draw, n: (1 + draw.pareto(1, n)).round(),
    "small whole numbers": lambda draw, n: draw.normal(3, 2, n).round(),
    "poisson": lambda draw, n: draw.poisson(2, n) - 1,
    "geometric from -1": lambda draw, n: draw.geometric(0.8, n) - 2,
    "opinions": lambda draw, n: draw.choice([-1, 0, 1], n, p=[0.8, 0.1, 0.1]),
    "ratings": lambda draw, n: draw.choice([1, 2, 3, 4, 5, 9], n),
    "ages": lambda draw, n: draw.integers(0, 100, n),
    "zero-inflated": lambda draw, n: np.where(draw.random(n) < 0.9, 0, draw.exponential(500, n)).round(),
    "prices": lambda draw, n: draw.choice([4.99, 9.99, 19.99, 14.99, 999], n),
    "percent": lambda draw, n: draw.integers(0, 100, n),
    "balances": lambda draw, n: draw.normal(100, 60, n).round(),
    "scores": lambda draw, n: np.minimum(99, draw.normal(70, 20, n)).round(),
    "years": lambda draw, n: draw.integers(1950, 2025, n),
    "top-coded": lambda draw, n: np.minimum(draw.exponential(9, n).round(), 99),
}


@pytest.mark.parametrize("name", HONEST)
def test_honest_numbers_hold_no_sentinel(name):
    for seed in range(30):
        draw = np.random.default_rng(seed)
        numbers = HONEST[name](draw, [30, 300, 3000][seed % 3])
        assert find_sentinels(pd.Series(numbers, dtype="float64")) == {}, seed


@pytest.mark.parametrize(
    "name, codes",
    [
        ("temperatures", [-999]),
        ("incomes", [-1]),
        ("small whole numbers", [999]),
        ("ages", [999, -99]),
        ("ratings", [99]),
        ("years", [9999]),
        ("zero-inflated", [-999]),
        ("temperatures", [999.9]),
        ("ages", [998, 999]),
        ("balances", [365243]),
        ("ratings", [88, 99]),
        ("years", [-9999, 99999]),
    ],
)
def test_planted_sentinels_are_found(name, codes):
    for seed in range(10):
        draw = np.random.default_rng(seed)
        numbers = HONEST[name](draw, 1000).astype(float)
        for place, code in enumerate(codes):
            numbers[place * 60 : place * 60 + 50] = code
        found = find_sentinels(pd.Series(draw.permutation(numbers)))
        assert sorted(map(float, found)) == sorted(codes) and all(
            "in 50 rows of" in why for why in found.values()
        )


def test_a_sentinel_is_missing_for_both_executors():
    column = infer_column(pd.Series([*map(str, range(400)), *["-1"] * 300]))
    assert column.kind == "number" and read_cell(column, -1.0) is None and read_cell(column, "-1") is None
    assert "-1 in 300 rows of 700 (the only negative value, beside 0 to 399)" in column.kind_reason
    left = infer_column(
        pd.Series([*pd.date_range("2020-01-01", periods=90).astype(str), *["9999-12-31"] * 9])
    )
    assert read_cell(left, "9999-12-31") is None and "9999-12-31 in 9 rows of 99" in left.kind_reason


# ---------------------------------------------------------------- tables


def test_a_column_that_says_the_same_as_an_earlier_one_is_not_used():
    draw = np.random.default_rng(1)
    sex, size = draw.choice(["f", "m"], 60), draw.normal(size=60).round(3)
    frame = pd.DataFrame(
        {
            "sex": sex,
            "male": sex == "m",
            "Geschlecht": np.where(sex == "f", "Frau", "Mann"),
            "size": size,
            "again": [f"{number:.4f}" for number in size],
            "nearly": [*size[:-1], 7.0],
        }
    )
    table = infer_table_spec(frame)
    assert table.input_names == ("sex", "size", "nearly")
    assert (
        table["male"].unused_reason == table["Geschlecht"].unused_reason == "the same as 'sex' in every row"
    )
    assert table["again"].unused_reason == "the same as 'size' in every row"
    assert infer_table_spec(frame.head(10)).input_names == tuple(frame)  # too few rows to tell


def test_long_columns_are_told_alike_in_any_order():
    chance = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "number": chance.normal(size=30_000).round(9).astype(str),
            "id": [f"K{n}" for n in range(30_000)],
            "row": [str(n) for n in range(30_000)],
            "typed": chance.normal(size=30_000),
        }
    )
    frame.loc[:399, "number"] = [f"broken {n}" for n in range(400)]
    table = infer_table_spec(frame)
    assert [column.kind for column in table.columns] == ["number", "identifier", "identifier", "number"]
    assert "29,600 of 30,000" in table["number"].kind_reason
    assert infer_table_spec(frame.sample(frac=1, random_state=1)) == table


def test_names_may_be_anything_and_never_clash():
    days = ["2020-01-01", "2021-02-03"]
    frame = pd.DataFrame(
        {
            "a": days,
            "a.year": [1.5, 2.5],
            "a.": days,
            "売上 (円) ": [1.5, 2.5],
            "a..day": [1.5, 2.5],
            7: [1.5, 2.5],
        }
    )
    table = infer_table_spec(frame, ignore=["a..day"])
    names = table.input_names
    assert len(set(names)) == len(names) == 15 and not {"a..day"} & set(names)
    assert list(table.inputs(frame)) == list(names) and set(table.row_inputs({})) == set(names)


def test_reading_gives_types_and_keeps_the_index():
    frame = make_customers(300).set_index(pd.Index(range(1000, 1300)))
    table = infer_table_spec(frame, ignore=["churned"])
    read, inputs = table.read(frame), table.inputs(frame)
    assert read.index.equals(frame.index) and inputs.index.equals(frame.index)
    types = read.dtypes[["age", "joined_on", "region"]].astype(str)
    assert types.tolist() == ["float64", "datetime64[us]", "str"]
    assert {str(dtype) for dtype in inputs.dtypes} == {"float32", "str"}
    assert not inputs.select_dtypes("str").isna().any().any()
    assert "churned" not in read and list(table.inputs(frame.head(0))) == list(inputs)
    assert {str(dtype) for dtype in table.inputs(frame.head(0)).dtypes} == {"float32", "str"}


def test_numbers_that_float32_cannot_hold_are_missing():
    column = ColumnSpec("a", "number")
    inputs = input_columns(column, pd.Series(["1e39", "-1e39", "9.9e37", "1e-50"]))["a"]
    assert inputs.isna().tolist() == [True, True, False, False] and inputs[3] == 0
    assert math.isnan(input_cell(column, 1e39)[0]) and read_cell(column, "1e39") is None


def test_columns_that_lack_or_double_are_named():
    frame = pd.DataFrame({"age": [1.5, 2.5, 3.5], "plan": ["a", "b", "a"], "code": ["x"] * 3})
    table = infer_table_spec(frame)
    with pytest.raises(DataError, match="^the data lacks column 'plan'; did you mean 'Plan'\\?$"):
        table.inputs(frame.rename(columns={"plan": "Plan"}))
    assert list(table.inputs(frame.drop(columns="code").assign(more=1))) == ["age", "plan"]
    with pytest.raises(DataError, match="'code'"):
        table.read(frame.drop(columns="code"))
    twice = pd.concat([frame, frame[["age"]]], axis=1)
    with pytest.raises(DataError, match="two columns are called 'age'"):
        infer_table_spec(twice)
    for declared in ({"ignore": ["agee"]}, {"kinds": {"agee": "number"}}):
        with pytest.raises(DataError, match="'agee'; did you mean 'age'"):
            infer_table_spec(frame, **declared)
    with pytest.raises(DataError, match="no kind 'numbr'"):
        infer_table_spec(frame, kinds={"age": "numbr"})
    with pytest.raises(DataError, match="no column 'pln'; did you mean 'plan'"):
        table["pln"]


def test_a_dropped_column_keeps_its_reason():
    table = infer_table_spec(make_customers(200)).drop({"note": "not known at the time"})
    assert not any(name.startswith("note") for name in table.input_names)
    assert table["note"].unused_reason == "not known at the time"
    assert "no: not known at the time" in table.to_frame().used.tolist()
    assert TableSpec.from_dict(table.to_dict())["note"].unused_reason == "not known at the time"
    with pytest.raises(DataError, match="no column 'nte'"):
        table.drop({"nte": ""})


def test_a_derived_column_needs_two_numbers_that_the_model_gets():
    columns = (
        ColumnSpec("a", "number"),
        ColumnSpec("b", "number"),
        ColumnSpec("c", "text"),
        ColumnSpec("a / b", "number"),
    )
    table = TableSpec((*columns, ColumnSpec("d", "number", use=False, unused_reason="leaks")))
    derived = table.with_derived([DerivedInput("", "a", "/", "b"), DerivedInput("sum", "a", "+", "b")])
    assert derived.input_names[-2:] == ("a / b.", "sum") and derived.input_kinds["sum"] == "number"
    assert derived.row_inputs({"a": "1,000", "b": "8"})["a / b."] == 125
    assert derived.drop({"b": "unwanted"}).derived == ()
    for wrong, message in (
        (("a", "/", "e"), "no column 'e'"),
        (("a", "^", "b"), "cannot compute '.'; choose one of"),
        (("a", "+", "c"), "'c' is of kind text"),
        (("d", "+", "a"), "'d' is kept.*: leaks"),
    ):
        with pytest.raises(DataError, match=message):
            table.with_derived([DerivedInput("", *wrong)])
    with pytest.raises(DataError, match="is no derived column"):
        TableSpec.from_dict(table.to_dict() | {"derived": [{"name": "x"}]})


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_goes_there_and_back(name):
    frame = load_example(name)
    table = infer_table_spec(frame)
    written = json.dumps(table.to_dict(), allow_nan=False)
    assert TableSpec.from_dict(json.loads(written)) == table == pickle.loads(pickle.dumps(table))
    inputs, again = table.inputs(frame), TableSpec.from_dict(json.loads(written)).inputs(frame)
    pd.testing.assert_frame_equal(inputs, again)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"knd": "number"}, "column 'a': 'knd' is no field; did you mean 'kind'"),
        ({"kind": "numbr"}, "column 'a': 'kind' cannot be 'numbr'; choose 'number'"),
        ({"use": "no"}, "column 'a': 'use' cannot be 'no'"),
        ({"date_order": "year"}, "column 'a': 'date_order' cannot be 'year'"),
        ({"name": None}, "'name' cannot be None"),
        ({"categories": "abc"}, "'categories' cannot be 'abc'"),
    ],
)
def test_a_slip_in_the_file_is_named(change, message):
    said = {"version": 1, "columns": [{"name": "a", "kind": "number"} | change]}
    with pytest.raises(DataError, match=message):
        TableSpec.from_dict(said)


@pytest.mark.parametrize(
    "said, message",
    [
        ({"version": 2, "columns": []}, "version 2"),
        ({"version": 1}, "no columns"),
        ({}, "no columns"),
        ({"version": 1, "columns": ["a"]}, "'a' is no column"),
        ({"version": 1, "columns": [{"name": "a", "kind": "text"}] * 2}, "two columns are called 'a'"),
    ],
)
def test_a_file_that_is_no_table_is_refused(said, message):
    with pytest.raises(DataError, match=message):
        TableSpec.from_dict(said)


def test_a_number_of_a_thousand_digits_is_no_trouble():
    assert infer_column(many(lambda n: str(n + 1) * 5000)).kind == "identifier"
    assert read_cell(ColumnSpec("a", "number"), "9" * 5000) is None


def test_a_server_needs_neither_pandas_nor_numpy():
    program = """if True:
        import sys
        from mlkit.data.table_spec import TableSpec
        columns = [{"name": "a", "kind": "number"}, {"name": "d", "kind": "date"}]
        table = TableSpec.from_dict({"version": 1, "columns": columns})
        assert table.row_inputs({"a": "1,250", "d": "2020-01-02"})["a"] == 1250.0
        print([name for name in ("pandas", "numpy", "sklearn", "pyarrow") if name in sys.modules])"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
