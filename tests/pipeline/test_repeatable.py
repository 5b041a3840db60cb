"""The same bytes twice give the same artifacts, byte for byte, whatever the machine is busy with."""

import json
import os
import subprocess

from mlkit.sources.examples import make_customers
from tests.conftest import COMMAND

ALONE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "1"}
CROWD = {"OMP_NUM_THREADS": "4", "OPENBLAS_NUM_THREADS": "4", "PYTHONHASHSEED": "2"}
MADE = {"data", "snapshot", "profile", "train", "test", "split", "schema", "leaks", "table", "plan",
        "features", "target"}  # fmt: skip


def artifacts(table, folder, cores) -> dict[str, str]:
    """The SHA-256 of everything that the stages up to prepare hand on."""
    command = [*COMMAND, "run", "--data", str(table), "--target", "churned", "--to", "prepare"]
    environment = os.environ | cores | {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}.db"}
    subprocess.run([*command, "--out", str(folder)], env=environment, check=True, capture_output=True)
    journal = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    return {name: entry["sha256"] for name, entry in journal["artifacts"].items()}


def test_the_same_bytes_give_the_same_artifacts_on_any_number_of_cores(tmp_path):
    table = tmp_path / "customers.csv"
    make_customers(1500, leak=True).drop(columns=["plan_next", "spend_next"]).to_csv(table, index=False)
    ours = artifacts(table, tmp_path / "alone", ALONE)
    theirs = artifacts(table, tmp_path / "crowd", CROWD)
    assert ours == theirs and ours.keys() >= MADE


def test_another_cell_gives_another_snapshot(tmp_path):
    table = make_customers(200)
    table.to_csv(tmp_path / "x.csv", index=False)
    before = artifacts(tmp_path / "x.csv", tmp_path / "run", ALONE)
    table.loc[7, "logins"] += 1
    table.to_csv(tmp_path / "x.csv", index=False)
    after = artifacts(tmp_path / "x.csv", tmp_path / "run", ALONE)
    assert before["snapshot"] != after["snapshot"] and before["data"] != after["data"]
    assert before["task"] == after["task"]
