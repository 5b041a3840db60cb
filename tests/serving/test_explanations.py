"""Explanations in the light server: shares that are right, add up, and tell nothing that is personal."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlkit.core.errors import DataError
from mlkit.data.column_spec import ColumnSpec
from mlkit.data.schema import make_schema
from mlkit.data.table_spec import DerivedInput, TableSpec
from mlkit.data.type_inference import infer_table_spec
from mlkit.explanation.local_attributions import shap_values
from mlkit.explanation.perturbation import PerturbationPool
from mlkit.features.plan import make_plan
from mlkit.inference.predictor import ModelInputs, Predictor, load_sklearn_engine
from mlkit.models.cross_validation import fit_estimator
from mlkit.models.families import FAMILIES, make_estimator
from mlkit.models.model import Model
from mlkit.serving.online_explanations import all_coalitions, background_rows, explain_row
from mlkit.sources.examples import load_example
from mlkit.task.problem import Problem
from mlkit.task.task import encode_target, target_values
from mlkit.task.task_inference import make_task


def predictor_of(folder: Path, table, background: dict, engine, target: list, **more) -> Predictor:
    """A predictor with any function of the inputs for a model."""
    files = {"background.json": json.dumps({"columns": background}).encode()}
    task = make_task(Problem("target"), pd.Series(target, name="target"))
    parts = {"manifest": {"name": "tried"}, "threshold": 0.5, "personal": frozenset(), "version": "1"}
    schema = make_schema({"columns": {name: {"kind": table[name].kind} for name in background}})
    return Predictor(folder=folder, task=task, table=table, schema=schema, engine=engine, files=files,
                     **{**parts, **more})  # fmt: skip


def numbers(size: int) -> TableSpec:
    return TableSpec(tuple(ColumnSpec(f"x{place}", "number") for place in range(size)))


def effects_of(why: dict) -> dict[str, float]:
    return {each["column"]: each["contribution"] for each in why["contributions"]}


AMOUNTS = [1.5 * step for step in range(40)]


@settings(max_examples=25)
@given(size=st.integers(2, 14), behind=st.integers(1, 60), seed=st.integers(0, 2**32 - 1))
def test_a_sum_is_taken_apart_exactly(tmp_path_factory, size, behind, seed):
    rng = np.random.default_rng(seed)
    rates, cells, row = rng.normal(size=size), rng.normal(size=(behind, size)), rng.normal(size=size)
    cells[rng.random(cells.shape) < 0.2] = np.nan  # empty cells count as 0 for this model

    def engine(inputs: ModelInputs) -> np.ndarray:
        return (np.nan_to_num(inputs.numbers.astype(float)) @ rates)[:, None]

    table = numbers(size)
    background = {
        column.name: [None if np.isnan(cell) else cell for cell in cells[:, place]]
        for place, column in enumerate(table.columns)
    }
    tried = predictor_of(tmp_path_factory.mktemp("sum"), table, background, engine, AMOUNTS)
    why = explain_row(tried, dict(zip(background, row.tolist(), strict=True)))
    known = rates * (row - np.nan_to_num(cells).mean(axis=0))
    found = effects_of(why)
    assert np.allclose([found[name] for name in background], known, atol=1e-5)
    assert np.isclose(why["base_value"], (np.nan_to_num(cells) @ rates).mean(), atol=1e-5)
    assert "class" not in why


@settings(max_examples=25)
@given(size=st.integers(1, 40), classes=st.integers(2, 4), seed=st.integers(0, 2**32 - 1))
def test_base_and_effects_add_up_to_the_output(tmp_path_factory, size, classes, seed):
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=(size, 8)), rng.normal(size=(8, classes))

    def engine(inputs: ModelInputs) -> np.ndarray:
        raised = np.exp(np.tanh(inputs.numbers @ first) @ second)
        return raised / raised.sum(axis=1, keepdims=True)

    table, names = numbers(size), [f"c{place}" for place in range(classes)]
    background = {column.name: rng.normal(size=60).tolist() for column in table.columns}
    tried = predictor_of(tmp_path_factory.mktemp("any"), table, background, engine, names * 10)
    row = {name: float(rng.normal()) for name in background}
    why = explain_row(tried, row)
    said = engine(
        ModelInputs(np.array([[row[name] for name in background]], dtype=np.float32), np.empty((1, 0)))
    )
    label = 1 if classes == 2 else int(said[0].argmax())
    sizes = [abs(each["contribution"]) for each in why["contributions"]]
    assert why["class"] == tried.task.classes[label]
    assert np.isclose(why["output"], said[0, label], atol=1e-6)
    assert np.isclose(why["base_value"] + sum(effects_of(why).values()), why["output"], atol=1e-9)
    assert sizes == sorted(sizes, reverse=True) and len(sizes) == size
    assert explain_row(tried, row) == why


# ------------------------------------ beside the full version
COLUMNS = ["monthly_fee", "contract", "joined_on", "support_calls", "satisfaction", "usage_hours", "region",
           "note", "logins"]  # fmt: skip


@pytest.fixture(scope="module")
def customers(tmp_path_factory):
    """Makes a predictor and a pool that compare with the same background, of the first columns."""
    frame = load_example("customers")[:700]
    made: dict[int, tuple[Predictor, PerturbationPool, pd.DataFrame]] = {}

    def make(size: int) -> tuple[Predictor, PerturbationPool, pd.DataFrame]:
        if size in made:
            return made[size]
        rows = frame[COLUMNS[:size]]
        table = infer_table_spec(rows).with_derived(
            [DerivedInput("burden", "monthly_fee", "/", "support_calls")]
        )
        task = make_task(Problem("churned"), frame["churned"])
        inputs = table.inputs(rows)
        truth = encode_target(task, target_values(task, frame["churned"]))
        start = FAMILIES["boosting"].start
        estimator = make_estimator("boosting", start, make_plan(table, inputs), task)
        model = Model(task, table, fit_estimator(estimator, inputs, truth), "boosting", start)
        folder = tmp_path_factory.mktemp("customers")
        joblib.dump(model, folder / "model.joblib")
        cells = json.loads(rows[:40].to_json(orient="split", date_format="iso"))["data"]
        background = {name: [row[place] for row in cells] for place, name in enumerate(rows)}
        engine = load_sklearn_engine(folder / "model.joblib", table)
        tried = predictor_of(folder, table, background, engine, frame["churned"].tolist())
        made[size] = replace(tried, task=task), PerturbationPool(model, rows[:40]), rows
        return made[size]

    return make


def both(customers, size: int, row: int) -> tuple[dict, np.ndarray, np.ndarray, float]:
    tried, pool, rows = customers(size)
    cells = json.loads(rows[row : row + 1].to_json(orient="records", date_format="iso"))[0]
    larger = pool.with_rows(rows[row : row + 1])
    full, why = shap_values(larger, len(larger) - 1, entries=2000), explain_row(tried, cells)
    found = effects_of(why)
    return why, np.array([found[name] for name in full.columns]), full.values, full.base


@pytest.mark.parametrize("row", [100, 500, 699])
def test_few_columns_get_what_the_library_shap_gives_them(customers, row):
    why, light, full, base = both(customers, 5, row)
    assert np.allclose(light, full, atol=1e-6) and np.isclose(why["base_value"], base, atol=1e-6)


@pytest.mark.parametrize("row", [100, 699])
def test_more_columns_get_it_within_the_error_of_drawing(customers, row):
    why, light, full, base = both(customers, 9, row)
    assert np.isclose(why["base_value"], base, atol=1e-6)
    assert np.abs(light - full).max() < 0.1 * np.abs(full).max()


# ------------------------------------ what is computed, what is hidden, what is refused
def test_what_is_computed_from_two_columns_is_computed_anew(tmp_path):
    table = numbers(3).with_derived([DerivedInput("ratio", "x0", "/", "x1")])
    background = {"x0": [1.0, 2.0, 6.0], "x1": [2.0, 0.0], "x2": [5.0, 7.0, 9.0]}

    def engine(inputs: ModelInputs) -> np.ndarray:
        return np.nan_to_num(inputs.numbers[:, 3:].astype(float))

    row = {"x0": 3.0, "x1": 4.0, "x2": 1.0}
    why = explain_row(predictor_of(tmp_path, table, background, engine, AMOUNTS), row)
    kept, weights = all_coalitions(3)
    behind = [(1.0, 2.0), (2.0, 0.0), (6.0, 2.0)]

    def ratio(keep: np.ndarray, other: tuple[float, float]) -> float:
        left, right = (row[f"x{place}"] if keep[place] else other[place] for place in (0, 1))
        return left / right if right else 0.0

    known = np.mean([[ratio(keep, other) for keep in kept] for other in behind], axis=0) @ weights
    found = effects_of(why)
    assert np.allclose([found[name] for name in row], known, atol=1e-6) and found["x2"] == 0
    assert np.isclose(why["output"], 0.75)


def test_a_shorter_column_of_the_background_begins_again():
    rows = background_rows({"columns": {"a": [1, 2, 3], "b": ["x", None]}})
    assert rows == [{"a": 1, "b": "x"}, {"a": 2, "b": None}, {"a": 3, "b": "x"}]


def linear(inputs: ModelInputs) -> np.ndarray:
    return inputs.numbers[:, :1].astype(float)


def test_personal_cells_are_dots_and_others_are_said_in_words(tmp_path):
    table = TableSpec(
        (
            ColumnSpec("fee", "number"),
            ColumnSpec("since", "date", parts=("year",)),
            ColumnSpec("note", "text"),
        )
    )
    background = {"fee": [1.0, 2.0], "since": ["2020-01-31", None], "note": ["fine", "late again"]}
    tried = predictor_of(tmp_path, table, background, linear, AMOUNTS, personal=frozenset(["note"]))
    row = {"fee": "1,240", "since": "2025-03-01", "note": "please call Ada on 555"}
    said = {each["column"]: each["value"] for each in explain_row(tried, row)["contributions"]}
    assert said == {"fee": "1,240", "since": "2025-03-01", "note": "•••"}
    said = {each["column"]: each["value"] for each in explain_row(tried, {"fee": 3})["contributions"]}
    assert said["since"] == "missing" and said["note"] == "•••"


def test_a_row_that_may_not_be_predicted_is_not_explained(tmp_path):
    tried = predictor_of(tmp_path, numbers(2), {"x0": [1.0], "x1": [2.0]}, linear, AMOUNTS)
    with pytest.raises(DataError) as refused:
        explain_row(tried, {"x0": "secret", "x1": 2})
    assert "x0" in str(refused.value) and "secret" not in str(refused.value)


def test_explaining_needs_nothing_heavier_than_numpy():
    heavy = "pandas sklearn scipy mlflow shap lime matplotlib pyarrow".split()
    code = f"import sys, mlkit.serving.online_explanations; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
