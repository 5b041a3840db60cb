"""A log that knows whose data a row is, and that nobody reads without the keys."""

import time
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from mlkit.core.errors import DataError, SettingsError
from mlkit.core.master_key import load_master_key, make_master_key
from mlkit.inference.predictor import load_predictor
from mlkit.monitoring.observations import connected_log, read_observed_log
from mlkit.retraining.labelled_rows import read_labelled_rows
from mlkit.security.subject_keys import SubjectKeys, rotate_master_key
from mlkit.serving.app import create_app
from mlkit.serving.client import running_server
from mlkit.serving.prediction_log import (
    FeedbackRecord,
    PredictionRecord,
    new_id,
    open_log_database,
    resolve_log_url,
)
from mlkit.serving.sealed_log import LogSealer, delete_subject
from mlkit.serving.server_settings import ServeSettings
from tests import conftest
from tests.postgres import new_database

pytestmark = pytest.mark.usefixtures("own_key")
until = partial(conftest.until, seconds=30, pause=0.05)
ROW = {"weight": 20, "distance": 400, "service": "bicycle-courier"}


@pytest.fixture(params=["sqlite", "postgres"])
def log(request, tmp_path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "log.db")
    return new_database(request.getfixturevalue("postgres_server"))


def rows_in(log, **how):
    with connected_log(log, **how) as reader:
        return reader.select("SELECT {row} FROM {predictions} AS p", {}), len(reader.erased)


def test_a_log_is_protected_read_and_loses_one_person(log, parcels, tmp_path, monkeypatch):
    master, keys_file = tmp_path / "master.key", tmp_path / "subjects.keys"
    make_master_key(master)
    how = {"protect": str(master), "subject_keys": str(keys_file)}
    with (
        running_server(parcels, log=log, subject="sender", **how) as server,
        closing(server.client()) as client,
    ):
        rows = [ROW | {"sender": f"sender-{at % 3}", "weight": at} for at in range(9)]
        ids = [each["id"] for each in client.request("POST", "/predict", rows).value["predictions"]]
        for cell, header in (({"a": 1}, "sender-1"), ("sender-1", "x" * 201), ("sender-1", "sender-2")):
            refused = client.request("POST", "/predict", ROW | {"sender": cell}, X_Subject=header)
            assert refused.status == 422 and "subject" in refused.value["error"]
        assert client.request("POST", "/predict", ROW).status == 422
        truths = [{"id": id, "truth": "yes"} for id in ids]
        assert client.request("POST", "/feedback", truths).value == {"accepted": 9}
        keys = SubjectKeys(keys_file, load_master_key(str(master)))
        keys.restrict("sender-9")

        def is_refused() -> bool:
            heard = client.request("POST", "/predict", ROW | {"sender": "sender-9"})
            ids.extend([heard.value["id"]] if heard.status == 200 else [])
            return heard.status == 403

        assert until(is_refused)
        assert "mlkit_restricted_requests_total 1.0" in client.request("GET", "/metrics").body.decode()
        rotate_master_key(str(master), [keys_file])
        keys = SubjectKeys(keys_file, load_master_key(str(master)))
        keys.rotate_pepper()
        last = client.request("POST", "/predict", ROW | {"sender": "new"}).value["id"]
    found, _ = rows_in(log, **how)
    assert {row[0] for row in found} == {*ids, last} and '"bicycle-courier"' in found[0][2]
    if Path(log).exists():
        stored = b"".join(path.read_bytes() for path in tmp_path.glob("log.db*"))
        assert b"bicycle" not in stored and b"sender-" not in stored and ids[0].encode() not in stored

    monkeypatch.setenv("MLKIT_PROTECT", str(master))
    monkeypatch.setenv("MLKIT_SUBJECT_KEYS", str(keys_file))
    predictor = load_predictor(parcels)
    before = read_observed_log(predictor, log, {})
    assert len(before.predictions) == len(ids) + 1 and len(before.feedback) == 9
    pseudonym = keys.get("sender-1").pseudonym
    assert keys.erase("sender-1")
    left, erased = rows_in(log)
    assert len(left) == len(ids) - 2 and erased == 3 and len(read_labelled_rows(predictor, log)) == 6
    engine = open_log_database(resolve_log_url(log))
    gone = delete_subject(engine, pseudonym)
    engine.dispose()
    gone_rows = {name: many for name, many in gone.items() if many}
    assert gone_rows == {"feedback": 3, "predictions": 3} and rows_in(log) == (left, 0)
    again = read_observed_log(predictor, log, before.cursor)
    assert len(again.predictions) == len(again.feedback) == 0 and not again.notes  # what was counted stays so


def test_what_is_wrong_with_keys_is_one_line(parcels, tmp_path):
    make_master_key(tmp_path / "one.key")
    make_master_key(tmp_path / "two.key")
    log = str(tmp_path / "log.db")
    how = {"model": str(parcels), "keys": "off", "log": log}
    with pytest.raises(SettingsError, match="the log must be protected"):
        create_app(ServeSettings(**how, subject="sender"))
    with (
        running_server(parcels, log=log, subject="sender", protect=str(tmp_path / "one.key")) as server,
        closing(server.client()) as client,
    ):
        client.request("POST", "/predict", ROW | {"sender": 1})
    with pytest.raises(SettingsError, match="is a protected log; serve with"):
        create_app(ServeSettings(**how))
    SubjectKeys(tmp_path / "other.keys", load_master_key(str(tmp_path / "one.key")), create=True).close()
    wrong = {
        "name its master key": {},
        "the master key does not open it": {"protect": str(tmp_path / "two.key")},
        "keys of another log": {"protect": str(tmp_path / "one.key"), "subject_keys": str(tmp_path / "other.keys")},
        "there is no file": {"protect": str(tmp_path / "one.key"), "subject_keys": str(tmp_path / "none.keys")},
    }  # fmt: skip
    for message, named in wrong.items():
        with pytest.raises((SettingsError, DataError), match=message) as error:
            rows_in(log, **named)
        assert "\n" not in str(error.value)
    keys = SubjectKeys(tmp_path / "log.db.keys", load_master_key(str(tmp_path / "one.key")))
    keys._base.execute("DELETE FROM secrets WHERE name = 'pepper'")
    time.sleep(0.01)
    with pytest.raises(SettingsError, match="has no pepper"):
        rows_in(log, protect=str(tmp_path / "one.key"))


# ------------------------------------ truths that have no prediction
DAY = 86_400


def told(id: str, days_ago: float = 0) -> FeedbackRecord:
    return FeedbackRecord(id, time.time() - days_ago * DAY, "yes")


def predicted(id: str, sender: str) -> PredictionRecord:
    answer = {"id": id, "prediction": "no", "probabilities": {"no": 0.75, "yes": 0.25}}
    return PredictionRecord(time.time(), "parcels", "1", ("weight",), {"weight": 2}, answer, 0.01, sender)


def test_a_truth_is_under_the_key_of_its_subject_within_a_day_or_gone(log, tmp_path):
    make_master_key(tmp_path / "master.key")
    keys = SubjectKeys(tmp_path / "log.keys", load_master_key(str(tmp_path / "master.key")), create=True)
    engine = open_log_database(resolve_log_url(log))
    early, fresh, never, hers, whole = (new_id() for _ in range(5))

    def truths() -> dict[str, bytes]:  # the pseudonym that each is under
        with engine.connect() as connection:
            found = connection.exec_driver_sql("SELECT id, truth FROM sealed_feedback").all()
        return {bytes(id).hex(): bytes(truth)[:12] for id, truth in found}

    LogSealer(keys).write_records(engine, [told(early), told(never), told(fresh)])
    with engine.begin() as connection:
        last = "(SELECT max(number) FROM sealed_feedback)"
        connection.exec_driver_sql(
            f"UPDATE sealed_feedback SET time = time - {2 * DAY} WHERE number < {last}"
        )
    predictions = [predicted(early, "ann"), predicted(hers, "eve"), predicted(whole, "ann")]
    LogSealer(keys).write_records(engine, [*predictions, told(whole)])
    sealer, ann = LogSealer(keys), keys.get("ann").pseudonym
    assert truths() == {early: ann, whole: ann, fresh: (nobody := truths()[fresh])} and nobody != ann

    keys.erase("eve")  # her prediction waits to be deleted
    sealer.write_records(engine, [told(hers)])
    assert hers not in truths()
    how = {"protect": str(tmp_path / "master.key"), "subject_keys": str(tmp_path / "log.keys")}
    with connected_log(log, **how) as reader:
        query = "SELECT {row}, f.truth FROM {feedback} AS f JOIN {predictions} AS p ON p.id = f.id"
        found = {row[0]: row[4] for row in reader.select(query, {}, truth=1)}
    assert found == {early: '"yes"', whole: '"yes"'}
    delete_subject(engine, ann)
    assert truths() == {fresh: nobody}
    engine.dispose()


def test_many_old_truths_without_prediction_go_in_parts(tmp_path):
    make_master_key(tmp_path / "master.key")
    keys = SubjectKeys(tmp_path / "log.keys", load_master_key(str(tmp_path / "master.key")), create=True)
    engine = open_log_database(resolve_log_url(str(tmp_path / "log.db")))
    sealer, lost = LogSealer(keys), [told(new_id(), 2) for _ in range(12_000)]
    sealer.write_records(engine, lost)
    for _ in range(5):
        sealer.write_records(engine, [told(new_id())])
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM sealed_feedback").scalar() == 5
    engine.dispose()
