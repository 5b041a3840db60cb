"""A rollout is looked at as often as one likes: a challenger that is as good goes on, one that is not is stopped."""

import math
import sqlite3
from dataclasses import replace

import numpy as np
import pytest

from mlkit.core.errors import DataError, MLKitError, PackageError, SettingsError
from mlkit.inference.example_package import make_parcel_package
from mlkit.inference.predictor import load_predictor
from mlkit.registry.rollout import Rollout
from mlkit.retraining.rollout_check import (
    DEFAULT_ROLLOUT,
    RolloutRows,
    RolloutSettings,
    Timed,
    check_rollout,
    is_ruled_out,
    newest_differences,
    rollout_evidence,
)
from mlkit.serving.prediction_log import (
    FeedbackRecord,
    PredictionRecord,
    ShadowRecord,
    open_log_database,
    write_records,
)

BEGAN = 1_000_000.0
SHADOW = Rollout("2", "shadow", champion="1", began=BEGAN)
CANARY = Rollout("2", "canary", 0.3, champion="1", began=BEGAN)


@pytest.fixture(scope="module")
def champion(own_key, tmp_path_factory):
    return load_predictor(make_parcel_package(tmp_path_factory.mktemp("packages") / "parcels"), version="1")


class Log:
    """A log that grows as servers would let it grow."""

    def __init__(self, path, seed=0):
        self.path, self.chance, self.number = path, np.random.default_rng(seed), 0
        self.engine = open_log_database(f"sqlite:///{path}")

    def add(
        self, rows, mode="shadow", share=0.3, failing=0.0, slower=1.0, wrong=(0.2, 0.2), told=1.0, rows_a_request=1,
        error="failed", version="2", before=False,
    ):  # fmt: skip
        """Rows that champion (and challenger) answer; `wrong`: the error rates of the two."""
        records, truths, chance = [], [], self.chance
        for start in range(0, rows, rows_a_request):
            moment = (BEGAN - 900 if before else BEGAN + 1) + self.number * 0.01
            is_theirs, has_failed = chance.random() < share, chance.random() < failing
            took = [0.004 * float(np.exp(chance.normal(0, 0.3))) * more for more in (1.0, slower)]
            for _ in range(start, min(start + rows_a_request, rows)):
                self.number += 1
                id, truth, hard = f"id{self.number:07d}", int(chance.integers(2)), chance.random()
                said = [self.prediction(id, truth if hard >= rate else 1 - truth) for rate in wrong]
                if mode == "canary" and is_theirs and not has_failed:
                    records.append(PredictionRecord(moment, "parcels", version, [], {}, said[1], took[1]))
                else:
                    records.append(PredictionRecord(moment, "parcels", "1", [], {}, said[0], took[0]))
                    if (mode == "shadow" or is_theirs) and not before:
                        what = (None, took[1], error) if has_failed else (said[1], took[1] / 2, "")
                        records.append(ShadowRecord(id, moment, version, *what))
                if chance.random() < told:
                    truths.append(FeedbackRecord(id, moment + 60, ("no", "yes")[truth]))
        write_records(self.engine, records + truths)

    @staticmethod
    def prediction(id, code):
        return {
            "id": id,
            "prediction": ("no", "yes")[code],
            "probabilities": {"no": 0.9 - 0.8 * code, "yes": 0.1 + 0.8 * code},
        }


@pytest.fixture
def log(tmp_path):
    log = Log(tmp_path / "log.db")
    log.add(60, mode="none", before=True)
    return log


def look(champion, log, rollout, settings=DEFAULT_ROLLOUT, after=600.0):
    return check_rollout(champion, str(log.path), rollout, settings, now=BEGAN + after)


# ---------------------------------------- chance
@pytest.mark.parametrize("share", [0.05, 0.5])
def test_one_that_is_as_good_is_hardly_ever_stopped(share):
    """Both modes of 300 rollouts, looked at after every row (1,000 of them: see tests/bench/rollout.py)."""
    stopped, rollouts, rows = 0, 300, 1_000
    for seed in range(rollouts):
        chance = np.random.default_rng(seed)
        hard = chance.random(rows)
        old, new = hard < 0.2, np.where(chance.random(rows) < 0.7, hard, chance.random(rows)) < 0.2
        slow = chance.random(rows) < 0.1
        fails = chance.random(rows) < DEFAULT_ROLLOUT.errors
        shadow = RolloutRows(fails, (chance.random(rows) < 0.1).astype(float) - slow, new.astype(float) - old)
        theirs = chance.random(rows) < share
        sides = [
            newest_differences(*(Timed(np.flatnonzero(rows), value[rows]) for rows in (theirs, ~theirs)))
            for value in (slow.astype(float), old.astype(float))
        ]
        canary = RolloutRows(fails, *sides)
        stopped += any(
            max(rollout_evidence(each).values()) >= DEFAULT_ROLLOUT.threshold for each in (shadow, canary)
        )
    assert stopped / rollouts <= 0.05


def test_each_value_is_used_once_and_prefixes_stay():
    chance = np.random.default_rng(1)
    places, values = np.arange(400), chance.random(400)
    theirs = chance.random(400) < 0.2
    whole = newest_differences(Timed(places[theirs], values[theirs]), Timed(places[~theirs], values[~theirs]))
    for end in range(20, 400, 20):
        new, old = theirs[:end], ~theirs[:end]
        part = newest_differences(
            Timed(places[:end][new], values[:end][new]), Timed(places[:end][old], values[:end][old])
        )
        assert np.array_equal(part, whole[: len(part)])
    assert len(newest_differences(Timed(places[:0], values[:0]), Timed(places, values))) == 0


def test_a_small_loss_is_no_proof_of_the_contrary():
    assert not is_ruled_out(np.zeros(10)) and is_ruled_out(np.zeros(200))
    assert not is_ruled_out(np.full(2_000, DEFAULT_ROLLOUT.margin))


# ---------------------------------------- from a log
@pytest.mark.parametrize("rollout", [SHADOW, CANARY])
def test_one_that_is_as_good_passes_when_rows_and_truths_are_enough(champion, log, rollout):
    for _ in range(40):
        log.add(100, rollout.mode)
        found = look(champion, log, rollout)
        assert found.state != "failed", found
        if found.state == "passed":
            break
    assert (
        found.state == "passed" and found.counts["rows"] >= 500 and "nothing speaks against it" in str(found)
    )
    assert found.to_dict()["counts"]["failures"] == 0


@pytest.mark.parametrize("rollout", [SHADOW, CANARY])
@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        ({"failing": 0.06}, "failed to answer"), ({"slower": 3.0}, "slower"),
        ({"wrong": (0.2, 0.3)}, "worse on .* rows whose truth is known: Accuracy"),
    ],
)  # fmt: skip
def test_one_that_is_not_is_stopped(champion, log, rollout, harm, reason):
    more = (
        {**harm, "slower": 6.0} if rollout.mode == "shadow" and "slower" in harm else harm
    )  # the half of it is logged
    for _ in range(80):
        log.add(50, rollout.mode, **more)
        found = look(champion, log, rollout)
        assert found.state != "passed", found
        if found.state == "failed":
            break
    assert found.state == "failed"
    import re

    assert re.search(reason, str(found)), found
    asked = found.counts["requests"]
    assert asked <= (1_200 if "wrong" in harm else 400), asked
    log.add(50, rollout.mode)  # what was seen is not unseen
    assert look(champion, log, rollout).state == "failed"


def test_without_truths_time_decides(champion, log):
    log.add(700, told=0.0)
    waits = look(champion, log, SHADOW)
    assert waits.state == "waits" and "it waits for truths" in str(waits) and waits.counts["truths"] == 0
    assert look(champion, log, SHADOW, after=90_000.0).state == "passed"
    assert look(champion, log, SHADOW, RolloutSettings(seconds=100.0)).state == "passed"


def test_one_that_says_nothing_does_not_pass(champion, log):
    assert look(champion, log, SHADOW).state == "waits"
    silent = look(champion, log, SHADOW, after=90_000.0)
    assert silent.state == "failed" and "has answered nothing" in str(silent)


def test_a_request_counts_once_however_many_rows_it_has(champion, log):
    log.add(2_000, rows_a_request=500)
    log.add(500, rows_a_request=500, failing=1.0, error="ended")
    found = look(champion, log, SHADOW)
    assert found.state != "failed" and found.counts["failures"] == 1 and found.counts["requests"] == 5


def test_only_its_own_rows_count(champion, log):
    log.add(300, failing=1.0, version="3")
    log.add(300, "canary", share=1.0, version="4", wrong=(0.2, 0.9))
    found = look(champion, log, SHADOW)
    assert found.counts["rows"] == found.counts["failures"] == 0 and found.state == "waits"
    later = Rollout("3", "shadow", champion="1", began=BEGAN + 500)
    assert look(champion, log, later).counts["requests"] == 0


def test_an_old_log_no_log_and_one_that_is_none(champion, tmp_path):
    with sqlite3.connect(tmp_path / "old.db") as old:
        old.execute("CREATE TABLE predictions (id, time, model, version, input, output, seconds)")
        old.execute("CREATE TABLE feedback (number, id, time, truth)")
    assert check_rollout(champion, str(tmp_path / "old.db"), SHADOW, now=BEGAN).counts["rows"] == 0
    with pytest.raises(SettingsError, match="there is no prediction log"):
        check_rollout(champion, str(tmp_path / "none.db"), SHADOW)
    (tmp_path / "text.db").write_text("no database" * 1_000)
    with pytest.raises(DataError, match="cannot read the prediction log text.db") as error:
        check_rollout(champion, str(tmp_path / "text.db"), SHADOW)
    assert isinstance(error.value, MLKitError) and "\n" not in str(error.value)


def test_the_reference_of_another_mlkit_says_what_to_do(champion, log):
    content = b'{"quality": {}, "columns": [{"dispersion": 1.7}]}'
    old = replace(champion, files={**champion.files, "reference.json": content})
    with pytest.raises(PackageError, match="make the package anew: mlkit run package"):
        look(old, log, SHADOW)


def test_the_error_rate_is_shared():
    assert DEFAULT_ROLLOUT.threshold == pytest.approx(math.log(120))
