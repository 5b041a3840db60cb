"""The output of a model that is asked through its graph is the same; where there is no such graph, it is the model."""

import numpy as np
import pandas as pd
import pytest

from mlkit import fit
from mlkit.models.calibration import finalise_model
from mlkit.packaging import graph_model
from mlkit.packaging.graph_model import GraphModel, ask_graph
from mlkit.packaging.parity import ParityReport
from mlkit.sources.examples import make_customers


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return make_customers(700, seed=3)


@pytest.fixture(scope="module", params=["churned", "plan_next", "spend_next"])
def model(request, rows):
    table = rows.dropna(subset=[request.param])
    return finalise_model(fit(table, request.param, budget=0, trials=3, models="linear boosting"))


def test_the_output_is_the_same(model, rows):
    quick = ask_graph(model, model.table.inputs(rows))
    assert isinstance(quick, GraphModel)
    said, expected = quick.output(rows), model.output(rows)
    assert said.shape == expected.shape and said.dtype == np.float64
    assert np.abs(said - expected).max() <= 1e-5 * max(1.0, float(np.abs(expected).max()))
    assert (quick.predict(rows) == model.predict(rows)).all() or model.task.type == "regression"


def test_an_answer_does_not_depend_on_the_rows_beside_it(model, rows, monkeypatch):
    inputs = model.table.inputs(rows)
    quick = ask_graph(model, inputs)
    together = quick.output_of_inputs(inputs)
    for portion in (1, 7, 100_000):
        monkeypatch.setattr(graph_model, "_ROWS_AT_ONCE", portion)
        assert (quick.output_of_inputs(inputs[:300]) == together[:300]).all()


def test_the_model_answers_where_the_graph_says_something_else_or_cannot_be_made(model, rows, monkeypatch):
    inputs = model.table.inputs(rows)
    monkeypatch.setattr(graph_model, "check_parity", lambda *_: ParityReport(10, 0.1, 1))
    assert ask_graph(model, inputs) is model
    monkeypatch.undo()
    strange = finalise_model(model)
    strange.estimator = object()
    assert ask_graph(strange, inputs) is strange
