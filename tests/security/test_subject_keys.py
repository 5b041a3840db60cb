"""Keys of subjects: found again, wrapped, rotated, and gone for good."""

import os
import random
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from unicodedata import normalize

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlkit.core.errors import SettingsError
from mlkit.core.master_key import (
    MasterKey,
    load_master_key,
    local_master_key,
    make_master_key,
    open_sealed,
    seal,
)
from mlkit.security.envelope import OpenRow, RowEnvelope
from mlkit.security.subject_keys import SubjectKeys, rotate_master_key

PROJECT = Path(__file__).resolve().parents[2]
ONE, TWO = b"1" * 32, b"2" * 32


def open_keys(folder, key=ONE, create=True):
    return SubjectKeys(folder / "subjects.db", local_master_key(key), create)


def all_bytes(folder):
    return b"".join(path.read_bytes() for path in folder.glob("subjects.db*"))


def fill(keys, many):
    "Many subjects in one transaction; their wrapped keys."
    rows = []
    for _ in range(many):
        rows.append((os.urandom(32), os.urandom(12), os.urandom(60), os.urandom(36)))
    with keys._transaction():
        keys._base.executemany(
            "INSERT INTO subjects (lookup, pseudonym, key, subject) VALUES (?, ?, ?, ?)", rows
        )


# finding


def names_somebody(text: str) -> bool:
    """A text that begins with a zero byte is nobody's name."""
    return text.strip() != "" and not text.strip().startswith("\0")


@given(names=st.lists(st.text(min_size=1, max_size=30).filter(names_somebody), min_size=1, max_size=20))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_subject_has_one_key_and_no_two_have_the_same(tmp_path_factory, names):
    folder = tmp_path_factory.mktemp("keys")
    keys = open_keys(folder)
    first = {normalize("NFC", name).strip(): keys.get(name) for name in names}
    again = open_keys(folder, create=False)
    assert all(again.get(name) == found == again.find(name) for name, found in first.items())
    assert len({found.key for found in first.values()}) == len({found.pseudonym for found in first.values()})
    assert len(again) == len(first) and all(
        again.key_of(each.pseudonym) == each.key for each in first.values()
    )


def test_a_number_is_the_same_subject_however_it_is_held(tmp_path):
    keys = open_keys(tmp_path)
    assert keys.get(7) == keys.get("7") == keys.get(7.0) == keys.get(" 7 ") != keys.get("07")
    assert keys.get("Zo\u00eb") == keys.get("Zoe\u0308") != keys.get("Zoe")
    for wrong in (None, "", "  ", float("nan"), "x" * 201):
        with pytest.raises(SettingsError, match="a subject is"):
            keys.get(wrong)


def test_the_file_says_nothing_of_its_subjects(tmp_path):
    keys = open_keys(tmp_path)
    mina = keys.get("customer-4711-mina")
    assert b"4711-mina" not in all_bytes(tmp_path) and mina.key not in all_bytes(tmp_path)
    assert (tmp_path / "subjects.db").stat().st_mode & 0o077 == 0


# erasing


def test_one_of_two_hundred_thousand_is_erased_in_no_time_and_leaves_no_byte(tmp_path):
    keys = open_keys(tmp_path)
    fill(keys, 100_000)
    people = [f"person {at}" for at in range(30)]
    known = {}
    for name in people:
        known[name] = keys.get(name)
        fill(keys, 3_500)
    assert len(keys) > 200_000
    rows = dict(keys._base.execute("SELECT pseudonym, key FROM subjects"))
    sealed = dict(keys._base.execute("SELECT pseudonym, subject FROM subjects"))
    seconds = []
    for name in people:
        begin = time.perf_counter()
        assert keys.erase(name)
        seconds.append(time.perf_counter() - begin)
    left = all_bytes(tmp_path)
    for found in known.values():
        assert rows[found.pseudonym] not in left and sealed[found.pseudonym] not in left
    assert sorted(seconds)[15] < 0.05, seconds
    assert all(keys.find(name) is None and keys.key_of(known[name].pseudonym) is None for name in people)


def test_an_erased_subject_comes_back_as_another(tmp_path):
    keys = open_keys(tmp_path)
    before = keys.get("a")
    assert keys.erase("a") and not keys.erase("a") and not keys.erase("never seen")
    after = keys.get("a")
    assert after.pseudonym != before.pseudonym and after.key != before.key


def test_an_erasure_reaches_what_other_processes_remember(tmp_path):
    server, command = open_keys(tmp_path), open_keys(tmp_path, create=False)
    before = server.get("a")
    command.erase("a")
    assert server.find("a") is None and server.key_of(before.pseudonym) is None
    assert server.get("a") != before


def test_an_erasure_that_a_reader_hinders_is_told_and_ends_later(tmp_path):
    import sqlite3

    keys = open_keys(tmp_path)
    keys._base.execute("PRAGMA busy_timeout=50")
    keys.get("a")
    wrapped = keys._base.execute("SELECT key FROM subjects").fetchone()[0]
    reader = sqlite3.connect(tmp_path / "subjects.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM subjects").fetchall()
    with pytest.raises(SettingsError, match="ask for the erasure again"):
        keys.erase("a")
    reader.close()
    assert keys.erase("a") is False and wrapped not in all_bytes(tmp_path)


READ = """
import sys
from pathlib import Path
from mlkit.core.master_key import local_master_key
from mlkit.security.subject_keys import SubjectKeys, rotate_master_key
keys = SubjectKeys(Path(sys.argv[1]), local_master_key(b"1" * 32))
print(len(keys))
keys.close()
"""


def test_a_file_that_is_open_twice_keeps_its_journal_when_another_process_reads_it(tmp_path):
    writer, watcher = open_keys(tmp_path), open_keys(tmp_path)
    command = [sys.executable, "-c", READ, str(tmp_path / "subjects.db")]
    own = os.environ | {"PYTHONPATH": str(PROJECT)}
    for many in range(1, 4):
        writer.get(many)
        assert int(subprocess.check_output(command, env=own)) == many
    assert len(watcher) == 3


# master key and pepper


def test_the_wrong_master_key_and_other_files_are_told_in_one_line(tmp_path, monkeypatch):
    open_keys(tmp_path).get("a")
    with pytest.raises(SettingsError, match="the master key does not open it"):
        open_keys(tmp_path, TWO)
    (tmp_path / "other").write_bytes(b"no database at all" * 100)
    with pytest.raises(SettingsError, match="cannot be used"):
        SubjectKeys(tmp_path / "other", local_master_key(ONE))
    with pytest.raises(SettingsError, match="there is no file"):
        SubjectKeys(tmp_path / "nowhere", local_master_key(ONE))
    keys = open_keys(tmp_path)
    keys._base.execute("DELETE FROM secrets WHERE name = 'pepper'")
    with pytest.raises(SettingsError, match="has no pepper"):
        open_keys(tmp_path, create=False)


def test_a_master_key_comes_from_the_environment_a_file_or_a_service(tmp_path, monkeypatch):
    path = tmp_path / "keys" / "master.key"
    make_master_key(path)
    monkeypatch.setenv("SHOP_MASTER", path.read_text())
    wrapped = load_master_key(str(path)).wrap(b"x")
    assert load_master_key("env:SHOP_MASTER").unwrap(wrapped) == b"x"
    with pytest.raises(SettingsError, match="is there already"):
        make_master_key(path)
    path.chmod(0o644)
    with pytest.raises(SettingsError, match="can be read by others"):
        load_master_key(str(path))
    monkeypatch.setenv("SHOP_MASTER", "c2hvcnQ=")
    for wrong in ("env:SHOP_MASTER", "env:NOT_SET", str(tmp_path / "missing")):
        with pytest.raises(SettingsError) as error:
            load_master_key(wrong)
        assert "c2hvcnQ" not in str(error.value) and "\n" not in str(error.value)
    service = MasterKey(lambda plain: plain[::-1], lambda sealed: sealed[::-1])
    assert SubjectKeys(tmp_path / "s.db", service, True).get("a") == SubjectKeys(
        tmp_path / "s.db", service
    ).get("a")


SERVICE = """
from mlkit.core import MasterKey
calls = []
def wrap(key): return b"wrapped " + bytes(each ^ 5 for each in key)
def unwrap(wrapped):
    calls.append(wrapped)
    if wrapped[:8] != b"wrapped ": raise PermissionError("another key")
    return bytes(each ^ 5 for each in wrapped[8:])
def master(): return MasterKey(wrap, unwrap)
def wrong(): return b"0" * 32
def broken(): raise ConnectionError("secret text")
"""


def test_a_master_key_of_a_service_is_named_by_a_function(tmp_path, monkeypatch):
    (tmp_path / "vault_service.py").write_text(SERVICE)
    monkeypatch.chdir(tmp_path)
    master = load_master_key("vault_service:master")
    keys = SubjectKeys(tmp_path / "subjects.db", master, create=True)
    one = keys.get("mina")
    keys.close()
    again = SubjectKeys(tmp_path / "subjects.db", load_master_key("vault_service:master"))
    assert again.find("mina") == one
    again.rotate_master(local_master_key(ONE))
    again.rotate_master(load_master_key("vault_service:master"))
    assert again.find("mina") == one
    for name, words in {
        "wrong": "gives no MasterKey",
        "broken": "fails with ConnectionError",
        "missing": "has no 'missing'",
    }.items():
        with pytest.raises(SettingsError, match=words) as error:
            load_master_key(f"vault_service:{name}")
        assert "\n" not in str(error.value) and "secret text" not in str(error.value)
    with pytest.raises(SettingsError, match="no module 'nowhere'"):
        load_master_key("nowhere:master")
    with pytest.raises(SettingsError, match="stays in its service"):
        rotate_master_key("vault_service:master", [tmp_path / "subjects.db"])
    with pytest.raises(SettingsError, match="stays closed"):
        SubjectKeys(tmp_path / "subjects.db", local_master_key(TWO))


def test_rotations_lose_nobody_and_change_every_wrapped_key(tmp_path):
    keys = open_keys(tmp_path)
    known = {at: keys.get(at) for at in range(300)}
    before = set(keys._base.execute("SELECT lookup, key FROM subjects"))
    other = open_keys(tmp_path)
    keys.rotate_pepper()
    keys.rotate_master(local_master_key(TWO))
    after = set(keys._base.execute("SELECT lookup, key FROM subjects"))
    assert not {row[0] for row in before} & {row[0] for row in after}
    assert not {row[1] for row in before} & {row[1] for row in after}
    assert not any(lookup in all_bytes(tmp_path) for lookup, _ in before)
    assert all(keys.find(at) == found for at, found in known.items())
    assert all(open_keys(tmp_path, TWO).find(at) == found for at, found in known.items())
    with pytest.raises(SettingsError, match="last rotated to"):
        other.find(1)


ROTATE = """
import sys
from pathlib import Path
from mlkit.core.master_key import local_master_key
from mlkit.security.subject_keys import SubjectKeys, rotate_master_key
path, at = Path(sys.argv[1]), int(sys.argv[2])
keys = [b"1" * 32, b"2" * 32]
def opened():
    for key in keys:
        try:
            return SubjectKeys(path, local_master_key(key)), key
        except Exception:
            pass
base, key = opened()
print("ready", flush=True)
while True:
    key = keys[1 - keys.index(key)]
    base.rotate_master(local_master_key(key))
    base.rotate_pepper()
    print("once", flush=True)
"""


def test_a_rotation_that_is_killed_loses_no_row(tmp_path):
    keys = open_keys(tmp_path)
    known = {at: keys.get(at) for at in range(400)}
    keys.close()
    chance = random.Random(1)
    for at in range(12):
        own = os.environ | {"PYTHONPATH": str(PROJECT)}
        rotation = subprocess.Popen([sys.executable, "-c", ROTATE, str(tmp_path / "subjects.db"), str(at)],
                                    stdout=subprocess.PIPE, env=own)  # fmt: skip
        assert rotation.stdout.readline() == b"ready\n"
        time.sleep(chance.random() * 0.15)
        rotation.kill()
        rotation.wait()
        found = None
        for key in (ONE, TWO):
            with suppress(SettingsError):
                found = open_keys(tmp_path, key, create=False)
        assert found is not None and len(found) == 400
        assert all(found.find(at) == each for at, each in known.items())
        found.close()


ERASE = """
import sys
from pathlib import Path
from mlkit.core.master_key import local_master_key
from mlkit.security.subject_keys import SubjectKeys, rotate_master_key
keys = SubjectKeys(Path(sys.argv[1]), local_master_key(b"1" * 32))
print("ready", flush=True)
for at in range(200):
    keys.erase(at)
"""


def test_an_erasure_that_is_killed_is_over_or_has_not_begun(tmp_path):
    chance = random.Random(2)
    for _ in range(8):
        keys = open_keys(tmp_path)
        known = {at: keys.get(at) for at in range(200)}
        rows = dict(keys._base.execute("SELECT pseudonym, key FROM subjects"))
        keys.close()
        own = os.environ | {"PYTHONPATH": str(PROJECT)}
        killed = subprocess.Popen([sys.executable, "-c", ERASE, str(tmp_path / "subjects.db")],
                                  stdout=subprocess.PIPE, env=own)  # fmt: skip
        assert killed.stdout.readline() == b"ready\n"
        time.sleep(chance.random() * 0.1)
        killed.kill()
        killed.wait()
        keys = open_keys(tmp_path)
        left = all_bytes(tmp_path)
        for at, found in known.items():
            still = keys.find(at)
            assert still in (None, found) and (rows[found.pseudonym] in left) == (still is not None)
        keys.close()


# rows


VALUES = st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False),
                   st.text(max_size=40))  # fmt: skip


@given(row=st.dictionaries(st.sampled_from("abcdefgh"), VALUES), known=st.sets(st.sampled_from("abcdxyz")),
       flip=st.integers(0, 10**6), data=st.data())  # fmt: skip
@settings(max_examples=200)
def test_a_row_is_read_as_it_was_and_by_nobody_else(row, known, flip, data):
    envelope = RowEnvelope(sorted(known), ["basic", "plus"])
    sealed = envelope.seal_row(ONE, row, "id", "3")
    assert envelope.open_row(ONE, sealed, "id", "3") == {
        name: each for name, each in row.items() if each is not None or name not in known
    }
    damaged = bytearray(sealed)
    damaged[flip // 8 % len(sealed)] ^= 1 << flip % 8
    attempts = [(TWO, sealed, "id", "3"), (ONE, sealed, "di", "3"), (ONE, sealed, "id", "4"), (ONE, sealed[:-1], "id", "3"),
                (ONE, bytes(damaged), "id", "3"), (ONE, b"", "id", "3")]  # fmt: skip
    for attempt in attempts:
        with pytest.raises(ValueError):
            envelope.open_row(*attempt)


def test_what_is_bound_together_cannot_be_taken_apart():
    sealed = seal(ONE, b"x", b"ab")
    assert open_sealed(ONE, sealed, b"ab") == b"x" and seal(ONE, b"x", b"ab") != sealed
    with pytest.raises(ValueError):
        open_sealed(ONE, sealed, b"a")
    envelope = RowEnvelope(["a"])
    row = envelope.seal_row(ONE, {"a": 1}, '1","2', "3")
    with pytest.raises(ValueError):
        envelope.open_row(ONE, row, "1", '2","3')


def test_other_columns_or_categories_are_told():
    sealed = RowEnvelope(["a", "b"], ["basic", "plus"]).seal_row(ONE, {"a": "basic", "b": "plus"}, "id", "3")
    for other in (RowEnvelope(["a"]), RowEnvelope(["a", "b", "c", "d"], ["basic", "plus"])):
        with pytest.raises(ValueError, match="other columns or categories"):
            other.open_row(ONE, sealed, "id", "3")


def test_a_prediction_of_the_example_is_small():
    from mlkit.sources.examples import make_customers

    rows = make_customers(300, seed=1).drop(columns=["name", "email", "customer_id", "note", "churned"])
    words = [
        str(each)
        for name in rows.select_dtypes("str")
        for each in rows[name].unique()
        if rows[name].nunique() < 20
    ]
    envelope = RowEnvelope([*rows, "prediction", "probability"], ["no", "yes", *words])
    sizes = []
    for at, row in enumerate(rows.astype(object).where(rows.notna(), None).to_dict("records")):
        values = {
            name: each if isinstance(each, (int, float, str)) else str(each) for name, each in row.items()
        }
        values |= {"prediction": "no", "probability": 0.123456 + at / 1000}
        sizes.append(len(envelope.seal_row(ONE, values, "0" * 32, "3")))
    whole = sum(sizes) / len(sizes) + 16 + 12 + 8 + 8  # id, pseudonym, time and duration
    assert whole <= 200, whole


@settings(max_examples=60)
@given(st.lists(st.lists(VALUES, max_size=12), min_size=1, max_size=12), st.lists(st.floats(), max_size=200))
def test_many_rows_are_sealed_as_one_is(rows, floats):
    envelope = RowEnvelope(["a", "b"], ["north", "yes"])
    many = [OpenRow(AESGCM(ONE), [*row, *floats], [0.5, "yes"], f"id{at}") for at, row in enumerate(rows)]
    sealed = envelope.seal_many(many, "1", longest=10**6)
    for row, each in zip(many, sealed, strict=True):
        alone = envelope.seal_values(ONE, [*row.cells, *row.said], row.id, "1")
        got = envelope.open_values(ONE, each, row.id, "1")
        assert repr(got) == repr(envelope.open_values(ONE, alone, row.id, "1"))
