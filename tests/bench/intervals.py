"""Do the intervals keep their word? Many made-up tables with a known truth, and how many intervals hold it.

`python tests/bench/intervals.py [TABLES]` (500 by default) prints first, for one to eight positives among 600
rows, the same for every metric of two classes (BENCH_FEW=0: not). Then it prints a line for each metric, kind of table and
number of test rows: the share of the 95 % intervals that hold the truth, and how many lie wholly above
or below it. `*` marks what is outside of 93 to 97 %. The truth is the score of two million rows.
BENCH_METRICS picks
metrics by name.
"""

import os
import sys
from collections.abc import Callable, Iterator

import numpy as np

from mlkit.task.intervals import score_interval
from mlkit.task.task import score_output

Made = tuple[np.ndarray, np.ndarray]
SIZES = (100, 200, 500, 1000, 2000)


def two(probability: np.ndarray) -> np.ndarray:
    return np.column_stack([1 - probability, probability])


def sigmoid(odds: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-odds))


def classes(offset: float, strength: float, sure: float = 1.0) -> Callable[..., Made]:
    """Two classes; the truth follows from probabilities, which the model says `sure` times as surely."""

    def make(rng: np.random.Generator, rows: int) -> Made:
        odds = offset + strength * rng.normal(size=rows)
        return (rng.random(rows) < sigmoid(odds)).astype(int), two(sigmoid(sure * odds))

    return make


def many(number: int, strength: float, imbalance: float = 0.0) -> Callable[..., Made]:
    """Several classes, each rarer than the one before."""

    def make(rng: np.random.Generator, rows: int) -> Made:
        odds = np.exp(strength * rng.normal(size=(rows, number)) - imbalance * np.arange(number))
        output = odds / odds.sum(axis=1, keepdims=True)
        return (output.cumsum(axis=1) > rng.random((rows, 1))).argmax(axis=1), output

    return make


def numbers(error: Callable[..., np.ndarray]) -> Callable[..., Made]:
    """A number, and a guess that is off by an error."""

    def make(rng: np.random.Generator, rows: int) -> Made:
        guess = 2 * rng.normal(size=rows)
        return guess + error(rng, guess), guess

    return make


def prices(rng: np.random.Generator, rows: int) -> Made:
    known = 0.5 * rng.normal(size=rows)
    return np.exp(known + 0.4 * rng.normal(size=rows)), np.exp(known + 0.08)


# name: table, probability from which a row counts as positive
TWO = {
    "30 % positive": (classes(-1.0, 1.0), 0.3),
    "50 %, strong model": (classes(0.0, 3.0), 0.5),
    "30 %, too sure": (classes(-1.0, 1.5, 2.0), 0.3),
    "5 % positive": (classes(-3.7, 1.5), 0.1),
    "5 %, strong model": (classes(-5.4, 3.0), 0.3),
}
MANY = {"3 classes": (many(3, 1.5), 0.5), "5 classes, rare ones": (many(5, 1.5, 0.6), 0.5)}
NUMBER = {
    "normal errors": (numbers(lambda rng, guess: rng.normal(size=len(guess))), 0.5),
    "errors that grow": (numbers(lambda rng, guess: rng.normal(size=len(guess)) * np.exp(guess / 4)), 0.5),
    "long tails (t5)": (numbers(lambda rng, guess: rng.standard_t(5, size=len(guess))), 0.5),
    "prices": (prices, 0.5),
}
METRICS = {
    **dict.fromkeys(["roc_auc", "average_precision", "accuracy", "f1", "balanced_accuracy"], TWO),
    **dict.fromkeys(["precision", "recall", "brier"], TWO),
    **dict.fromkeys(["log_loss", "expected_cost", "recall_at_5_percent", "recall_at_20_percent"], TWO),
    **dict.fromkeys(["f1_macro", "roc_auc_ovr", "recall_macro", "precision_macro", "top_2_accuracy"], MANY),
    **dict.fromkeys(["r2", "mae", "rmse", "medae"], NUMBER),
}


def truth_of(metric: str, make: Callable[..., Made], threshold: float) -> float:
    rng = np.random.default_rng(12345)
    return float(np.mean([score_output(metric, *make(rng, 200_000), threshold) for _ in range(10)]))


def coverage(
    metric: str, make: Callable[..., Made], threshold: float, rows: int, tables: int, known: float
) -> tuple[float, float, float, float]:
    """The share of intervals that hold the truth, lie above it, below it; their mean width. Tables in which
    the score is not defined do not count."""
    rng, ends = np.random.default_rng(rows), []
    for _ in range(tables):
        ends.append(score_interval(metric, *make(rng, rows), threshold=threshold))
    low, high = np.array([pair for pair in ends if np.isfinite(pair).all()]).T
    above, below = float(np.mean(low > known)), float(np.mean(high < known))
    return 1 - above - below, above, below, float(np.mean(high - low))


# ---------------------------------------- a handful of positives
FEW = (1, 2, 3, 5, 8)
NEGATIVES = 600


def few_areas(shape: str, area: float) -> Callable[..., Made]:
    """So many positives among 600 rows, ordered with that true area under the ROC curve."""
    from scipy.stats import norm

    def make(rng: np.random.Generator, positives: int) -> Made:
        below, above = rng.normal(size=NEGATIVES), rng.normal(size=positives)
        if shape == "one spread":
            above = above + norm.ppf(area) * np.sqrt(2)
        elif shape == "two spreads":
            above = 2 * above + norm.ppf(area) * np.sqrt(5)
        elif shape == "some are plain":
            above = above + 10 * (rng.random(positives) < 2 * area - 1)
        else:
            above, below = rng.exponential(area / (1 - area), positives), rng.exponential(size=NEGATIVES)
        truth = (np.arange(positives + NEGATIVES) < positives).astype(int)
        return truth, two(np.concatenate([above, below]))

    return make


SHAPES = ("one spread", "two spreads", "some are plain", "exponential")
AREAS = (0.6, 0.75, 0.9, 0.97)


def few_coverage(shape: str, area: float, positives: int, tables: int) -> tuple[float, float]:
    """The share of the intervals of AUC-ROC that hold the truth, and their mean width."""
    rng, make = np.random.default_rng(positives), few_areas(shape, area)
    ends = np.array([score_interval("roc_auc", *make(rng, positives)) for _ in range(tables)])
    return float(np.mean((ends[:, 0] <= area) & (area <= ends[:, 1]))), float(
        np.mean(ends[:, 1] - ends[:, 0])
    )


def few_scores(metric: str, strength: float, positives: int, tables: int) -> tuple[float, float]:
    """The same of another metric, for rows from a logistic model with that share of positives."""
    from scipy.optimize import brentq

    rng, share = np.random.default_rng(0), positives / (positives + NEGATIVES)
    odds = strength * rng.normal(size=1_000_000)
    odds += brentq(lambda offset: sigmoid(odds[:200_000] + offset).mean() - share, -25, 5)
    drawn = rng.random(len(odds)) < sigmoid(odds)
    yes, no = sigmoid(odds[drawn]), sigmoid(odds[~drawn])
    cut, some = float(np.median(yes)), min(len(yes), len(no) * positives // NEGATIVES)

    def made(above: np.ndarray, below: np.ndarray) -> Made:
        return (np.arange(len(above) + len(below)) < len(above)).astype(int), two(
            np.concatenate([above, below])
        )

    known = score_output(metric, *made(yes[:some], no[: some * NEGATIVES // positives]), cut)
    ends = np.array([
        score_interval(metric, *made(rng.choice(yes, positives), rng.choice(no, NEGATIVES)), threshold=cut)
        for _ in range(tables)
    ])  # fmt: skip
    return float(np.mean((ends[:, 0] <= known) & (known <= ends[:, 1]))), float(
        np.mean(ends[:, 1] - ends[:, 0])
    )


def print_few(tables: int) -> None:
    for positives in FEW:
        for shape in SHAPES:
            found = [few_coverage(shape, area, positives, tables) for area in AREAS]
            told = "  ".join(
                f"{area}: {holds:6.1%} ({width:.2f})"
                for area, (holds, width) in zip(AREAS, found, strict=True)
            )
            print(f"roc_auc, {positives} positives, {shape:15} {told}", flush=True)
    for metric in (
        "average_precision",
        "log_loss",
        "brier",
        "f1",
        "balanced_accuracy",
        "precision",
        "recall",
    ):
        for positives in FEW:
            found = [few_scores(metric, strength, positives, tables) for strength in (1.0, 3.0)]
            told = "  ".join(f"{holds:6.1%} ({width:.3f})" for holds, width in found)
            print(f"{metric:18} {positives} positives, weak and strong model: {told}", flush=True)


def cases() -> Iterator[tuple[str, str, Callable[..., Made], float]]:
    wanted = os.environ.get("BENCH_METRICS", " ".join(METRICS)).split()
    for metric in wanted:
        tables = TWO | MANY if metric == "log_loss" else METRICS[metric]
        for name, (make, threshold) in tables.items():
            yield metric, name, make, threshold


def main() -> None:
    tables = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    if os.environ.get("BENCH_FEW") != "0":
        print_few(tables)
    print(f"{'metric':18} {'table':22} {'rows':>5}  holds  above  below  width")
    for metric, name, make, threshold in cases():
        known = truth_of(metric, make, threshold)
        for rows in SIZES:
            holds, above, below, width = coverage(metric, make, threshold, rows, tables, known)
            mark = " " if 0.93 <= holds <= 0.97 else "*"
            print(
                f"{metric:18} {name:22} {rows:5} {mark}{holds:6.1%} {above:6.1%} {below:6.1%} {width:6.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
