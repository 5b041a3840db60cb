"""Notebooks that a person opens in JupyterLab share one run, and a change in one is seen in the next."""

import json
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from mlkit.core.run_folder import read_journal
from mlkit.pipeline.notebooks import list_stages, run_view


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    "A project as a learner has it: settings beside a folder of notebooks."
    monkeypatch.delenv("IN_TEST", raising=False)
    (tmp_path / "nbs").mkdir()
    shutil.copy(Path(__file__).parents[2] / "settings.ini", tmp_path)
    return tmp_path


def run_by_hand(project: Path, stage: str, times: int = 1, **chosen: object) -> None:
    "Run the parameters cell and the run section in a kernel of their own, each cell so many times."
    notebook = run_view(list_stages()[stage].notebook)
    cells = []
    for cell in notebook.cells:
        if cell.cell_type == "code" and "parameters" in cell.metadata.get("tags", []):
            cell.source += "".join(f"\n{name} = {value!r}" for name, value in chosen.items())
        copies = [nbformat.from_dict(dict(cell, id=f"{cell.id}-{n}")) for n in range(times)]
        cells += copies if cell.cell_type == "code" else [cell]
    notebook = nbformat.from_dict(dict(notebook, cells=cells))
    resources = {"metadata": {"path": str(project / "nbs")}}
    NotebookClient(notebook, timeout=300, resources=resources).execute()


def artifact(project: Path, name: str) -> dict:
    return json.loads((project / "runs" / "lesson" / "artifacts" / f"{name}.json").read_text("utf-8"))


def test_what_is_changed_in_one_lesson_is_seen_in_the_next(project: Path) -> None:
    run_by_hand(project, "problem", goal=0.9)
    run_by_hand(project, "validate", test_size=0.3)
    assert artifact(project, "problem")["goal"] == artifact(project, "task")["goal"] == 0.9
    stages = read_journal(project / "runs" / "lesson")["stages"]
    assert stages["problem"]["state"] == stages["collect"]["state"] == "done"
    assert stages["validate"]["parameters"]["test_size"] == 0.3

    run_by_hand(project, "problem", goal=0.7)
    run_by_hand(project, "prepare")
    assert artifact(project, "task")["goal"] == 0.7, "validate has run again"
    assert read_journal(project / "runs" / "lesson")["stages"]["validate"]["parameters"]["test_size"] == 0.3


def test_a_run_section_may_run_each_cell_twice(project: Path) -> None:
    run_by_hand(project, "problem", times=2)
    run_by_hand(project, "collect", times=2)
    run_by_hand(project, "validate", times=2)
    assert read_journal(project / "runs" / "lesson")["stages"]["validate"]["summary"]


def test_a_wrong_parameter_is_named_before_anything_runs(project: Path) -> None:
    from nbclient.exceptions import CellExecutionError

    with pytest.raises(CellExecutionError, match="validate.split: must be one of .*did you mean 'chance'"):
        run_by_hand(project, "validate", split="chanse")
    assert not (project / "runs").exists()
