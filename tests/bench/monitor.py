"""How often the monitor is wrong, and how soon it is right: python tests/bench/monitor.py [--small] [--streams DIR]

Coin flips with a change at row 2,000; made-up streams with known harm; and any folder of Parquet files whose rows
are in order and whose last column is the target (numbers are cut at their median). A model learns from the first
30 % of a stream; of the rest, each chunk of 500 rows is harmful when its error rate is 5 points over the reference.
"""

import argparse
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from mlkit.monitoring.blocks import BLOCK_ROWS
from mlkit.monitoring.changes import find_changes
from mlkit.monitoring.harm import HarmDetector, dispersion_at, make_detector, measure_quality
from mlkit.monitoring.losses import LossMeasure
from mlkit.monitoring.sketch import sketch_column

ERRORS = LossMeasure("accuracy", "Accuracy", "error", True, True)
CHUNK, HARM, TOLERANCE = 500, 0.05, 0.02


def first_alarm(detector: HarmDetector, losses: np.ndarray, step: int = 10) -> int | None:
    """The row after which the first alarm is up."""
    for at in range(0, len(losses) - step + 1, step):
        if detector.add_block(losses[at : at + step]):
            return at + step
    return None


def coin_flips(streams: int) -> None:
    """False alarms in 10,000 rows, and rows until a change is found."""
    chance = np.random.default_rng(11)
    for more in (0.0, 0.05, 0.10):
        found = []
        for _ in range(streams):
            rows = 10_000 if not more else 6_000
            losses = np.r_[chance.random(2_000) < 0.15, chance.random(rows - 2_000) < 0.15 + more].astype(
                float
            )
            found.append(first_alarm(HarmDetector(0.15, 0.357, 1.0, 10_000), losses))
        if not more:
            print(
                f"coin flips: false alarms in {np.mean([at is not None for at in found]):.1%} of {streams} streams"
            )
            continue
        after = [at - 2_000 for at in found if at is not None and at > 2_000]
        print(
            f"coin flips, +{more:.0%}: found after {np.median(after):.0f} rows (median), {np.mean(after):.0f} (mean)"
        )


def years(count: int, correlated: bool) -> None:
    """Years of daily checks without a change, against a reference of 2,000 rows and no tolerance."""
    chance, alarms = np.random.default_rng(12), 0

    def draw(rows: int) -> np.ndarray:
        flips = chance.random(rows // 10 if correlated else rows) < 0.15
        return (np.repeat(flips, 10) if correlated else flips).astype(float)

    for _ in range(count):
        truth = draw(2_000).astype(int)
        quality = measure_quality(ERRORS, truth, np.tile([1.0, 0.0], (len(truth), 1)))
        alarms += first_alarm(make_detector(quality, 0.0, 10_000), draw(10_000), 30) is not None
    print(
        f"harmed: {alarms / count:.1%} of {count} years{' of correlated rows' * correlated} with a false alarm"
    )


def column_checks(count: int, correlated: bool) -> None:
    """Checks of twenty columns without a change, rare categories among them."""
    chance, alarms = np.random.default_rng(13), 0

    def draw(rows: int) -> list[tuple[str, np.ndarray]]:
        base, times = (rows // 10, 10) if correlated else (rows, 1)
        numbers = [(f"n{n}", np.repeat(chance.normal(size=base), times)) for n in range(10)]
        shares = [0.6, 0.3, 0.08, 0.015, 0.005]
        words = [(f"c{n}", np.repeat(chance.choice(list("abcde"), base, p=shares), times)) for n in range(10)]
        return numbers + words

    for number in range(count):
        if number % 10 == 0:
            sketches = [sketch_column(*column) for column in draw(4_000)]
        changes = find_changes(sketches, draw(500))
        alarms += changes[0].is_significant
    print(
        f"changed: {alarms / count:.1%} of {count} checks{' of correlated rows' * correlated} with a false alarm"
    )


def made_up_streams() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Errors of a reference and of a stream, for harm that is sudden, slow, brief or absent."""
    chance, count = np.random.default_rng(14), 20_000
    place = np.arange(count)
    rates = {
        "none": np.full(count, 0.15),
        "sudden": np.where(place < 8_000, 0.15, 0.27),
        "slow": 0.15 + 0.15 * np.clip((place - 5_000) / 10_000, 0, 1),
        "brief": np.where((place > 8_000) & (place < 12_000), 0.30, 0.15),
        "season": 0.15 + 0.01 * np.sin(place / 500),
    }
    return {
        name: ((chance.random(3_000) < 0.15) * 1.0, (chance.random(count) < rate) * 1.0)
        for name, rate in rates.items()
    }


def file_stream(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Errors of a boosting model on a third of the first 30 % of a table, and on the rest."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    table = pd.read_parquet(path)
    target = table.iloc[:, -1]
    truth = (
        (target > target.median()).to_numpy()
        if target.dtype.kind in "iuf" and target.nunique() > 2
        else pd.factorize(target, sort=True)[0]
    )
    inputs = table.iloc[:, :-1].apply(
        lambda cells: cells if cells.dtype.kind in "iufb" else pd.factorize(cells)[0]
    )
    begin = int(0.3 * len(table))
    held = np.zeros(len(table), dtype=bool)
    held[np.random.default_rng(0).choice(begin, begin // 3, replace=False)] = True
    model = HistGradientBoostingClassifier(random_state=0).fit(
        inputs[:begin][~held[:begin]], truth[:begin][~held[:begin]]
    )
    wrong = (model.predict(inputs) != truth).astype(float)
    return wrong[held], wrong[begin:]


def judge(reference: np.ndarray, losses: np.ndarray, share: float) -> Counter:
    """Harmful and harmless chunks, with and without an alarm."""
    quality = measure_quality(ERRORS, reference.astype(int), np.tile([1.0, 0.0], (len(reference), 1)))
    detector, known = make_detector(quality, TOLERANCE), np.random.default_rng(0).random(len(losses)) < share
    waiting, counts = np.empty(0), Counter()
    for at in range(0, len(losses) - CHUNK + 1, CHUNK):
        chunk, reached = losses[at : at + CHUNK], False
        waiting = np.r_[waiting, chunk[known[at : at + CHUNK]]]
        while len(waiting) >= BLOCK_ROWS:
            reached |= detector.add_block(waiting[:BLOCK_ROWS], dispersion_at(quality.dispersion, share))
            waiting = waiting[BLOCK_ROWS:]
        counts[bool(chunk.mean() >= quality.mean + HARM), bool(reached or detector.is_up)] += 1
    return counts


def streams(folder: Path | None, share: float) -> None:
    """Precision and recall for harmful chunks."""
    every = made_up_streams() | {
        path.stem: file_stream(path) for path in sorted(folder.glob("*.parquet")) if folder
    }
    total = Counter()
    for name, (reference, losses) in every.items():
        counts = judge(reference, losses, share)
        total += counts
        print(f"  {name:16} harmful {counts[True, True]:3} of {counts[True, True] + counts[True, False]:3} found, "
              f"{counts[False, True]:3} of {counts[False, True] + counts[False, False]:3} harmless alarmed")  # fmt: skip
    hits, wrong, missed, right = (
        total[True, True],
        total[False, True],
        total[True, False],
        total[False, False],
    )
    print(f"streams, {share:.0%} of the truths: precision {hits / (hits + wrong):.3f}, recall {hits / (hits + missed):.3f}, "
          f"{wrong / (wrong + right):.1%} of harmless chunks alarmed")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a tenth of it, for continuous integration")
    parser.add_argument("--streams", type=Path, default=Path("/nowhere"), help="a folder of Parquet files")
    given = parser.parse_args()
    part = 0.03 if given.small else 1
    coin_flips(int(200 * part) or 1)
    for correlated in (False, True):
        years(int(1_000 * part), correlated)
        column_checks(int(1_000 * part), correlated)
    for share in (1.0, 0.2):
        streams(given.streams, share)


if __name__ == "__main__":
    main()
