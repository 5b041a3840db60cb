"""What a wide table costs before anything is trained: stages 01 to 04, by their run sections, in one process.

`make bench`. Numbers, counts, amounts, words and flags in turn, a target of two classes. Each table is taken through
in a process of its own, and its seconds are those of the processor. Read the ratios: the cost of a table should grow
with its columns, and not faster.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
SHAPES = (
    (100, 500),
    (100, 1_000),
    (100, 2_000),
    (1_000, 1_000),
)  # rows and columns; the first one is the measure
STAGES = "problem", "collect", "validate", "prepare"


def made_up(rows: int, columns: int) -> pd.DataFrame:
    """Columns of five kinds in turn, some of which say a little about the target."""
    rng = np.random.default_rng(0)
    left, made = rng.integers(0, 2, rows), {}
    for place in range(0, columns, 5):
        hint = 0.5 * left * (place % 50 == 0)
        made[f"measure_{place}"] = np.round(rng.normal(size=rows) + hint, 4).astype(str)
        made[f"group_{place}"] = rng.choice(["red", "green", "blue", "dark grey"], rows)
        made[f"count_{place}"] = rng.poisson(5, rows).astype(str)
        made[f"amount_{place}"] = np.where(
            rng.random(rows) < 0.05, "", rng.lognormal(3, 1, rows).round(2).astype(str)
        )
        made[f"flag_{place}"] = rng.choice(["yes", "no"], rows)
    return pd.DataFrame(made).assign(left=np.where(left, "yes", "no"))


def walk(table: str, folder: str) -> None:
    """Run the stages; print the seconds of each."""
    from mlkit.pipeline.notebooks import list_stages

    given = {"problem.target": "left", "problem.goal": None, "collect.source": table}
    seconds, (stages, told) = {}, (list_stages(), sys.stdout)
    for name in STAGES:
        names = {one: parameter.default for one, parameter in stages[name].parameters.items()}
        names |= {one.split(".")[1]: value for one, value in given.items() if one.startswith(f"{name}.")}
        names |= {"__name__": "stage", "run": folder}
        before = time.process_time()
        sys.stdout = sys.stderr
        for cell in stages[name].run_cells:
            exec(compile(cell, name, "exec"), names)
        sys.stdout = told
        seconds[name] = time.process_time() - before
    print(json.dumps(seconds))


def measured(table: Path) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, str(table), str(Path(folder) / "run")]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{table.name} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    if len(sys.argv) == 3:
        return walk(*sys.argv[1:])
    best: dict[tuple[int, int], dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        tables = {shape: Path(folder, "{}x{}.csv".format(*shape)) for shape in SHAPES}
        for shape, path in tables.items():
            made_up(*shape).to_csv(path, index=False)
        for _ in range(ROUNDS):
            for shape, path in tables.items():
                taken = measured(path)
                best[shape] = {name: min(taken[name], best.get(shape, taken)[name]) for name in STAGES}
    print(
        f"{'rows x columns':<16}"
        + "".join(f"{name:>10}" for name in (*STAGES, "all"))
        + f"{'ms a column':>14}{'ratio':>8}"
    )
    first = sum(best[SHAPES[0]].values())
    for (rows, columns), taken in best.items():
        whole = sum(taken.values())
        cells = "".join(f"{seconds:8.1f} s" for seconds in (*taken.values(), whole))
        print(
            f"{f'{rows:,} x {columns:,}':<16}{cells}{1000 * whole / columns:14.1f}{whole / first:8.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
