"""Run a command on a copy of the project, so that what it writes leaves the work tree alone.

`python tools/on_a_copy.py python tools/lessons.py`
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from shutil import copytree, which

ROOT = Path(__file__).resolve().parents[1]
MADE = {"runs", "mlruns", "mlartifacts", "mlflow.db", "build", "dist", "_docs", "_proc"}


def is_made(name: str) -> bool:
    return name.startswith((".", "__pycache__")) or name.endswith(".egg-info")


def left_out(folder: str, names: list[str]) -> set[str]:
    here = MADE if Path(folder) == ROOT else set()
    return {name for name in names if name in here or is_made(name)}


def copy_project(target: Path) -> Path:
    return copytree(ROOT, target, ignore=left_out)


def run_on(copy: Path, command: list[str], **options) -> subprocess.CompletedProcess:
    """The command comes from this Python's environment and imports the copy's mlkit."""
    tools = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    program = which(command[0], path=tools) or command[0]
    environment = os.environ | {"PATH": tools, "PYTHONPATH": str(copy)}
    environment.pop("VIRTUAL_ENV", None)
    return subprocess.run([program, *command[1:]], cwd=copy, env=environment, **options)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(run_on(copy_project(Path(folder, "project")), sys.argv[1:]).returncode)
