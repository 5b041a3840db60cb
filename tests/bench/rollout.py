"""What does a rollout cost, and how often is it wrong? `python -m tests.bench.rollout [chance|speed]`.

chance: 1,000 rollouts, shadow then canary, of a challenger that is as good, looked at after every 20 rows: how many
are stopped; and after how many rows those are stopped that fail, are slow or are wrong more often.
speed: one server without a rollout, with a challenger in the shadow, and with a canary of all requests, in turn and
in one run: requests a second, latency, and the processor's time for a request, of the server's own process and of the
challenger's. Read the ratios.
"""

import json
import os
import sys
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import psutil

from mlkit.inference.example_package import make_parcel_package
from mlkit.inference.signing import make_signing_key
from mlkit.retraining.rollout_check import (
    DEFAULT_ROLLOUT,
    RolloutRows,
    Timed,
    newest_differences,
    rollout_evidence,
)
from mlkit.serving.client import running_server

ROLLOUTS, LOOK = int(os.environ.get("BENCH_ROLLOUTS", "1000")), 20
SECONDS = float(os.environ.get("BENCH_SECONDS", "4"))


def rollout_rows(chance, rows, share, failing=0.01, slow=0.1, wrong=0.2):  # fmt: skip
    """Shadow and canary of a challenger; the champion has 10 % slow answers and errs in 20 %."""
    hard, busy = chance.random(rows), chance.random(rows)
    old, was_slow = hard < 0.2, busy < 0.1
    new = np.where(chance.random(rows) < 0.7, hard, chance.random(rows)) < wrong
    is_slow = chance.random(rows) < slow
    fails = chance.random(rows) < failing
    shadow = RolloutRows(fails, is_slow - was_slow.astype(float), new - old.astype(float))
    theirs, places = chance.random(rows) < share, np.arange(rows)
    own = np.where(theirs, new, old).astype(float), np.where(theirs, is_slow, was_slow).astype(float)
    worse, slower = (
        newest_differences(*(Timed(places[side], value[side]) for side in (theirs, ~theirs))) for value in own
    )
    return shadow, RolloutRows(fails[theirs], slower, worse)


def first_stop(rows: RolloutRows, most: int) -> int:
    """The look that stops it, in rows; 0: none. What a look sees is a prefix, and evidence is the most there was."""
    if max(rollout_evidence(rows).values()) < DEFAULT_ROLLOUT.threshold:
        return 0
    for seen in range(LOOK, most + LOOK, LOOK):
        part = RolloutRows(rows.failures[:seen], rows.slower[:seen], rows.worse[:seen])
        if max(rollout_evidence(part).values()) >= DEFAULT_ROLLOUT.threshold:
            return seen
    return most


def measure_chance() -> None:
    for share in (0.05, 0.3):
        stopped = 0
        for seed in range(ROLLOUTS):
            both = rollout_rows(np.random.default_rng(seed), 2_000, share)
            stopped += any(first_stop(each, 2_000) for each in both)
        print(f"as good, canary of {share:.0%}: {stopped} of {ROLLOUTS} rollouts are stopped")
    harms = {"6 % failures": {"failing": 0.06}, "3 x latency": {"slow": 0.9}, "10 points": {"wrong": 0.3}}
    for what, harm in harms.items():
        stops = [
            [
                first_stop(each, 2_000)
                for each in rollout_rows(np.random.default_rng(seed), 6_000, 0.3, **harm)
            ]
            for seed in range(100)
        ]
        for mode, rows in zip(("shadow", "canary"), zip(*stops, strict=True), strict=True):
            seen = sorted(each or 10**9 for each in rows)
            print(
                f"{what}, {mode}: half are stopped after {seen[50]:,} rows of the challenger, 9 in 10 after {seen[90]:,}"
            )


def measure_speed() -> None:
    desk, row = Path(tempfile.mkdtemp()), {"weight": 20, "distance": 400, "service": "standard"}
    make_signing_key(desk / "signing.key")
    os.environ["MLKIT_SIGNING_KEY"] = str(desk / "signing.key")
    for name, offset in (("old", -3.0), ("new", -1.0)):
        make_parcel_package(desk / name, offset)

    def point(mode: str) -> None:
        pointer: dict = {"folder": str(desk / "old"), "version": "1"}
        if mode != "none":
            challenger = {
                "folder": str(desk / "new"),
                "version": "2",
                "mode": mode,
                "share": 1.0,
                "subject": "",
            }
            pointer["challenger"] = challenger
        (desk / "next.json").write_text(json.dumps(pointer))
        os.replace(desk / "next.json", desk / "current.json")

    def load(port: int) -> list[float]:
        took: list[float] = []

        def ask() -> None:
            with closing(server.client()) as client:
                end = time.monotonic() + SECONDS
                while time.monotonic() < end:
                    began = time.perf_counter()
                    client.predict(row)
                    took.append(time.perf_counter() - began)

        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return took

    point("none")
    results: dict[str, list[tuple[float, ...]]] = {"none": [], "shadow": [], "canary": []}
    with running_server(desk, log=str(desk / "log.db"), reload=0.2) as server:
        main = psutil.Process(server.process.pid)
        for _ in range(3):
            for mode in results:
                seen = server.output.count(f"is asked as {mode}")
                point(mode)
                while mode != "none" and server.output.count(f"is asked as {mode}") == seen:
                    time.sleep(0.1)
                time.sleep(1)
                others = [
                    each for each in main.children(recursive=True) if "spawn_main" in " ".join(each.cmdline())
                ]
                before, beside = sum(main.cpu_times()[:2]), sum(sum(each.cpu_times()[:2]) for each in others)
                took = np.array(load(server.port))
                own = (sum(main.cpu_times()[:2]) - before) / len(took) * 1e6
                theirs = (sum(sum(each.cpu_times()[:2]) for each in others) - beside) / len(took) * 1e6
                memory = sum(each.memory_info().rss for each in others) / 1e6
                results[mode].append(
                    (len(took) / SECONDS, *np.quantile(took, [0.5, 0.99]) * 1e3, own, theirs, memory)
                )
    for mode, rounds in results.items():
        rate, p50, p99, own, theirs, memory = np.median(np.array(rounds), axis=0)
        print(
            f"{mode:7} {rate:6,.0f} requests a second, p50 {p50:.2f} ms, p99 {p99:.2f} ms; processor: "
            f"server {own:.0f} us, challenger {theirs:.0f} us; its memory {memory:.0f} MB"
        )


if __name__ == "__main__":
    wanted = sys.argv[1:] or ["chance", "speed"]
    if "chance" in wanted:
        measure_chance()
    if "speed" in wanted:
        measure_speed()
