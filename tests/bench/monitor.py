"""How often the monitor is wrong, and how soon it is right: python tests/bench/monitor.py [--small] [--streams DIR]

Coin flips with a change at row 2,000; years and checks without a change; made-up tables with known drift; and any
folder of Parquet files (--streams, or MLKIT_STREAMS) whose rows are in order and whose last column is the target
(numbers are cut at their median). A model learns from the first 30 % of a stream; of the rest, each chunk of 500 rows
is harmful when its error rate is 5 points over the reference. MLKIT_PEERS names the Pythons of environments with
river, NannyML or alibi-detect, with a colon between them; without it, the table has the monitor only.
"""

import argparse
import json
import os
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.signal import lfilter
from scipy.stats import norm

from mlkit.monitoring.blocks import BLOCK_ROWS
from mlkit.monitoring.changes import find_changes
from mlkit.monitoring.harm import _BETS as BETS
from mlkit.monitoring.harm import _WEIGHTS as WEIGHTS
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


def share_of(alarms: int, count: int) -> str:
    """A share with its upper 95 % bound (Clopper and Pearson)."""
    from scipy.stats import beta

    bound = 1.0 if alarms == count else beta.ppf(0.95, alarms + 1, count - alarms)
    return f"{alarms} of {count:,} ({alarms / count:.1%}; 95 % bound {bound:.1%})"


def coin_flips(streams: int) -> None:
    """False alarms in 10,000 rows, and rows until a change is found."""
    chance = np.random.default_rng(11)
    for more in (0.0, 0.05, 0.10):
        found, rows = [], 6_000 if more else 10_000
        for _ in range(streams):
            share = np.where(np.arange(rows) < 2_000, 0.15, 0.15 + more)
            losses = (chance.random(rows) < share).astype(float)
            found.append(first_alarm(HarmDetector(0.15, 0.357, 1.0, 10_000), losses))
        if not more:
            alarms = share_of(sum(at is not None for at in found), streams)
            print(f"coin flips: false alarms in 10,000 rows: {alarms}", flush=True)
            continue
        after = [at - 2_000 for at in found if at is not None and at > 2_000]
        print(f"coin flips, +{more:.0%}: found after {np.median(after):.0f} rows (median), {np.mean(after):.0f} (mean)",
              flush=True)  # fmt: skip


SHARES = [0.6, 0.3, 0.08, 0.015, 0.005]  # of categories, two of them rare
ROWS = ("independent rows", "customers with many rows", "hours of a day", "autoregression of .95")
PERSISTENCE = 0.95  # of one row after another


def draw_persistent(chance: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """Normal numbers, each much like the one before."""
    noise = chance.normal(size=(rows + 200, columns)) * np.sqrt(1 - PERSISTENCE**2)
    return lfilter([1], [1, -PERSISTENCE], noise, axis=0)[200:]


def draw_columns(chance: np.random.Generator, rows: int, kind: str) -> list[tuple[str, np.ndarray]]:
    """Ten numbers and ten categories in which nothing ever changes."""
    if kind == "hours of a day":  # of 240 rows; levels move with the hour, and from day to day
        at = np.arange(rows) + chance.integers(240)
        level = 0.5 * np.sin(2 * np.pi * at / 240) + 0.3 * chance.normal(size=rows // 240 + 3)[at // 240]
        numbers = [chance.normal(size=rows) + level for _ in range(10)]
        places = [
            np.searchsorted(np.cumsum(SHARES)[:-1], chance.random(rows) - 0.2 * level) for _ in range(10)
        ]
    elif kind == ROWS[3]:
        smooth = draw_persistent(chance, rows, 20)
        numbers = list(smooth[:, :10].T)
        places = list(np.searchsorted(norm.ppf(np.cumsum(SHARES)[:-1]), smooth[:, 10:]).T)
    else:
        sizes = chance.geometric(0.1, rows) if kind == ROWS[1] else np.ones(rows, dtype=int)
        sizes = sizes[: np.searchsorted(np.cumsum(sizes), rows) + 1]
        numbers = [np.repeat(chance.normal(size=len(sizes)), sizes)[:rows] for _ in range(10)]
        places = [np.repeat(chance.choice(5, len(sizes), p=SHARES), sizes)[:rows] for _ in range(10)]
    named = [(f"number {at}", values) for at, values in enumerate(numbers)]
    return named + [(f"category {at}", np.array(list("abcde"))[each]) for at, each in enumerate(places)]


def years(count: int, kind: str) -> None:
    """Years of daily checks without a change, against a reference of 2,000 rows and no tolerance."""
    chance, seen = np.random.default_rng(12), 10_000
    detectors, losses = list[HarmDetector](), np.empty((count, seen))
    for year in range(count):
        truth = draw_losses(chance, 2_000, kind)
        quality = measure_quality(ERRORS, truth.astype(int), np.tile([1.0, 0.0], (2_000, 1)))
        detectors.append(make_detector(quality, 0.0, seen))
        losses[year] = draw_losses(chance, seen, kind)
    alarms = are_up(detectors, losses)
    for year in range(min(5, count)):  # the arithmetic of all years at once is that of the monitor
        assert (first_alarm(detectors[year], losses[year], 30) is not None) == alarms[year]
    print(f"harmed: years with a false alarm, {kind}: {share_of(int(alarms.sum()), count)}", flush=True)


def draw_losses(chance: np.random.Generator, rows: int, kind: str) -> np.ndarray:
    """Whether each prediction of a model is wrong: 15 of 100 are."""
    if kind == ROWS[3]:
        return (draw_persistent(chance, rows, 1)[:, 0] < norm.ppf(0.15)).astype(float)
    if kind == ROWS[1]:
        return np.repeat(chance.random(rows // 10) < 0.15, 10).astype(float)
    return (chance.random(rows) < 0.15).astype(float)


def are_up(
    detectors: list[HarmDetector], losses: np.ndarray
) -> np.ndarray:  # whether each has raised an alarm
    """What `HarmDetector.add_block` does, for many detectors at once."""
    limit, deviation, alike, threshold = (
        np.array([getattr(each, name) for each in detectors])
        for name in ("limit", "deviation", "dispersion", "threshold")
    )
    stakes = np.minimum(BETS / deviation[:, None], 0.9 / limit[:, None])
    games, reached = np.zeros_like(stakes), np.zeros(len(detectors), dtype=bool)
    for column in losses.T:
        games = (games + 1) * np.exp(np.log1p((column - limit)[:, None] * stakes) / alike[:, None])
        reached |= games @ WEIGHTS >= threshold
    return reached


def column_checks(count: int, kind: str) -> None:
    """Checks of twenty columns without a change, rare categories among them."""
    chance, alarms = np.random.default_rng(13), 0
    for number in range(count):
        if number % 5 == 0:
            sketches = [sketch_column(*column) for column in draw_columns(chance, 4_000, kind)]
        alarms += find_changes(sketches, draw_columns(chance, 500, kind))[0].is_significant
    print(f"changed: checks with a false alarm, {kind}: {share_of(alarms, count)}", flush=True)


# ------------------------------------ streams
DRIFTS = ("none", "abrupt", "gradual", "recurring", "slight", "correlated errors", "other customers")


def made_up_table(kind: str, rows: int, seed: int) -> pd.DataFrame:
    """A table of which it is known when the target begins to follow other columns, and how much."""
    chance, part = np.random.default_rng(seed), np.arange(rows) / rows
    inputs, noise = chance.normal(size=(rows, 8)), 0.35 * chance.logistic(size=rows)
    mixed = {
        "abrupt": 1.0 * (part > 0.6),
        "gradual": np.clip((part - 0.4) / 0.5, 0, 1),
        "recurring": 1.0 * ((part > 0.4) & ((10 * part).astype(int) % 3 == 2)),
        "slight": 0.35 * (part > 0.5),
        "correlated errors": 0.6 * (part > 0.7),
    }.get(kind, np.zeros(rows))
    if kind == "correlated errors":
        noise = 0.9 * np.repeat(chance.logistic(size=rows // 20 + 1), 20)[:rows]
    elif kind == "other customers":
        inputs[:, :4] += 2 * np.clip((part - 0.4) / 0.3, 0, 1)[:, None]
    then, later = chance.normal(size=8), chance.normal(size=8)
    score = (inputs @ then) * (1 - mixed) + (inputs @ later) * mixed + 0.3 * inputs[:, 0] * inputs[:, 1]
    table = pd.DataFrame(inputs, columns=[f"x{at}" for at in range(8)])
    return table.assign(target=(score + noise > 0).astype(int))


def make_stream(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """A boosting model learns from two thirds of the first 30 %; a third is the reference, the rest the stream."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    target = table.iloc[:, -1]
    many = target.dtype.kind in "iuf" and target.nunique() > 2
    truth = (target > target.median()).to_numpy() if many else pd.factorize(target, sort=True)[0]
    inputs = table.iloc[:, :-1].apply(
        lambda cells: cells if cells.dtype.kind in "iufb" else pd.factorize(cells)[0]
    )
    begin = int(0.3 * len(table))
    held = np.zeros(len(table), dtype=bool)
    held[np.random.default_rng(0).choice(begin, begin // 3, replace=False)] = True
    learnt = np.arange(len(table)) < begin
    model = HistGradientBoostingClassifier(random_state=0).fit(inputs[learnt & ~held], truth[learnt & ~held])
    score = model.predict_proba(inputs)[:, -1]
    said = model.predict(inputs)
    parts = {
        "inputs": inputs.fillna(inputs.median()).to_numpy(dtype=np.float64),
        "errors": (said != truth).astype(float),
        "said": said,
        "score": score,
    }
    end = begin + (len(table) - begin) // CHUNK * CHUNK
    later = {name: values[begin:end] for name, values in parts.items()}
    return later | {f"reference_{name}": values[held] for name, values in parts.items()}


def monitor_alarms(stream: dict[str, np.ndarray], share: float) -> list[bool]:
    """Chunks at the end of which the monitor's alarm is up, if a share of the truths is told."""
    truth, losses = stream["reference_errors"].astype(int), stream["errors"]
    quality = measure_quality(ERRORS, truth, np.tile([1.0, 0.0], (len(truth), 1)))
    detector, known = make_detector(quality, TOLERANCE), np.random.default_rng(0).random(len(losses)) < share
    waiting, found, alike = np.empty(0), [], dispersion_at(quality.dispersion, share)
    for at in range(0, len(losses), CHUNK):
        waiting = np.r_[waiting, losses[at : at + CHUNK][known[at : at + CHUNK]]]
        while len(waiting) >= BLOCK_ROWS:
            detector.add_block(waiting[:BLOCK_ROWS], alike)
            waiting = waiting[BLOCK_ROWS:]
        found.append(detector.is_up)
    return found


def peers_say(streams: dict[str, dict[str, np.ndarray]]) -> dict[str, dict[str, list[bool]]]:
    """The alarms of other monitors, each in an environment of its own."""
    pythons = [path for path in os.environ.get("MLKIT_PEERS", "").split(os.pathsep) if path]
    if not pythons:
        print("peers: none (MLKIT_PEERS names no Python with river, NannyML or alibi-detect)")
    told: dict[str, dict[str, list[bool]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "streams.npz"
        np.savez(
            path,
            **{f"{name}/{part}": values for name, parts in streams.items() for part, values in parts.items()},
        )
        for python in pythons:
            command = [python, str(Path(__file__).with_name("monitor_peers.py")), str(path)]
            own = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
            done = subprocess.run(command, capture_output=True, text=True, env=own)
            if done.returncode:
                print(f"peers: {python} fails: {done.stderr.strip().splitlines()[-1:]}")
                continue
            told |= json.loads(done.stdout.splitlines()[-1])
    return told


def every_stream(folder: Path | None, small: bool) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    for seed, kind in enumerate(DRIFTS[:2] if small else DRIFTS):
        yield kind, make_stream(made_up_table(kind, 6_000 if small else 30_000, seed))
    for path in sorted(folder.glob("*.parquet")) if folder else ():
        yield path.stem, make_stream(pd.read_parquet(path))


def describe(counts: Counter) -> str:
    """Precision, recall, and alarms in harmless chunks."""
    hits, wrong = counts[True, True], counts[False, True]
    missed, quiet = counts[True, False], counts[False, False]
    precision = f"{hits / (hits + wrong):.3f}" if hits + wrong else "    -"
    recall = f"{hits / (hits + missed):.3f}" if hits + missed else "    -"
    return f"{precision:>9} {recall:>7} {wrong:4} of {wrong + quiet:4} ({wrong / max(wrong + quiet, 1):.1%})"


def compare_on_streams(folder: Path | None, small: bool) -> None:
    """One table: who finds harm, and who cries wolf."""
    streams = dict(every_stream(folder, small))
    harmful = {
        name: parts["errors"].reshape(-1, CHUNK).mean(axis=1) >= parts["reference_errors"].mean() + HARM
        for name, parts in streams.items()
    }
    told = {
        f"mlkit, {share:.0%} of the truths": {n: monitor_alarms(parts, share) for n, parts in streams.items()}
        for share in (1.0, 0.2)
    }
    for name in streams:
        both = [describe(Counter(zip(harmful[name].tolist(), by[name], strict=True))) for by in told.values()]
        print(f"  {name:18}{both[0]}   | 20 %: {both[1]}", flush=True)
    print(f"{'monitor':28} precision  recall  alarms in harmless chunks")
    for monitor, by in (told | peers_say(streams)).items():
        pairs = (pair for name in by for pair in zip(harmful[name].tolist(), by[name], strict=True))
        print(f"{monitor:28} {describe(Counter(pairs))}   {len(by)} streams", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a part of it, for continuous integration")
    parser.add_argument("--only-streams", action="store_true", help="leave out coin flips, years and checks")
    stored = os.environ.get("MLKIT_STREAMS")
    parser.add_argument(
        "--streams", type=Path, default=stored and Path(stored), help="a folder of Parquet files"
    )
    given = parser.parse_args()
    part = 0.03 if given.small else 1
    if not given.only_streams:
        coin_flips(int(200 * part) or 1)
        for kind in (ROWS[0], ROWS[1], ROWS[3]):
            years(int(1_000 * part), kind)
        for kind in ROWS:
            column_checks(int(1_000 * part), kind)
    compare_on_streams(given.streams, given.small)


if __name__ == "__main__":
    main()
