"""`mlkit dvc`: DVC itself runs the pipeline that is written for it, and says the same as `mlkit run`."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlkit.automation.dvc_pipeline import make_pipeline, read_parameters
from mlkit.core.errors import RunError, SettingsError
from mlkit.sources.examples import make_customers
from tests.conftest import COMMAND, SMALL, tool

RUN = "runs/small"
MADE = ["--data", "table.csv", "--target", "churned", "--to", "evaluate", *SMALL]


class Desk:
    """A project with Git and DVC, in which commands are typed."""

    def __init__(self, folder: Path):
        self.folder = folder
        program = folder / "bin" / "mlkit"
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c '{COMMAND[2]}' \"$@\"\n")
        program.chmod(0o755)
        places = [str(program.parent), str(Path(sys.executable).parent), os.environ["PATH"]]
        self.environment = {
            **os.environ, "PATH": os.pathsep.join(places),
            "PYTHONPATH": str(Path(__file__).parents[2]), "DVC_NO_ANALYTICS": "1", "MLFLOW_DISABLE_TELEMETRY": "true",
        }  # fmt: skip

    def __call__(self, *words: str, expect: int = 0, more: dict[str, str] | None = None) -> str:
        done = subprocess.run(
            words,
            cwd=self.folder,
            env=self.environment | (more or {}),
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == expect, f"{words}: {done.stdout[-2_000:]}{done.stderr[-2_000:]}"
        return done.stdout + done.stderr

    def start(self, *words: str) -> subprocess.Popen:
        return subprocess.Popen(
            words, cwd=self.folder, env=self.environment, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def metrics(self, run: str = RUN) -> dict:
        return json.loads((self.folder / run / "artifacts" / "metrics.json").read_text(encoding="utf-8"))

    def change(self, stage: str, name: str, value: object) -> None:
        path = self.folder / "params.json"
        values = json.loads(path.read_text(encoding="utf-8"))
        values[stage][name] = value
        path.write_text(json.dumps(values, indent=2), encoding="utf-8")


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Desk:
    made = Desk(tmp_path_factory.mktemp("team") / "project")
    make_customers(400, seed=4).to_csv(made.folder / "table.csv", index=False)
    made("git", "init", "-q")
    made("git", "config", "user.email", "mina@example.org")
    made("git", "config", "user.name", "Mina")
    made(tool("dvc"), "init", "-q")
    made("mlkit", "run", "--out", RUN, *MADE)
    made("mlkit", "dvc", "init", RUN)
    return made


def test_the_whole_way_of_a_pipeline(desk, tmp_path):
    dvc, before = tool("dvc"), desk.metrics()
    desk(dvc, "repro")
    assert desk.metrics() == before, "what is there already is not made anew"
    assert "up to date" in desk(dvc, "repro")
    assert f"{before['score']:.5g}"[:6] in desk(dvc, "metrics", "show", "--json")
    desk("git", "add", "-A")
    desk("git", "commit", "-qm", "A pipeline")

    desk.change("train", "trials", 1)
    said = desk(dvc, "status")
    assert "train:" in said and "prepare" not in said and "collect" not in said
    desk(dvc, "repro")
    desk("mlkit", "run", "--out", "runs/other", *MADE, "-p", "train.trials=1")
    assert desk.metrics() == desk.metrics("runs/other"), "DVC and mlkit make the same figures"
    assert "artifacts/metrics.json" in desk(dvc, "metrics", "diff") or desk.metrics() == before

    said = desk(dvc, "exp", "run", "-S", "params.json:train.models=tree")
    assert desk.metrics()["model"] == "tree", said

    desk(dvc, "remote", "add", "-d", "shared", str(tmp_path / "shared"))
    desk("git", "add", "-A")
    desk("git", "commit", "-qm", "A tree")
    desk(dvc, "push", "-q")
    other = Desk(tmp_path / "clone")
    shutil.rmtree(other.folder)
    desk("git", "clone", "-q", str(desk.folder), str(other.folder))
    other = Desk(other.folder)
    other(dvc, "pull", "-q")
    name = f"{RUN}/artifacts/train.parquet"
    assert (other.folder / name).read_bytes() == (desk.folder / name).read_bytes()
    assert other.metrics() == desk.metrics()
    assert "up to date" in other(dvc, "status")


@pytest.mark.skipif(os.name != "posix", reason="needs processes that can be killed")
def test_killed_in_the_middle_it_goes_on(desk):
    dvc = tool("dvc")
    desk.change("train", "trials", 2)
    desk.change("train", "models", "linear tree")
    process = desk.start(dvc, "repro")
    time.sleep(6)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    desk(dvc, "repro")
    desk("mlkit", "run", "--out", "runs/other", *MADE, "-p", "train.trials=2")
    assert desk.metrics() == desk.metrics("runs/other")


def test_an_s3_remote_takes_and_gives(desk, store, tmp_path):
    dvc = tool("dvc")
    desk(dvc, "repro", "-q")
    desk(dvc, "remote", "add", "-f", "bucket", "s3://sales/dvc")
    desk(dvc, "remote", "modify", "bucket", "endpointurl", os.environ["AWS_ENDPOINT_URL"])
    more = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    desk(dvc, "push", "-q", "-r", "bucket", more=more)
    name = f"{RUN}/artifacts/train.parquet"
    kept = (desk.folder / name).read_bytes()
    (desk.folder / name).unlink()
    shutil.rmtree(desk.folder / ".dvc" / "cache")
    desk(dvc, "pull", "-q", "-r", "bucket", more=more)
    assert (desk.folder / name).read_bytes() == kept


def test_bad_input_is_one_line(desk, tmp_path):
    assert "there is no stage 'trian'; did you mean 'train'?" in desk(
        "mlkit", "dvc", "stage", "trian", RUN, expect=2
    )
    assert "no stage of runs/none is done" in desk("mlkit", "dvc", "init", "runs/none", expect=2)
    assert "outside of the project" in desk("mlkit", "dvc", "init", str(tmp_path), expect=2)
    desk.change("train", "trails", 3)
    assert "unknown parameter 'trails'" in desk("mlkit", "dvc", "stage", "train", RUN, expect=2)
    (tmp_path / "params.json").write_text("[1]")
    with pytest.raises(SettingsError, match="holds no parameters by stage"):
        read_parameters(tmp_path / "params.json")
    with pytest.raises(SettingsError, match="make it: mlkit dvc init RUN"):
        read_parameters(tmp_path / "none.json")
    record = {"state": "done", "reads": {}, "writes": ["data"]}
    twice = {
        "order": ["collect", "clean"],
        "artifacts": {"data": {"file": "data.parquet"}},
        "stages": {"collect": record, "clean": record},
    }
    with pytest.raises(RunError, match="written by collect and by clean"):
        make_pipeline("runs/a", twice, tmp_path)
