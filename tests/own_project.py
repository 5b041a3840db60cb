"""A project of one's own in a folder, run by the command, with stages that take no longer than they must."""

from pathlib import Path

import pandas as pd

from tests.warm import run_mlkit

QUICK_STAGES = """[evaluate]
curve_points = 0
resamples = 100
[explain]
samples = 10
background = 10
fixed =
[package]
register = no
[protect]
max_leak = 1
"""


def mlkit(folder: Path, *words: str, fails: bool = False) -> str:
    done = run_mlkit(*words, cwd=folder)
    said = done.stdout + done.stderr
    assert (done.returncode != 0) == fails, said
    assert "Traceback" not in said
    return said


def stages_that_ran(said: str) -> list[str]:
    return [line.split()[1][3:] for line in said.splitlines() if line.startswith("✓")]


def score(package: Path, rows: list[dict], folder: Path, fails: bool = False) -> pd.DataFrame | str:
    pd.DataFrame(rows).to_csv(folder / "rows.csv", index=False)
    said = mlkit(folder, "score", str(package), "rows.csv", "answers.csv", "--overwrite", fails=fails)
    return said if fails else pd.read_csv(folder / "answers.csv")
