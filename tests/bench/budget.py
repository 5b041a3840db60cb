"""How long `mlkit.fit` takes in whole, against its budget: python tests/bench/budget.py [seconds]."""

import sys
import time
import warnings

import numpy as np
import pandas as pd

ROWS, NUMBERS, WORDS = 70_000, 26, 4


def main(budget: float) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({f"x{at}": rng.normal(size=ROWS) for at in range(NUMBERS)})
    frame = frame.assign(**{f"c{at}": rng.choice(list("abcdefgh"), ROWS) for at in range(WORDS)})
    noise = rng.normal(size=ROWS)
    frame["y"] = np.where(frame.x0 + frame.x1 * frame.x2 + (frame.c0 == "a") + noise > 0, "yes", "no")
    began = time.perf_counter()
    import mlkit

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = mlkit.fit(frame, "y", models="boosting", budget=budget)
    took = time.perf_counter() - began
    print(
        f"{took:.1f} s of a budget of {budget:g} s ({took / budget:.0%}); score {model.metrics['score']:.4f}"
    )


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 20.0)
