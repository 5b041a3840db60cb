"""Versions under a name, the label that says which is in use, and the way to it and back."""

import json
import logging
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from urllib.error import URLError
from urllib.request import urlopen

import numpy as np
import onnx
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from mlkit.core.errors import DataError, MLKitError, PackageError, RunError, SettingsError
from mlkit.core.files import file_digest
from mlkit.core.run_folder import read_journal
from mlkit.data.column_spec import ColumnSpec
from mlkit.data.schema import Rule, Schema
from mlkit.data.table_spec import TableSpec
from mlkit.inference.predictor import load_predictor
from mlkit.inference.signing import make_signing_key, sign_package, verify_package
from mlkit.registry import client as registry_client
from mlkit.registry import fetching
from mlkit.registry.client import AliasChange, champion_lineage, champion_terms
from mlkit.registry.fetching import ModelReference, fetch_package, find_package, follow_alias, write_pointer
from mlkit.registry.history import load_history
from mlkit.registry.mlflow_flavor import make_example_rows
from mlkit.registry.model_versions import promote_version, register_package, rollback_champion
from mlkit.registry.rollout import read_rollout, start_rollout, stop_rollout
from mlkit.registry.tracking import make_mlflow_client
from mlkit.task.problem import Problem
from mlkit.task.task_inference import complete_task

AGE, PLAN = ColumnSpec("age", "number"), ColumnSpec("plan", "category", categories=("basic", "pro"))
TABLE = TableSpec((AGE, PLAN, ColumnSpec("joined", "date", use=False, unused_reason="not needed")))
SCHEMA = Schema(
    {"age": Rule("number", low=18, high=98), "plan": Rule("category", categories=("basic", "pro"))}
)
RAW = pd.DataFrame({"age": [20, 60, 95], "plan": ["pro", "basic", "pro"]})


def graph(bias: float) -> onnx.ModelProto:
    """1 / (1 + exp(-(age / 50 + bias))), whatever the plan is."""
    make = helper.make_node
    nodes = [
        make("Gemm", ["numbers", "w", "b"], ["z"]),
        make("Sigmoid", ["z"], ["yes"]),
        make("Sub", ["one", "yes"], ["no"]),
        make("Concat", ["no", "yes"], ["output"], axis=1),
    ]
    held = [onnx.numpy_helper.from_array(np.array(value, "float32"), name)
            for name, value in {"w": [[0.02]], "b": [bias], "one": [1.0]}.items()]  # fmt: skip
    ends = [helper.make_tensor_value_info("numbers", TensorProto.FLOAT, [None, 1]),
            helper.make_tensor_value_info("words", TensorProto.STRING, [None, 1]),
            helper.make_tensor_value_info("output", TensorProto.FLOAT, [None, 2])]  # fmt: skip
    whole = helper.make_graph(nodes, "tiny", ends[:2], ends[2:], held)
    return helper.make_model(whole, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def written(path: Path) -> tuple[int, int]:
    """Which file it is, and when it was written; when it was read is no matter."""
    return path.stat().st_ino, path.stat().st_mtime_ns


def make_package(folder: Path, score: float = 0.8, bias: float = -1.0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    task = complete_task(Problem(target="churned", positive="yes"), "binary", {"no": 70, "yes": 30}, "")
    said = {
        "table": TABLE.to_dict(), "schema": SCHEMA.to_dict(),
        "problem": {"task": task.to_dict(), "threshold": 0.5, "personal": []},
        "metrics": {"metric": "roc_auc", "direction": "maximize", "score": score, "interval": [0.7, 0.9]},
    }  # fmt: skip
    for name, value in said.items():
        (folder / f"{name}.json").write_text(json.dumps(value))
    onnx.save(graph(bias), folder / "model.onnx")
    facts = {
        "name": "customers", "git": {"commit": "c" * 40, "dirty": True}, "model": {"family": "linear"},
        "data": {"hash": "d" * 64, "rows": 100}, "packages": {"numpy": np.__version__}}  # fmt: skip
    sign_package(folder, facts)
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Iterator[Path]:
    """A project with a registry of its own; whoever stands in it finds it."""
    home, before = tmp_path_factory.mktemp("home"), os.getcwd()
    make_signing_key(home / "signing.key")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLKIT_SIGNING_KEY", str(home / "signing.key"))
        patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        patch.setenv("HOME", str(home))
        for name in ("MLKIT_PUBLIC_KEY", "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
            patch.delenv(name, raising=False)
        patch.chdir(home)
        yield home
    os.chdir(before)


@pytest.fixture(autouse=True)
def _at_home(home):
    os.chdir(home)


@pytest.fixture
def name(request) -> str:
    """A model of its own for each test."""
    return request.node.originalname[5:45].strip("_")


@pytest.fixture(scope="module")
def packages(home) -> list[Path]:
    """Three packages, each in a run of its own. Never to be changed."""
    days = enumerate(("monday", "tuesday", "wednesday"))
    return [make_package(home / "runs" / day / "model", 0.8 + at / 100, -1 - at) for at, day in days]


@pytest.fixture
def registered(packages, name) -> list[str]:
    """Three versions, the first one champion, the last one challenger."""
    return [register_package(package, package.parent, name) for package in packages]


@pytest.fixture
def nothing_fetched(tmp_path, monkeypatch) -> None:
    """A machine that has fetched no package yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def client():
    return make_mlflow_client(Path("runs", "any"))


def store_of(name: str, version: str) -> Path:
    """Where MLflow keeps the package of a version."""
    return Path(client().get_model_version(name, version).source.removeprefix("file://")) / "data" / "model"


# ---------------------------------------- register
def test_the_first_version_is_champion_and_the_next_ones_challenge(registered, name):
    told = load_history(name)
    assert registered == ["1", "2", "3"]
    assert [(each.number, each.aliases) for each in told.versions] == [
        ("3", ("challenger",)), ("2", ()), ("1", ("champion",))]  # fmt: skip


def test_the_same_package_again_is_the_same_version(registered, name, packages):
    assert register_package(packages[1], packages[1].parent, name) == "2"
    assert len(load_history(name).versions) == 3
    assert (
        load_history(name).version_with_alias("challenger").number == "2"
    )  # the last one that was asked for


def test_a_version_tells_where_it_comes_from(registered, name, packages, home):
    entry, package = client().get_model_version(name, "2"), packages[1]
    assert entry.run_id == read_journal(package.parent)["mlflow"]["run_id"]
    assert entry.tags == {
        "metric": "roc_auc", "direction": "maximize", "score": "0.81", "low": "0.7", "high": "0.9",
        "data": "d" * 64, "commit": "c" * 40 + "+", "run": package.parent.name, "rows": "100",
        "family": "linear", "target": "churned",
        "manifest": file_digest(package / "manifest.json"), "created": verify_package(package)["created"]}  # fmt: skip
    assert str(home) not in json.dumps([entry.tags, entry.description])


def test_the_registry_is_beside_the_run_wherever_one_stands(home, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    package = make_package(home / "runs" / name / "model")
    assert register_package(package, package.parent, name) == "1"
    assert list(tmp_path.iterdir()) == []
    monkeypatch.chdir(home)
    assert verify_package(find_package(f"{name}@champion")) == verify_package(package)


@pytest.mark.parametrize("wrong", ["", " a", "a ", "a/b", "a:b", "a@b", "it's", "..", "a\nb"])
def test_a_name_that_could_not_be_written_later_is_refused(home, tmp_path, wrong):
    with pytest.raises(SettingsError, match="a model's name has letters"):
        register_package(tmp_path, tmp_path, wrong)


def test_a_damaged_package_is_not_registered(home, name):
    package = make_package(home / "runs" / name / "model")
    (package / "table.json").write_text("{}")
    with pytest.raises(PackageError, match="'table.json' is not what was signed"):
        register_package(package, package.parent, name)
    with pytest.raises(PackageError, match="no model .* is registered"):
        load_history(name)


# ---------------------------------------- the MLflow model
def test_mlflow_itself_loads_and_asks_it(registered, name, monkeypatch):
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", client().tracking_uri)
    monkeypatch.setattr(sys, "path", [*sys.path])  # MLflow puts the model's own copy of mlkit's code in front
    model = mlflow.pyfunc.load_model(f"models:/{name}@champion")
    expected = load_predictor(find_package(f"{name}@champion")).predict(RAW)
    as_text = RAW.astype(str).assign(more="x")
    for frame in (RAW, as_text, RAW.astype(object), RAW.astype({"age": "float64"}), RAW[["plan", "age"]]):
        answers = model.predict(frame)
        assert list(answers) == ["prediction", "probability.no", "probability.yes"]
        assert np.allclose(answers[["probability.no", "probability.yes"]], expected)
        assert list(answers["prediction"]) == ["no", "yes", "yes"]
    assert len(model.predict(RAW[["plan"]])) == 3  # a column that is not there is empty
    with pytest.raises(DataError, match="row 2: 'age' should be a number") as refused:
        model.predict(RAW.assign(age=["30", "secret", "40"]))
    assert "secret" not in str(refused.value)


def test_signature_and_example_tell_of_columns_and_of_nobody(registered, name):
    from mlflow.models import Model

    folder = store_of(name, "1").parents[1]
    described = Model.load(folder)
    assert described.signature.inputs.input_names() == ["age", "plan"]
    assert described.signature.inputs.required_input_names() == []
    example = described.load_input_example(str(folder))
    assert example.to_dict("records") == make_example_rows(TABLE, SCHEMA)
    assert all(18 < age < 98 for age in example["age"]) and {*example["plan"]} == {"basic", "pro"}
    assert f"numpy=={np.__version__}" in (folder / "requirements.txt").read_text()


def test_the_stock_command_predicts(registered, name, tmp_path):
    RAW.to_csv(tmp_path / "rows", index=False)
    command = [
        sys.executable, "-m", "mlflow", "models", "predict", "-m", str(store_of(name, "1").parents[1]),
        "-i", str(tmp_path / "rows"), "-o", str(tmp_path / "answers"), "-t", "csv", "--env-manager", "local",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": ROOT})
    assert done.returncode == 0, done.stderr[-2000:]
    answers = json.loads((tmp_path / "answers").read_text())["predictions"]
    assert [answer["prediction"] for answer in answers] == ["no", "yes", "yes"]


ROOT = str(Path(__file__).parents[2])


# ---------------------------------------- promote, roll back, history
def test_the_challenger_becomes_champion_and_is_no_challenger_any_more(registered, name):
    done = promote_version(name)
    assert (done.version, done.previous_version) == ("3", "1")
    told = load_history(name)
    assert told.champion.number == "3" and told.version_with_alias("challenger") is None
    assert "a better score (0.820 against 0.800)" in str(done) and f"mlkit rollback {name}" in str(done)


def test_promoting_the_champion_changes_nothing(registered, name):
    before = load_history(name)
    assert "is the champion already" in str(promote_version(name, "1"))
    assert load_history(name) == before


def test_one_goes_back_step_by_step_and_not_in_circles(registered, name):
    for version in ("2", "3"):
        promote_version(name, version)
    assert [rollback_champion(name).version for _ in range(2)] == ["2", "1"]
    with pytest.raises(PackageError, match="had no champion before version 1; choose another: mlkit promote"):
        rollback_champion(name)
    assert [len(each.champion_terms) for each in load_history(name).versions] == [1, 2, 2]


def test_a_version_that_was_deleted_is_stepped_over(registered, name):
    for version in ("2", "3"):
        promote_version(name, version)
    client().delete_model_version(name, "2")
    assert rollback_champion(name).version == "1"


def test_an_alias_that_was_moved_elsewhere_is_part_of_the_history(registered, name):
    client().set_registered_model_alias(name, "champion", "2")  # in MLflow's pages, or by a killed process
    promote_version(name, "3")
    assert rollback_champion(name).version == "2"
    client().set_registered_model_alias(name, "champion", "3")
    assert rollback_champion(name).version == "2"


def test_a_model_without_champion_can_be_given_one(registered, name):
    client().delete_registered_model_alias(name, "champion")
    with pytest.raises(PackageError, match="has no champion; choose one"):
        rollback_champion(name)
    assert "no champion" in str(load_history(name))
    assert promote_version(name, "2").previous_version == "" and load_history(name).champion.number == "2"


def test_of_those_who_promote_at_once_each_one_wins_or_is_told(registered, name):
    wanted = ["2", "3", "2", "3"]

    def promote(version: str) -> str:
        try:
            return promote_version(name, version).version
        except PackageError as error:
            assert "was not put in use: its champion is version" in str(error)
            return ""

    with ThreadPoolExecutor(4) as people:
        won = {*people.map(promote, wanted)} - {""}
    told = load_history(name)
    line = champion_lineage(moves_of(name))
    assert told.champion.number == line[-1] and {*line} == {"1"} | won
    assert told.champion.champion_terms[-1][1] == ""  # still


def moves_of(name: str) -> list[AliasChange]:
    return registry_client.alias_changes(client().get_registered_model(name))


STEPS = st.lists(st.tuples(st.sampled_from(["promote", "rollback"]), st.integers(1, 4)), max_size=30)


@given(STEPS)
def test_the_line_of_champions_is_what_one_would_keep_on_paper(steps):
    paper: list[str] = []
    moves: list[AliasChange] = []
    for turn, (what, version) in enumerate(steps):
        if what == "rollback" and len(paper) < 2:
            continue
        if what == "rollback":
            paper.pop()
        elif paper[-1:] != [str(version)]:
            paper.append(str(version))
        moves.append(AliasChange(f"{turn:03}", what, paper[-1]))
        assert champion_lineage(moves) == paper
    terms = champion_terms(moves)
    assert [since for _, since, _ in terms[1:]] == [until for _, _, until in terms[:-1]]
    assert not terms or (terms[-1][0], terms[-1][2]) == (paper[-1], "")


def test_the_history_is_for_people(registered, name):
    promote_version(name, "2")
    text = str(load_history(name))
    assert f"{name}: 3 versions; version 2 is the champion since" in text
    assert "0.820 (0.700 to 0.900)" in text and "dddddddd" in text and "ccccccc+" in text
    assert "Version 3 is the challenger, with a better score (0.820 against 0.810); to put it in use" in text
    assert all(len(line) < 150 for line in text.splitlines())


# ---------------------------------------- find
def test_a_package_is_found_by_each_of_its_names(registered, name, packages):
    run = packages[0].parent
    assert find_package(run) == find_package(run / "model") == run / "model"
    fetched = {find_package(f"{place}{name}@champion") for place in ("", "models:/")}
    assert fetched == {find_package(f"models:/{name}/1")} and verify_package(fetched.pop()) == verify_package(
        run / "model"
    )


@pytest.mark.usefixtures("nothing_fetched")
def test_what_was_fetched_is_not_fetched_again_unless_it_is_damaged(registered, name):
    place, version = fetch_package(ModelReference(name, "2"))
    before = written(place / "table.json")
    assert (
        fetch_package(ModelReference(name, "2")) == (place, "2") and written(place / "table.json") == before
    )
    (place / "table.json").write_text("{}")
    assert fetch_package(ModelReference(name, "2")) == (place, "2") and verify_package(place)
    assert [path.name for path in place.parent.iterdir() if path.name.startswith(".")] == []


@pytest.mark.usefixtures("nothing_fetched")
def test_several_who_fetch_at_once_get_the_same(registered, name):
    with ThreadPoolExecutor(4) as people:
        found = set(people.map(lambda _: find_package(f"{name}@challenger"), range(4)))
    assert len(found) == 1 and verify_package(found.pop())


@pytest.mark.usefixtures("nothing_fetched")
def test_a_package_that_was_changed_in_the_store_is_refused(registered, name):
    (store_of(name, "3") / "model.onnx").write_bytes(b"something else")
    with pytest.raises(PackageError, match="'model.onnx' is not what was signed"):
        find_package(f"{name}@challenger")


@pytest.mark.usefixtures("nothing_fetched")
def test_another_package_in_the_place_of_the_registered_one_is_refused(registered, name):
    from shutil import copytree, rmtree

    rmtree(store_of(name, "3"))
    copytree(store_of(name, "1"), store_of(name, "3"))
    with pytest.raises(PackageError, match="version 3 .* holds another package than was registered"):
        find_package(f"{name}@challenger")


def test_a_version_that_mlkit_has_not_made_is_not_opened(registered, name):
    run_id = client().get_model_version(name, "1").run_id
    client().create_model_version(name, "runs:/anything/model", run_id)
    client().create_model_version(name, "runs:/anything/model", run_id, {"manifest": "../../../etc"})
    for version in ("4", "5"):
        with pytest.raises(PackageError, match=f"version {version} .* was not made by mlkit"):
            find_package(f"models:/{name}/{version}")
    assert len(load_history(name).versions) == 5 and "4" in str(load_history(name))


def test_what_is_not_there_is_told_with_what_is(registered, name, home, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    for wrong, told in {
        f"{name}@chalenger": "did you mean 'challenger'?; it has version 1, 2, 3 and alias challenger, ch",
        f"models:/{name}/9": "has no version 9",
        f"{name}x@champion": f"did you mean '{name}'?",
        "models:/customers": "names no version; write models:/NAME@champion or models:/NAME/1",
        "mondey": "did you mean 'runs/monday'?",
        "nothing-like-it": "a registered model is named with its alias: NAME@champion",
        "runs/tuseday": "did you mean 'tuesday'?",
        str(tmp_path / "empty"): "is no package (it has no manifest.json)",
        str(tmp_path / "file"): "is a file; name the folder",
    }.items():
        with pytest.raises(PackageError) as refused:
            find_package(wrong)
        assert told in str(refused.value) and "\n" not in str(refused.value)


def test_a_run_without_package_is_told_how_to_get_one(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(PackageError, match="has no package yet; mlkit run --out"):
        find_package(tmp_path)


def test_where_there_is_no_registry_none_is_begun(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for ask in (
        load_history,
        promote_version,
        rollback_champion,
        lambda name: find_package(f"{name}@champion"),
    ):
        with pytest.raises(RunError, match="there is no registry in this folder"):
            ask("customers")
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_not_there_is_one_line(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ada:secret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(RunError) as refused:
        load_history("customers")
    assert "secret" not in str(refused.value) and "\n" not in str(refused.value)


# ---------------------------------------- follow
def pointer(folder: Path) -> dict:
    return json.loads((folder / "current.json").read_text())


def points_to(folder: Path, version: str) -> bool:
    """Whether the pointer names this version, and a package that is right."""
    there = (folder / "current.json").exists() and pointer(folder)["version"] == version
    return there and bool(verify_package(Path(pointer(folder)["folder"])))


@contextmanager
def following(registered: ModelReference, folder: Path) -> Iterator[None]:
    """A follower that looks twenty times a second, as long as the block lasts."""
    stop = Event()
    follower = Thread(target=follow_alias, args=(registered, folder, 0.05, stop))
    follower.start()
    try:
        yield
    finally:
        stop.set()
        follower.join()


def until(happened, seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while not happened() and time.monotonic() < end:
        time.sleep(0.02)
    return happened()


def test_the_pointer_of_a_server_follows_the_champion(registered, name, tmp_path):
    with following(ModelReference(name, "champion"), tmp_path):
        assert until(lambda: points_to(tmp_path, "1"))
        promote_version(name)
        assert until(lambda: points_to(tmp_path, "3"))
        rollback_champion(name)
        assert until(lambda: points_to(tmp_path, "1"))
    assert [path.name for path in tmp_path.iterdir()] == ["current.json"]


def test_a_pointer_is_written_only_when_something_moved(registered, name, tmp_path):
    assert write_pointer(ModelReference(name, "champion"), tmp_path / "server")
    before = written(tmp_path / "server" / "current.json")
    assert not write_pointer(ModelReference(name, "champion"), tmp_path / "server")
    assert written(tmp_path / "server" / "current.json") == before


@pytest.mark.usefixtures("nothing_fetched")
def test_what_cannot_be_trusted_changes_nothing_and_is_told_once(registered, name, tmp_path, caplog):
    write_pointer(ModelReference(name, "champion"), tmp_path)
    before = pointer(tmp_path)
    (store_of(name, "2") / "schema.json").write_text("{}")
    promote_version(name, "2")
    with caplog.at_level(logging.INFO, "mlkit"), following(ModelReference(name, "champion"), tmp_path):
        assert until(lambda: "schema.json" in caplog.text)
        time.sleep(0.5)
        assert pointer(tmp_path) == before
        rollback_champion(name)
        promote_version(name, "3")
        assert until(lambda: points_to(tmp_path, "3"))
    assert caplog.text.count("schema.json") == 1 and "the active model stays" in caplog.text


def test_a_follower_outlives_whatever_happens(registered, name, tmp_path, monkeypatch, caplog):
    def trouble(*_):
        raise ValueError("https://ada:secret@shop.example is gone\nand more")

    monkeypatch.setattr(fetching, "write_pointer", trouble)
    with following(ModelReference(name, "champion"), tmp_path):
        assert until(lambda: "//shop.example is gone; the active model stays" in caplog.text)
        monkeypatch.undo()
        assert until(lambda: points_to(tmp_path, "1"))
    assert "secret" not in caplog.text


# ---------------------------------------- a server of MLflow
@pytest.fixture(scope="module")
def server(home) -> Iterator[str]:
    """`mlflow server`, over a store of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = home / "server"
    folder.mkdir()
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port),
        "--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination", str(folder / "artifacts"),
    ]  # fmt: skip
    lean = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # eight processes that nobody needs
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, env=lean, start_new_session=True
        )

    def answers() -> bool:
        try:
            return urlopen(f"http://127.0.0.1:{port}/health", timeout=1).status == 200
        except (URLError, OSError):
            return False

    try:
        assert until(answers, 180), (folder / "log").read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, 15)
        process.wait(20)


def test_a_team_shares_a_registry_over_http(server, packages, name, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    for package in packages[:2]:
        register_package(package, package.parent, name)
    monkeypatch.chdir(tmp_path)  # somebody else, somewhere else
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert verify_package(find_package(f"{name}@champion")) == verify_package(packages[0])
    assert promote_version(name).version == "2" and write_pointer(
        ModelReference(name, "champion"), tmp_path / "server"
    )
    assert pointer(tmp_path / "server")["version"] == "2"
    assert rollback_champion(name).version == "1" and load_history(name).champion.number == "1"
    with pytest.raises(MLKitError, match=f"no model 'nobody' is registered; there are {name}"):
        load_history("nobody")


# ---------------------------------------- who, when, why, and from which data
def test_the_history_says_who_moved_the_champion_why_and_from_which_data(registered, name, monkeypatch):
    monkeypatch.setenv("MLKIT_USER", "mina")
    promote_version(name, "2", why="better on\n900 rows", data="e" * 64)
    rollback_champion(name, why="complaints")
    moves = load_history(name).moves
    assert [(each.action, each.version, each.who, each.why) for each in moves[1:]] == [
        ("promote", "2", "mina", "better on 900 rows"), ("rollback", "1", "mina", "complaints")]  # fmt: skip
    assert [each.data[:1] for each in moves] == ["d", "e", "d"]
    text = str(load_history(name))
    assert re.search(r"promote version 2 +mina +eeeeeeee +better on 900 rows", text)


def test_moves_that_earlier_releases_wrote_down_stay_readable(registered, name):
    client().set_registered_model_tag(name, "champion.20200101T000000000000.aa", "promote 3")
    client().set_registered_model_tag(name, "champion.20200102T000000000000.ab", "promote 2 by hand {")
    first, second = load_history(name).moves[:2]
    assert first == AliasChange("2020-01-01T00:00:00.000000", "promote", "3")
    assert second.why == "by hand {" and "promote version 3" in str(load_history(name))


# ---------------------------------------- a rollout
def pointer_of(name: str, folder: Path) -> dict:
    write_pointer(ModelReference(name, "champion"), folder)
    return json.loads((folder / "current.json").read_text())


def test_a_rollout_stands_in_the_pointer_until_the_champion_changes(registered, name, tmp_path):
    assert "challenger" not in pointer_of(name, tmp_path)
    started = start_rollout(name, mode="canary", share=0.1, subject="customer_id")
    assert read_rollout(name) == started and started.champion == "1" and "canary" in str(load_history(name))
    told = pointer_of(name, tmp_path)["challenger"]
    assert told.pop("folder") == str(find_package(f"{name}@challenger"))
    assert told == {"version": "3", "mode": "canary", "share": 0.1, "subject": "customer_id"}
    assert not write_pointer(ModelReference(name, "champion"), tmp_path)
    write_pointer(ModelReference(name, "challenger"), tmp_path / "other")
    assert "challenger" not in json.loads((tmp_path / "other" / "current.json").read_text())
    promote_version(name)
    told = pointer_of(name, tmp_path)
    assert told["version"] == "3" and "challenger" not in told and read_rollout(name) is None


@pytest.mark.parametrize("how", ["rolled back", "moved in MLflow", "stopped"])
def test_however_it_ends_nothing_of_it_stays(how, registered, name, tmp_path):
    promote_version(name, "2")
    start_rollout(name, "3")
    if how == "rolled back":
        rollback_champion(name)
    elif how == "moved in MLflow":
        client().set_registered_model_alias(name, "champion", "1")
    else:
        assert stop_rollout(name).version == "3" and stop_rollout(name) is None
    assert read_rollout(name) is None and "challenger" not in pointer_of(name, tmp_path)


def test_a_challenger_that_cannot_be_fetched_does_not_keep_the_champion(
    registered, name, tmp_path, nothing_fetched, caplog
):
    broken = store_of(name, "3") / "table.json"
    before = broken.read_bytes()
    try:
        broken.write_text("{}")
        start_rollout(name)
        assert pointer_of(name, tmp_path)["challenger"]["version"] == "3"
        pointer_of(name, tmp_path)
        assert caplog.text.count("the challenger cannot be asked") == 1
        promote_version(name, "2")
        assert pointer_of(name, tmp_path)["version"] == "2"
    finally:
        broken.write_bytes(before)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"version": "1"}, "is the champion"),
        ({"version": "9"}, "has no version 9"), ({"version": "new"}, "no alias 'new'"),
        ({"share": 0.0}, "share = 0 is out of range"), ({"share": float("nan")}, "share = nan"),
        ({"mode": "blue"}, "shadow or canary"),
    ],
)  # fmt: skip
def test_a_rollout_that_cannot_be_is_refused_in_a_line(registered, name, wrong, message):
    with pytest.raises(MLKitError, match=message) as error:
        start_rollout(name, **wrong)
    assert "\n" not in str(error.value) and read_rollout(name) is None


def test_the_reason_is_an_option(registered, name, home):
    command = [sys.executable, "-c", "from mlkit.cli.main import main; main()"]
    environment = {**os.environ, "PYTHONPATH": ROOT, "MLKIT_USER": "ken"}
    for words in (["promote", name, "2", "--why", "asked for"], ["rollback", name, "--why", "a mistake"]):
        subprocess.run([*command, *words], check=True, env=environment, capture_output=True)
    told = subprocess.run(
        [*command, "history", name], check=True, env=environment, capture_output=True, text=True
    ).stdout
    assert re.search("rollback version 1 +ken .* a mistake", told) and re.search(
        "promote version 2 +ken .* asked for", told
    )
