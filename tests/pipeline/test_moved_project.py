"""A project is moved, copied or cloned elsewhere: nothing that was done is done again, and nothing is lost."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlkit.sources.examples import load_example
from tests.conftest import SMALL, STAGES
from tests.warm import run_mlkit

REGISTERED = [*SMALL, "-p", "package.register=true"]
ASKED = ["run", "--data", "tables/*.csv", "--target", "grower", "--out", "runs/wine", *REGISTERED]


def mlkit(place: Path, *words: str) -> str:
    """What a command prints there; packages that were fetched before are not at hand."""
    home = {"XDG_CACHE_HOME": str(place / "cache"), "MLFLOW_DISABLE_TELEMETRY": "true"}
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"} | home
    done = run_mlkit(*words, cwd=place, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def unchanged(printed: str) -> list[str]:
    return [line.split()[1][3:] for line in printed.splitlines() if " unchanged " in line]


def query(database: Path, statement: str) -> list[str]:
    """The first column of what SQLite says."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(database)) as book:
        return [str(row[0]) for row in book.execute(statement)]


LOCATIONS = """
select artifact_location from experiments where experiment_id != '0'
union select artifact_uri from runs union select artifact_location from logged_models
union select source from model_versions union select storage_location from model_versions
"""
READ_BACK = """
import sys
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
store = sys.argv[1]
client = MlflowClient(store)
[version] = client.search_model_versions("name = 'run'")
package = download_artifacts(artifact_uri=client.get_model_version_download_uri("run", version.version),
                             tracking_uri=store)
names = [each.path for each in client.list_artifacts(version.run_id)]
report = open(client.download_artifacts(version.run_id, "report.html"), encoding="utf-8").read()
print(len(report) > 1000, sorted(names), version.run_id)
"""


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> Path:
    """A project with a run in it, which is not to be changed."""
    place = tmp_path_factory.mktemp("first") / "shop"
    (place / "tables").mkdir(parents=True)
    load_example("wine").to_csv(place / "tables" / "wine.csv", index=False)
    mlkit(place, *ASKED)
    return place


@pytest.fixture
def moved(first, tmp_path) -> Path:
    """The same project elsewhere. What it came from is away meanwhile."""
    place, away = tmp_path / "a shop" / "elsewhere", first.with_name("away")
    place.parent.mkdir()
    shutil.copytree(first, place)
    first.rename(away)
    yield place
    assert not first.exists(), "nothing is written where the project was"
    away.rename(first)


def test_a_moved_project_has_nothing_to_do_and_sees_what_changes(moved):
    assert unchanged(mlkit(moved, *ASKED)) == STAGES
    assert unchanged(mlkit(moved, "run", "--out", "runs/wine")) == STAGES
    load_example("wine").to_csv(moved / "tables" / "more.csv", index=False)
    assert unchanged(mlkit(moved, *ASKED, "--to", "collect")) == ["problem"]


def test_a_copy_looks_at_its_own_table(first, tmp_path):
    copy = shutil.copytree(first, tmp_path / "copy")
    with open(copy / "tables" / "wine.csv", "a", encoding="utf-8") as table:
        table.write((copy / "tables" / "wine.csv").read_text(encoding="utf-8").splitlines()[-1] + "\n")
    assert unchanged(mlkit(copy, *ASKED, "--to", "collect")) == ["problem"]
    assert unchanged(mlkit(first, *ASKED)) == STAGES


def test_a_path_that_was_written_out_moves_along_if_it_lies_inside(tmp_path):
    outside, place, to = tmp_path / "outside.csv", tmp_path / "shop", tmp_path / "market"
    place.mkdir()
    for path in (outside, place / "inside.csv"):
        load_example("wine").to_csv(path, index=False)
    for name in ("inside", "outside"):
        table = outside if name == "outside" else place / "inside.csv"
        mlkit(
            place,
            "run",
            "--data",
            str(table),
            "--target",
            "grower",
            "--out",
            f"runs/{name}",
            "--to",
            "collect",
        )
    place.rename(to)
    for name in ("inside", "outside"):
        table = outside if name == "outside" else to / "inside.csv"
        asked = [
            "run",
            "--data",
            str(table),
            "--target",
            "grower",
            "--out",
            f"runs/{name}",
            "--to",
            "collect",
        ]
        printed = mlkit(to, *asked)
        assert unchanged(printed) == ["problem", "collect"], printed


def test_the_tracking_store_of_a_moved_project_finds_its_artifacts(moved):
    store = f"sqlite:///{moved / 'mlflow.db'}"
    before = query(moved / "mlflow.db", "select count(*) from runs")
    assert "version 1" in mlkit(moved, "history", "run")
    assert {each.partition("/mlartifacts/")[0] for each in query(moved / "mlflow.db", LOCATIONS)} == {
        moved.as_uri()
    }
    done = subprocess.run(
        [sys.executable, "-c", READ_BACK, store], cwd="/", capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("True ['artifacts', 'notebooks', 'report.html']")
    mlkit(moved, "score", "run@champion", "tables/wine.csv", "predictions.csv")
    mlkit(moved, "run", "--out", "runs/wine", "--fresh", "--from", "serve")
    assert query(moved / "mlflow.db", "select count(*) from runs") == before, "it is the same run"


def test_the_store_of_a_copy_is_its_own(first, tmp_path):
    copy = shutil.copytree(first, tmp_path / "copy")
    shutil.rmtree(copy / "cache", ignore_errors=True)
    mlkit(copy, "score", "run@champion", "tables/wine.csv", "predictions.csv")
    assert {each.partition("/mlartifacts/")[0] for each in query(copy / "mlflow.db", LOCATIONS)} == {
        copy.as_uri()
    }
    assert {each.partition("/mlartifacts/")[0] for each in query(first / "mlflow.db", LOCATIONS)} == {
        first.as_uri()
    }
