"""A challenger beside the champion: it answers in the shadow or for a share, and harms nobody, whatever it does."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import psutil
import pytest

from mlkit.data.column_spec import ColumnSpec
from mlkit.inference.example_package import PARCEL_TABLE_SPEC, make_parcel_package
from mlkit.inference.signing import sign_package
from mlkit.registry.model_versions import promote_version, register_package, rollback_champion
from mlkit.registry.rollout import start_rollout, stop_rollout
from mlkit.serving.challenger import ChallengerLocation, is_chosen
from mlkit.serving.client import ServerClient, ServerProcess, free_port, is_ready, running_server
from mlkit.serving.log_reader import is_explored
from tests import conftest
from tests.serving.strange_model import make_strange

until = partial(conftest.until, seconds=60, pause=0.05)

pytestmark = pytest.mark.usefixtures("own_key")
ROW = {"weight": 20, "distance": 400, "service": "standard"}
ROOT = str(Path(__file__).parents[2])


@pytest.fixture(scope="module")
def packages(own_key, tmp_path_factory) -> Path:
    """A champion and a challenger. Never to be changed."""
    folder = tmp_path_factory.mktemp("packages")
    make_parcel_package(folder / "old")
    make_parcel_package(folder / "new", offset=-1.0)
    return folder


def point(folder: Path, champion: Path, challenger: Path | None = None, **rollout: object) -> None:
    """Write a pointer, in one step."""
    pointer: dict[str, object] = {"folder": str(champion), "version": "1"}
    if challenger:
        more = {"version": "2", "mode": "shadow", "share": 1.0, "subject": ""} | rollout
        pointer["challenger"] = {"folder": str(challenger)} | more
    (folder / "next.json").write_text(json.dumps(pointer))
    os.replace(folder / "next.json", folder / "current.json")


@contextmanager
def rollout_server(folder: Path, **settings: object) -> Iterator[tuple[ServerProcess, ServerClient]]:
    more = {"log": str(folder / "log.db"), "reload": 0.2, "environment": {"PYTHONPATH": ROOT}} | settings
    with running_server(folder, **more) as server, closing(server.client()) as client:
        yield server, client


def query(log: Path, text: str) -> list[tuple]:
    try:
        with closing(sqlite3.connect(f"file:{log}?mode=ro", uri=True)) as connection:
            return connection.execute(text).fetchall()
    except sqlite3.Error:
        return []


def asked(server: ServerProcess, mode: str, times: int = 1) -> bool:
    """Is the challenger open, in so many processes?"""
    return until(lambda: server.output.count(f"is asked as {mode}") >= times)


def challengers_of(server: ServerProcess) -> list[psutil.Process]:
    """The processes of the challenger."""
    family = psutil.Process(server.process.pid).children(recursive=True)
    return [each for each in family if "spawn_main" in " ".join(each.cmdline())]


# ---------------------------------------- shadow
def test_in_the_shadow_the_champion_answers_and_both_are_logged(packages, tmp_path):
    point(tmp_path, packages / "old", packages / "new")
    with rollout_server(tmp_path) as (server, client):
        assert asked(server, "shadow")
        ids = {client.predict(ROW | {"weight": n})["id"] for n in range(10)}
        ids |= {each["id"] for each in client.predict([ROW] * 1_200)["predictions"]}
        log = tmp_path / "log.db"
        assert until(lambda: len(query(log, "SELECT id FROM shadow_predictions")) == 1_210)
        page = client.request("GET", "/metrics").body.decode()
    assert ids == {id for (id,) in query(log, "SELECT id FROM shadow_predictions")}
    assert query(log, "SELECT DISTINCT version FROM predictions") == [("1",)]
    assert query(log, "SELECT DISTINCT version, error FROM shadow_predictions") == [("2", "")]
    pair = "SELECT p.output, s.output FROM predictions p JOIN shadow_predictions s USING (id)"
    for ours, theirs in query(log, pair):
        assert json.loads(ours)["probabilities"]["yes"] < json.loads(theirs)["probabilities"]["yes"]
    assert 'mlkit_challenger_rows_total{result="answered"} 1210.0' in page
    assert 'mlkit_predictions_total{version="1"} 1210.0' in page and 'version="2"' not in page


def test_a_share_of_the_requests_is_shadowed_and_a_stop_ends_it(packages, tmp_path):
    point(tmp_path, packages / "old", packages / "new", share=0.3)
    with rollout_server(tmp_path) as (server, client):
        assert asked(server, "shadow")
        for _ in range(200):
            client.predict(ROW)
        log = tmp_path / "log.db"
        assert until(lambda: 30 < len(query(log, "SELECT id FROM shadow_predictions")) < 100)
        challengers = challengers_of(server)
        assert len(challengers) == 1
        point(tmp_path, packages / "old")
        assert until(lambda: not any(each.is_running() for each in challengers))
        before = len(query(log, "SELECT id FROM shadow_predictions"))
        client.predict([ROW] * 50)
        assert until(lambda: len(query(log, "SELECT id FROM predictions")) == 250)
        assert len(query(log, "SELECT id FROM shadow_predictions")) == before


def test_a_log_of_an_earlier_release_gets_the_new_table(packages, tmp_path):
    with closing(sqlite3.connect(tmp_path / "log.db")) as old:
        old.execute(
            "CREATE TABLE predictions (id TEXT PRIMARY KEY, time DOUBLE, model TEXT, version TEXT, input TEXT, "
            "output TEXT, seconds DOUBLE)"
        )
        old.execute("CREATE TABLE feedback (number INTEGER PRIMARY KEY, id TEXT, time DOUBLE, truth TEXT)")
        old.execute("INSERT INTO predictions VALUES ('a', 1, 'parcels', '1', '{}', '{}', 0)")
        old.commit()
    point(tmp_path, packages / "old", packages / "new")
    with rollout_server(tmp_path) as (server, client):
        assert asked(server, "shadow")
        client.predict(ROW)
        assert until(lambda: query(tmp_path / "log.db", "SELECT * FROM shadow_predictions"))
    assert len(query(tmp_path / "log.db", "SELECT * FROM predictions")) == 2


# ---------------------------------------- canary
def test_a_subject_sees_one_model_in_all_workers_and_after_a_restart(packages, tmp_path):
    point(tmp_path, packages / "old", packages / "new", mode="canary", share=0.3, subject="customer_id")
    place = ChallengerLocation(Path(), "2", "canary", 0.3, "customer_id", "1")
    expected = {str(n): "2" if is_chosen(place, n) else "1" for n in range(60)}
    assert 5 < [*expected.values()].count("2") < 30
    for _ in range(2):
        with rollout_server(tmp_path, workers=2) as (server, _):
            assert asked(server, "canary", 2)
            for _ in range(4):  # a connection goes to one worker
                with closing(server.client()) as client:
                    seen = {n: client.predict(ROW | {"customer_id": n})["version"] for n in expected}
                    assert seen == expected
                    response = client.request("POST", "/predict", ROW | {"customer_id": "0"})
                    assert response.headers["x-model-version"] == expected["0"]
    logged = query(tmp_path / "log.db", "SELECT version, count(*) FROM predictions GROUP BY version")
    assert set(dict(logged)) == {"1", "2"} and not query(
        tmp_path / "log.db", "SELECT * FROM shadow_predictions"
    )


def test_rows_of_one_request_are_answered_each_by_the_model_of_its_subject(packages, tmp_path):
    point(tmp_path, packages / "old", packages / "new", mode="canary", share=0.5, subject="customer_id")
    place = ChallengerLocation(Path(), "2", "canary", 0.5, "customer_id", "1")
    with rollout_server(tmp_path) as (server, client):
        assert asked(server, "canary")
        alone = [client.predict(ROW | {"customer_id": n})["probabilities"] for n in range(40)]
        both = client.predict([ROW | {"customer_id": n} for n in range(40)])["predictions"]
        assert [each["probabilities"] for each in both] == alone
        refused = client.request("POST", "/predict", [ROW, ROW | {"weight": "heavy"}])
        assert refused.status == 422 and "row 2" in refused.value["error"]
        log = tmp_path / "log.db"
        assert until(lambda: len(query(log, "SELECT id FROM predictions")) == 80)
        theirs = sum(is_chosen(place, n) for n in range(40))
        counted = dict(query(log, "SELECT version, count(*) FROM predictions GROUP BY version"))
        assert counted == {"1": 2 * (40 - theirs), "2": 2 * theirs}
        for n in range(8):  # of the champion, and it says so, whoever would predict the row
            explained = client.request("POST", "/explain", ROW | {"customer_id": n})
            assert explained.status == 501 or explained.value["version"] == "1", explained
        for path, body in (("/invocations", {"instances": [ROW]}), ("/v2/models/parcels/infer", INFER)):
            assert client.request("POST", path, body).status == 200


def test_callers_are_told_which_predictions_are_explored(packages, tmp_path):
    """Of both models, and by a rule that the training knows, too."""
    point(tmp_path, packages / "old", packages / "new", mode="canary", share=0.5)
    with rollout_server(tmp_path, explore=0.3) as (server, client):
        assert asked(server, "canary")
        told = [client.predict(ROW) for _ in range(60)]
        assert {each["version"] for each in told} == {"1", "2"}
        told += client.predict([ROW] * 60)["predictions"]
        assert all(each["explored"] == is_explored(each["id"], 0.3) for each in told)
        assert 10 < sum(each["explored"] for each in told) < 70


INFER = {
    "inputs": [
        {"name": "weight", "datatype": "FP64", "shape": [1], "data": [20.0]},
        {"name": "distance", "datatype": "FP64", "shape": [1], "data": [400.0]},
        {"name": "service", "datatype": "BYTES", "shape": [1], "data": ["standard"]},
    ]
}

# ---------------------------------------- whatever it does
HABITS = {
    "hangs": "slow|hung", "is too slow": "slow|answered", "raises": "failed", "dies": "ended|unavailable",
    "fills the memory": "ended|unavailable", "is not finite": "failed|answered",
}  # fmt: skip


@pytest.mark.parametrize("mode", ["shadow", "canary"])
@pytest.mark.parametrize("habit", [*HABITS])
def test_nothing_that_a_challenger_does_harms_a_request(habit, mode, packages, tmp_path):
    strange = make_strange(Path(shutil.copytree(packages / "new", tmp_path / "strange")), habit)
    point(tmp_path, packages / "old", strange, mode=mode)
    with rollout_server(tmp_path) as (server, client):
        assert asked(server, mode)
        for _ in range(40):
            response = client.request("POST", "/predict", ROW)
            assert response.status == 200
        assert client.request("POST", "/predict", [ROW] * 3_000).status == 200
        found = partial(re.search, rf'mlkit_challenger_rows_total{{result="({HABITS[habit]})"}} [1-9]')
        assert until(lambda: found(client.request("GET", "/metrics").body.decode()))
        log = tmp_path / "log.db"
        assert until(lambda: len(query(log, "SELECT id FROM predictions")) == 3_040)
        if habit == "is too slow" and mode == "canary":  # many rows may take longer than one
            assert query(log, "SELECT DISTINCT error FROM shadow_predictions") == [("slow",)]
        elif habit not in ("is too slow", "is not finite"):
            assert query(log, "SELECT DISTINCT version FROM predictions") == [("1",)]
            assert until(lambda: query(log, "SELECT id FROM shadow_predictions WHERE error != ''"))
        assert "42 kg" not in server.output and "Traceback" not in server.output
        began = time.monotonic()
    assert time.monotonic() - began < 20  # it ends although the challenger does not


def damaged(package: Path) -> None:
    (package / "schema.json").write_text("{}")


def vanished(package: Path) -> None:
    shutil.rmtree(package)


def of_another_target(package: Path) -> None:
    content = json.loads((package / "problem.json").read_text())
    content["task"]["target"] = "lost"
    (package / "problem.json").write_text(json.dumps(content))
    sign_package(package, {"name": "parcels"})


def of_other_classes(package: Path) -> None:
    content = json.loads((package / "problem.json").read_text())
    content["task"] |= {"classes": ["in time", "late"], "positive": "late"}
    (package / "problem.json").write_text(json.dumps(content))
    sign_package(package, {"name": "parcels"})


def with_another_column(package: Path) -> None:
    table = json.loads((package / "table.json").read_text())
    more = type(PARCEL_TABLE_SPEC)((ColumnSpec("height", "number"),)).to_dict()["columns"]
    table["columns"] += more
    (package / "table.json").write_text(json.dumps(table))
    sign_package(package, {"name": "parcels"})


@pytest.mark.parametrize(
    "harm", [damaged, vanished, of_another_target, of_other_classes, with_another_column]
)
def test_a_challenger_that_cannot_stand_in_is_told_once_and_never_asked(harm, packages, tmp_path):
    strange = Path(shutil.copytree(packages / "new", tmp_path / "strange"))
    harm(strange)
    point(tmp_path, packages / "old", strange, mode="canary")
    with rollout_server(tmp_path) as (server, client):
        assert until(lambda: "version 2 cannot be asked as canary" in server.output)
        assert {client.predict(ROW)["version"] for _ in range(20)} == {"1"}
        time.sleep(3)
        assert server.output.count("cannot be asked") == 1
        counted = client.request("GET", "/metrics").body.decode()
    assert 'mlkit_challenger_rows_total{result="unavailable"} 20.0' in counted


def test_a_full_queue_drops_shadow_rows_and_no_request(packages, tmp_path):
    strange = make_strange(Path(shutil.copytree(packages / "new", tmp_path / "strange")), "hangs")
    point(tmp_path, packages / "old", strange)
    with rollout_server(tmp_path) as (server, client):
        assert asked(server, "shadow")
        for _ in range(5):
            assert client.request("POST", "/predict", [ROW] * 9_000).status == 200
        page = client.request("GET", "/metrics").body.decode()
    dropped = re.search(r'mlkit_challenger_rows_total{result="dropped"} ([\d.e+]+)', page)
    assert dropped and float(dropped[1]) >= 20_000


def test_a_killed_challenger_comes_back(packages, tmp_path):
    point(tmp_path, packages / "old", packages / "new", mode="canary")
    with rollout_server(tmp_path) as (server, client):
        assert asked(server, "canary")
        assert client.predict(ROW)["version"] == "2"
        for child in challengers_of(server):
            child.kill()
        assert until(lambda: client.predict(ROW)["version"] == "1")
        assert asked(server, "canary", 2) and client.predict(ROW)["version"] == "2"
        children = challengers_of(server)
        server.process.kill()
        assert len(children) == 1 and psutil.wait_procs(children, 20)[1] == []


# ---------------------------------------- with the registry
def test_promote_and_rollback_take_effect_within_two_seconds(packages, tmp_path, monkeypatch):
    """`mlkit serve parcels@champion` with two workers follows a rollout, a promotion and a rollback."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        monkeypatch.delenv(name, raising=False)
    for name in ("old", "new"):
        package = Path(shutil.copytree(packages / name, tmp_path / "runs" / name / "model"))
        metrics = {"metric": "roc_auc", "direction": "maximize", "score": 0.8}
        (package / "metrics.json").write_text(json.dumps(metrics))
        sign_package(package, {"name": "parcels"})
        register_package(package, package.parent, "parcels")
    port, words = free_port(), tmp_path / "words"
    command = [sys.executable, "-c", "from mlkit.cli.main import main; main()", "serve", "parcels@champion"]
    environment = {**os.environ, "PYTHONPATH": ROOT}
    with open(words, "wb") as told:
        server = subprocess.Popen(
            [*command, "--port", str(port), "--workers", "2"], stdout=told, stderr=told, env=environment
        )
    clients = [ServerClient(port) for _ in range(6)]
    try:
        assert until(lambda: is_ready(port))

        def versions() -> set[str]:
            return {client.predict(ROW)["version"] for client in clients}

        start_rollout("parcels")
        assert until(lambda: words.read_text().count("version 2 is asked as shadow") == 2)
        start_rollout("parcels", mode="canary", share=1.0)
        assert until(lambda: versions() == {"2"})
        stop_rollout("parcels")
        assert until(lambda: versions() == {"1"})
        took = []
        for move, version in ((promote_version, "2"), (rollback_champion, "1")):
            move("parcels", why="a test")
            began = time.monotonic()
            assert until(lambda wanted=version: versions() == {wanted})
            took.append(time.monotonic() - began)
        assert min(took) < 2 and max(took) < 6, took  # 2 s where the machine is not busy with other things
    finally:
        server.terminate()
        server.wait(30)
        for client in clients:
            client.close()
