"""How long `mlkit.fit` takes in whole, against its budget: sizes, budgets and families in turn.

`make bench`, or `python tests/bench/budget.py [ROWS ...]`. A fit is in time when it is late by no more than a tenth of
its budget, or three seconds. Each fit has a process of its own; what that process imports is part of its first fit in
real life, and is told apart here.
"""

import itertools
import json
import subprocess
import sys
import time
import warnings

import numpy as np
import pandas as pd

SIZES = (1_000, 10_000, 70_000)
BUDGETS = (5, 10, 20)
FAMILIES = ("linear tree forest boosting neural", "boosting", "linear forest", "neural")
NUMBERS, WORDS = 26, 4


def made_up(rows: int) -> pd.DataFrame:
    """Numbers, words, and an answer of two classes that a sum alone does not explain."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({f"x{at}": rng.normal(size=rows) for at in range(NUMBERS)})
    frame = frame.assign(**{f"c{at}": rng.choice(list("abcdefgh"), rows) for at in range(WORDS)})
    noise = rng.normal(size=rows)
    return frame.assign(
        y=np.where(frame.x0 + frame.x1 * frame.x2 + (frame.c0 == "a") + noise > 0, "yes", "no")
    )


def measure(rows: int, budget: float, models: str) -> None:
    """One fit; prints what it took."""
    frame = made_up(rows)
    began = time.perf_counter()
    import mlkit
    import mlkit.evaluation.scores
    import mlkit.models.model
    import mlkit.pipeline.prepared_table

    loaded = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = mlkit.fit(frame, "y", models=models, budget=budget, trials=100_000)
    took = {"load": loaded - began, "fit": time.perf_counter() - loaded}
    print(json.dumps(took | {"score": model.metrics["score"], "trials": model.metrics["trials"]}))


def main(sizes: list[int]) -> None:
    late, worst = 0, 0.0
    cases = list(itertools.product(sizes, BUDGETS, FAMILIES))
    for rows, budget, models in cases:
        command = [sys.executable, __file__, "--one", str(rows), str(budget), models]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found = json.loads(said.splitlines()[-1])
        over = found["fit"] - budget
        late, worst = late + (over > max(budget / 10, 3)), max(worst, over)
        print(
            f"{rows:>7,} rows, {budget:>3} s, {models:<36} {found['fit']:6.1f} s ({found['fit'] / budget:4.0%}), "
            f"{found['trials']:>4} trials, AUC {found['score']:.4f}, libraries {found['load']:.1f} s",
            flush=True,
        )
    print(f"{len(cases) - late} of {len(cases)} fits in time; the latest by {worst:.1f} s")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        measure(int(sys.argv[2]), float(sys.argv[3]), sys.argv[4])
    else:
        main([int(each) for each in sys.argv[1:]] or list(SIZES))
