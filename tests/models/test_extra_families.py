"""XGBoost and CatBoost: families where they are installed, and one line where they are not."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.models.test_monotone import SWEEPS, breaks, make_table
from tests.own_project import QUICK_STAGES, mlkit, score

SETTINGS = (
    """[project]
name = shop
[problem]
target = {target}
goal =
[collect]
source = shop.csv
[prepare]
columns =
[train]
models = {family}
trials = 3
ensemble = no
"""
    + QUICK_STAGES
)


@pytest.fixture(params=["xgboost", "catboost"])
def family(request) -> str:
    pytest.importorskip(request.param, reason=f"pip install '.[{request.param}]' to run it")
    return request.param


def make_rows(target: str) -> pd.DataFrame:
    table = make_table(400)
    table["kind"] = pd.cut(table["limit"], 3, labels=["a", "b", "c"]).astype(str)
    return table.drop(columns={"limit", "paid", "kind"} - {target})


@pytest.mark.parametrize("target", ["limit", "paid", "kind"])
def test_it_is_searched_packaged_as_onnx_scored_and_explained(family, target, tmp_path):
    from mlkit import load_predictor
    from mlkit.serving.online_explanations import explain_row

    rows = make_rows(target)
    rows.to_csv(tmp_path / "shop.csv", index=False)
    (tmp_path / "settings.ini").write_text(SETTINGS.format(family=family, target=target))
    mlkit(tmp_path, "run", "--to", "package")
    shutil.move(tmp_path / "runs/shop/model", tmp_path / "model")
    manifest = json.loads((tmp_path / "model/manifest.json").read_text())
    assert manifest["model"]["family"] == family and manifest["parity"]["onnx"], manifest["parity"]
    assert any(name.startswith(family) for name in manifest["packages"])
    metrics = json.loads((tmp_path / "model/metrics.json").read_text())
    assert metrics["score"] > metrics["baseline"] + 0.1
    trials = pd.read_parquet(tmp_path / "runs/shop/artifacts/trials.parquet")
    assert (trials.state == "complete").any() and trials.settings.nunique() == 3
    predictor = load_predictor(tmp_path / "model")
    some = rows.drop(columns=target).head(5)
    told = explain_row(predictor, some.iloc[0].to_dict())
    assert told["contributions"]
    answers = score(tmp_path / "model", some.to_dict("records"), tmp_path)
    assert len(answers) == 5


def test_it_keeps_a_monotone_column(family):
    from mlkit import fit

    how = {"models": family, "trials": 1, "budget": 0, "ensemble": False, "test_size": 0, "jobs": 1}
    model = fit(make_table(300).drop(columns="paid"), "limit", monotone={"income": 1, "age": -1}, **how)
    rows = make_table(seed=9).drop(columns=["limit", "paid"])
    for name in ("income", "age"):
        assert breaks(model.predict, rows, name, *SWEEPS[name]) == 0


def test_it_stops_in_time(family):
    from mlkit.models.families import get_family
    from mlkit.models.time_budget import fit_until

    rows = np.random.default_rng(0).normal(size=(2000, 20)).astype("float32")
    model = get_family(family).build(True, {"steps": 100_000}, 1, 42)
    fitted = fit_until(model, rows, rows[:, 0] ** 2, 0.0)
    from mlkit.packaging.onnx_trees import convert_extra

    assert 10 <= len(convert_extra(fitted).roots) <= 12


def test_an_ensemble_may_hold_it_beside_others(family):
    from mlkit import fit

    table = make_table(300).drop(columns="paid")
    model = fit(table, "limit", models=f"linear forest {family}", trials=6, budget=0, test_size=0.3, jobs=1)
    assert model.family in ("ensemble", family, "forest") and model.metrics["score"] > 0.1


@pytest.mark.parametrize("name", ["xgboost", "catboost"])
def test_where_it_is_not_installed_one_line_says_how_to_install_it(name, tmp_path):
    code = f"""import sys
sys.modules[{name!r}] = None
from mlkit.models.families import choose_families
try:
    choose_families("linear {name}")
except Exception as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path.cwd())
    expected = f"SettingsError train.models names '{name}', which is not installed; pip install '.[{name}]'"
    assert done.stdout.strip() == expected, done.stderr


def test_a_run_with_one_that_is_not_installed_is_refused_before_its_first_stage(tmp_path):
    code = "import sys; sys.modules['catboost'] = None; from mlkit.cli.main import main; main()"
    asked = [
        "run",
        "--data",
        "example:wine",
        "--out",
        str(tmp_path / "run"),
        "-p",
        "train.models=linear catboost",
    ]
    done = subprocess.run(
        [sys.executable, "-c", code, *asked], capture_output=True, text=True, cwd=Path.cwd()
    )
    assert (
        done.returncode == 2
        and "pip install '.[catboost]'" in done.stderr
        and "01_problem" not in done.stdout
    )
    assert len(done.stderr.strip().splitlines()) <= 2


def test_a_name_that_is_nearly_right_is_offered():
    from mlkit.core.errors import SettingsError
    from mlkit.models.families import choose_families

    with pytest.raises(SettingsError, match="did you mean 'xgboost'"):
        choose_families("xgbost")
