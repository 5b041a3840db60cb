"""A protected log, its keys and their rotations, killed before any of their writes: no row is lost or unreadable."""

import os
import signal
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psutil
import pytest

from mlkit.core.master_key import load_master_key, make_master_key
from mlkit.inference.example_package import make_parcel_package
from mlkit.monitoring.observations import connected_log
from mlkit.security.subject_keys import SubjectKeys, rotate_master_key
from mlkit.serving.client import running_server
from mlkit.serving.prediction_log import FeedbackRecord, PredictionLog, PredictionRecord, resolve_log_url
from mlkit.serving.sealed_log import SEALED_PREFIX, LogSealer
from tests import conftest

until = partial(conftest.until, seconds=30, pause=0.02)
PEOPLE = [f"person-{at}" for at in range(4)]
left = [0]  # writes, in a process that dies before the last of them


def count_write() -> None:
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)


class DyingCursor(sqlite3.Cursor):
    def execute(self, *arguments: Any) -> Any:
        count_write()
        return super().execute(*arguments)

    def executemany(self, query: str, rows: Any) -> Any:
        def counted() -> Any:
            for row in rows:
                count_write()
                yield row

        return super().executemany(query, counted())


class DyingConnection(sqlite3.Connection):
    def cursor(self, factory: Any = DyingCursor) -> Any:
        return super().cursor(factory)

    def execute(self, *arguments: Any) -> Any:
        return self.cursor().execute(*arguments)

    def executemany(self, *arguments: Any) -> Any:
        return self.cursor().executemany(*arguments)

    def commit(self) -> None:
        count_write()
        super().commit()


def run_and_die(act: Callable[[Path], None], folder: Path, write: int) -> None:
    """In a process of its own: it ends by SIGKILL, or well if there are fewer writes."""

    def replace(*arguments: Any, former: Any = os.replace) -> None:
        count_write()
        former(*arguments)

    dying = partial(sqlite3.connect, factory=DyingConnection)
    sqlite3.connect = sqlite3.dbapi2.connect = dying  # type: ignore[assignment]
    os.replace, left[0] = replace, write  # type: ignore[assignment]
    act(folder)


def dies(act: Callable[[Path], None], folder: Path, write: int) -> bool:
    """Whether it came so far."""
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=run_and_die, args=(act, folder, write))
    process.start()
    process.join(60)
    assert process.exitcode in (0, -signal.SIGKILL), process.exitcode
    return process.exitcode != 0


# ---------------------------------------- rotations
def keys_in(folder: Path, name: str) -> SubjectKeys:
    return SubjectKeys(folder / name, load_master_key(str(folder / "master.key")))


def rotate_master(folder: Path) -> None:
    rotate_master_key(str(folder / "master.key"), [folder / "one.keys", folder / "two.keys"])


def rotate_pepper(folder: Path) -> None:
    keys_in(folder, "one.keys").rotate_pepper()


def secrets_of(folder: Path) -> bytes:
    with closing(sqlite3.connect(folder / "one.keys")) as base:
        stored = b"".join(value for (value,) in base.execute("SELECT value FROM secrets ORDER BY name"))
    return stored + (folder / "master.key").read_bytes()


@pytest.mark.parametrize("rotate", [rotate_master, rotate_pepper])
def test_a_rotation_that_dies_before_any_write_loses_nobody_and_goes_on(rotate, tmp_path):
    make_master_key(tmp_path / "master.key")
    master = load_master_key(str(tmp_path / "master.key"))
    known = {}
    for name in ("one.keys", "two.keys"):
        with closing(SubjectKeys(tmp_path / name, master, create=True)) as keys:
            known[name] = dict(zip(PEOPLE, keys.get_many(PEOPLE), strict=True))
    before, write = secrets_of(tmp_path), 1
    while dies(rotate, tmp_path, write):
        for name, people in known.items():
            with closing(keys_in(tmp_path, name)) as keys:
                assert {each: keys.find(each) for each in PEOPLE} == people, (name, write)
        rotate(tmp_path)  # the second call goes on
        assert len((tmp_path / "master.key").read_bytes().split()) == 1
        assert (after := secrets_of(tmp_path)) != before, write
        before, write = after, write + 1
    assert write >= 15
    for name, people in known.items():
        with closing(keys_in(tmp_path, name)) as keys:
            assert {each: keys.find(each) for each in PEOPLE} == people


# ---------------------------------------- rows
def records_of(batch: int) -> list[Any]:
    """Three predictions of two persons, new in each batch, and a truth for one of them."""
    records: list[Any] = []
    for at in range(3):
        said = {"id": f"id{batch}x{at}", "prediction": "no", "probabilities": {"no": 0.75, "yes": 0.25}}
        facts = (float(batch), "parcels", "1", ("weight",), {"weight": at}, said, 0.001)
        records.append(PredictionRecord(*facts, f"person-{batch}-{at % 2}"))
    return [*records, FeedbackRecord(f"id{batch}x0", float(batch), "yes")]


def write_rows(folder: Path) -> None:
    """Write a batch, and another one in which it dies."""
    write, left[0] = left[0], 0
    sealer = LogSealer(keys_in(folder, "log.db.keys"))
    address = resolve_log_url(str(folder / "log.db"))
    log = PredictionLog(address, durable=True, write=sealer.write_records, prefix=SEALED_PREFIX)
    for batch in range(2):
        left[0] = write * batch
        written = threading.Event()
        log.add(records_of(batch))
        log.when_written(written.set)
        assert written.wait(30)
    os._exit(0)


def read_rows(folder: Path) -> tuple[set[str], set[str]]:
    """The ids of predictions, and of truths. All can be read."""
    with connected_log(str(folder / "log.db"), protect=str(folder / "master.key")) as reader:
        rows = reader.select("SELECT {row} FROM {predictions} AS p", {})
        truths = reader.select(
            "SELECT {feedback_row}, f.truth FROM {feedback} AS f LEFT JOIN {predictions} AS p ON p.id = f.id",
            {},
            truth=1,
        )
        assert not reader.erased
    assert all('"weight"' in row[2] for row in rows)
    return {row[0] for row in rows}, {row[0] for row in truths}


def test_a_log_that_dies_before_any_write_has_a_request_wholly_or_not_and_reads_it(tmp_path):
    make_master_key(tmp_path / "master.key")
    write, died = 1, True
    while died:
        folder = tmp_path / str(write)
        folder.mkdir()
        os.link(tmp_path / "master.key", folder / "master.key")
        master = load_master_key(str(folder / "master.key"))
        SubjectKeys(folder / "log.db.keys", master, create=True).close()
        died = dies(write_rows, folder, write)
        ids, truths = read_rows(folder)
        first = {f"id0x{at}" for at in range(3)}
        assert (ids, truths) in [
            (first, {"id0x0"}),
            ({*first, "id1x0", "id1x1", "id1x2"}, {"id0x0", "id1x0"}),
        ], write
        write += 1
    assert write >= 8 and len(ids) == 6


# ---------------------------------------- a server
def ask_until_killed(server: Any, turn: int) -> list[str]:
    """Ask a server from three threads, and kill all its processes; the ids of all answers."""
    answered: list[str] = []

    def ask(rows: int) -> None:
        with closing(server.client()) as client, suppress(Exception):  # it is killed
            for at in range(100_000):
                row = {"weight": at % 60, "sender": f"{turn}-{rows}-{at // 2}"}
                answers = client.predict([row] * rows)["predictions"]
                answered.extend(answer["id"] for answer in answers)

    threads = [threading.Thread(target=ask, args=(rows,)) for rows in (1, 7, 50)]
    for thread in threads:
        thread.start()
    assert until(lambda: len(answered) > 300)
    family = psutil.Process(server.process.pid)
    for each in [*family.children(recursive=True), family]:
        each.kill()
    for thread in threads:
        thread.join(30)
    return answered


def test_a_protected_server_with_two_workers_is_killed_and_every_answer_can_be_read(own_key, tmp_path):
    package, answered = make_parcel_package(tmp_path / "parcels"), set[str]()
    make_master_key(tmp_path / "master.key")
    settings = {"log": str(tmp_path / "log.db"), "durable": True, "workers": 2, "subject": "sender",
                "protect": str(tmp_path / "master.key")}  # fmt: skip
    for turn in range(2):
        with running_server(package, **settings) as server:
            answered |= {*ask_until_killed(server, turn)}
        ids, _ = read_rows(tmp_path)
        assert answered <= ids


def rotate_in_environment(folder: Path) -> None:
    os.environ["MASTER"] = (folder / "both.keys").read_text()
    rotate_master_key("env:MASTER", [folder / "log.db.keys"])


def rotate_in_file(folder: Path) -> None:
    rotate_master_key(str(folder / "master.key"), [folder / "log.db.keys"])


def rotate_only_pepper(folder: Path) -> None:
    keys_in(folder, "log.db.keys").rotate_pepper()


@pytest.mark.parametrize("place", ["file", "variable"])
def test_keys_are_rotated_under_a_running_server_by_a_process_that_is_killed(place, own_key, tmp_path):
    """The server reads a replaced file again; in a variable it has the new and the old key from the start."""
    package, answered = make_parcel_package(tmp_path / "parcels"), set[str]()
    make_master_key(tmp_path / "master.key")
    make_master_key(tmp_path / "new.key")
    both = (tmp_path / "new.key").read_text() + (tmp_path / "master.key").read_text()
    (tmp_path / "both.keys").write_text(both)
    told = {
        "file": {"protect": str(tmp_path / "master.key")},
        "variable": {"protect": "env:MASTER", "environment": {"MASTER": both}},
    }
    SubjectKeys(tmp_path / "log.db.keys", load_master_key(str(tmp_path / "master.key")), create=True).close()
    rotate_master = {"file": rotate_in_file, "variable": rotate_in_environment}[place]
    with (
        running_server(package, log=str(tmp_path / "log.db"), subject="sender", **told[place]) as server,
        closing(server.client()) as client,
    ):

        def ask(turn: str) -> None:
            rows = [{"weight": 3, "sender": f"{turn} {each // 2}"} for each in range(6)]
            rows.append({"weight": 3, "sender": "always the same"})
            answered.update(each["id"] for each in client.predict(rows)["predictions"])

        ask("before")
        for rotate in (rotate_only_pepper, rotate_master):
            write = 4
            while dies(rotate, tmp_path, write):
                ask(f"{rotate.__name__} {write}")
                write += 6
            ask(f"{rotate.__name__} done")
            assert write > 10
            if rotate is rotate_in_environment:
                (tmp_path / "new.key").replace(tmp_path / "master.key")
        assert until(lambda: read_rows(tmp_path)[0] == answered)
