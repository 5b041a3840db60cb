"""What notebooks cost: the same lifecycle as one plain script, by warm kernels, and by stock papermill.

`make bench`. The three ways take turns, each in a new process and a new folder, so that all meet the same
machine. Read the ratios, not the seconds: seconds differ from machine to machine and from hour to hour.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat

from mlkit.pipeline.notebooks import list_stages, run_view

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
# A budget in trials: the same work each time.
CHOSEN = {"train.trials": "12", "train.budget": "0", "problem.goal": "0.8"}


def chosen_for(stage: str) -> dict[str, object]:
    """The parameters of a stage that differ from the notebook's, typed."""
    given = {name.split(".")[1]: value for name, value in CHOSEN.items() if name.startswith(f"{stage}.")}
    return {name: float(value) if "." in value else int(value) for name, value in given.items()}


def plain_script() -> str:
    """The run sections of all stages, one after the other, as a person would write them into one file."""
    lines = [
        "import sys",
        "from pathlib import Path",
        "from mlkit.registry.tracking import connect_run, log_run",
    ]
    lines += ["folder = sys.argv[1]", "connect_run(Path(folder))"]
    for stage in list_stages().values():
        defaults = {name: parameter.default for name, parameter in stage.parameters.items()}
        values = defaults | chosen_for(stage.name)
        lines += [f"{name} = {value!r}" for name, value in values.items() if name != "run"]
        lines += ["run = folder", *stage.run_cells]
    return "\n".join([*lines, "log_run(Path(folder))"])


def by_script(home: Path) -> list[list[str]]:
    (home / "script.py").write_text(plain_script(), encoding="utf-8")
    return [[sys.executable, "script.py", "runs/bench"]]


def by_warm_kernels(home: Path) -> list[list[str]]:
    settings = [word for name, value in CHOSEN.items() for word in ("-p", f"{name}={value}")]
    return [["mlkit", "run", "--data", "example:customers", "--out", "runs/bench", *settings]]


def by_papermill(home: Path) -> list[list[str]]:
    commands = []
    for stage in list_stages().values():
        nbformat.write(run_view(stage.notebook), home / stage.path.name)
        values = {"run": "runs/bench"} | chosen_for(stage.name)
        words = [str(word) for name, value in values.items() for word in ("-p", name, value)]
        commands.append(["papermill", "--no-progress-bar", stage.path.name, f"out_{stage.path.name}", *words])
    return commands


def seconds_of(way) -> float:
    with tempfile.TemporaryDirectory() as folder:
        commands = way(Path(folder))
        started = time.monotonic()
        for command in commands:
            subprocess.run(command, cwd=folder, check=True, capture_output=True)
        return time.monotonic() - started


def main() -> None:
    ways = {"plain script": by_script, "warm kernels": by_warm_kernels, "stock papermill": by_papermill}
    taken = {name: [] for name in ways}
    for number in range(ROUNDS):
        for name, way in ways.items():
            taken[name].append(seconds_of(way))
            print(f"round {number + 1} of {ROUNDS}: {name:<16} {taken[name][-1]:6.1f} s", flush=True)
    print(f"\n{'':<16} {'median':>8} {'ratio to the script':>22} {'extra a stage':>15}")
    for name, times in taken.items():
        pairs = list(zip(times, taken["plain script"], strict=True))
        ratios = [mine / base for mine, base in pairs]
        extra = statistics.median(mine - base for mine, base in pairs) / len(list_stages())
        spread = f"({min(ratios):.2f} to {max(ratios):.2f})"
        print(
            f"{name:<16} {statistics.median(times):6.1f} s "
            f"{statistics.median(ratios):10.2f} {spread} {extra:12.2f} s"
        )


if __name__ == "__main__":
    main()
