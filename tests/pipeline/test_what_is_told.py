"""What a run or a fit does to the target is told: shares that moved, and a score that cannot be."""

import math
import warnings

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from mlkit import fit
from mlkit.cli.main import app
from mlkit.core.errors import DataError
from mlkit.core.run_folder import RunFolder
from mlkit.evaluate import summarise
from mlkit.evaluation.fit_diagnosis import confirm_fit
from mlkit.pipeline.report import collect_report_data
from mlkit.task.problem import Problem
from mlkit.task.task_inference import make_task

RNG = np.random.default_rng(0)


def with_repeats(share):
    rows = pd.DataFrame({"a": RNG.choice(5, 300), "b": RNG.normal(size=300)})
    rows["y"] = np.where(rows.a + rows.b + RNG.normal(size=300) > 2, "yes", "no")
    some = rows[rows.y == "no"] if share == "moves" else rows
    return pd.concat([rows, some.iloc[:100]], ignore_index=True)


def fitted(rows, **more):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = fit(rows, "y", budget=0, trials=1, models="linear", **more)
    return model.metrics["dropped"], " ".join(str(one.message) for one in caught)


def test_fit_says_that_dropping_rows_moved_the_shares():
    rows = with_repeats("moves")
    dropped, text = fitted(rows, duplicates="drop")
    before, after = ((each.y == "no").mean() for each in (rows, rows.drop_duplicates()))
    said = dropped["shift"]["y"]
    assert said == f"the share of no goes from {before:.1%} to {after:.1%}"
    assert said in text
    assert "shift" not in fitted(rows, duplicates="keep")[0]


def test_a_score_that_cannot_be_confirms_no_fit():
    task = make_task(Problem("y"), pd.Series(["no", "yes"] * 20))
    fit, why = confirm_fit(task, "good", 0.8, [0.8, 0.8], (math.nan, math.nan, math.nan), math.nan)
    assert fit == "unknown" and "undefined" in why
    metrics = {"metric": "roc_auc", "score": None, "interval": [None, None], "baseline": None, "fit": fit}
    assert summarise(metrics) == "AUC-ROC undefined on the test rows; fit: unknown"


def test_fit_says_that_the_mean_of_a_number_moved():
    rows = pd.DataFrame({"a": RNG.normal(size=200), "b": RNG.normal(size=200)})
    rows["y"] = rows.a + RNG.normal(size=200)
    dropped, text = fitted(pd.concat([rows, rows.nlargest(60, "y")]), duplicates="drop")
    assert "mean goes from" in dropped["shift"]["y"] and "mean goes from" in text


@pytest.mark.parametrize(
    "why", ["none of the test rows are of class 'yes': scores that need it are undefined", ""]
)
def test_an_undefined_score_is_explained(tmp_path, monkeypatch, why):
    run = RunFolder(tmp_path / "run", "evaluate")
    monkeypatch.setattr("mlkit.pipeline.runner.run_pipeline", lambda *_, **__: None)
    run.save("metrics", {"metric": "roc_auc", "score": None, "interval": [None, None], "few_test_rows": why})
    (tmp_path / "t.csv").write_text("a,y\n" + "1,no\n2,yes\n" * 20)
    said = CliRunner().invoke(
        app, ["run", "--data", str(tmp_path / "t.csv"), "--target", "y", "--out", str(run.folder), "--to", "evaluate"]
    )  # fmt: skip
    told = str(said.exception)
    assert isinstance(said.exception, DataError) and said.exception.exit_code == 2
    assert told.startswith("No score: AUC-ROC is undefined") and "Report: " in said.output
    page = collect_report_data(run.folder)
    assert page["headline"][1] == "No score" and "undefined" in page["steps"][0]
    if why:
        assert "class 'yes'" in told and "validate.split=chance" in told
