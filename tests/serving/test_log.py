"""The prediction log: busy, full, killed, moved away, and never read by others."""

import json
import os
import shutil
import sqlite3
import threading
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from mlkit.inference.example_package import make_parcel_package
from mlkit.serving.client import is_ready, running_server
from tests import conftest

until = partial(conftest.until, seconds=20, pause=0.02)

pytestmark = pytest.mark.usefixtures("own_key")
ROW = {"weight": 20, "distance": 400, "service": "standard"}


@pytest.fixture(scope="module")
def package(own_key, tmp_path_factory) -> Path:
    """A package. To be served; never to be changed."""
    return make_parcel_package(tmp_path_factory.mktemp("packages") / "parcels")


def ids_in(database: Path) -> set[str]:
    """Of the predictions; none while the file is being made."""
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            return {id for (id,) in connection.execute("SELECT id FROM predictions")}
    except sqlite3.Error:
        return set()


@pytest.mark.parametrize("durable", [False, True])
def test_four_busy_clients_wait_and_none_is_sent_away(durable, package, tmp_path):
    rows = [ROW | {"weight": n % 60} for n in range(500)]
    statuses: list[int] = []
    with running_server(package, log=str(tmp_path / "log.db"), durable=durable) as server:

        def ask() -> None:
            with closing(server.client()) as client:
                for _ in range(12):
                    statuses.append(client.request("POST", "/predict", rows).status)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        ready = True
        while any(thread.is_alive() for thread in threads):
            ready = ready and is_ready(server.port)
        assert ready and statuses == [200] * 48
    assert len(ids_in(tmp_path / "log.db")) == 24_000


def test_a_queue_is_bounded_in_bytes(package, tmp_path):
    """Rows with long texts are no more in memory than many short ones."""
    rows = [ROW | {"service": "x" * 90_000}] * 50
    database = tmp_path / "log.db"
    with running_server(package, log=str(database), timeout=3) as server, closing(server.client()) as client:
        with closing(sqlite3.connect(database, isolation_level=None)) as greedy:
            greedy.execute("BEGIN EXCLUSIVE")
            accepted = 0
            while (heard := client.request("POST", "/predict", rows)).status == 200 and accepted < 12:
                accepted += 1
            greedy.execute("ROLLBACK")
        assert 4 <= accepted <= 9 and "prediction log is full" in heard.value["error"]
    with closing(sqlite3.connect(database)) as connection:
        longest = connection.execute("SELECT max(length(input)) FROM predictions").fetchone()[0]
    assert 1_000 < longest < 1_200  # cells are cut


def test_the_file_of_a_log_does_not_grow_without_end(package, tmp_path):
    database, limit = tmp_path / "log.db", 300_000
    with (
        running_server(package, log=str(database), log_bytes=limit) as server,
        closing(server.client()) as client,
    ):
        for _ in range(12):
            some = {each["id"] for each in client.predict([ROW] * 300)["predictions"]}
            assert until(partial(written, database, some))
        assert until(lambda: "the oldest predictions make room" in server.output)
        page = client.request("GET", "/metrics").body.decode()
    assert 0 < os.path.getsize(database) < 2 * limit and some <= ids_in(database)
    assert 'mlkit_prediction_log_rows_total{result="expired"}' in page


def written(database: Path, ids: set[str]) -> bool:
    return ids <= ids_in(database)


def test_a_durable_log_has_all_that_was_answered_when_the_server_is_killed(package, tmp_path):
    accepted: list[str] = []
    with running_server(package, log=str(tmp_path / "log.db"), durable=True, workers=2) as server:

        def ask(many: int) -> None:
            with closing(server.client()) as client:
                try:
                    while True:
                        answers = client.predict([ROW] * many)["predictions"]
                        accepted.extend(answer["id"] for answer in answers)
                except Exception:
                    return  # it is killed

        threads = [threading.Thread(target=ask, args=(many,)) for many in (1, 1, 20, 100)]
        for thread in threads:
            thread.start()
        assert until(lambda: len(accepted) > 2_000)
        family = children_of(server.process.pid)
        for pid in [*family, server.process.pid]:
            os.kill(pid, 9)
        for thread in threads:
            thread.join(30)
    assert set(accepted) <= ids_in(tmp_path / "log.db")


def children_of(pid: int) -> list[int]:
    import psutil

    return [each.pid for each in psutil.Process(pid).children(recursive=True)]


MISHAPS = {
    "moved": lambda log: os.rename(log, log.with_name("moved.db")),
    "moved with its companions": lambda log: [
        os.rename(each, each.with_name(each.name.replace("log.db", "moved.db")))
        for each in log.parent.glob("log.db*")
    ],
    "deleted": os.unlink,
    "deleted with its companions": lambda log: [os.unlink(each) for each in log.parent.glob("log.db*")],
    "replaced by a file of nothing": lambda log: (
        log.with_name("new").touch(),
        os.replace(log.with_name("new"), log),
    ),
    "its folder was moved": lambda log: os.rename(log.parent, log.parent.with_name("elsewhere")),
}


@pytest.mark.parametrize("durable", [False, True])
def test_a_log_that_is_moved_or_deleted_is_noticed(durable, package, tmp_path):
    log = tmp_path / "folder" / "log.db"
    with running_server(package, log=str(log), durable=durable) as server, closing(server.client()) as client:
        for number, (what, mishap) in enumerate(MISHAPS.items(), 1):
            before = {each["id"] for each in client.predict([ROW] * 50)["predictions"]}
            assert until(partial(written, log, before)), what
            mishap(log)
            after = {each["id"] for each in client.predict([ROW] * 50)["predictions"]}
            assert until(partial(written, log, after)), (what, server.output)
            assert server.output.count("was moved, deleted or replaced") == number and is_ready(server.port)
            assert log.stat().st_mode & 0o777 == 0o600 and not before & ids_in(log)
            for moved in (log.with_name("moved.db"), tmp_path / "elsewhere" / "log.db"):
                if moved.exists():
                    assert before <= ids_in(moved), what
                    shutil.rmtree(moved.parent) if moved.parent != log.parent else clear(moved)


def clear(database: Path) -> None:
    for path in database.parent.glob(f"{database.name}*"):
        path.unlink()


def test_a_log_that_is_overwritten_in_place_takes_rows_again(package, tmp_path):
    log = tmp_path / "log.db"
    with running_server(package, log=str(log)) as server, closing(server.client()) as client:
        client.predict(ROW)
        assert until(lambda: ids_in(log))
        with closing(sqlite3.connect(tmp_path / "other.db")) as other:
            other.execute("CREATE TABLE something (id)")
            other.commit()
        for companion in ("-wal", "-shm"):
            (tmp_path / f"log.db{companion}").unlink(missing_ok=True)
        shutil.copyfile(tmp_path / "other.db", log)
        last = client.predict(ROW)["id"]
        assert until(lambda: last in ids_in(log)), server.output


def test_nobody_else_can_read_the_log(package, tmp_path):
    log = tmp_path / "log.db"
    log.touch(0o644)
    with running_server(package, log=str(log)) as server, closing(server.client()) as client:
        client.predict([ROW] * 100)
        assert until(lambda: ids_in(log))
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.glob("log.db*")}
    assert set(modes.values()) == {0o600} and "log.db-wal" in modes, modes


def test_long_cells_are_cut_and_short_ones_are_not(package, tmp_path):
    log = tmp_path / "log.db"
    with running_server(package, log=str(log), log_cell=20) as server, closing(server.client()) as client:
        client.predict([ROW | {"service": "standard"}, ROW | {"service": "b" * 500}])
    with closing(sqlite3.connect(log)) as connection:
        found = [
            json.loads(cells)["service"] for (cells,) in connection.execute("SELECT input FROM predictions")
        ]
    assert sorted(found) == ["b" * 20 + "…", "standard"]
