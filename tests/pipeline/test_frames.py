"""Frames as programs hold them: of every type, with odd names and odd cells; `fit` and `predict` read them alike."""

import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mlkit import fit
from mlkit.core.errors import MLKitError

N = 120
RNG = np.random.default_rng(0)
AGE = RNG.integers(18, 90, N).astype(float)
LEFT = np.where(AGE + RNG.normal(0, 10, N) > 50, "yes", "no")
FRAME = pd.DataFrame({"age": AGE, "plan": RNG.choice(list("abc"), N), "left": LEFT})
NESTED = {"list": pa.list_(pa.int64()), "struct": pa.struct([("a", pa.int64())])}


def nested(kind: str) -> pd.DataFrame:
    cells = [[row, row] if kind == "list" else {"a": row} for row in range(N)]
    return FRAME.assign(x=pd.array(cells, pd.ArrowDtype(NESTED[kind])))


GOOD = {
    "lists of Arrow": (nested("list"), "left"),
    "records of Arrow": (nested("struct"), "left"),
    "long doubles": (FRAME.astype({"age": "longdouble"}), "left"),
    "a column without a name": (FRAME.set_axis(["age", "", "left"], axis=1), "left"),
    "numbers as names": (FRAME.set_axis([0, 1, 2], axis=1), 2),
    "pairs as names": (FRAME.set_axis(pd.MultiIndex.from_product([["x"], FRAME]), axis=1), ("x", "left")),
    "half a letter": (
        FRAME.assign(plan=pd.Series([f"\ud800{n % 3}" for n in range(N)], dtype=object)),
        "left",
    ),
    "half a letter in a column of strings": (
        FRAME.assign(plan=pd.array([f"\ud800{n % 3}" for n in range(N)], pd.StringDtype("python"))),
        "left",
    ),
    "a category that no row has": (FRAME.assign(left=pd.Categorical(LEFT, ["maybe", "no", "yes"])), "left"),
}
HALF = "holds text that is no Unicode"
BAD = {
    "half a letter in a name": (
        FRAME.set_axis(pd.Index(["age", "p\ud800", "left"], dtype=object), axis=1),
        HALF,
    ),
    "no row": (FRAME.iloc[:0], "the table has no row; a model needs rows to learn from"),
    "one row": (FRAME.iloc[:1], "1 usable row of 1 is too few to learn from and to test on"),
    "two rows": (FRAME.iloc[:2], "2 usable rows of 2 are too few to learn from and to test on"),
    "no column": (FRAME[[]], "no column 'left' in the table; it has no column"),
    "two columns of one name": (
        FRAME.set_axis(["age", "age", "left"], axis=1),
        "two columns have the same name",
    ),
}


def quick(frame, target):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fit(frame, target, models="linear", trials=1, budget=0, jobs=1)


@pytest.mark.parametrize("case", GOOD)
def test_fit_and_predict_read_a_frame_alike(case):
    frame, target = GOOD[case]
    model = quick(frame, target)
    assert model.task.type == "binary" and list(model.classes_) == ["no", "yes"]
    assert (model.predict(frame) == LEFT).mean() > 0.8 and model.predict_proba(frame).shape == (N, 2)


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_is_one_line(case):
    frame, said = BAD[case]
    with pytest.raises(MLKitError) as caught:
        quick(frame, "left")
    assert said in str(caught.value) and "\n" not in str(caught.value)
