"""`mlkit compare`: two runs side by side, in the terminal and on a page, and one line where there is no run."""

import json
import re
import shutil
import subprocess
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

import mlkit
from mlkit.core.errors import MLKitError
from mlkit.pipeline.compare_runs import ComparedRun, compare_runs, read_compared_run
from mlkit.pipeline.comparison_page import format_comparison, render_comparison
from mlkit.sources.examples import load_example
from tests.conftest import COMMAND


def compare(*folders: Path | str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, "compare", *map(str, folders)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True)


def test_two_runs_are_compared(two_runs: tuple[Path, Path]) -> None:
    one, other = two_runs
    done = compare(one, other, cwd=one.parent)
    assert done.returncode == 0, done.stderr
    text = done.stdout
    assert re.match(r"(linear is better than stump|No difference can be told)\. AUC-ROC", text)
    assert "on the same 396 test rows" in text.split("\n")[0]
    assert re.search(r"train\.models +linear +tree", text)
    assert "seed" not in text.split("Settings that differ")[1].split("\n\n")[0], "only what differs"
    assert "The same data. The test rows are the same." in text
    assert re.search(r"Model family +linear +tree", text) and re.search(r"\ntrain +[\d.]+ s", text)
    assert re.search(r"The two predict the same class for \d+ of 396 test rows\.", text)
    page = (one / "compare.html").read_text(encoding="utf-8")
    assert text.endswith(f"Page: {one / 'compare.html'}\n") and not (other / "compare.html").exists()
    for title in ("How far apart the predictions are", "Rows that are farthest apart"):
        assert title in page, "details are on the page"
    assert "default-src 'none'" in page and not re.search(r"(src|href)=.https?:", page)


def test_the_two_directions_agree(two_runs: tuple[Path, Path]) -> None:
    read = [read_compared_run(folder) for folder in two_runs]
    ahead, back = compare_runs(*read), compare_runs(*reversed(read))
    assert (ahead.verdict, ahead.advice) == (back.verdict, back.advice)
    assert ahead.is_clear == back.is_clear


def test_another_split_is_no_paired_comparison(two_runs: tuple[Path, Path]) -> None:
    one, other = map(read_compared_run, two_runs)
    assert other.test is not None
    shuffled = replace(other.test, raw=other.test.raw[::-1].reset_index(drop=True))
    found = compare_runs(one, replace(other, test=shuffled))
    assert found.verdict == "No paired comparison"
    data = next(table for table in found.tables if table.title == "Data")
    assert data.note == "The same data. The test rows differ."
    fewer = replace(other.test, raw=other.test.raw.drop(columns="region"))
    assert "same 396 test rows" in compare_runs(one, replace(other, test=fewer)).reason, "a column left out"


def test_a_model_of_another_machine_is_not_opened(two_runs: tuple[Path, Path], tmp_path: Path) -> None:
    one, other = two_runs
    shutil.copytree(other, tmp_path / "foreign")
    journal = json.loads((tmp_path / "foreign" / "run.json").read_text())
    journal["artifacts"]["final"]["mark"] = "made elsewhere"
    (tmp_path / "foreign" / "run.json").write_text(json.dumps(journal))
    done = compare(one, tmp_path / "foreign", cwd=tmp_path)
    assert done.returncode == 0 and done.stdout.startswith("No paired comparison")
    assert "The model of foreign was not opened" in done.stdout and "MLKIT_TRUST_RUNS" in done.stdout


def test_wrong_folders_are_one_line(tmp_path: Path) -> None:
    from mlkit.core.run_folder import RunFolder

    RunFolder(tmp_path / "run", "problem").set_summary("predict y")
    (tmp_path / "empty").mkdir()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "run.json").write_text('{"stages": ')
    before = sorted(tmp_path.rglob("*"))
    for wrong, told in (
        (("run", "nowhere"), "mlkit: no run in nowhere; make one: mlkit run --out nowhere"),
        (("empty", "run"), "mlkit: no run in empty; make one: mlkit run --out empty"),
        (("run", "run/run.json"), "mlkit: no run in run/run.json; "),
        (("run", "run"), "mlkit: run and run are one run; name two"),
        (("run", "damaged"), "mlkit: "),
        (("run",), "mlkit: missing argument 'OTHER'"),
    ):
        done = compare(*wrong, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(told) and done.stderr.count("\n") == 1, done.stderr
    assert sorted(tmp_path.rglob("*")) == before, "nothing was written"


def test_an_unfinished_run_says_so(tmp_path: Path) -> None:
    from mlkit.core.run_folder import RunFolder

    for name in ("one", "other"):
        RunFolder(tmp_path / name, "problem").set_summary("predict y")
    done = compare("one", "other", cwd=tmp_path)
    assert done.returncode == 0 and done.stdout.startswith("No score to compare. one has no score.")


EVIL = "<img src=x onerror=alert(1)>\x1b[2J"
values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.just(EVIL),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)
METRICS = {"metric": "roc_auc", "score": 0.8, "interval": [0.7, 0.9], "test": {"roc_auc": 0.8},
           "intervals": {"roc_auc": [0.7, 0.9]}, "rows": {"test": 10}, "calibration": {"method": "none"}}  # fmt: skip


@settings(max_examples=60)
@given(
    metrics=st.fixed_dictionaries({}, optional=dict.fromkeys(METRICS, values)),
    facts=st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("rows", "columns", "source", "data_hash", "family", "settings"), values)
    ),
)
def test_it_is_written_whatever_a_run_says(metrics: dict, facts: dict) -> None:
    run = ComparedRun(
        EVIL, {"train": {EVIL: EVIL}}, {"train": 1.0}, facts, {EVIL: True}, facts, facts, METRICS | metrics
    )
    found = compare_runs(run, ComparedRun("plain", {"train": {"seed": 1}}))
    page, text = render_comparison(found), format_comparison(found, 80)
    assert "<img" not in page and "\x1b" not in text


# ---------------------------------------- models in memory
@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    "Two models of the customers, each fitted, and one saved and opened; and rows that none has learned from."
    customers = load_example("customers")
    known, new = customers.head(500), customers.tail(300)
    X, y = known.drop(columns="churned"), known["churned"]
    quick = {"trials": 1, "budget": 0, "jobs": 1}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlkit.MLKitWarning)
        linear = mlkit.MLKitClassifier(**quick, models="linear").fit(X, y)
        tree = mlkit.fit(known, "churned", **quick, models="tree")
    folder = tmp_path_factory.mktemp("models") / "leavers"
    return {
        "linear": linear,
        "tree": tree,
        "saved": linear.save(folder, max_leak=1),
        "new": new,
        "folder": folder,
    }


def test_two_models_are_compared_on_the_same_rows(models: dict[str, Any]) -> None:
    found = mlkit.compare(models["linear"], models["tree"], models["new"], names=("linear", "tree"))
    gap = found.differences["roc_auc"]
    new = models["new"]
    truth = (new["churned"] == "yes").to_numpy()
    areas = [roc_auc_score(truth, models[name].predict_proba(new)[:, 1]) for name in ("linear", "tree")]
    assert gap.value == pytest.approx(areas[0] - areas[1]) and gap.low < gap.value < gap.high
    text = str(found)
    assert "on the same 300 test rows" in text and re.search(r"fit\.family +not there|fit\.\w+ +", text)
    assert "AUC-ROC" in text and "linear against tree" in text and "<iframe" in found._repr_html_()
    back = mlkit.compare(models["tree"], models["linear"], models["new"], names=("tree", "linear"))
    assert back.differences["roc_auc"].value == pytest.approx(-gap.value) and back.verdict == found.verdict


def test_a_package_is_the_model_that_was_saved(models: dict[str, Any]) -> None:
    X, y = models["new"].drop(columns="churned"), models["new"]["churned"]
    for other in (models["saved"], models["folder"], str(models["folder"])):
        found = mlkit.compare(models["linear"], other, X, y)
        assert found.verdict == "No difference can be told"
        assert abs(found.differences["log_loss"].value) < 1e-6


def test_models_are_compared_from_the_terminal(models: dict[str, Any], tmp_path: Path) -> None:
    models["new"].to_csv(tmp_path / "new.csv", index=False)
    done = compare(models["folder"], models["folder"], "--rows", tmp_path / "new.csv", cwd=tmp_path)
    assert done.returncode == 2 and "two different texts" in done.stderr
    twin = tmp_path / "twin"
    shutil.copytree(models["folder"], twin)
    done = compare(models["folder"], twin, "--rows", tmp_path / "new.csv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "No difference can be told" in done.stdout and "leavers against twin" in done.stdout


@pytest.mark.parametrize("case", ["no answers", "other rows", "another target", "no model", "names"])
def test_what_cannot_be_compared_is_one_line(models: dict[str, Any], case: str) -> None:
    linear, tree, new = models["linear"], models["tree"], models["new"]
    cases: dict[str, tuple[tuple, dict, str]] = {
        "no answers": ((linear, tree, new.drop(columns="churned")), {}, "no column 'churned' with the answers"),
        "other rows": ((linear, tree, "new.csv"), {}, "read a file first"),
        "another target": ((linear, mlkit.fit(new, "plan", trials=1, budget=0, models="linear", jobs=1), new), {},
                           "different tasks: a predicts 'churned'"),
        "no model": ((linear, 3, new), {}, "not int"),
        "names": ((linear, tree, new), {"names": "ab"}, "two different texts"),
    }  # fmt: skip
    positional, named, said = cases[case]
    with pytest.raises(MLKitError) as told:
        mlkit.compare(*positional, **named)
    assert said in str(told.value) and "\n" not in str(told.value)
