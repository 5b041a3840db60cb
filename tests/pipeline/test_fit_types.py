"""Whatever type pandas holds a column in, `fit` learns from it, and predicts from it."""

import warnings
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mlkit import fit

ROWS = 200
CHANCE = np.random.default_rng(0)
NUMBER = CHANCE.normal(size=ROWS)
ANSWER = NUMBER + CHANCE.normal(size=ROWS) / 2 > 0
WORDS = np.where(ANSWER, "left", "right")
DAYS = pd.Series(pd.date_range("2024-01-01", periods=ROWS, freq="D"))
WHOLE = pd.Series(CHANCE.integers(0, 50, ROWS))
GAPS = CHANCE.random(ROWS) < 0.1

FEATURES = {
    "str": pd.Series(WORDS, dtype="str"),
    "object": pd.Series(WORDS, dtype=object),
    "string[python]": pd.Series(WORDS, dtype=pd.StringDtype("python")).mask(GAPS),
    "string[pyarrow]": pd.Series(WORDS, dtype=pd.StringDtype("pyarrow")).mask(GAPS),
    "arrow string": pd.Series(WORDS, dtype=pd.ArrowDtype(pa.string())),
    "Int64": WHOLE.astype("Int64").mask(GAPS),
    "UInt8": WHOLE.astype("UInt8").mask(GAPS),
    "Float64": (WHOLE / 7).astype("Float64").mask(GAPS),
    "float32": (WHOLE / 7).astype("float32"),
    "boolean": pd.Series(ANSWER).astype("boolean").mask(GAPS),
    "bool": pd.Series(ANSWER),
    "category of words": pd.Series(WORDS).astype("category").mask(GAPS),
    "category of numbers": WHOLE.astype("category"),
    "ordered category": pd.Series(pd.Categorical(WORDS, ["left", "right"], ordered=True)),
    "datetime[s]": DAYS.astype("datetime64[s]"),
    "datetime[ns]": DAYS.astype("datetime64[ns]").mask(GAPS),
    "datetime with zone": DAYS.dt.tz_localize("Asia/Tokyo").mask(GAPS),
    "arrow timestamp": DAYS.astype(pd.ArrowDtype(pa.timestamp("us", "UTC"))),
    "arrow date": pd.Series(DAYS.dt.date.tolist(), dtype=pd.ArrowDtype(pa.date32())),
    "date objects": DAYS.dt.date,
    "timedelta": WHOLE * timedelta(hours=1),
    "period": DAYS.dt.to_period("M"),
    "interval": pd.Series(pd.cut(WHOLE, 4)),
    "decimal": pd.Series([Decimal(int(n)) / 8 for n in WHOLE]),
    "arrow decimal": pd.Series(
        [Decimal(int(n)) / 8 for n in WHOLE], dtype=pd.ArrowDtype(pa.decimal128(9, 3))
    ),
    "sparse": pd.Series(pd.arrays.SparseArray(WHOLE % 2)),
    "lists": pd.Series([[int(n) % 2, 1] for n in WHOLE]),
    "records": pd.Series([{"n": int(n) % 3} for n in WHOLE]),
    "mixed": pd.Series([1, "x", None, 2.5] * (ROWS // 4)),
}
TARGETS = {
    "bool": pd.Series(ANSWER),
    "boolean": pd.Series(ANSWER).astype("boolean"),
    "Int64": pd.Series(ANSWER).astype("Int64"),
    "str": pd.Series(WORDS, dtype="str"),
    "string[pyarrow]": pd.Series(WORDS, dtype=pd.StringDtype("pyarrow")),
    "category": pd.Series(WORDS).astype("category"),
    "category of numbers": (WHOLE % 3).astype("category"),
    "Float64": pd.Series(NUMBER).astype("Float64"),
    "float32": pd.Series(NUMBER).astype("float32"),
    "decimal": pd.Series([Decimal(f"{n:.3f}") for n in NUMBER]),
}


def learned(frame: pd.DataFrame):
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        warnings.simplefilter("error", DeprecationWarning)
        model = fit(frame, "answer", budget=0, trials=1, models="linear")
        assert len(model.predict(frame)) == len(frame)
    return model


@pytest.mark.parametrize("kind", FEATURES)
def test_a_feature_may_have_any_type(kind):
    frame = pd.DataFrame({"number": NUMBER, "feature": FEATURES[kind], "answer": WORDS})
    before = frame.copy(deep=True)
    learned(frame)
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize("kind", TARGETS)
def test_the_target_may_have_any_type(kind):
    frame = pd.DataFrame({"number": NUMBER, "other": WHOLE, "answer": TARGETS[kind]})
    model = learned(frame)
    if kind not in ("category of numbers", "Float64", "float32", "decimal"):
        assert model.metrics["score"] > 0.8


def test_index_and_names_may_be_anything():
    frame = pd.DataFrame({5: NUMBER, ("x", "y"): WHOLE, "answer": WORDS}, index=pd.Index([7] * ROWS))
    assert learned(frame).metrics["score"] > 0.8


def test_text_from_a_file_and_typed_columns_give_the_same_inputs():
    typed = pd.DataFrame({"number": NUMBER, "whole": WHOLE, "day": DAYS, "answer": WORDS})
    written = typed.astype("str")
    ours, theirs = learned(typed), learned(written)
    pd.testing.assert_frame_equal(ours.table.inputs(typed), theirs.table.inputs(written))
