"""Infinite numbers, and numbers larger than a model can hold: one meaning for all who read a column."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from mlkit import fit
from mlkit.cli.main import app
from mlkit.data.column_reader import read_column
from mlkit.data.column_spec import ColumnSpec, read_cell
from mlkit.data.model_inputs import input_cell, input_columns
from mlkit.data.schema import Rule, broken_rules
from mlkit.data.type_inference import infer_column
from mlkit.task.task_inference import infer_task_type

BEYOND = ["inf", "-inf", "Infinity", "1e300", "-1e300", "1e39", "9" * 60]
FASTEST = ["-p", "train.models=linear boosting", "-p", "train.trials=2", "-p", "train.budget=0",
           "-p", "evaluate.resamples=100", "-p", "evaluate.curve_points=0"]  # fmt: skip


def readings(seed=0, rows=400):
    "A number with cells beyond every limit, an honest one, and an answer that follows both."
    random = np.random.default_rng(seed)
    level, slope = random.normal(size=(2, rows))
    y = level + slope + random.normal(0, 0.5, rows) > 0
    frame = pd.DataFrame(
        {"level": level.round(4).astype(str), "slope": slope.round(4), "y": np.where(y, "up", "down")}
    )
    frame.loc[5::80, "level"] = BEYOND[: len(frame.loc[5::80])]
    return frame


@pytest.mark.parametrize("text", BEYOND)
@pytest.mark.parametrize("column", [ColumnSpec("a", "number"), ColumnSpec("a", "number", unit="kg")])
def test_a_cell_that_no_model_can_hold_is_an_invalid_value_for_everybody(column, text):
    cells = [text, *([float(text)] if len(text) < 20 else [int(text)])]
    for cell in cells:
        assert read_cell(column, cell) is None and np.isnan(input_cell(column, cell)[0])
        assert broken_rules(column, Rule("number"), cell) == ["kind"], "invalid, not merely empty"
        for dtype in (object, *(["str"] if isinstance(cell, str) else ["float64"])):
            series = pd.Series([cell, 1.5] if dtype != "str" else [cell, "1.5"]).astype(dtype)
            assert read_column(column, series).isna().tolist() == [True, False]
            assert np.isnan(input_columns(column, series)["a"].iloc[0])


def test_the_unit_counts():
    column = ColumnSpec("a", "number", unit="kg", units={"t": 1e3})
    for digits, fits in (("9" * 37 + " kg", True), ("9" * 37 + " t", False)):
        assert (read_cell(column, digits) is not None) == fits
        assert read_column(column, pd.Series([digits], dtype="str")).notna().all() == fits


@pytest.mark.parametrize("share", [2, 10])
@pytest.mark.parametrize("word", ["inf", "1e300"])
def test_a_column_stays_a_number_however_many_are_infinite(word, share):
    texts = [word if place % share == 0 else f"{place / 7:.3f}" for place in range(300)]
    for series in (pd.Series(texts, dtype="str"), pd.Series([float(text) for text in texts])):
        column = infer_column(series.rename("a"))
        assert column.kind == "number" and word not in column.missing
        assert read_column(column, series).isna().sum() == texts.count(word)


def test_a_run_takes_them_as_missing_says_so_and_predicts(tmp_path):
    readings().to_csv(tmp_path / "r.csv", index=False)
    said = CliRunner().invoke(
        app,
        ["run", "--data", str(tmp_path / "r.csv"), "--target", "y", "--out", str(tmp_path / "run"), *FASTEST],
    )
    assert said.exit_code == 0, said.output
    assert "5 cells of 'level' cannot be read" in " ".join(said.output.split())
    metrics = json.loads((tmp_path / "run/artifacts/metrics.json").read_text(encoding="utf-8"))
    assert metrics["score"] > 0.85


def test_fit_takes_them_as_missing_and_says_so():
    frame = readings()
    with pytest.warns(UserWarning, match="5 cells of 'level' cannot be read as a number"):
        text = fit(frame, "y", models="linear tree boosting", trials=3, budget=0)
    typed = frame.assign(level=frame["level"].astype(float))
    with pytest.warns(UserWarning, match="5 cells of 'level'"):
        number = fit(typed, "y", models="linear tree boosting", trials=3, budget=0)
    assert np.array_equal(text.predict_proba(frame), number.predict_proba(typed))
    assert text.metrics["dropped"]["cells"]["level"].startswith("5 cells")


def test_a_target_beyond_range_cannot_be_learned_from():
    random = np.random.default_rng(1)
    frame = pd.DataFrame({"x": random.normal(size=300)})
    frame["y"] = 3 * frame["x"] + random.normal(0, 0.1, 300)
    frame.loc[:3, "y"] = [np.inf, -np.inf, 1e300, -1e200]
    with pytest.warns(UserWarning, match="4 rows with a target that is no number"):
        model = fit(frame, "y", models="linear", trials=1, budget=0)
    assert model.metrics["score"] > 0.98


@pytest.mark.parametrize("written", [float, str])
@pytest.mark.parametrize("share", [0.03, 0.2, 0.45])
def test_a_target_stays_a_number_however_many_are_infinite(written, share):
    random = np.random.default_rng(2)
    x = random.normal(size=600)
    y = (3 * x + random.normal(size=600)).round(3)
    gone = random.random(600) < share
    y[gone] = random.choice([np.inf, -np.inf, 1e300], gone.sum())
    frame = pd.DataFrame({"x": x, "y": y if written is float else pd.Series(y).astype("str")})
    with pytest.warns(UserWarning, match=f"{gone.sum()} rows with a target that is no number"):
        model = fit(frame, "y", models="linear", trials=1, budget=0)
    assert model.metrics["task"] == "regression" and model.metrics["score"] > 0.8


def test_classes_beside_a_word_for_infinity_stay_classes():
    counts = {"low": 40, "high": 30, "inf": 20}
    assert infer_task_type(counts)[0] == "multiclass"
