"""A number at which a scale ends keeps its value, and a mark beside it tells the model."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mlkit.data.sentinels import find_sentinels, find_top_code
from mlkit.features.plan import infer_feature_specs, make_plan
from mlkit.models.calibration import FinalModel
from mlkit.models.cross_validation import fit_estimator
from mlkit.models.families import FAMILIES, make_estimator
from mlkit.packaging.onnx_export import to_onnx
from mlkit.packaging.parity import check_parity, make_odd_rows
from mlkit.task.problem import Problem
from mlkit.task.task import encode_target, target_values
from mlkit.task.task_inference import make_task


def people(top, seed=0, rows=2000):
    "A number that ends at `top`, which decides more than its size says; beside it another one."
    random = np.random.default_rng(seed)
    wealth = random.lognormal(0, 1, rows)
    gain = np.where(random.random(rows) < 0.6, 0, (wealth * top / 12).round())
    gain = np.where(random.random(rows) < 0.1, top, np.minimum(gain, top * 0.95))
    age = random.integers(18, 80, rows)
    y = random.random(rows) < np.where(gain == top, 0.95, 0.2)
    return pd.DataFrame({"gain": gain, "age": age, "y": np.where(y, "yes", "no")})


@pytest.mark.parametrize("top", [99999, 9999, 500001, 90, 1000.5, 7_000_000])
def test_the_end_of_a_scale_is_found_and_no_sentinel(top):
    gain = people(top)["gain"]
    assert find_top_code(gain) == top
    assert find_sentinels(gain) == {}


@pytest.mark.parametrize("seed", range(20))
def test_numbers_that_just_end_have_no_top_code(seed):
    random = np.random.default_rng(seed)
    for numbers in (
        random.normal(size=1000),
        random.lognormal(size=1000).round(1),
        random.integers(0, 100, 1000),
        random.poisson(3, 1000),
        random.integers(1, 13, 1000),
        np.where(random.random(1000) < 0.7, 0, random.exponential(100, 1000).round()),
        random.binomial(1, 0.4, 1000),
        -random.lognormal(size=1000).clip(max=2),
    ):
        assert find_top_code(pd.Series(numbers, dtype="float64")) is None


def test_the_plan_marks_it_and_says_so():
    frame = people(99999)
    table = infer_feature_specs(frame, make_task(Problem("y"), frame["y"]))
    plan = make_plan(table, table.inputs(frame))
    assert plan.inputs["gain"].top_code == 99999 and "99,999" in plan.inputs["gain"].why
    assert plan.inputs["age"].top_code is None
    assert type(plan).from_dict(plan.to_dict()) == plan


@pytest.mark.parametrize("family", ["linear", "forest"])
def test_the_model_and_its_graph_use_the_mark(family):
    frame = people(99999)
    task = make_task(Problem("y"), frame["y"])
    table = infer_feature_specs(frame, task)
    inputs, truth = table.inputs(frame), encode_target(task, target_values(task, frame["y"]))
    plan = make_plan(table, inputs)
    blind = replace(plan, inputs={name: replace(how, top_code=None) for name, how in plan.inputs.items()})
    right = {}
    for name, each in {"marked": plan, "blind": blind}.items():
        estimator = make_estimator(family, FAMILIES[family].start, each, task)
        model = FinalModel(task, table, fit_estimator(estimator, inputs, truth), family, {})
        right[name] = (model.output_of_inputs(inputs).argmax(axis=1) == truth).mean()
        odd = pd.concat([inputs, make_odd_rows(model, inputs)], ignore_index=True)
        assert check_parity(model, to_onnx(model), odd).is_equal
    assert right["marked"] >= right["blind"] + (0.02 if family == "linear" else -0.02)
