"""A prediction that may only rise, or only fall, with a column does so on every row."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.own_project import QUICK_STAGES, mlkit

SETTINGS = (
    """[project]
name = loans
[problem]
target = {target}
goal =
[collect]
source = loans.csv
[prepare]
columns = income: monotone=+ | age: monotone=- | rating: encode=ordinal order=low<mid<high monotone=+
[train]
models = linear tree forest boosting
trials = 6
"""
    + QUICK_STAGES
)


def make_table(rows: int = 500, seed: int = 0) -> pd.DataFrame:
    """Income and age bend the truth, so that who is not held follows them up and down."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "income": rng.lognormal(8, 0.5, rows).round(1),
            "age": rng.uniform(18, 80, rows).round(1),
            "debt": rng.uniform(0, 5000, rows).round(1),
            "rating": rng.choice(["low", "mid", "high"], rows),
            "region": rng.choice(["north", "south"], rows),
        }
    )
    table.loc[rng.random(rows) < 0.05, "income"] = np.nan
    waves = np.sin(table.income.fillna(3000) / 400) + np.cos(table.age / 6)
    table["limit"] = (
        100 * (waves + table.rating.map({"low": 0, "mid": 1, "high": -1}) + table.debt / 2000)
    ).round(2)
    noisy = table["limit"] + rng.normal(0, 40, rows)
    table["paid"] = np.where(noisy > noisy.median(), "yes", "no")
    return table


def make_run(folder: Path, target: str) -> Path:
    other = "paid" if target == "limit" else "limit"
    make_table().drop(columns=other).to_csv(folder / "loans.csv", index=False)
    (folder / "settings.ini").write_text(SETTINGS.format(target=target))
    said = mlkit(folder, "run", "--to", "package")
    assert "linear" in said
    return folder / "runs/loans"


@pytest.fixture(scope="module", params=["limit", "paid"])
def run(request, tmp_path_factory) -> Path:
    return make_run(tmp_path_factory.mktemp(request.param), request.param)


def breaks(predict, rows: pd.DataFrame, name: str, values, sign: int) -> int:
    """Rows of 30 in which the prediction goes the wrong way while the column goes through its values."""
    some = rows.head(30)
    swept = some.loc[some.index.repeat(len(values))].assign(**{name: list(values) * len(some)})
    output = np.asarray(predict(swept.reset_index(drop=True)), dtype=float)
    output = output[:, -1] if output.ndim == 2 else output
    steps = sign * np.diff(output.reshape(-1, len(values)), axis=1)
    return int((steps < -1e-6 * max(1, np.abs(output).max())).any(axis=1).sum())


SWEEPS = {
    "income": (np.linspace(100, 20_000, 60).round(1), 1),
    "age": (np.linspace(10, 100, 60).round(1), -1),
    "rating": (["low", "mid", "high"], 1),
}


@pytest.mark.parametrize("name", SWEEPS)
def test_a_packaged_prediction_never_goes_the_wrong_way(run, name):
    from mlkit import load_predictor

    values, sign = SWEEPS[name]
    rows = make_table(seed=9).drop(columns=["limit", "paid"])
    predictor = load_predictor(run / "model")
    assert predictor.manifest["parity"]["onnx"]
    assert breaks(predictor.predict, rows, name, values, sign) == 0
    assert predictor.manifest["monotone"][name]["sign"] == ("+" if sign > 0 else "-")


def test_families_that_cannot_be_held_are_left_out_and_that_is_said(run):
    choice = json.loads((run / "artifacts/choice.json").read_text())
    assert choice["unreached"] == {"linear": "cannot be held monotone in income, age, rating"}
    trials = pd.read_parquet(run / "artifacts/trials.parquet")
    assert {"tree", "forest", "boosting"} <= {*trials.family} <= {"tree", "forest", "boosting", "ensemble"}
    plan = json.loads((run / "artifacts/plan.json").read_text())["inputs"]
    assert plan["income"]["why"].endswith("the prediction never falls with it, as asked")
    held = "the prediction never falls as `income` or `rating` rises and never rises as `age` rises."
    assert held in (run / "model/card.md").read_text()


@pytest.mark.parametrize("family", ["tree", "forest", "boosting"])
def test_each_family_keeps_it_and_would_break_it_where_it_is_not_asked_to(family):
    from mlkit import fit

    table = make_table(300).drop(columns="paid")
    rows = make_table(seed=9).drop(columns=["limit", "paid"])
    how = {"models": family, "trials": 1, "budget": 0, "ensemble": False, "test_size": 0, "jobs": 1}
    held, free = (fit(table, "limit", monotone=signs, **how) for signs in ({"income": 1, "age": -1}, {}))
    for name in ("income", "age"):
        assert breaks(held.predict, rows, name, *SWEEPS[name]) == 0
        assert breaks(free.predict, rows, name, *SWEEPS[name]) > 0


def test_a_package_that_breaks_its_promise_is_refused(run, tmp_path):
    """As if something between the trees and the package bent the prediction."""
    from mlkit import PackageError
    from mlkit.core.run_folder import RunFolder
    from mlkit.features.encoders import PreprocessingPlan
    from mlkit.packaging.monotone_check import check_monotone

    opened = RunFolder(run)
    model, said = opened.load("final"), opened.load("plan")
    said["inputs"]["income"]["monotone"] = -1
    with pytest.raises(PackageError, match=r"the model rises as 'income' rises, in \d+ of 60 rows"):
        check_monotone(model, None, PreprocessingPlan.from_dict(said), opened.load("test"))


WRONG = {
    "incme: monotone=+": "'incme': there is no such column; did you mean 'income'?",
    "income: monotone=up": "'income': monotone cannot be 'up'; the choices are +, -",
    "region: monotone=+": "'region': monotone needs an order, and a category has one with encode=ordinal order=…",
    "note: monotone=+": "'note': monotone is for number, boolean, category; the column is of kind text",
    "income: monotone=+ impute=model": "'income': monotone goes with no impute=model",
}


@pytest.mark.parametrize("columns", WRONG)
def test_what_cannot_be_held_is_told_in_one_line(columns):
    from mlkit import SettingsError, fit

    words = ["was late with it", "paid and called twice", "has moved to another town", "never called back"]
    table = make_table(200).drop(columns="paid")
    table["note"] = [f"{words[k % 4]} {words[(k * 7 + 1) % 4]} number {k}" for k in range(200)]
    with pytest.raises(SettingsError) as told:
        fit(table, "limit", columns=columns, budget=1)
    assert WRONG[columns] in str(told.value) and "\n" not in str(told.value)


ARGUMENTS = {
    "sign": ({"income": 2}, "monotone['income'] is 1 or -1, not 2"),
    "column": ({"incme": 1}, "monotone names 'incme', which is no column; did you mean 'income'?"),
    "twice": ({"age": 1}, "monotone says 1 of 'age', and columns the contrary"),
    "kind": ("income", "monotone must be a dict of columns and signs, not 'income'"),
    "none": (
        {"income": 1},
        "and none of them can be held monotone in 'income'; name one of tree boosting forest",
    ),
}


@pytest.mark.parametrize("case", ARGUMENTS)
def test_an_argument_that_cannot_be_is_told_in_one_line(case):
    from mlkit import SettingsError, fit

    signs, message = ARGUMENTS[case]
    models = "linear neural" if case == "none" else "tree"
    with pytest.raises(SettingsError) as told:
        fit(
            make_table(200).drop(columns="paid"),
            "limit",
            columns="age: monotone=-",
            monotone=signs,
            models=models,
        )
    assert message in str(told.value) and "\n" not in str(told.value)


def test_more_than_two_classes_have_no_direction():
    from mlkit import SettingsError, fit

    table = make_table(200).drop(columns=["paid", "limit"])
    with pytest.raises(SettingsError, match="monotone is for numbers and two classes, not for 3"):
        fit(table, "rating", monotone={"income": 1}, models="tree", budget=1)


def test_what_is_computed_from_a_held_column_is_left_out_or_refused(tmp_path):
    from mlkit.core.errors import SettingsError
    from mlkit.data.table_spec import DerivedInput
    from mlkit.features.plan import infer_feature_specs, make_plan
    from mlkit.task.problem import Problem
    from mlkit.task.task_inference import make_task

    table = make_table(200).drop(columns="paid").astype(str)
    task = make_task(Problem("limit"), table["limit"])
    columns = "income: monotone=+"
    spec = infer_feature_specs(table, task, columns=columns).with_derived(
        [DerivedInput("", "debt", "/", "income")]
    )
    found = {"debt / income": "found: it predicts better"}
    plan = make_plan(spec, spec.inputs(table), columns=columns, combined=found)
    assert plan.inputs["debt / income"].models == "none" and "monotone" in plan.inputs["debt / income"].why
    with pytest.raises(SettingsError, match="'debt / income' is computed from 'income'"):
        make_plan(spec, spec.inputs(table), columns=columns, combined={"debt / income": "as asked"})
