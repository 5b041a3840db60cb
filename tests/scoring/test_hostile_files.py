"Whatever a file holds: its rows are answered as the server would answer them, or one known error says why not."

import csv
import io
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from mlkit.core.errors import MLKitError
from mlkit.inference.example_package import make_parcel_package
from mlkit.inference.predictor import load_predictor, stack_rows
from mlkit.scoring.batch_job import score_source

CELLS = st.one_of(
    st.sampled_from([
        "", " ", "0", "-1", "20", "1e308", "1e999", "-0", "1,5", "1.234,5", "12'500", "٣", "１２", "½", "nan", "inf",
        "null", "N/A", "yes", "standard", "express", "STANDARD", " standard ", "2020-02-30", "31/12/2020", "=1+1",
        "@x", "\t", "\u200b", "\ufeff", "\u2028", "\x00", "\x85", "'", '"', '""', ",", ";", "|", "a\nb", "a\rb",
        "9" * 400, "(" * 300, "1 2 3 4 5 6 7 8", "1/2/3/4", "…", "e", "1e", "0x10", "1_000", "TRUE", "😀",
    ]),
    st.integers().map(str), st.floats().map(str), st.dates().map(str), st.text(max_size=12),
)  # fmt: skip
HOSTILE = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def predictor(own_key, tmp_path_factory):
    return load_predictor(make_parcel_package(tmp_path_factory.mktemp("packages") / "parcels"))


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    return tmp_path_factory.mktemp("desk")


def score(predictor, source, desk) -> pd.DataFrame | None:
    "The answers by row; none where the file was refused."
    for old in desk.glob("answers*"):
        old.unlink()
    try:
        score_source(predictor, str(source), str(desk / "answers.parquet"))
    except MLKitError as refused:
        assert str(refused) and "\n" not in str(refused)
        return None
    return parquet.read_table(desk / "answers.parquet").to_pandas().set_index("row")


def write_table(path, names, rows):
    text = io.StringIO()
    csv.writer(text).writerows([names, *rows])
    path.write_text(text.getvalue(), encoding="utf-8", newline="")


@given(st.data())
@HOSTILE
def test_a_file_is_answered_as_its_rows_are(predictor, desk, data):
    names = [column.name for column in predictor.columns]
    usual = ["20" if column.kind == "number" else "standard" for column in predictor.columns]
    drawn = data.draw(st.lists(st.tuples(*[CELLS] * len(names)), min_size=1, max_size=6))
    source = desk / "new.parquet"  # text cells, as they are: no reader of files comes between
    pd.DataFrame([usual, *drawn], columns=names, dtype="str").to_parquet(source)
    answers = score(predictor, source, desk)
    if answers is None:
        return
    for number, cells in enumerate([usual, *drawn], start=1):
        read = predictor.read_row(dict(zip(names, cells, strict=True)))
        assert (number in answers.index) == (not read.errors), cells
        if read.errors:
            continue
        alone = predictor.output(stack_rows([read]))
        assert answers.loc[number, "prediction"] == predictor.labels(alone)[0], cells
        shares = answers.loc[[number], [name for name in answers if name.startswith("probability.")]]
        assert np.allclose(shares.to_numpy(dtype="float64"), alone, atol=1e-6), cells


@given(st.data())
@HOSTILE
def test_a_text_file_is_answered_or_refused_in_a_line(predictor, desk, data):
    names = [column.name for column in predictor.columns]
    rows = data.draw(st.lists(st.lists(CELLS, max_size=len(names) + 2), max_size=6))
    write_table(desk / "new.csv", names, rows)
    score(predictor, desk / "new.csv", desk)


@given(st.binary(max_size=300), st.sampled_from("csv tsv json jsonl parquet xlsx zip csv.gz tar".split()))
@HOSTILE
def test_any_bytes_are_answered_or_refused_in_a_line(predictor, desk, content, ending):
    source = desk / f"bytes.{ending}"
    source.write_bytes(content)
    score(predictor, source, desk)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.sampled_from(["weight", "service", "other", "a.b"]), JSON), max_size=5))
@HOSTILE
def test_any_records_are_answered_or_refused_in_a_line(predictor, desk, records):
    source = desk / "new.jsonl"
    source.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    score(predictor, source, desk)
