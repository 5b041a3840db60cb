"""The gate over years: `python tests/bench/gate.py [years]`.

A champion is in use, and every week a challenger is trained and both are asked for the rows of that week. How often
is a challenger that is worse, or no better, promoted as better in a year? How many weeks until one that is better by
two points of AUC takes over?
"""

import sys
import time

import numpy as np

from mlkit.retraining import GateSettings, decide_promotion
from mlkit.task.task import Task

TASK = Task("churned", "binary", "roc_auc", "maximize", ["no", "yes"], "yes")
WEEKS, ROWS = 52, 2000


def week(rng: np.random.Generator, signal: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth of a week's rows and the outputs of champion and challenger, whose errors are mostly the same."""
    truth = (rng.random(ROWS) < 0.3).astype(int)
    shared = 0.95 * rng.normal(size=ROWS)
    logits = [strength * truth + shared + 0.3 * rng.normal(size=ROWS) for strength in (1.2, signal)]
    positive = [1 / (1 + np.exp(0.9 - logit)) for logit in logits]
    return truth, *(np.column_stack([1 - p, p]) for p in positive)


def auc(signal: float) -> float:
    """Of a model with such a signal, in the long run."""
    from scipy.stats import norm

    return float(norm.cdf(signal / np.sqrt(2 * (0.95**2 + 0.3**2))))


def signal_for(gain: float) -> float:
    """The signal of a model whose AUC is better than the champion's by so much."""
    from scipy.optimize import brentq

    return float(brentq(lambda signal: auc(signal) - auc(1.2) - gain, 0.1, 3.0))


def promoted_in(years: int, gain: float, trigger: str, weeks: int, seed: int) -> float:
    """Share of years in which such a challenger is promoted within so many weeks."""
    signal, settings, found = signal_for(gain), GateSettings(), 0
    for year in range(years):
        rng = np.random.default_rng([seed, year])
        found += any(
            decide_promotion(TASK, *week(rng, signal), trigger, settings).is_promoted for _ in range(weeks)
        )
    return found / years


def main(years: int) -> None:
    started = time.perf_counter()
    print(f"{years} years of {WEEKS} retrainings, {ROWS:,} rows each; champion AUC {auc(1.2):.3f}")
    for gain, trigger in [(0.0, "harmed"), (-0.005, "harmed"), (-0.01, "schedule"), (-0.02, "schedule")]:
        share = promoted_in(years, gain, trigger, WEEKS, 1)
        print(f"challenger {gain:+.3f} AUC, {trigger:9}: promoted in {share:.1%} of years (at most 5 %)")
    for gain in (0.01, 0.02):
        share = promoted_in(years, gain, "harmed", 4, 2)
        print(f"challenger {gain:+.3f} AUC, harmed   : promoted within 4 retrainings in {share:.1%}")
    share = promoted_in(years, 0.0, "schedule", 4, 3)
    print(f"challenger as good, schedule      : promoted within 4 retrainings in {share:.1%}")
    print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
