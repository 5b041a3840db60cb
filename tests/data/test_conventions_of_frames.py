"""A whole frame is held to the conventions that the model has learned, by the library as by `mlkit score`."""

import numpy as np
import pandas as pd
import pytest

from mlkit import fit
from mlkit.core.errors import DataError
from mlkit.models.calibration import finalise_model

RNG = np.random.default_rng(1)
DAYS = pd.date_range("2023-01-01", periods=300)
SIZE = RNG.normal(50, 20, 300).round(2)


def trained(mark=".", day="%d/%m/%Y"):
    rows = pd.DataFrame(
        {
            "when": DAYS.strftime(day),
            "size": [f"{size:.2f}".replace(".", mark) for size in SIZE],
            "kind": RNG.choice(["a", "b"], 300),
        }
    ).sample(300, random_state=0)
    return fit(rows.assign(y=np.where(SIZE[rows.index] > 50, "big", "small")), "y", budget=0, trials=1,
               models="linear", known="when|size"), rows  # fmt: skip


@pytest.fixture(scope="module")
def models():
    return {key: trained(*key) for key in [(".", "%d/%m/%Y"), (",", "%m/%d/%Y"), (".", "%Y-%m-%d")]}


def swapped(rows, mark):
    return rows.assign(size=rows["size"].str.replace(mark, ";").str.replace(";", "," if mark == "." else "."))


def with_days(rows, form):
    return rows.assign(when=DAYS[rows.index].strftime(form))


@pytest.mark.parametrize("kind", ["Model", "FinalModel"])
def test_predict_refuses_a_frame_of_another_convention(models, kind):
    for (mark, day), (model, rows) in models.items():
        if kind == "FinalModel":
            model = finalise_model(model)
        assert len(model.predict(rows)) == len(model.predict_proba(rows.astype("object"))) == 300
        other = "%m/%d/%Y" if day.startswith("%d") else "%d/%m/%Y"
        for wrong, word in (
            (swapped(rows, mark), "'size'.* decimal"),
            (with_days(rows, other), "'when'.*first"),
        ):
            wrong.index = [f"row {n}" for n in range(300)]
            for predict in (model.predict, model.predict_proba):
                with pytest.raises(DataError, match=word):
                    predict(wrong)


def test_what_every_file_may_write_is_read(models):
    model, rows = models[".", "%d/%m/%Y"]
    typed = rows.assign(when=DAYS[rows.index], size=SIZE[rows.index])
    assert (model.predict(typed) == model.predict(rows)).all()
    assert (model.predict(with_days(rows, "%Y-%m-%d")) == model.predict(rows)).all()


def test_dates_whose_order_the_model_cannot_know_are_refused_and_never_half_read(models):
    model, rows = models[".", "%Y-%m-%d"]
    for form in ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%y"):
        with pytest.raises(DataError, match=r"'when'.*first"):
            model.predict(with_days(rows, form))
    late = rows[DAYS[rows.index].day > 12]
    assert (model.predict(with_days(late, "%d/%m/%Y")) == model.predict(late)).all()
