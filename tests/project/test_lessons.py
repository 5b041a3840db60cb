"""Each notebook that `make lessons` runs has a process and an environment of its own, as in JupyterLab."""

import subprocess
import sys
from pathlib import Path

import nbformat

from tools.on_a_copy import ROOT

SETTINGS = "[project]\nname = 'some'\n\n[tool.nbdev]\nlib_path = 'some'\nnbs_path = 'nbs'\n"


def lessons(folder: Path, **notebooks: str) -> subprocess.CompletedProcess:
    (folder / "nbs").mkdir()
    (folder / "pyproject.toml").write_text(SETTINGS)
    for name, code in notebooks.items():
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
        nbformat.write(notebook, folder / "nbs" / f"{name}.ipynb")
    command = [sys.executable, ROOT / "tools" / "lessons.py"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


def test_what_one_sets_in_its_environment_reaches_no_other(tmp_path):
    sets = "import os\nassert 'LEFT_BEHIND' not in os.environ\nos.environ['LEFT_BEHIND'] = 'yes'"
    result = lessons(tmp_path, a=sets, b=sets, c=sets, d=sets)
    assert result.returncode == 0, result.stderr


def test_one_that_does_not_run_is_named_and_the_others_run(tmp_path):
    result = lessons(tmp_path, a="1 / 0", b="open('ran', 'w').close()")
    assert result.returncode == 1
    assert "Does not run: nbs/a.ipynb" in result.stdout and "ZeroDivisionError" in result.stderr
    assert (tmp_path / "nbs" / "ran").exists()
