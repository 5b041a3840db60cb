"""What a user gets: the wheel, without anything that only authors have, on each Python that is at hand.

It takes minutes and fetches what the wheel depends on, so it runs only with MLKIT_TEST_WHEEL=1.
"""

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.on_a_copy import copy_project

pytestmark = [
    pytest.mark.skipif(not os.environ.get("MLKIT_TEST_WHEEL"), reason="set MLKIT_TEST_WHEEL=1 to run it"),
    pytest.mark.timeout(3600),
]
VERSIONS = ("3.11", "3.12", "3.13")

IMPORT_ALL = """
import importlib, pkgutil, mlkit
names = [each.name for each in pkgutil.walk_packages(mlkit.__path__, "mlkit.")]
failed = {}
for name in names:
    try:
        importlib.import_module(name)
    except Exception as error:
        failed[name] = repr(error)
assert not failed, failed
assert len(names) > 150, len(names)
"""
FIT = """
import warnings
import pandas as pd
from mlkit import fit
warnings.simplefilter("ignore")
frame = pd.read_csv("table.csv")
model = fit(frame, "left", models="linear boosting", trials=2, budget=0)
assert (model.predict(frame) == frame["left"]).mean() > 0.8 and model.metrics["score"] > 0.8
"""


def find_python(version: str) -> str:
    """A Python of this version on the path, or one of pyenv's; empty: there is none."""
    if sys.version.startswith(f"{version}."):
        return getattr(sys, "_base_executable", sys.executable)
    if pyenv := shutil.which("pyenv"):
        root = subprocess.run([pyenv, "root"], capture_output=True, text=True, check=True).stdout.strip()
        if found := sorted(Path(root).glob(f"versions/{version}.*/bin/python")):
            return str(found[-1])
    return shutil.which(f"python{version}") or ""


def run(command: list[str | Path], folder: Path) -> str:
    """Run a command as a user would, away from the checkout; what it prints."""
    foreign = ("PYTHON", "MLKIT_", "MLFLOW_", "VIRTUAL_ENV", "PYENV_VERSION")
    own = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    own |= {"HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache"), "MLFLOW_DISABLE_TELEMETRY": "true"}
    done = subprocess.run(
        [str(part) for part in command], cwd=folder, env=own, capture_output=True, text=True, timeout=1800
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    copy = copy_project(tmp_path_factory.mktemp("source") / "project")
    out = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(copy)]
    subprocess.run(build, check=True, capture_output=True, timeout=600)
    (made,) = out.glob("*.whl")
    return made


def install(python: str, wheel: Path, folder: Path) -> Path:
    """A new environment with the wheel and what it asks for, and nothing else; its folder of programs."""
    environment = folder / "environment"
    subprocess.run([python, "-m", "venv", str(environment)], check=True, timeout=300)
    programs = environment / ("Scripts" if os.name == "nt" else "bin")
    uv = shutil.which("uv")
    quick = [uv, "pip", "install", "--python", str(programs / "python")]
    command = quick if uv else [str(programs / "python"), "-m", "pip", "install"]
    done = subprocess.run([*command, "--quiet", str(wheel)], capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr[-4000:]
    return programs


@pytest.mark.parametrize("version", VERSIONS)
def test_the_wheel_alone_imports_runs_fits_and_scores(version, wheel, tmp_path):
    python = find_python(version)
    if not python:
        pytest.skip(f"there is no Python {version} here")
    programs = install(python, wheel, tmp_path)
    run([programs / "python", "-c", IMPORT_ALL], tmp_path)
    chance = random.Random(0)
    ages = [chance.uniform(18, 80) for _ in range(300)]
    cells = ((age, chance.choice("abc"), "yes" if age + chance.gauss(0, 8) > 50 else "no") for age in ages)
    rows = "".join(f"{age:.2f},{plan},{left}\n" for age, plan, left in cells)
    (tmp_path / "table.csv").write_text(f"age,plan,left\n{rows}", encoding="utf-8")
    run([programs / "python", "-c", FIT], tmp_path)
    small = (
        "train.models=linear train.trials=1 evaluate.resamples=100 explain.samples=10 explain.background=10"
    )
    settings = [word for setting in small.split() for word in ("-p", setting)]
    told = run([programs / "mlkit", "run", "--data", "table.csv", "--target", "left", *settings], tmp_path)
    assert "better than the baseline" in told, told
    run([programs / "mlkit", "score", "runs/table", "table.csv", "answers.csv"], tmp_path)
    assert len((tmp_path / "answers.csv").read_text(encoding="utf-8").splitlines()) == 301
    assert "All is well" in run([programs / "mlkit", "doctor"], tmp_path)
    run([programs / "mlkit", "new", "claims"], tmp_path)
    assert "regression of charges" in run(
        [programs / "mlkit", "run", "--to", "validate"], tmp_path / "claims"
    )
