"""An audit log shows every alteration, and no kill spoils it."""

import json
import os
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlkit.core.errors import RunError, SettingsError
from mlkit.security import merkle
from mlkit.security.audit import AuditLog, record_event, verify_audit_log

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "settings"))
    for name in ("MLKIT_AUDIT_LOG", "MLKIT_SIGNING_KEY", "MLKIT_PUBLIC_KEY"):
        monkeypatch.delenv(name, raising=False)


def make_log(path, many=12):
    log = AuditLog(path)
    for at in range(many):
        log.append(
            ("key added", "promoted", "exported")[at % 3], {"model": f"m{at}", "version": at}, f"user{at % 2}"
        )
    return log


# the tree


@given(st.lists(st.binary(max_size=4), min_size=1, max_size=40), st.data())
@settings(max_examples=150)
def test_proofs_hold_for_what_is_so_and_for_nothing_else(entries, data):
    leaves = [merkle.leaf_hash(entry) for entry in entries]
    size, root = len(leaves), merkle.merkle_root(leaves)
    index = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_proof(leaves, index)
    assert merkle.is_included(leaves[index], index, size, proof, root)
    assert not merkle.is_included(merkle.leaf_hash(b"another"), index, size, proof, root)
    assert not merkle.is_included(leaves[index], index, size, [*proof, root], root)
    earlier = data.draw(st.integers(0, size))
    then = merkle.merkle_root(leaves[:earlier])
    proof = merkle.consistency_proof(leaves, earlier)
    assert merkle.is_consistent(earlier, size, then, root, proof)
    if 0 < earlier:
        assert not merkle.is_consistent(earlier, size, merkle.leaf_hash(b"x"), root, proof)
    if 0 < earlier < size:
        assert not merkle.is_consistent(earlier, size, then, merkle.leaf_hash(b"x"), proof)
        assert not merkle.is_consistent(earlier, size, then, root, proof[:-1])


def test_the_tree_is_that_of_rfc_6962():
    """Roots of the reference implementation (certificate-transparency), for its eight test inputs."""
    inputs = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ]
    leaves = [merkle.leaf_hash(bytes.fromhex(text)) for text in inputs]
    assert merkle.merkle_root([]).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert (
        merkle.merkle_root(leaves[:1]).hex()
        == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    )
    assert (
        merkle.merkle_root(leaves).hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    )


# alterations


def alter(lines, chance):
    "Another list of lines, made by one alteration."
    at, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    kind = chance.choice(["change", "drop", "move", "repeat", "truncate", "add", "bit"])
    lines = [*lines]
    if kind == "change":
        entry = json.loads(lines[at])
        entry[chance.choice(["time", "what", "who"])] += "x"
        lines[at] = json.dumps(entry, separators=(",", ":")).encode()
    elif kind == "bit":
        text = bytearray(lines[at])
        text[chance.randrange(len(text))] ^= 1 << chance.randrange(8)
        lines[at] = bytes(text)
    elif kind == "drop":
        del lines[at]
    elif kind == "move":
        lines.insert(other, lines.pop(at))
    elif kind == "repeat":
        lines.insert(other, lines[at])
    elif kind == "truncate":
        del lines[at:]
    else:
        lines.insert(other, lines[at].replace(b"user", b"root"))
    return kind, lines


def test_of_a_thousand_alterations_each_is_found(tmp_path):
    log = make_log(tmp_path / "audit.jsonl", 30)
    whole, chance = log.path.read_bytes(), random.Random(7)
    lines, altered, found = whole.splitlines(), 0, 0
    while altered < 1000:
        kind, other = alter(lines, chance)
        text = b"".join(line + b"\n" for line in other)
        if text == whole:
            continue
        altered += 1
        log.path.write_bytes(text)
        report = verify_audit_log(log)
        found += bool(report.problem) or (report.is_torn and other == lines[:-1])
    assert found == 1000
    log.path.write_bytes(whole)
    assert verify_audit_log(log) == (30, verify_audit_log(log).root, "", False)


def test_an_altered_log_takes_no_entry_and_a_head_of_another_is_no_head(tmp_path):
    log, other = make_log(tmp_path / "a.jsonl"), make_log(tmp_path / "b.jsonl")
    log.path.write_bytes(log.path.read_bytes() + b'{"what":"promoted"}\n')
    with pytest.raises(RunError, match="does not end as it was signed"):
        log.append("promoted", {})
    log.head_path.write_bytes(other.head_path.read_bytes())
    assert verify_audit_log(log).problem
    other.head_path.write_text(other.head_path.read_text().replace('"size": 12', '"size": 11'))
    assert "not what was signed" in verify_audit_log(other).problem
    other.head_path.unlink()
    assert "missing or damaged" in verify_audit_log(other).problem
    with pytest.raises(RunError, match="no head"):
        other.append("promoted", {})


def test_a_noted_head_catches_a_history_that_was_signed_anew(tmp_path):
    log = make_log(tmp_path / "audit.jsonl")
    noted = f"12:{verify_audit_log(log).root}"
    log.append("exported", {"model": "m"})
    assert not verify_audit_log(log, noted).problem
    for path in (log.path, log.head_path):
        path.unlink()
    make_log(log.path, 14)
    assert "does not begin with" in verify_audit_log(log, noted).problem and not verify_audit_log(log).problem
    with pytest.raises(SettingsError, match="no head of an audit log"):
        verify_audit_log(log, "12:abc")


# kills and company


@pytest.mark.parametrize("kept", [0, 1, 20, -1])
def test_a_torn_last_line_is_told_and_mended(tmp_path, kept):
    log = make_log(tmp_path / "audit.jsonl")
    whole = log.path.read_bytes()
    before, last = whole[: whole[:-1].rindex(b"\n") + 1], whole[whole[:-1].rindex(b"\n") + 1 :]
    log.path.write_bytes(before + last[:kept])
    assert verify_audit_log(log).is_torn and not verify_audit_log(log).problem
    log.append("promoted", {"model": "m"})
    assert log.path.read_bytes().startswith(whole)
    assert verify_audit_log(log) == (13, verify_audit_log(log).root, "", False)


WRITER = """
import sys
from mlkit.security.audit import AuditLog
for at in range(int(sys.argv[2])):
    AuditLog(sys.argv[1]).append("promoted", {"model": sys.argv[3], "version": at}, "w")
    print(at, flush=True)
"""


def start(path, many, name):
    own = {"PYTHONPATH": str(PROJECT), "PYTHONUTF8": "1"}
    return subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(many), name], stdout=subprocess.PIPE,
                            env=os.environ | own)  # fmt: skip


def test_several_processes_write_one_log(tmp_path):
    writers = [start(tmp_path / "audit.jsonl", 25, name) for name in "abc"]
    assert [writer.wait(120) for writer in writers] == [0, 0, 0]
    log = AuditLog(tmp_path / "audit.jsonl")
    assert verify_audit_log(log).size == 75 and not verify_audit_log(log).problem
    for name in "abc":
        assert [e["about"]["version"] for e in log.entries() if e["about"]["model"] == name] == [*range(25)]


def test_a_log_outlives_writers_that_are_killed(tmp_path):
    path, told, chance = tmp_path / "audit.jsonl", 0, random.Random(3)
    for at in range(6):
        writer = start(path, 10_000, f"k{at}")
        for _ in range(chance.randint(1, 8)):
            writer.stdout.readline()
            told += 1
        time.sleep(chance.random() * 0.01)
        writer.kill()
        rest = writer.stdout.read()
        told += rest.count(b"\n")
        writer.wait()
        assert not verify_audit_log(AuditLog(path)).problem
    log = AuditLog(path)
    log.append("exported", {})
    report = verify_audit_log(log)
    assert not report.problem and not report.is_torn and told <= report.size - 1 <= told + 6


def test_threads_share_a_log(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        [*pool.map(lambda at: AuditLog(tmp_path / "a.jsonl").append("exported", {"n": at}), range(40))]
    assert verify_audit_log(AuditLog(tmp_path / "a.jsonl")).size == 40


def test_a_hundred_thousand_entries_are_verified_in_seconds(tmp_path):
    log = make_log(tmp_path / "audit.jsonl", 1)
    from mlkit.security import audit

    head, line = audit._EMPTY_HEAD, log.path.read_text("utf-8").rstrip("\n")
    peaks = []
    for at in range(99_999):
        merkle.add_leaf(peaks, at, merkle.leaf_hash(line.encode()))
    head = audit.AuditHead(
        99_999, "", tuple(peak.hex() for peak in peaks), line, 99_999 * (len(line.encode()) + 1)
    )
    head = audit._grow(head, line)
    log.path.write_text(f"{line}\n" * 100_000, encoding="utf-8")
    log.head_path.write_text(head.to_text(), encoding="utf-8")
    begin = time.perf_counter()
    assert verify_audit_log(log)[::2] == (100_000, "")
    assert time.perf_counter() - begin < 10
    begin = time.perf_counter()
    log.append("promoted", {"model": "m"})
    assert time.perf_counter() - begin < 1 and verify_audit_log(log).size == 100_001


# what is written down


def test_no_secret_and_no_address_is_written_down(tmp_path):
    log = AuditLog(tmp_path / "audit.jsonl")
    log.append("key added", {"key": "anna.meyer@example.com"}, "ben@example.org")
    log.append("key removed", {"key": "anna.meyer@example.com"})
    text = log.path.read_text() + log.head_path.read_text()
    assert "anna" not in text and "ben@" not in text
    first, second = log.entries()
    assert first["about"]["key"] == second["about"]["key"]
    for value in ("mlk_abcdefghijklmnop", "postgresql://me:secret@db/x", "-----BEGIN PRIVATE KEY-----"):
        with pytest.raises(SettingsError, match="looks like a secret") as error:
            log.append("exported", {"place": value})
        assert value not in str(error.value)
    with pytest.raises(SettingsError, match="there is no event 'deleted'"):
        log.append("deleted", {})


def test_what_cannot_be_written_down_is_told_and_stops_nobody(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("MLKIT_AUDIT_LOG", str(tmp_path / "file" / "audit.jsonl"))
    assert "is not in the audit log: " in record_event("promoted", {"model": "m"})
    monkeypatch.setenv("MLKIT_AUDIT_LOG", "none")
    assert record_event("promoted", {"model": "m"}) == ""


def mlkit(*arguments, **variables):
    own = {"PYTHONPATH": str(PROJECT), "PYTHONUTF8": "1"}
    command = [sys.executable, "-c", "from mlkit.cli.main import main; main()", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, env=os.environ | own | variables
    )


def test_keys_are_written_down_and_the_commands_tell(tmp_path):
    where, keys = (
        {"MLKIT_AUDIT_LOG": str(tmp_path / "audit.jsonl"), "MLKIT_USER": "mina"},
        tmp_path / "keys.json",
    )
    nothing = mlkit("audit", "verify", **where)
    assert nothing.returncode == 2 and nothing.stderr.startswith("mlkit: there is no audit log")
    key = mlkit("keys", "add", "shop", "--file", keys, **where).stdout.split()[0]
    assert mlkit("keys", "remove", "shop", "--file", keys, **where).returncode == 0
    shown = mlkit("audit", "show", **where).stdout.splitlines()
    assert "mina  key added: key shop" in shown[0] and "mina  key removed: key shop" in shown[1]
    assert key not in (tmp_path / "audit.jsonl").read_text()
    head = mlkit("audit", "head", **where).stdout.strip()
    assert mlkit("audit", "verify", "--head", head, **where).stdout == "2 entries, all as they were signed\n"
    text = (tmp_path / "audit.jsonl").read_text()
    (tmp_path / "audit.jsonl").write_text(text.replace("shop", "help", 1))
    altered = mlkit("audit", "verify", **where)
    assert altered.returncode == 2 and "altered" in altered.stderr and "Traceback" not in altered.stderr
