"""A stage notebook gives the same artifacts however it is run: warm or stock, by mlkit or by papermill."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from mlkit.pipeline.engine import can_fork
from mlkit.pipeline.notebooks import Stage, has_tag, run_view
from tests.conftest import STAGES, Lifecycle
from tools.on_a_copy import ROOT

NOTEBOOKS = sorted(ROOT.glob("nbs/[0-9][0-9]_*.ipynb"))
CHOSEN = ["-p", "models", "linear tree", "-p", "trials", "3", "-p", "budget", "0"]


def copy_of(life: Lifecycle, name: str) -> Lifecycle:
    """A finished run, to be changed. It stands beside the other, and shares its logbook."""
    return Lifecycle(shutil.copytree(life.folder, life.folder.with_name(name)), life.project)


def papermill(life: Lifecycle, notebook: str, *words: str) -> list[str]:
    source, target = life.project / "nbs" / notebook, life.folder.with_name(f"{life.folder.name}.ipynb")
    return [
        sys.executable,
        "-m",
        "papermill",
        str(source),
        str(target),
        "-p",
        "run",
        str(life.folder),
        *words,
    ]


def code_of(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def sources_run(path: Path) -> list[str]:
    """The cells of an executed notebook, all of which have run."""
    cells = code_of(nbformat.read(path, as_version=4))
    assert all(cell.execution_count for cell in cells)
    return [cell.source for cell in cells if not has_tag(cell, "injected-parameters")]


# ---------------------------------------- stock papermill
OTHERS = ["problem", "collect", "validate", "prepare", "explain", "package", "score"]


@pytest.fixture(scope="module")
def stock(undisturbed) -> dict[str, Lifecycle]:
    """Every stage once more by stock papermill, lesson and all; side by side, because that takes its time."""
    lives = {name: copy_of(undisturbed, f"stock-{name}") for name in ("train", "evaluate", "others")}
    by_mlkit = ["--engine", "papermill", "--fresh"]
    started = [
        lives["train"].start(command=papermill(lives["train"], "05_train.ipynb", *CHOSEN)),
        lives["evaluate"].start("evaluate", *by_mlkit),
        lives["others"].start(*OTHERS, *by_mlkit),
    ]
    for life, process in zip(lives.values(), started, strict=True):
        assert process.wait(timeout=600) == 0, life.out + life.err
    return lives


@pytest.mark.parametrize("name, ran", [("train", ["train"]), ("evaluate", ["evaluate"]), ("others", OTHERS)])
def test_stock_papermill_makes_what_the_warm_engine_makes(stock, undisturbed, name, ran):
    assert stock[name].content() == undisturbed.content()
    before, after = undisturbed.attempts(), stock[name].attempts()
    assert [stage for stage in STAGES if after[stage] != before[stage]] == ran


TRIED = [path for path in NOTEBOOKS if path.stem[3:] in (*OTHERS, "train", "evaluate")]


@pytest.mark.parametrize("path", TRIED, ids=lambda path: path.stem)
def test_stock_papermill_runs_the_whole_notebook_and_the_warm_engine_the_run_view(stock, undisturbed, path):
    stage = Stage(undisturbed.project / "nbs" / path.name)
    life = stock[stage.name if stage.name in stock else "others"]
    by_stock = life.folder / "notebooks" / path.name
    if stage.name == "train":
        by_stock = life.folder.with_name(f"{life.folder.name}.ipynb")
    by_warm = undisturbed.folder / "notebooks" / path.name
    assert sources_run(by_stock) == [cell.source for cell in code_of(stage.notebook)]
    assert sources_run(by_warm) == [cell.source for cell in code_of(run_view(stage.notebook))]


def test_stock_papermill_is_quiet(stock):
    for line in (stock["evaluate"].err + stock["others"].err).splitlines():
        assert line.startswith("Assertion failed"), line  # libzmq, now and then, when a kernel has ended


# ---------------------------------------- papermill with the warm engine
@pytest.mark.skipif(not can_fork(), reason="this system cannot fork: stock papermill serves")
def test_papermill_with_the_warm_engine(undisturbed):
    life = copy_of(undisturbed, "warm")
    command = papermill(life, "05_train.ipynb", "--engine", "mlkit", *CHOSEN)
    assert life.run(command=command) == ["train"]
    assert life.content() == undisturbed.content()
    stage = Stage(life.project / "nbs" / "05_train.ipynb")
    assert sources_run(life.folder.with_name("warm.ipynb"))[1:] == stage.run_cells


# ---------------------------------------- what is saved outlives the notebook
PREDICT = """
import json, sys
from mlkit.core.run_folder import RunFolder
run = RunFolder(sys.argv[1])
model, test = run.load("model"), run.load("test")
kind, truth = type(model), test[model.task.target]
print(json.dumps([kind.__module__, kind.__name__, model.predict(test).tolist(), truth.tolist()]))
"""


def test_a_model_saved_in_a_notebook_predicts_in_a_fresh_process(stock):
    """One from stock papermill, which defines the class in the notebook too, before it runs the stage."""
    life = stock["train"]
    command = [sys.executable, "-c", PREDICT, str(life.folder)]
    done = subprocess.run(command, env=life.environment, capture_output=True, text=True, check=True)
    module, kind, said, truth = json.loads(done.stdout)
    assert (module, kind) == ("mlkit.models.model", "Model")
    right = [str(one) == str(other) for one, other in zip(said, truth, strict=True)]
    assert sum(right) / len(right) == pytest.approx(life.load("metrics")["test"]["accuracy"])
