"""What the tests of whole runs share: `mlkit run` in a process of its own, and one undisturbed run."""

import hashlib
import io
import json
import os
import pickle
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import joblib
import psutil
import pytest
from hypothesis import settings

from tests.warm import COMMAND, run_mlkit_into
from tools.on_a_copy import copy_project

# A busy machine is no fault of the code; and CI judges a change by the same examples each time.
settings.register_profile("mlkit", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("mlkit")

# A small table, and a search that is as long on every machine, so that runs can be compared.
SMALL = ["-p", "train.models=linear tree", "-p", "train.trials=3", "-p", "train.budget=0",
         "-p", "evaluate.resamples=100", "-p", "evaluate.curve_points=0",
         "-p", "explain.samples=10", "-p", "package.register=false", "-p", "serve.rows=20",
         "-p", "deploy.targets=docker"]  # fmt: skip
STAGES = [
    "problem",
    "collect",
    "validate",
    "prepare",
    "train",
    "evaluate",
    "explain",
    "package",
    "score",
    "serve",
    "deploy",
    "monitor",
    "protect",
    "improve",
    "automate",
    "collaborate",
]
# they tell when, how quickly, and of which run and version
TIMED = ("package.json", "scoring.json", "serving_benchmark.json", "review.md", "collaborate.json")


class Lifecycle:
    """A run folder, and what a person does with it from outside."""

    def __init__(self, folder: Path, project: Path, data: str = "example:wine", target: str | None = None):
        self.folder, self.project, self.mark = folder, project, uuid.uuid4().hex
        self.asked = ["--data", data, *(["--target", target] if target else []), "--out", str(folder), *SMALL]
        self.artifacts = folder / "artifacts"

    # ------------------------------------ processes
    @property
    def environment(self) -> dict[str, str]:
        own = {"PYTHONPATH": str(self.project), "MLKIT_TEST": self.mark, "MLFLOW_DISABLE_TELEMETRY": "true"}
        return {**os.environ, **own}

    def start(self, *arguments: str, command: list[str] | None = None) -> subprocess.Popen:
        """`mlkit run`, or another command, in a process of its own, going on beside the test. Its words go into
        files: a pipe would stay open for as long as anything that it started lives."""
        with self.files_of_words() as (out, err):
            whole = command or [*COMMAND, "run", *self.asked, *arguments]
            place = self.folder.parent
            return subprocess.Popen(whole, cwd=place, env=self.environment, stdout=out, stderr=err)

    @contextmanager
    def files_of_words(self) -> Iterator[list[BinaryIO]]:
        with ExitStack() as files:
            yield [
                files.enter_context(open(self.folder.with_name(f"{self.folder.name}.{end}"), "wb"))
                for end in ("out", "err")
            ]

    @property
    def out(self) -> str:
        return self.folder.with_name(f"{self.folder.name}.out").read_text(encoding="utf-8")

    @property
    def err(self) -> str:
        return self.folder.with_name(f"{self.folder.name}.err").read_text(encoding="utf-8")

    def run(self, *arguments: str, expect: int = 0, command: list[str] | None = None) -> list[str]:
        """`mlkit run` to its end, in a fork; or another command. The stages that ran, in their order."""
        before = self.attempts()
        if command:
            code = self.start(command=command).wait(timeout=600)
        else:
            with self.files_of_words() as (out, err):
                whole, place = ["run", *self.asked, *arguments], self.folder.parent
                code = run_mlkit_into(out.fileno(), err.fileno(), whole, place, self.environment)
        assert code == expect, f"exit {code}, not {expect}:\n{self.out}\n{self.err}"
        after = self.attempts()
        return [stage for stage in STAGES if after.get(stage) != before.get(stage)]

    def processes(self) -> list[psutil.Process]:
        """Everything alive that was started from here, orphans too."""
        found = []
        for process in psutil.process_iter():
            try:
                mine = process.environ().get("MLKIT_TEST") == self.mark
                if mine and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except (psutil.Error, OSError):
                continue
        return found

    # ------------------------------------ the folder
    def journal(self) -> dict[str, Any]:
        try:
            return json.loads((self.folder / "run.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {"stages": {}, "artifacts": {}}

    def attempts(self) -> dict[str, str]:
        return {stage: record.get("attempt", "") for stage, record in self.journal()["stages"].items()}

    def done(self) -> dict[str, str]:
        """The attempt of each stage that is done."""
        stages = self.journal()["stages"].items()
        return {stage: record["attempt"] for stage, record in stages if record["state"] == "done"}

    def load(self, name: str) -> Any:
        return json.loads((self.artifacts / f"{name}.json").read_text(encoding="utf-8"))

    def content(self) -> dict[str, str]:
        """What the run has made, by file: what can be compared with another run."""
        lasting = (path for path in sorted(self.artifacts.iterdir()) if path.name not in TIMED)
        return {path.name: fingerprint(path) for path in lasting}


# They take minutes, and go first, so that no process waits for the last of them at the end.
LONGEST = ["retraining/test_loop.py", "retraining/test_improve.py", "pipeline/test_resume.py",
           "pipeline/test_engines.py", "template/test_new.py", "automation/test_dvc.py", "monitoring/test_monitor.py",
           "privacy/test_encrypted_run.py", "pipeline/test_bad_input.py", "pipeline/test_own_code.py",
           "pipeline/test_repeatable.py", "stages/test_train.py", "privacy/test_erase.py"]  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    tests = Path(__file__).parent
    place = {tests / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path, len(place)))


def fingerprint(path: Path) -> str:
    """Of a file's bytes. In the table of trials, seconds do not count; in a model, it does not count which
    of its equal parts are one object."""
    if path.suffix == ".joblib":
        content = io.BytesIO()
        pickler = pickle._Pickler(content)  # type: ignore[attr-defined]
        pickler.fast = True  # each part is written anew wherever it stands
        pickler.dump(joblib.load(path))
        return hashlib.sha256(content.getvalue()).hexdigest()
    if path.name != "trials.parquet":
        return hashlib.sha256(path.read_bytes()).hexdigest()
    import pandas as pd

    return pd.read_parquet(path).drop(columns="seconds").to_json()


def tool(name: str) -> str:
    """A command of this environment, or of the machine."""
    found = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if not found:
        pytest.skip(f"{name} is not here: what it would have read was not checked")
    return found


def checked(*command: str, **more: Any) -> str:
    """What a command prints, which has to end well."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, **more)
    assert done.returncode == 0, f"{command[0]}:\n{done.stdout}{done.stderr}"
    return done.stdout


def until(happened: Callable[[], Any], seconds: float = 60, pause: float = 0.002) -> bool:
    """Wait for something, and look every `pause` seconds; False when it did not happen in time."""
    end = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True


@pytest.fixture(scope="session")
def project(tmp_path_factory) -> Path:
    """A copy of the project, so that nothing that is edited meanwhile disturbs the runs."""
    return copy_project(tmp_path_factory.mktemp("project") / "project")


@pytest.fixture(scope="session")
def undisturbed(project, tmp_path_factory) -> Iterator[Lifecycle]:
    """A finished run. To be read, or copied; never to be changed."""
    life = Lifecycle(tmp_path_factory.mktemp("runs") / "undisturbed", project)
    assert life.run() == STAGES
    yield life


@pytest.fixture(scope="session", autouse=True)
def own_home(tmp_path_factory) -> Iterator[Path]:
    """Keys and fetched packages of the tests stay out of the user's folders."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
            patch.setenv(name, str(home / name))
        yield home


@pytest.fixture(scope="module")
def own_key(tmp_path_factory) -> Iterator[Path]:
    """A signing key of the tests' own, and not the user's; for servers that they start, too."""
    from mlkit.inference.signing import make_signing_key

    key = tmp_path_factory.mktemp("signing") / "signing.key"
    make_signing_key(key)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLKIT_SIGNING_KEY", str(key))
        patch.setenv(
            "MLKIT_AUDIT_LOG", str(key.with_name("audit.jsonl"))
        )  # what another key has signed stays whole
        patch.delenv("MLKIT_PUBLIC_KEY", raising=False)
        yield key


@pytest.fixture(scope="module")
def parcels(own_key, tmp_path_factory) -> Path:
    """A package. To be served; never to be changed."""
    from mlkit.inference.example_package import make_parcel_package

    return make_parcel_package(tmp_path_factory.mktemp("packages") / "parcels")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A server, started once."""
    from tests.postgres import running_postgres

    with running_postgres() as address:
        yield address


@pytest.fixture(scope="module")
def postgres(postgres_server) -> str:
    """The address of an empty database for the tests of a module."""
    from tests.postgres import new_database

    return new_database(postgres_server)


@pytest.fixture(scope="session")
def package(own_home, tmp_path_factory) -> Path:
    """The package of a small model of the running example."""
    from mlkit import fit
    from mlkit.data.schema_inference import infer_schema
    from mlkit.models.calibration import finalise_model
    from mlkit.monitoring.sketch import make_reference
    from mlkit.packaging.package_writer import write_package
    from mlkit.packaging.parity import export_and_check
    from mlkit.packaging.provenance import manifest_facts
    from mlkit.sources.examples import make_customers

    rows, data = make_customers(1_500, seed=0), {"data_hash": "0" * 64, "rows": 1_500}
    model = finalise_model(fit(rows, "churned", budget=0, trials=3, models="linear boosting"))
    proof, folder = export_and_check(model, rows, rows.head(0)), tmp_path_factory.mktemp("package") / "model"
    facts = manifest_facts("customers", model, model.metrics, data, proof, None)
    schema = infer_schema(model.table, rows)
    reference = make_reference(model, rows, make_customers(1_500, seed=1)).to_dict()
    card = {"card.md": "# Customers"}
    write_package(folder, model, rows, proof, schema, model.metrics, card, facts, reference=reference)
    return folder


@pytest.fixture(scope="module")
def store() -> Iterator[Any]:
    """An object store on this machine, with a bucket `sales`: its client."""
    pytest.importorskip("moto.server")
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "test",
                            "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1",
                            "AWS_EC2_METADATA_DISABLED": "true"}.items():  # fmt: skip
            patch.setenv(name, value)
        client = boto3.client("s3", endpoint_url=f"http://{host}:{port}")
        client.create_bucket(Bucket="sales")
        yield client
    server.stop()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A Dask cluster of two processes on this machine."""
    distributed = pytest.importorskip("distributed", reason="no Dask: the cluster was not tried")
    place = str(Path(__file__).parents[1])
    made = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, env={"PYTHONPATH": place}
    )
    yield made
    made.close()
