"""The rights of a person against a protected log that a server is writing, in SQLite and in a real Postgres."""

import json
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlkit.cli.main import app
from mlkit.core.errors import MLKitError
from mlkit.core.master_key import load_master_key, make_master_key
from mlkit.privacy.subject_log import SubjectLog
from mlkit.security.audit import AuditLog
from mlkit.security.subject_keys import SubjectKeys
from mlkit.serving.client import running_server
from tests import conftest

pytestmark = pytest.mark.usefixtures("own_key")
until = partial(conftest.until, seconds=30, pause=0.05)
ROW = {"weight": 20, "distance": 400, "service": "bicycle-courier"}
HER, OTHER = "sender-1", "sender-2"


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """A folder with a master key, which the variables name."""
    monkeypatch.chdir(tmp_path)
    make_master_key(tmp_path / "master.key")
    monkeypatch.setenv("MLKIT_PROTECT", str(tmp_path / "master.key"))
    monkeypatch.setenv("MLKIT_SUBJECT_KEYS", str(tmp_path / "subjects.keys"))
    monkeypatch.setenv("MLKIT_AUDIT_LOG", str(tmp_path / "audit.jsonl"))
    monkeypatch.delenv("MLKIT_PRIVACY", raising=False)
    return tmp_path


@pytest.fixture(params=["sqlite", "postgres"])
def log(request, place) -> str:
    return str(place / "log.db") if request.param == "sqlite" else request.getfixturevalue("postgres")


def mlkit(*words: str) -> str:
    result = CliRunner().invoke(app, ["privacy", *words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_every_command_on_the_log_of_a_running_server(log, place, parcels):
    on = ("--log", log)
    about = (*on, "--column", "sender")
    with (
        running_server(parcels, log=log, subject="sender", protect=str(place / "master.key")) as server,
        closing(server.client()) as client,
    ):
        answered = []

        def predict(sender: str):
            heard = client.request("POST", "/predict", ROW | {"sender": sender})
            answered.extend([sender] if heard.status == 200 else [])
            return heard

        def held(sender: str = HER) -> int:
            return len(SubjectLog(log, "sender", sender).predictions())

        ids = [predict(sender).value["id"] for sender in (HER, OTHER, HER)]
        truths = [{"id": id, "truth": "yes"} for id in ids]
        assert client.request("POST", "/feedback", truths).status == 200
        assert until(lambda: held() == 2)

        assert "restricted" in mlkit("restrict", HER, *on)
        assert until(lambda: predict(HER).status == 403) and predict(OTHER).status == 200
        assert "not restricted any more" in mlkit("restrict", HER, "--lift", *on)
        assert until(lambda: predict(HER).status == 200)

        many = answered.count(HER)
        assert until(lambda: held() == many)
        said = mlkit("rectify", HER, "--set", "weight=35", *about)
        rows = SubjectLog(log, "sender", HER).predictions()
        assert f"{many} rows of the log corrected" in said and {row.input["weight"] for row in rows} == {35}
        assert {row.input["distance"] for row in rows} == {400} and rows[0].truths == ["yes"]
        assert SubjectLog(log, "sender", OTHER).predictions()[0].input["weight"] == 20

        assert f"{many}  predictions in the log" in mlkit("find", HER, *about)
        mlkit("access", HER, "--to", "hers", *about)
        assert len(json.loads((place / "hers" / "access.json").read_text())["predictions"]) == many

        before = (place / "master.key").read_bytes()
        mlkit("rotate", "master", *on)
        mlkit("rotate", "pepper", *on)
        assert (place / "master.key").read_bytes() != before and predict(OTHER).status == 200

        mlkit("erase", HER, *about)
        assert SubjectLog(log, "sender", HER).predictions() == []
        left = SubjectLog(log, "sender", OTHER)
        assert until(lambda: len(left.predictions()) == 3) and left.predictions()[0].truths == ["yes"]
        assert "erased before" in mlkit("erase", HER, *about)

        assert "0  rows of the log (sealed_predictions)" in mlkit("retain", "--days", "1", *on)
        with left.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE sealed_predictions SET time = time - 200000")
        said = mlkit("retain", "--days", "1", "--dry-run", *on)
        assert "3  rows of the log (sealed_predictions)" in said and len(left.predictions()) == 3
        Path("settings.ini").write_text("[protect]\nretention_days = 2\n")
        assert "3  rows of the log (sealed_predictions)" in mlkit("retain", *on)
        assert left.predictions() == []
    events = [entry["what"] for entry in AuditLog(place / "audit.jsonl").entries()]
    assert events.count("subject restricted") == 2 and {"subject rectified", "records expired"} < {*events}
    assert HER not in (place / "audit.jsonl").read_text()


ACTS = {
    "erase": ["erase", HER, "--column", "sender"],
    "access": ["access", HER, "--to", "hers", "--column", "sender"],
    "restrict": ["restrict", HER],
    "rotate": ["rotate", "pepper"],
}


@pytest.fixture
def filled(place, parcels, monkeypatch) -> Path:
    """A protected log with one person, as its server has left it."""
    with (
        running_server(parcels, log="log.db", subject="sender", protect="master.key") as server,
        closing(server.client()) as client,
    ):
        assert client.request("POST", "/predict", ROW | {"sender": HER}).status == 200
    return place


def test_what_is_wrong_is_one_line_and_nothing_is_lost(filled, monkeypatch):
    make_master_key(filled / "two.key")
    keys = SubjectKeys(filled / "other.keys", load_master_key("master.key"), create=True)
    keys.close()
    (filled / "broken.keys").write_bytes((filled / "subjects.keys").read_bytes())
    broken = SubjectKeys(filled / "broken.keys", load_master_key("master.key"))
    broken._base.execute("DELETE FROM secrets WHERE name = 'pepper'")
    broken.close()
    (filled / "bad.jsonl").write_text('{"what": "erased"}\n')
    wrong = {
        "keys of another log": ("MLKIT_SUBJECT_KEYS", "other.keys"),
        "has no pepper": ("MLKIT_SUBJECT_KEYS", "broken.keys"),
        "there is no file of subjects' keys": ("MLKIT_SUBJECT_KEYS", "none.keys"),
        "the master key does not open it": ("MLKIT_PROTECT", "two.key"),
        "could not be recorded: the audit log .* has entries and no head": ("MLKIT_AUDIT_LOG", "bad.jsonl"),
    }
    for message, (name, value) in wrong.items():
        for act, words in ACTS.items():
            with monkeypatch.context() as patch:
                patch.setenv(name, value)
                with pytest.raises(MLKitError, match=message) as error:
                    mlkit(*words, "--log", "log.db")
            assert "\n" not in str(error.value) and HER not in str(error.value), act
    assert len(SubjectLog("log.db", "sender", HER).predictions()) == 1 and not (filled / "hers").exists()


def test_before_anybody_has_a_key_a_person_can_be_restricted(place, parcels):
    "A file of keys that holds no subject is one all the same."
    with running_server(parcels, log="log.db", subject="sender", protect="master.key"):
        pass
    keys = SubjectKeys(place / "subjects.keys", load_master_key("master.key"))
    assert len(keys) == 0
    with pytest.raises(MLKitError, match="is not restricted; is it the right value"):
        mlkit("restrict", HER, "--lift", "--log", "log.db")
    assert "is restricted" in mlkit("restrict", HER, "--log", "log.db")
    assert HER in keys.restricted_subjects() and OTHER not in keys.restricted_subjects()
    keys.close()


def test_a_master_key_that_is_rotated_in_its_file_is_kept_for_other_logs(filled):
    with closing(SubjectKeys("other.keys", load_master_key("master.key"), create=True)) as keys:
        known = keys.get(HER)
    assert "kept beside it as master.key.old" in mlkit("rotate", "master", "--log", "log.db")
    assert "kept beside it as master.key.old2" in mlkit("rotate", "master", "--log", "log.db")
    assert all(path.stat().st_mode & 0o077 == 0 for path in filled.glob("master.key*"))
    with pytest.raises(MLKitError, match="the master key does not open it"):
        SubjectKeys("other.keys", load_master_key("master.key"))
    other = ("--log", "other.db", "--subject-keys", "other.keys", "--protect", "master.key.old")
    mlkit("rotate", "master", *other, "--new", "master.key")
    with closing(SubjectKeys("other.keys", load_master_key("master.key"))) as keys:
        assert keys.find(HER) == known


def test_another_master_key_takes_over_and_the_old_one_opens_nothing(filled, monkeypatch):
    make_master_key(filled / "next.key")
    said = mlkit("rotate", "master", "--new", "next.key", "--log", "log.db")
    assert "opens nothing any more" in said
    for act in ("access", "restrict", "erase"):
        with pytest.raises(MLKitError, match="the master key does not open it"):
            mlkit(*ACTS[act], "--log", "log.db")
    assert not (filled / "hers").exists()
    monkeypatch.setenv("MLKIT_PROTECT", str(filled / "next.key"))
    assert "Done" in mlkit("rotate", "master", "--new", "next.key", "--log", "log.db"), "once more is no harm"
    assert len(SubjectLog("log.db", "sender", HER).predictions()) == 1
    assert "Receipt" in mlkit(*ACTS["erase"], "--log", "log.db")
    assert AuditLog(filled / "audit.jsonl").entries()
    for words, message in (
        (["rotate", "pepper", "--new", "next.key"], "--new is for rotate master only"),
        (["rotate", "salt"], "master or pepper, not 'salt'"),
        (["rotate", "master", "--new", "none.key"], "none.key"),
    ):
        with pytest.raises(MLKitError, match=message) as error:
            mlkit(*words, "--log", "log.db")
        assert "\n" not in str(error.value)


def test_a_reader_in_the_way_of_an_erasure_is_told_and_it_goes_on_afterwards(filled):
    reader = SubjectLog("log.db", "sender", HER)
    with reader.engine.connect() as connection:
        connection.exec_driver_sql("BEGIN")
        connection.exec_driver_sql("SELECT count(*) FROM sealed_predictions").one()
        with pytest.raises(MLKitError, match="another process reads it; ask for the erasure again"):
            mlkit(*ACTS["erase"], "--log", "log.db")
    reader.close()
    assert "Receipt" in mlkit(*ACTS["erase"], "--log", "log.db")
    assert SubjectLog("log.db", "sender", HER).predictions() == []
