"""What a user gets: wheel and sdist as release.yml builds them, on each Python that is at hand.

That both are built and hold the same is looked at always. To install them takes minutes and fetches what they depend
on, so that is done only with MLKIT_TEST_WHEEL=1.
"""

import os
import random
import shlex
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from mlkit.inference.signing import find_signing_keys
from mlkit.serving.client import ServerClient, free_port, is_ready
from tests.base_install import check_base_install, make_package
from tests.conftest import until
from tools.on_a_copy import ROOT, copy_project

pytestmark = pytest.mark.timeout(3600)
installs = pytest.mark.skipif(
    not os.environ.get("MLKIT_TEST_WHEEL"), reason="set MLKIT_TEST_WHEEL=1 to run it"
)
VERSIONS = ("3.11", "3.12", "3.13", "3.14")

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


def environment_of(folder: Path) -> dict[str, str]:
    """A user's, away from the checkout."""
    foreign = ("PYTHON", "MLKIT_", "MLFLOW_", "VIRTUAL_ENV", "PYENV_VERSION")
    own = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    home = {"HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}
    return own | home | {"MLFLOW_DISABLE_TELEMETRY": "true"}


def run(command: list[str | Path], folder: Path) -> str:
    """Run a command as a user would; what it prints."""
    words, environment = list(map(str, command)), environment_of(folder)
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


# ---------------------------------------- built
def release_command() -> list[str]:
    """How release.yml builds, with this Python."""
    text = (ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8")
    [step] = [each for each in yaml.safe_load(text)["jobs"]["build"]["steps"] if each.get("name") == "Build"]
    program, *words = shlex.split(step["run"])
    assert program == "python3"
    return [sys.executable, *words]


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> dict[str, Path]:
    """The wheel and the sdist."""
    copy = copy_project(tmp_path_factory.mktemp("source") / "project")
    done = subprocess.run(release_command(), cwd=copy, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-4000:]
    (wheel,), (sdist,) = (copy / "dist").glob("*.whl"), (copy / "dist").glob("*.tar.gz")
    return {"wheel": wheel, "sdist": sdist}


def carried(wheel: Path) -> set[str]:
    """The files of the package in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def test_the_wheel_holds_the_library_and_the_lessons_and_nothing_of_authors(built):
    files = carried(built["wheel"])
    library = {path.relative_to(ROOT).as_posix() for path in (ROOT / "mlkit").rglob("*.py")}
    lessons = {f"mlkit/notebooks/{path.name}" for path in (ROOT / "nbs").glob("[0-9][0-9]_*.ipynb")}
    assert files >= library | lessons | {
        "mlkit/py.typed",
        "mlkit/automation/files/gitlab/dot-gitlab-ci.yml.j2",
    }
    assert {name.partition("/")[0] for name in files} == {"mlkit"}


def test_the_sdist_makes_the_same_wheel_and_its_tests_and_tools_are_there(built, tmp_path):
    with tarfile.open(built["sdist"]) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    command = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        tmp_path / "made",
        source,
    ]
    subprocess.run(list(map(str, command)), check=True, capture_output=True, timeout=600)
    (wheel,) = (tmp_path / "made").glob("*.whl")
    assert carried(wheel) == carried(built["wheel"])


# ---------------------------------------- installed
def add_packages(python: Path, *words: str | Path) -> None:
    uv = shutil.which("uv")
    quick = [uv, "pip", "install", "--quiet", "--python", python]
    command = quick if uv else [python, "-m", "pip", "install", "--quiet"]
    done = subprocess.run(
        [*map(str, command), *map(str, words)], capture_output=True, text=True, timeout=1800
    )
    assert done.returncode == 0, done.stderr[-4000:]


def install(python: str, archive: Path, how: str, folder: Path) -> Path:
    """A new environment with mlkit and what it asks for, without extras or with all; its folder of programs."""
    environment = folder / "environment"
    uv = shutil.which("uv")
    make = [uv, "venv", "--quiet", "--python", python] if uv else [python, "-m", "venv"]
    subprocess.run([*make, str(environment)], check=True, timeout=300)
    programs = environment / ("Scripts" if os.name == "nt" else "bin")
    if how != "pinned":
        extras = "" if how == "base" else "[all]"
        add_packages(programs / "python", f"mlkit-notebooks{extras} @ {archive.as_uri()}")
        return programs
    tested = subprocess.run(
        [sys.executable, "tools/constraints.py", "users"], cwd=ROOT, check=True, capture_output=True
    ).stdout
    (folder / "users.txt").write_bytes(tested)
    add_packages(programs / "python", "--require-hashes", "-r", folder / "users.txt")
    add_packages(programs / "python", "--no-deps", "--no-build-isolation", archive)
    return programs


def size(environment: Path) -> float:
    """In MB, without what Python compiles."""
    files = (path for path in environment.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return sum(path.lstat().st_size for path in files) / 1e6


@installs
@pytest.mark.parametrize("version", VERSIONS)
def test_a_base_install_is_small_and_learns_scores_and_serves(version, built, tmp_path):
    python = find_python(version)
    if not python:
        pytest.skip(f"there is no Python {version} here")
    programs, work = install(python, built["wheel"], "base", tmp_path), tmp_path / "work"
    assert size(tmp_path / "environment") < 650
    work.mkdir()
    package = make_package(tmp_path / "kinds")
    trusted = {"MLKIT_PUBLIC_KEY": str(find_signing_keys()[1])}

    def run(program: str, *words: str) -> subprocess.CompletedProcess[str]:
        command, environment = [str(programs / program), *words], environment_of(work) | trusted
        return subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, timeout=600)

    check_base_install(run, package, work)


@contextmanager
def served(program: Path, folder: Path) -> Iterator[ServerClient]:
    """A client of `mlkit serve`, as long as the block lasts."""
    port, environment = free_port(), environment_of(folder)
    command = [str(program), "serve", "runs/table", "--port", str(port)]
    with open(folder / "serve.log", "wb") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        ready = until(lambda: server.poll() is not None or is_ready(port), seconds=120, pause=0.1)
        assert ready and server.poll() is None, (folder / "serve.log").read_text(encoding="utf-8")
        yield ServerClient(port)
    finally:
        server.terminate()
        server.wait(60)


def write_table(path: Path) -> None:
    chance = random.Random(0)
    ages = [chance.uniform(18, 80) for _ in range(300)]
    cells = ((age, chance.choice("abc"), "yes" if age + chance.gauss(0, 8) > 50 else "no") for age in ages)
    rows = "".join(f"{age:.2f},{plan},{left}\n" for age, plan, left in cells)
    path.write_text(f"age,plan,left\n{rows}", encoding="utf-8")


@installs
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("how", ["pinned", "unpinned"])
@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_it_imports_runs_fits_scores_and_serves(version, how, kind, built, tmp_path):
    python = find_python(version)
    if not python:
        pytest.skip(f"there is no Python {version} here")
    programs = install(python, built[kind], how, tmp_path)
    run([programs / "python", "-c", IMPORT_ALL], tmp_path)
    write_table(tmp_path / "table.csv")
    run([programs / "python", "-c", FIT], tmp_path)
    small = (
        "train.models=linear train.trials=1 evaluate.resamples=100 explain.samples=10 explain.background=10"
    )
    settings = [word for setting in small.split() for word in ("-p", setting)]
    told = run([programs / "mlkit", "run", "--data", "table.csv", "--target", "left", *settings], tmp_path)
    assert "better than the baseline" in told, told
    run([programs / "mlkit", "score", "runs/table", "table.csv", "answers.csv"], tmp_path)
    assert len((tmp_path / "answers.csv").read_text(encoding="utf-8").splitlines()) == 301
    with served(programs / "mlkit", tmp_path) as client:
        rows = [{"age": 75, "plan": "a"}, {"age": "20", "plan": "b"}]
        answer = client.request("POST", "/predict", rows).value
        client.close()
    assert [each["prediction"] for each in answer["predictions"]] == ["yes", "no"]
    assert "All is well" in run([programs / "mlkit", "doctor"], tmp_path)
    run([programs / "mlkit", "new", "claims"], tmp_path)
    assert "regression of charges" in run(
        [programs / "mlkit", "run", "--to", "validate"], tmp_path / "claims"
    )
