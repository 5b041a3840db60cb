"""What a learner does to a lesson: runs a cell twice, pastes what 'Try this' says, restarts the kernel."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from mlkit.core.run_folder import RunFolder, edit_journal
from mlkit.pipeline.lesson_run import lesson_folder
from mlkit.pipeline.notebooks import complete_parameters, list_stages
from tests.lessons.lesson import (
    Kernel,
    Lesson,
    code_of,
    each_lesson,
    fail_with,
    kernel,
    numpy_names,
    try_this,
)
from tools.on_a_copy import ROOT

pytestmark = pytest.mark.skipif(
    not os.environ.get("MLKIT_TEST_LESSONS"), reason="set MLKIT_TEST_LESSONS=1 to run it; it takes minutes"
)

# A small run is a run too.
QUICK: dict[str, dict[str, Any]] = {
    "train": {"models": "linear tree", "trials": 3},
    "evaluate": {"resamples": 100, "curve_points": 0},
    "explain": {"samples": 10},
    "package": {"register": False},
    "serve": {"rows": 20},
    "deploy": {"targets": "docker"},
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    "A project as a learner has it: settings, a folder of notebooks, and one run that all of them share."
    place = tmp_path_factory.mktemp("lessons")
    shutil.copy(ROOT / "settings.ini", place)
    (place / "nbs").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place / "nbs")
        folder = lesson_folder()
    RunFolder(folder)
    with edit_journal(folder) as journal:  # with what a stage runs where only a later notebook is opened
        for stage, chosen in QUICK.items():
            journal["stages"][stage] = {"parameters": complete_parameters(list_stages()[stage], chosen)}
    return place


def play(lesson: Lesson, at_work: Kernel, cells: list, times: int) -> list[str]:
    "Run cells so many times each, and what 'Try this' says where it stands; what went wrong, a line each."
    faults = []
    for cell in cells:
        for code in try_this(cell):
            wrong, outputs = at_work.run(code)
            if wrong:
                faults.append(f"{lesson.where(cell)}: 'Try this' fails: {wrong}")
            if odd := numpy_names(outputs):
                faults.append(f"{lesson.where(cell)}: 'Try this' shows {odd[0]}")
        for time in range(times if cell.cell_type == "code" else 0):
            if wrong := at_work.run(code_of(cell, QUICK.get(lesson.stage, {})))[0]:
                again = "run a second time, " if time else ""
                faults.append(f"{lesson.where(cell)}: {again}it fails: {wrong}")
                break
        if len(faults) == 5:
            break
    return faults


@each_lesson
def test_each_cell_may_run_twice_and_what_to_try_works(lesson: Lesson, project: Path) -> None:
    with kernel(project / "nbs") as at_work:
        fail_with(play(lesson, at_work, lesson.notebook.cells, 2))


@each_lesson
def test_the_run_section_works_after_a_restart(lesson: Lesson, project: Path) -> None:
    cells = [cell for cell in lesson.notebook.cells if cell.id in lesson.run_section]
    with kernel(project / "nbs") as at_work:
        fail_with(play(lesson, at_work, cells, 1))
