"""What `mlkit run` writes is in the words of the file: labels of every type, and rows without a target are told."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from mlkit.cli.main import app

FASTEST = ["-p", "train.models=linear tree", "-p", "train.trials=2", "-p", "train.budget=0",
           "-p", "evaluate.resamples=100", "-p", "evaluate.curve_points=0", "-p", "explain.samples=10",
           "-p", "package.register=false", "--to", "score"]  # fmt: skip

LABELS = {
    "whole numbers": ["0", "1"],
    "floats": ["0.0", "1.0"],
    "codes with a zero": ["01", "02", "10"],
    "truth values": ["False", "True"],
    "words": ["No", "Yes"],
    "fractions": ["0.5", "1.5", "2.5"],
}


def table(labels, rows=300, seed=0):
    random = np.random.default_rng(seed)
    which = random.integers(0, len(labels), rows)
    return pd.DataFrame({"x": (which + random.normal(0, 0.4, rows)).round(3), "z": random.normal(size=rows).round(3),
                         "y": [labels[each] for each in which]})  # fmt: skip


def run(tmp_path, frame, *more):
    frame.to_csv(tmp_path / "t.csv", index=False)
    told = CliRunner().invoke(app, ["run", "--data", str(tmp_path / "t.csv"), "--target", "y", "--out",
                                    str(tmp_path / "run"), *FASTEST, *more])  # fmt: skip
    assert told.exit_code == 0, told.output
    return " ".join(told.output.split())


@pytest.mark.parametrize("kind", ["floats", "codes with a zero"])
def test_labels_come_out_as_they_went_in(tmp_path, kind):
    labels = LABELS[kind]
    run(tmp_path, table(labels), "-p", "problem.task=" + ("binary" if len(labels) == 2 else "multiclass"))
    folder = tmp_path / "run" / "artifacts"
    task = json.loads((folder / "task.json").read_text(encoding="utf-8"))
    assert sorted(task["classes"]) == labels
    read = pd.read_parquet(tmp_path / "run" / "predictions.parquet")
    assert set(read["prediction"].astype("str")) == set(labels)


def test_rows_without_a_target_are_told_with_their_share(tmp_path):
    frame = table(["No", "Yes"])
    frame.loc[::4, "y"] = "NA"
    told = run(tmp_path, frame, "--to", "validate")
    assert "75 of 300 rows (25.0%) left out: without target" in told
    CliRunner().invoke(app, ["show", str(tmp_path / "run")])
    report = tmp_path / "run" / "report.html"
    assert "(25.0%) left out: without target" in report.read_text(encoding="utf-8")
