"""Counts and amounts are never predicted below 0, whoever predicts; what may be negative is not cut."""

import warnings

import numpy as np
import pandas as pd
import pytest

from mlkit import fit
from mlkit.data.schema_inference import infer_schema
from mlkit.inference.predictor import load_predictor
from mlkit.models.calibration import finalise_model
from mlkit.packaging.package_writer import write_package
from mlkit.packaging.parity import export_and_check
from mlkit.packaging.provenance import manifest_facts
from mlkit.task.problem import Problem
from mlkit.task.task import Task
from mlkit.task.task_inference import make_task

pytestmark = pytest.mark.usefixtures("own_key")


def visits(kind, rows=500, seed=0):
    "What a straight line would predict below 0 in a good part of the rows."
    random = np.random.default_rng(seed)
    x, z = random.normal(size=(2, rows))
    y = {"counts": random.poisson(np.exp(1.1 * x)), "amounts": np.exp(x + random.normal(0, 0.3, rows)).round(2),
         "balances": 3 * x + random.normal(size=rows), "texts": random.poisson(np.exp(1.1 * x))}[kind]  # fmt: skip
    frame = pd.DataFrame({"x": x.round(3), "z": z.round(3), "y": y})
    return frame.astype("str") if kind == "texts" else frame


@pytest.mark.parametrize("kind", ["counts", "amounts", "texts"])
def test_no_prediction_is_below_the_floor(kind, tmp_path):
    frame = visits(kind)
    task = make_task(Problem("y"), frame["y"])
    assert task.type == "regression" and task.floor == 0 and "No row is below 0" in task.reason
    assert Task.from_dict(task.to_dict()) == task
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = finalise_model(fit(frame, "y", models="linear", trials=1, budget=0))
    whole = model.estimator.predict(model.table.inputs(frame))
    told = model.predict(frame)
    assert (whole < 0).any() or kind == "amounts", "the line itself goes below"
    assert told.min() >= 0 and np.allclose(told, np.maximum(whole, 0))
    parity = export_and_check(model, frame, frame.head(0))
    assert parity.graph is not None
    facts = manifest_facts(
        "visits", model, model.metrics, {"data_hash": "0" * 64, "rows": len(frame)}, parity, None
    )
    folder, schema = tmp_path / "model", infer_schema(model.table, frame)
    write_package(folder, model, frame, parity, schema, model.metrics, {"card.md": "# Visits"}, facts)
    numbers = np.array(load_predictor(folder).predict(frame.drop(columns="y")), dtype=float)
    assert numbers.min() >= 0 and np.allclose(numbers, told, atol=1e-4)


def test_what_may_be_negative_is_not_cut():
    frame = visits("balances")
    assert make_task(Problem("y"), frame["y"]).floor is None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = fit(frame, "y", models="linear", trials=1, budget=0)
    assert (model.predict(frame) < 0).any()
    few = pd.Series([0.5, 1.5, 2.5, 7.25, 9.5] * 3)
    assert make_task(Problem("y"), few).floor is None, "a few rows say little"
    assert make_task(Problem("y"), pd.Series(["no", "yes"] * 20)).floor is None
