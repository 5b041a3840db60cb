"""Whatever type pandas holds a column in, `fit` learns from it, and predicts from it."""

import warnings
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mlkit import MLKitWarning, fit
from mlkit.core.errors import DataError, SettingsError

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


CLASSES = np.where(ANSWER, 1, 0)
LABELS = {
    "int64": pd.Series(CLASSES),
    "int8": pd.Series(CLASSES.astype("int8")),
    "bool": pd.Series(ANSWER),
    "float64": pd.Series(CLASSES.astype("float64")),
    "float64 with gaps": pd.Series(CLASSES).mask(GAPS),
    "str": pd.Series(WORDS),
    "object of words": pd.Series(WORDS, dtype=object),
    "digits with a zero before": pd.Series(np.where(ANSWER, "01", "02")),
    "blanks around": pd.Series(np.where(ANSWER, " on ", "off")),
    "object of truth values": pd.Series(ANSWER).astype(object).mask(GAPS),
    "boolean": pd.Series(ANSWER).astype("boolean").mask(GAPS),
    "Int64": pd.Series(CLASSES).astype("Int64").mask(GAPS),
    "Float64": pd.Series(CLASSES).astype("Float64"),
    "string[pyarrow]": pd.Series(WORDS, dtype=pd.StringDtype("pyarrow")),
    "arrow bool": pd.Series(ANSWER, dtype="bool[pyarrow]"),
    "category of words": pd.Series(WORDS).astype("category"),
    "category of numbers": pd.Series(CLASSES).astype("category"),
    "category of truth values": pd.Series(ANSWER).astype("category"),
    "sparse": pd.Series(pd.arrays.SparseArray(CLASSES)),
    "big numbers": pd.Series(np.where(ANSWER, 10**17 + 1, 10**17 + 3)),
    "dates": pd.Series(np.where(ANSWER, DAYS[0], DAYS[1])),
    "intervals": pd.Series(pd.cut(CLASSES, 2)),
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_come_back_in_the_type_of_the_target(kind):
    target = LABELS[kind]
    frame = pd.DataFrame({"number": NUMBER, "other": WHOLE, "answer": target})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        model = fit(frame, "answer", budget=0, trials=1, models="linear")
    said, known = model.predict(frame), target.notna().to_numpy()
    same = pd.Series(said == target, dtype="object").fillna(False).to_numpy(dtype=bool)
    assert same[known].mean() > 0.7
    assert set(said) <= set(model.classes_) <= set(target[known])
    assert {type(value) for value in said.tolist()} <= {type(value) for value in target[known].tolist()}
    assert said.dtype == model.classes_.dtype
    if kind in ("int64", "int8", "bool", "float64"):
        assert said.dtype == target.dtype


def leaking_table() -> pd.DataFrame:
    "The column `ended` is filled where the answer is 1; ten rows come twice; five have no answer."
    ended = pd.Series(np.where(ANSWER, "2024-05-01", None))
    frame = pd.DataFrame({"number": NUMBER, "other": WHOLE, "ended": ended, "answer": pd.Series(CLASSES)})
    frame = pd.concat([frame, frame.head(10)], ignore_index=True)
    frame["answer"] = frame["answer"].mask(frame.index.isin(range(20, 25)))
    return frame


def told(**more):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = fit(leaking_table(), "answer", budget=0, trials=1, models="linear", **more)
    return model, " ".join(str(one.message) for one in caught if one.category is MLKitWarning)


def test_fit_says_what_it_dropped_and_why():
    model, text = told(duplicates="drop")
    dropped = model.metrics["dropped"]
    assert "ended" in dropped["columns"] and "ended" in text
    assert {5, 10} <= set(dropped["rows"].values()) and "10 rows" in text and "5 rows" in text


def test_fit_keeps_what_the_user_vouches_for():
    assert "ended" not in told(known="ended")[0].metrics["dropped"]["columns"]
    assert "ended" not in told(known=["ended", "other"])[0].metrics["dropped"]["columns"]
    model, text = told(on_leak="warn")
    assert "ended" not in model.metrics["dropped"]["columns"] and "ended" in text and "leak" in text
    assert 10 not in told(duplicates="keep")[0].metrics["dropped"]["rows"].values()
    with pytest.raises(DataError, match="ended"):
        told(on_leak="fail")


@pytest.mark.parametrize(
    "wrong",
    [{"on_leak": "dropp"}, {"duplicates": "kep"}, {"choose": "bes"}, {"models": "boostin"}, {"trials": 0}],
)
def test_a_wrong_argument_is_told_before_anything_runs(wrong):
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        fit(leaking_table(), "answer", **wrong)


def test_an_honest_table_gives_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = pd.DataFrame({"number": NUMBER, "other": WHOLE, "answer": WORDS})
        assert fit(frame, "answer", budget=0, trials=1, models="linear").metrics["dropped"] == {
            "columns": {},
            "rows": {},
            "leaks": {},
        }
