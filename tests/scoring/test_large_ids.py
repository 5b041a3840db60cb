"""Ids beyond 2**53 keep every digit from training to the answers, with a null in the new file, and epochs part in time."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from mlkit.cli.main import app
from mlkit.data.schema_inference import infer_schema
from mlkit.inference.predictor import load_predictor
from mlkit.models.calibration import finalise_model
from mlkit.packaging.package_writer import write_package
from mlkit.packaging.parity import export_and_check
from mlkit.packaging.provenance import manifest_facts
from mlkit.pipeline.fit import fit
from mlkit.quality.splitting import split_train_test
from mlkit.task.problem import Problem
from mlkit.task.task_inference import make_task

pytestmark = pytest.mark.usefixtures("own_key")
FIRST = 8_071_634_592_011_377_001


def accounts(rows=300, seed=0):
    random = np.random.default_rng(seed)
    x = random.normal(size=rows).round(3)
    return pd.DataFrame({"account_id": [FIRST + 7 * n for n in range(rows)], "x": x,
                         "y": np.where(x + random.normal(0, 0.5, rows) > 0, "yes", "no")})  # fmt: skip


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_large_ids_keep_their_digits_in_the_answers(tmp_path):
    frame = accounts()
    model = finalise_model(fit(frame, "y", models="linear", trials=1, budget=0))
    proof, folder = export_and_check(model, frame, frame.head(0)), tmp_path / "model"
    facts = manifest_facts("ids", model, model.metrics, {"data_hash": "0" * 64, "rows": 300}, proof, None)
    write_package(
        folder, model, frame, proof, infer_schema(model.table, frame), model.metrics, {"card.md": "#"}, facts
    )
    assert load_predictor(folder).name == "ids"
    records = frame.drop(columns="y").head(40).to_dict("records")
    records[3]["account_id"] = None
    new, answers = tmp_path / "new.jsonl", tmp_path / "answers.csv"
    new.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    told = CliRunner().invoke(app, ["score", str(folder), str(new), str(answers)])
    assert told.exit_code == 0, told.output
    read = pd.read_csv(answers, dtype="str", keep_default_na=False)
    wanted = ["" if each["account_id"] is None else str(each["account_id"]) for each in records]
    assert read["account_id"].tolist() == wanted and set(read["prediction"]) <= {"yes", "no"}


@pytest.mark.parametrize("form", ["seconds", "milliseconds", "iso", "iso with zone"])
def test_moments_in_any_form_part_the_rows_in_time(form):
    random = np.random.default_rng(3)
    moments = pd.Timestamp("2025-03-01") + pd.to_timedelta(
        np.sort(random.integers(0, 9_000_000, 400)), unit="s"
    )
    seconds = (moments - pd.Timestamp(0)) // pd.Timedelta(seconds=1)
    at = {"seconds": seconds, "milliseconds": seconds * 1000, "iso": moments.strftime("%Y-%m-%dT%H:%M:%S"),
          "iso with zone": moments.strftime("%Y-%m-%d %H:%M:%S+00:00")}[form]  # fmt: skip
    frame = pd.DataFrame({"created_at": at, "v": random.normal(size=400)})
    frame["state"] = np.where((moments.hour > 11) ^ (random.random(400) < 0.05), "day", "night")
    task = make_task(Problem("state"), frame["state"])
    train, test, way = split_train_test(frame, task)
    assert (way.method, way.column) == ("time", "created_at")
    assert train.index.max() < test.index.min() and 60 < len(test) < 100
