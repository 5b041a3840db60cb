"""Killed at any statement of SQLite, an erasure and a correction in a protected log go on to their end."""

import os
import signal
import sqlite3
from multiprocessing import get_context
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlkit.cli.main import app
from mlkit.core.master_key import load_master_key, make_master_key
from mlkit.privacy.subject_log import SubjectLog
from mlkit.security.subject_keys import SubjectKeys
from mlkit.serving.prediction_log import FeedbackRecord, PredictionRecord, open_log_database
from mlkit.serving.sealed_log import LogSealer

HER, OTHER = "C0004711", "C0004712"


def make_log(place: Path) -> bytes:
    """A protected log of two persons; her key, as it is in the file of keys."""
    make_master_key(place / "master.key")
    keys = SubjectKeys(place / "log.db.keys", load_master_key(str(place / "master.key")), create=True)
    engine = open_log_database(f"sqlite:///{place / 'log.db'}")
    said = {"prediction": "yes", "probabilities": {"no": 0.1, "yes": 0.9}}
    records = [
        PredictionRecord(1.8e9, "demo", "1", ["fee"], {"fee": 98}, said | {"id": f"{at:032x}"}, 0.001, who)
        for at, who in enumerate([HER, OTHER] * 20)
    ]
    LogSealer(keys).write_records(engine, records)
    LogSealer(keys).write_records(engine, [FeedbackRecord(f"{at:032x}", 1.9e9, "yes") for at in range(4)])
    engine.dispose()
    pseudonym = keys.get(HER).pseudonym
    keys.close()
    with sqlite3.connect(place / "log.db.keys") as base:
        base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return base.execute("SELECT key FROM subjects WHERE pseudonym = ?", (pseudonym,)).fetchone()[0]


def act(words: list[str]) -> None:
    result = CliRunner().invoke(app, ["privacy", *words, "--log", "log.db", "--column", "customer_id"])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception


def act_and_die(words: list[str], statement: int) -> None:
    """In a process of its own: it ends by SIGKILL before a statement, or well if there are fewer statements."""
    left, connect = [statement], sqlite3.connect

    def count(text: str) -> None:
        if not text.startswith(("SELECT", "--", "PRAGMA table", "PRAGMA main.table")):
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)

    def traced(*arguments, **named):
        connection = connect(*arguments, **named)
        connection.set_trace_callback(count)
        return connection

    sqlite3.connect = sqlite3.dbapi2.connect = traced
    act(words)


def bytes_of(place: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(place.glob("log.db*")))


@pytest.mark.parametrize(
    "words", [["erase", HER], ["rectify", HER, "--set", "fee=35"]], ids=lambda words: words[0]
)
def test_an_act_that_is_killed_before_any_statement_goes_on_to_its_end(words, tmp_path, monkeypatch):
    context, every = get_context("fork"), 1 if os.environ.get("MLKIT_TEST_KILLS") else 7
    for statement in range(1, 300, every):
        place = tmp_path / str(statement)
        place.mkdir()
        monkeypatch.chdir(place)
        for name, value in (("PROTECT", "master.key"), ("AUDIT_LOG", "audit.jsonl")):
            monkeypatch.setenv(f"MLKIT_{name}", value)
        monkeypatch.delenv("MLKIT_PRIVACY", raising=False)
        key = make_log(place)
        assert key in bytes_of(place)
        process = context.Process(target=act_and_die, args=(words, statement))
        process.start()
        process.join(60)
        assert process.exitcode in (0, -signal.SIGKILL)
        act(words)
        hers, others = (SubjectLog("log.db", "customer_id", who).predictions() for who in (HER, OTHER))
        assert len(others) == 20 and {row.input["fee"] for row in others} == {98}, statement
        if words[0] == "erase":
            assert hers == [] and key not in bytes_of(place), statement
            with sqlite3.connect("log.db") as base:
                counts = [
                    base.execute(f"SELECT count(*) FROM sealed_{name}").fetchone()[0]
                    for name in ("predictions", "feedback")
                ]
            assert counts == [20, 2], statement
        else:
            assert len(hers) == 20 and {row.input["fee"] for row in hers} == {35}, statement
            assert [row.truths for row in hers[:2]] == [["yes"], ["yes"]]
        if process.exitcode == 0:
            break
    assert 10 < statement < 290
