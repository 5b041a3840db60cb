"""The graph is the model: every family, every task, every encoding, and rows that nobody has seen."""

import subprocess
import sys
from dataclasses import replace
from functools import cache

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlkit.core.errors import PackageError
from mlkit.data.type_inference import infer_table_spec
from mlkit.features.encoders import make_encoder
from mlkit.features.plan import make_plan
from mlkit.models import families
from mlkit.models.calibration import FinalModel, finalise_model, fit_isotonic, fit_sigmoid, fit_temperature
from mlkit.models.cross_validation import fit_estimator
from mlkit.models.ensemble import ClassifierEnsemble, RegressorEnsemble
from mlkit.models.families import FAMILIES, make_estimator, make_model
from mlkit.packaging.onnx_export import to_onnx
from mlkit.packaging.parity import check_parity, make_odd_rows, run_onnx, to_onnx_inputs
from mlkit.sources.examples import make_customers
from mlkit.task.metrics import predicted_codes
from mlkit.task.problem import Problem
from mlkit.task.task import encode_target, target_values
from mlkit.task.task_inference import make_task

TARGETS = {"binary": "churned", "multiclass": "plan_next", "regression": "spend_next"}
ENCODINGS = {
    "usual": {},
    "power and target means": {"scale": "power", "encode": "target"},
    "ranges and constants": {"scale": "minmax", "impute": "constant"},
    "nearest rows": {"impute": "model"},
    "as asked": {"columns": "region: impute=most_frequent | contract: encode=ordinal order=monthly<yearly "
                            "| age: impute=most_frequent"},
}  # fmt: skip
QUICK = {"forest": {"n_estimators": 20}, "boosting": {"steps": 30}, "neural": {"passes": 3}}


class Known:
    """A small table of one task, read and planned."""

    def __init__(self, kind: str, rows: int = 300, only: tuple[str, ...] = (), **wishes: str):
        target = TARGETS[kind]
        frame = make_customers(rows).dropna(subset=[target])
        frame = frame[[*(only or frame.columns.drop([*TARGETS.values()])), target]]
        self.task, self.table = (
            make_task(Problem(target), frame[target]),
            infer_table_spec(frame, ignore=[target]),
        )
        self.inputs = self.table.inputs(frame)
        self.truth = encode_target(self.task, target_values(self.task, frame[target]))
        self.plan = make_plan(self.table, self.inputs, **wishes)

    def model(self, family: str, **more) -> FinalModel:
        known = FAMILIES[family].start if family in FAMILIES else {}
        settings = known | QUICK.get(family, {}) | more
        estimator = make_estimator(family, settings, self.plan, self.task)
        return self.fitted(estimator, family)

    def fitted(self, estimator, family: str) -> FinalModel:
        fitted = fit_estimator(estimator, self.inputs, self.truth)
        return FinalModel(self.task, self.table, fitted, family, {})

    def ensemble(self) -> FinalModel:
        members = [
            (name, family.wants, make_model(name, family.start | QUICK.get(name, {}), self.task))
            for name, family in FAMILIES.items()
        ]
        encoders = {wants: make_encoder(self.plan, wants, self.task) for wants in ("scaled", "filled", "raw")}
        kind = RegressorEnsemble if self.task.type == "regression" else ClassifierEnsemble
        return self.fitted(kind(encoders, members, [0.1, 0.2, 0.3, 0.2, 0.2]), "ensemble")


known = cache(Known)


def assert_same(model: FinalModel, inputs: pd.DataFrame) -> onnx.ModelProto:
    """Not only within what is accepted: within what float32 can hold."""
    graph = to_onnx(model)
    found = check_parity(model, graph, pd.concat([inputs, make_odd_rows(model, inputs)], ignore_index=True))
    assert found.is_equal and found.largest_difference < 1e-6, found
    return graph


# ---------------------------------------- everything that can be trained
@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_says_the_same_as_a_graph(family, kind):
    table = known(kind)
    assert_same(table.model(family), table.inputs)


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_ensemble_of_all_families_says_the_same_whatever_the_encoding(encoding, kind):
    table = known(kind, **ENCODINGS[encoding])
    assert_same(table.ensemble(), table.inputs)


@pytest.mark.parametrize(
    ("kind", "family", "more"),
    [
        ("binary", "forest", {"kind": "extra"}),
        ("multiclass", "forest", {"kind": "extra"}),
        ("regression", "forest", {"log": True}),
        ("regression", "linear", {"log": True}),
        ("regression", "boosting", {"log": True, "extra": True}),
        ("binary", "neural", {"networks": 3, "layers": "16-8"}),
        ("multiclass", "neural", {"networks": 2}),
        ("regression", "neural", {"networks": 2, "log": True}),
        ("binary", "tree", {"balanced": True}),
    ],
)
def test_every_variant_of_a_family_says_the_same(kind, family, more):
    table = known(kind)
    assert_same(table.model(family, **more), table.inputs)


@pytest.mark.parametrize("kind", TARGETS)
def test_boosting_without_lightgbm_says_the_same(kind, monkeypatch):
    monkeypatch.setattr(families, "import_lightgbm", lambda: None)
    table = known(kind)
    assert_same(table.model("boosting"), table.inputs)


@pytest.mark.parametrize("fit", [fit_sigmoid, fit_isotonic, fit_temperature])
@pytest.mark.parametrize("family", ["linear", "tree"])
def test_probabilities_that_were_put_right_are_the_same(family, fit):
    table = known("binary")
    model = table.model(family)
    calibrator = fit(table.truth, model.output_of_inputs(table.inputs))
    assert_same(finalise_model(model, calibrator, threshold=0.3), table.inputs)


def test_probabilities_of_many_classes_that_were_put_right_are_the_same():
    table = known("multiclass")
    model = table.model("boosting")
    calibrator = fit_temperature(table.truth, model.output_of_inputs(table.inputs))
    assert_same(finalise_model(model, calibrator), table.inputs)


@pytest.mark.parametrize("columns", [("age", "usage_hours"), ("plan", "region"), ("note",)])
@pytest.mark.parametrize("family", ["linear", "boosting"])
def test_a_table_of_only_numbers_or_only_words_leaves_out_what_it_has_not(columns, family):
    table = known("binary", only=columns)
    graph = assert_same(table.model(family), table.inputs)
    kinds = set(table.table.input_kinds.values())
    has = {"words"} if kinds & {"category", "text"} else set()
    has |= {"numbers"} if kinds - {"category", "text"} else set()
    assert {each.name for each in graph.graph.input} == has
    assert [each.name for each in graph.graph.output] == ["output"]


def test_few_words_are_inputs_of_their_own():
    table = known("binary", only=("note", "age"))
    ways = {name: replace(how, parts=0) for name, how in table.plan.inputs.items()}
    plan = replace(table.plan, inputs=ways)
    model = table.fitted(make_estimator("linear", {}, plan, table.task), "linear")
    assert_same(model, table.inputs)


# ---------------------------------------- what is not met in training
@pytest.mark.parametrize("family", ["tree", "boosting", "linear"])
@pytest.mark.parametrize("left", [1, 2])
def test_a_class_that_was_never_met_has_probability_zero(family, left):
    table = known("multiclass")
    met = np.flatnonzero(table.truth < left + 1 if left == 1 else table.truth != 1)
    some = known("multiclass", rows=301)
    some.inputs, some.truth = table.inputs.iloc[met], table.truth[met]
    model = some.model(family)
    never = [code for code in range(len(table.task.classes)) if code not in some.truth]
    assert never
    graph = assert_same(model, table.inputs)
    assert (run_onnx(graph, to_onnx_inputs(model.table, table.inputs))[:, never] == 0).all()


@cache
def asked():
    """A model of everything, and its graph."""
    model = known("binary").ensemble()
    return model, onnxruntime.InferenceSession(to_onnx(model).SerializeToString())


@given(st.data())
@settings(max_examples=40)
def test_any_row_gets_the_same_answer(data):
    model, session = asked()
    numbers = st.floats(width=32, allow_infinity=False, min_value=-(2.0**100), max_value=2.0**100)
    words = st.one_of(st.sampled_from(["", "basic", "pro", "monthly", "north"]), st.text(max_size=5))
    texts = st.lists(st.sampled_from("slow price support the a never".split())).map(" ".join)
    cells = {"number": numbers, "cycle": st.floats(-1, 1, width=32), "category": words, "text": texts}
    row = {name: [data.draw(cells[kind])] for name, kind in model.table.input_kinds.items()}
    types = known("binary").inputs.dtypes
    row = pd.DataFrame({name: pd.Series(cells, dtype=types[name]) for name, cells in row.items()})
    expected, [said] = model.output_of_inputs(row), session.run(None, to_onnx_inputs(model.table, row))
    assert np.abs(said - expected).max() < 1e-6
    assert (predicted_codes(said, 0.5) == predicted_codes(expected, 0.5)).all()


# ---------------------------------------- what could be decided by the last digit
@pytest.mark.parametrize("share", [1, 3, 5, 6, 7, 9])
def test_a_probability_that_equals_the_threshold_gets_one_label(share):
    """A leaf of 10 rows says 0.7, which float32 cannot hold."""
    output = np.array([[1 - share / 10, share / 10]])
    for said in (output, output.astype(np.float32), output - 1e-9, output + 1e-9):
        assert predicted_codes(said, threshold=share / 10).tolist() == [1]
    assert predicted_codes(output - 1e-4, threshold=share / 10).tolist() == [0]


def test_classes_that_are_as_likely_get_one_label():
    thirds = np.array([[1 / 3, 1 / 3 + 1e-16, 1 / 3], [0.2, 0.4, 0.4 + 1e-12], [0.2, 0.3, 0.5]])
    for said in (thirds, thirds.astype(np.float32)):
        assert predicted_codes(said).tolist() == [0, 1, 2]


def test_a_forest_that_is_undecided_gets_the_same_label_as_its_graph():
    table = known("binary")
    model = table.model("forest", n_estimators=10, min_samples_leaf=1, max_features=1.0)
    output, graph = model.output_of_inputs(table.inputs)[:, 1], to_onnx(model)
    said = np.unique(output.round(3))
    assert len(said) > 5
    for share in said:
        assert check_parity(replace(model, threshold=share), graph, table.inputs).is_equal, share


def test_a_graph_that_says_otherwise_is_found_out():
    table = known("binary")
    model = table.model("tree")
    graph = to_onnx(model)
    for node in graph.graph.node:
        for attribute in node.attribute:
            if attribute.name == "nodes_splits":
                splits = onnx.numpy_helper.to_array(attribute.t) + 1.0
                attribute.t.CopyFrom(onnx.numpy_helper.from_array(splits))
    found = check_parity(model, graph, table.inputs)
    assert not found.is_equal and found.largest_difference > 1e-3


# ---------------------------------------- estimators by import path
def test_other_estimators_are_written_by_skl2onnx():
    table = known("binary")
    model = table.model("sklearn.ensemble.GradientBoostingClassifier")
    assert check_parity(model, to_onnx(model), table.inputs).is_equal


@pytest.mark.filterwarnings("ignore")
def test_an_estimator_that_cannot_be_written_is_named_in_one_line():
    model = known("multiclass").model("sklearn.gaussian_process.GaussianProcessClassifier")
    message = "GaussianProcessClassifier cannot be written as ONNX: .+"
    with pytest.raises(PackageError, match=message) as caught:
        to_onnx(model)
    assert "\n" not in str(caught.value)


# ---------------------------------------- a process that has nothing but numpy and onnxruntime
LIGHT = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("pandas", "sklearn", "scipy", "lightgbm", "onnx", "mlkit", "joblib"):
            raise ImportError(f"{name} is not here")

sys.meta_path.insert(0, Refuse())
import numpy, onnxruntime
rows = numpy.load(sys.argv[2], allow_pickle=True)
session = onnxruntime.InferenceSession(sys.argv[1])
numpy.save(sys.argv[3], session.run(["output"], {name: rows[name] for name in rows.files})[0])
"""


def test_a_graph_needs_nothing_but_numpy_and_onnxruntime(tmp_path):
    table = known("multiclass")
    model = table.ensemble()
    inputs = pd.concat([table.inputs, make_odd_rows(model, table.inputs)], ignore_index=True)
    onnx.save(to_onnx(model), tmp_path / "model.onnx")
    np.savez(tmp_path / "rows.npz", **to_onnx_inputs(model.table, inputs))
    files = [tmp_path / name for name in ("model.onnx", "rows.npz", "said.npy")]
    subprocess.run([sys.executable, "-c", LIGHT, *map(str, files)], check=True, timeout=120)
    said, expected = np.load(tmp_path / "said.npy"), model.output_of_inputs(inputs)
    assert np.abs(said - expected).max() < 1e-6
    assert (predicted_codes(said) == predicted_codes(expected)).all()
