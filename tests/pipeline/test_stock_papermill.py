"""Plain papermill, which checks nothing: a wrong parameter ends in one line, and a cell of one line is Python."""

import importlib.util
from pathlib import Path

import nbformat
import papermill
import pytest

from mlkit.core.run_folder import read_journal
from mlkit.pipeline.notebooks import list_stages, run_view

CARELESS = {"progress_bar": False, "log_output": False, "kernel_name": "python3", "language": "python"}


def careless(folder: Path, stage: str, **parameters: object) -> str:
    "What stock papermill says of a run section with these parameters; nothing: it ran."
    source = folder / "stage.ipynb"
    nbformat.write(run_view(list_stages()[stage].notebook), source)
    own = {"run": str(folder / "run")} | parameters
    try:
        papermill.execute_notebook(source, folder / "out.ipynb", parameters=own, cwd=folder, **CARELESS)
    except papermill.PapermillExecutionError as error:
        return "\n".join(error.traceback)
    return ""


@pytest.mark.parametrize("wrong, said", [
    ({"targt": "left"}, "SettingsError: problem.targt: unknown parameter 'targt'; did you mean 'target'?"),
    ({"cost_false_positive": "abc"}, "SettingsError: problem.cost_false_positive: must be float, not 'abc'"),
    ({"cost_false_negative": -1.0, "colour": 1},
     "SettingsError: problem.colour: unknown parameter 'colour'\n"
     "problem.cost_false_negative: must be 0 or more, not '-1.0'"),
])  # fmt: skip
def test_a_wrong_parameter_is_one_line(tmp_path, wrong, said):
    assert careless(tmp_path, "problem", **wrong) == said
    assert not (tmp_path / "run" / "artifacts" / "problem.json").exists()


def test_a_right_one_is_taken(tmp_path):
    assert careless(tmp_path, "problem", target="left", decision="", goal=None) == ""
    assert read_journal(tmp_path / "run")["stages"]["problem"]["summary"].startswith("predict left")


def test_a_parameters_cell_that_holds_only_run_is_made_longer(tmp_path, project):
    """IPython would take it for its command %run."""
    spec = importlib.util.spec_from_file_location("fold", project / "tools" / "fold.py")
    fold = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fold)
    cells = [
        nbformat.v4.new_code_cell('run: str = ""  # run folder', metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell("print(run)"),
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    assert fold.lengthen(notebook) == [cells[0].id] and not fold.lengthen(notebook)
    nbformat.write(notebook, tmp_path / "stage.ipynb")
    for given in ({}, {"run": "here"}):
        done = papermill.execute_notebook(
            tmp_path / "stage.ipynb", tmp_path / "out.ipynb", parameters=given, **CARELESS
        )
        assert done.cells[-1].outputs[0].text.strip() == given.get("run", "")
