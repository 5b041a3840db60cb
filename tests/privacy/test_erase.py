"""A person is found, handed over and erased in every copy; killed at any write, an erasure goes on to its end."""

import base64
import gzip
import html
import json
import os
import re
import shutil
import signal
import sqlite3
import stat
import zipfile
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from mlkit.cli.main import app
from mlkit.core.errors import MLKitError
from mlkit.core.run_folder import RunFolder, edit_journal
from mlkit.inference.example_package import make_parcel_package
from mlkit.inference.signing import MANIFEST_FILE, sign_package, verify_package
from mlkit.privacy.copy_search import find_places
from mlkit.privacy.corrections import check_corrections
from mlkit.quality.splitting import split_train_test
from mlkit.serving.prediction_log import FeedbackRecord, PredictionRecord, open_log_database, write_records
from mlkit.task.problem import Problem
from mlkit.task.task_inference import make_task

HER = "C0004711"
VALUES = [
    "mina.okada4711@example.com",
    "岡田みなこ",
    "Invoice ZX-99-4711 was wrong, she said on 2024-02-29",
    "987654.32",
    "+81-90-1234-4711",
]
ASKED = ["--column", "customer_id", "--also", "copies"]


def customers() -> pd.DataFrame:
    """Forty customers; one of them has values that nobody else has."""
    rows = [
        {
            "customer_id": f"C{number:07d}",
            "email": f"c{number}@example.org",
            "name": f"客 {number}",
            "note": "Nothing to say.",
            "fee": 100.5 + number % 7,
            "phone": "none",
            "churned": "no",
        }
        for number in range(40)
    ]
    her = dict(
        zip(("email", "name", "note", "fee", "phone"), [*VALUES[:3], 987654.32, VALUES[4]], strict=True)
    )
    rows.insert(17, {"customer_id": HER, **her, "churned": "yes"})
    return pd.DataFrame(rows)


def make_place(place: Path) -> None:
    """A run with its tables, a notebook, a report, a package, a copy of it, MLflow, an archive and a log."""
    table, run = customers(), place / "runs" / "demo"
    folder = RunFolder(run, "collect")
    folder.save("data", table)
    folder.save(
        "profile",
        pd.DataFrame({"column": ["fee"], "largest": ["987654.32"], "examples": [f"{HER}, C0000001"]}),
    )
    folder = RunFolder(run, "validate")
    folder.load("data")
    folder.save("train", table.iloc[10:].reset_index(drop=True))
    folder.save("test", table.iloc[:20].reset_index(drop=True))
    folder = RunFolder(run, "prepare")
    folder.load("train")
    folder.save("features", table.iloc[10:][["fee", "note"]].reset_index(drop=True))
    explained = [
        {
            "row": row,
            "shap": {"fee": 0.1},
            "words": [f"**Row {row} is predicted `churned` = yes**, fee is 987,654"],
        }
        for row in (18, 3)
    ]
    RunFolder(run, "explain").save("explanations", {"rows": explained})
    outputs = [
        {
            "output_type": "display_data",
            "metadata": {},
            "data": {"text/markdown": "**Row 18 is predicted `churned` = yes**"},
        },
        {"output_type": "display_data", "metadata": {}, "data": {"image/png": "iVBORw0KGgo18"}},
        {
            "output_type": "display_data",
            "metadata": {},
            "data": {"text/markdown": "**Row 3 is predicted `churned` = no**"},
        },
        {"output_type": "stream", "name": "stdout", "text": [f"largest fee 987,654.32 of {VALUES[1]}\n"]},
    ]
    (run / "notebooks").mkdir()
    notebook = {
        "cells": [
            {"cell_type": "code", "source": [], "metadata": {}, "outputs": outputs, "execution_count": 1}
        ],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    (run / "notebooks" / "07_explain.ipynb").write_text(json.dumps(notebook))
    row = "".join(f"<td>{html.escape(value)}</td>" for value in (HER, *VALUES))
    (run / "report.html").write_text(
        f"<table><tr><td>C0000001</td></tr><tr>{row}</tr></table><p>{VALUES[2]}</p>", encoding="utf-8"
    )
    package = run / "model"
    package.mkdir()
    (package / "reference.json").write_text(json.dumps({"fee": {"edges": [100.5, 104.5, 987654.32]}}))
    (package / "model.onnx").write_bytes(b"\0weights")
    manifest = sign_package(package, {"name": "demo", "created": "2026-01-01T00:00:00+00:00"})
    copies = place / "copies"
    shutil.copytree(package, copies / "docker" / "model")
    (copies / "docker" / ".mlkit.json").write_text(
        json.dumps({f"model/{name}": digest for name, digest in manifest["files"].items()})
    )
    with gzip.open(copies / "export.csv.gz", "wt", encoding="utf-8") as file:
        table.to_csv(file, index=False)
    with zipfile.ZipFile(copies / "sent.zip", "w") as archive:
        archive.writestr("rows.jsonl", table.to_json(orient="records", lines=True, force_ascii=True))
    (copies / "mail.txt").write_bytes(f"To {VALUES[0]}, {VALUES[4]}".encode("utf-16"))
    tracked = place / "mlartifacts" / "1" / "r1" / "artifacts"
    tracked.mkdir(parents=True)
    (tracked / "table.json").write_text(json.dumps({"columns": [*table], "data": table.values.tolist()}))
    with sqlite3.connect(place / "mlflow.db") as base:
        base.execute("CREATE TABLE experiments (artifact_location TEXT)")
        base.execute("CREATE TABLE runs (run_uuid TEXT, name TEXT, artifact_uri TEXT)")
        base.execute("CREATE TABLE tags (key TEXT, value TEXT)")
        base.execute("INSERT INTO experiments VALUES (?)", ((place / "mlartifacts" / "1").as_uri(),))
        base.execute(
            "INSERT INTO tags VALUES ('asked', ?)", (json.dumps({"inputs": [VALUES[0], 987654.32]}),)
        )
    engine = open_log_database(f"sqlite:///{place / 'predictions.db'}")
    cells = {"customer_id": HER, "fee": 987654.32}
    said = {"id": "a" * 32, "prediction": "yes", "probabilities": {"no": 0.1, "yes": 0.9}}
    other = PredictionRecord(
        1.8e9, "demo", "1", ["customer_id"], {"customer_id": "C0000001"}, said | {"id": "b" * 32}, 0.001
    )
    write_records(
        engine,
        [
            PredictionRecord(1.8e9, "demo", "1", [*cells], cells, said, 0.001),
            other,
            FeedbackRecord("a" * 32, 1.9e9, "yes"),
        ],
    )
    engine.dispose()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("home")
    os.environ["XDG_CONFIG_HOME"], before = str(home), os.environ.get("XDG_CONFIG_HOME")
    place = tmp_path_factory.mktemp("made") / "place"
    place.mkdir()
    make_place(place)
    yield place
    os.environ.pop("XDG_CONFIG_HOME") if before is None else os.environ.__setitem__("XDG_CONFIG_HOME", before)


@pytest.fixture
def place(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return moved(made, tmp_path / "place", monkeypatch)


def moved(made: Path, to: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(made, to)
    with sqlite3.connect(to / "mlflow.db") as base:
        base.execute("UPDATE experiments SET artifact_location = ?", ((to / "mlartifacts" / "1").as_uri(),))
    monkeypatch.chdir(to)
    for name in ("MLFLOW_TRACKING_URI", "MLKIT_PROTECT", "MLKIT_PRIVACY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLKIT_AUDIT_LOG", str(to / "audit.jsonl"))
    return to


def mlkit(*words: str) -> str:
    result = CliRunner().invoke(app, ["privacy", *words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def contents(path: Path) -> list[bytes]:
    """The bytes of a file, and what they say when they are unpacked and decoded."""
    raw = path.read_bytes()
    found = [raw]
    if path.suffix == ".parquet":
        found.append(pd.read_parquet(path).to_csv().encode())
    if path.suffix == ".gz":
        found.append(gzip.decompress(raw))
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            found += [archive.read(name) for name in archive.namelist()]
    return [
        *found,
        *(
            re.sub(rb"\\u[0-9a-f]{4}", lambda each: json.loads(b'"' + each[0] + b'"').encode(), each)
            for each in found
            if b"\\u" in each
        ),
    ]


def traces(place: Path) -> list[str]:
    """Where one of her values stands, in any encoding."""
    wanted = [HER, *VALUES, "ZX-99-4711", "987,654.32", "a" * 32]
    needles = [each.encode(code) for each in wanted for code in ("utf-8", "utf-16-le", "utf-16-be")]
    needles += [html.escape(each).encode() for each in wanted] + [
        base64.b64encode(each.encode()) for each in wanted
    ]
    files = [path for path in place.rglob("*") if path.is_file()]
    return sorted(
        {
            str(path.relative_to(place))
            for path in files
            for content in contents(path)
            if any(each in content for each in needles)
        }
    )


def test_erase_leaves_no_trace_and_all_goes_on_working(place: Path) -> None:
    assert len(traces(place)) >= 14
    out = mlkit("erase", HER, *ASKED)
    assert traces(place) == []
    assert "987654" not in out and HER not in out and "@" not in out
    run = RunFolder(place / "runs" / "demo")
    train, features = run.load("train"), run.load("features")
    assert len(train) == len(features) == 30 and len(run.load("data")) == 40
    assert [row["row"] for row in run.load("explanations")["rows"]] == [3]
    journal = run.journal
    assert journal["stages"]["prepare"]["reads"]["train"] == journal["artifacts"]["train"]["sha256"]
    outputs = json.loads((run.folder / "notebooks" / "07_explain.ipynb").read_text())["cells"][0]["outputs"]
    assert len(outputs) == 2 and "Row 3" in outputs[0]["data"]["text/markdown"]
    for package in (run.folder / "model", place / "copies" / "docker" / "model"):
        edges = json.loads((package / "reference.json").read_text())["fee"]["edges"]
        assert verify_package(package) and edges == [100.5, 104.5, 990000.0]
    listed = json.loads((place / "copies" / "docker" / ".mlkit.json").read_text())
    assert listed == {
        f"model/{name}": digest
        for name, digest in json.loads((package / MANIFEST_FILE).read_text())["files"].items()
    }
    receipt = next((place / "privacy" / "receipts").glob("*.json"))
    assert json.loads(receipt.read_text())["receipt"]["searched_again"]["places"] == 0
    assert stat.S_IMODE(receipt.stat().st_mode) == 0o600
    assert "Genuine" in mlkit("receipt", str(receipt), HER)
    with pytest.raises(MLKitError, match="about another person"):
        mlkit("receipt", str(receipt), "C0000001")
    receipt.write_text(receipt.read_text().replace('"rows": 1', '"rows": 2', 1))
    with pytest.raises(MLKitError, match="altered"):
        mlkit("receipt", str(receipt), HER)
    assert "erased before" in mlkit("erase", HER, *ASKED)
    assert HER not in (place / "audit.jsonl").read_text()


def test_a_letter_with_an_accent_is_the_same_in_both_forms_and_code_is_nobodys_data(place: Path) -> None:
    """Somebody who is called like a word of mlkit's code, and writes her name in two ways."""
    library = place / "copies" / "docker" / "mlkit"
    for name in ("__init__.py", "core/files.py", "inference/zoë_7.py"):
        (library / name).parent.mkdir(parents=True, exist_ok=True)
        (library / name).write_text("Zoë_7 = 1\n", encoding="utf-8")
    together, apart = "Zo\u00eb_7", "Zoe\u0308_7"
    nobody = ["C0000001", "\u3000", "é" * 201]  # cells that name no subject are in the way of no search
    table = pd.DataFrame({"customer_id": [together, apart, *nobody], "churned": [*"yn", *"nnn"]})
    table.to_parquet(place / "runs" / "more.parquet")
    table.to_csv(place / "copies" / "more.csv", index=False)
    (place / "copies" / "said.txt").write_text(f"{together} and {apart}", encoding="utf-8")
    mlkit("erase", together, *ASKED)
    assert len(pd.read_parquet(place / "runs" / "more.parquet")) == 3
    assert len(pd.read_csv(place / "copies" / "more.csv")) == 3
    assert (place / "copies" / "said.txt").read_text() == "[erased] and [erased]"
    assert (library / "core" / "files.py").read_text(encoding="utf-8") == "Zo\u00eb_7 = 1\n"


def test_whoever_is_called_nan_is_a_person_and_a_gap_is_none(place: Path) -> None:
    """And 7 is not 007, nor a number that a float cannot tell from hers."""
    table = pd.DataFrame({"customer_id": ["nan", None, "None", "", "7"], "churned": [*"ynnnn"]})
    table.to_parquet(place / "runs" / "more.parquet")
    table.to_csv(place / "copies" / "more.csv", index=False)
    numbers = pd.DataFrame({"customer_id": [7, 2**53, 2**53 + 1], "churned": [*"ynn"]})
    numbers.to_parquet(place / "runs" / "numbers.parquet")
    for name, left in (("nan", 3), ("007", 3), (str(2**53 + 1), 2), ("7", 1)):
        if name != "007":
            mlkit("erase", name, *ASKED)
        else:
            with pytest.raises(MLKitError, match="nothing is held of this subject"):
                mlkit("erase", name, *ASKED)
        assert len(pd.read_parquet(place / "runs" / "numbers.parquet")) == left
    for left in (
        pd.read_parquet(place / "runs" / "more.parquet"),
        pd.read_csv(place / "copies" / "more.csv", dtype="str", keep_default_na=False),
    ):
        assert [*left["customer_id"].fillna("")] == ["", "None", ""]


@pytest.mark.parametrize("cell", ["é" * 201, True], ids=["too long", "a truth value"])
def test_what_could_not_be_found_again_is_not_learned(tmp_path: Path, cell: object) -> None:
    table = customers().assign(customer_id=lambda rows: [cell, None, *rows["customer_id"][2:]])
    table["churned"] = ["yes", "no"] * 20 + ["no"]
    task = make_task(Problem("churned"), table["churned"])
    with pytest.raises(MLKitError, match="1 cell of 'customer_id' names no subject that could be found"):
        split_train_test(table, task, split="chance", subject="customer_id")


def test_the_table_that_runs_read_is_touched_on_request_only(place: Path) -> None:
    (place / "tables").mkdir()
    source = place / "tables" / "customers.csv"
    customers().to_csv(source, index=False)
    before = source.read_bytes()
    with edit_journal(place / "runs" / "demo") as journal:
        journal["parameters"] = {"collect.source": str(source)}
    assert "is not touched" in mlkit("erase", HER, *ASKED) and source.read_bytes() == before
    assert "Receipt" in mlkit("erase", HER, *ASKED, "--source-too")
    left = pd.read_csv(source)
    assert traces(place) == [] and len(left) == 40 and HER not in {*left["customer_id"]}
    receipts = sorted((place / "privacy" / "receipts").glob("*.json"), key=lambda path: path.stat().st_mtime)
    assert "not touched" not in receipts[-1].read_text()


def erase_and_die(place: Path, environment: dict[str, str], write: int) -> None:
    """In a process of its own: it ends by SIGKILL before a write, or well if there are fewer writes."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(place)
    left, replace, unlink = [write], os.replace, os.unlink

    def dying(former: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            return former(*arguments, **named)

        return call

    os.replace, os.unlink = dying(replace), dying(unlink)
    CliRunner().invoke(app, ["privacy", "erase", HER, *ASKED])


def test_an_erasure_that_is_killed_before_any_write_goes_on_to_its_end(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = get_context("fork")
    every = 1 if os.environ.get("MLKIT_TEST_KILLS") else 9  # each write takes two seconds
    for write in range(1, 200, every):
        place = moved(made, tmp_path / str(write), monkeypatch)
        process = context.Process(target=erase_and_die, args=(place, dict(os.environ), write))
        process.start()
        process.join(60)
        assert process.exitcode in (0, -signal.SIGKILL)
        mlkit("erase", HER, *ASKED)
        assert traces(place) == [], write
        run = RunFolder(place / "runs" / "demo")
        assert len(run.load("train")) == len(run.load("features")) == 30 and verify_package(
            run.folder / "model"
        )
        shutil.rmtree(place)
        if process.exitcode == 0:
            break
    assert 25 < write < 199


def test_find_and_access(place: Path) -> None:
    out = mlkit("find", HER, *ASKED)
    assert "predictions in the log" in out and not any(value in out for value in VALUES)
    mlkit("access", HER, "--to", "hers", *ASKED)
    facts = json.loads((place / "hers" / "access.json").read_text())
    page = (place / "hers" / "access.html").read_text()
    assert len(facts["predictions"]) == 1 and facts["predictions"][0]["truths"] == ["yes"]
    assert any(record.get("email") == VALUES[0] for record in facts["records"]) and VALUES[1] in page
    assert stat.S_IMODE((place / "hers" / "access.html").stat().st_mode) == 0o600


def test_an_erasure_removes_the_copies_that_were_handed_over(place: Path) -> None:
    for name in ("hers", f"of {HER}", "moved", "changed"):
        mlkit("access", HER, "--to", f"out/{name}", *ASKED)
    mlkit("access", "C0000001", "--to", "out/other", *ASKED)
    (place / "out" / "moved").rename(place / "sent")
    page = place / "out" / "changed" / "access.html"
    page.write_text(page.read_text() + "<p>With our regards.</p>")
    assert mlkit("find", HER, *ASKED).count("copy for her: ") == 6
    assert HER not in "".join(path.read_text() for path in (place / "privacy").glob("*.json"))
    mlkit("erase", HER, *ASKED)
    assert [*(place / "out").rglob("access.*")] == [page, *(place / "out" / "other").iterdir()]
    assert "regards" in page.read_text() and {each.split("/")[0] for each in traces(place)} == {"sent"}
    receipt = next((place / "privacy" / "receipts").glob("*.json")).read_text()
    told = json.loads(receipt)["receipt"]
    assert HER not in receipt and sum(each["kind"] == "copy for her" for each in told["found"]) == 5
    remains = {Path(each["what"]).parent.name: each["why"] for each in told["remains"]}
    assert "whoever has it must delete it" in remains["moved"] and "was changed" in remains["changed"]


def test_a_correction_is_read_as_the_schema_of_a_package_says(tmp_path: Path) -> None:
    places = find_places(tmp_path / "runs", [make_parcel_package(tmp_path / "parcels")])
    check_corrections({"weight": "30 kg", "service": "by hand"}, places, "sender")
    for wrong, message in (
        ({"weight": "heavy"}, "'weight' should be a number"),
        ({"wait": "3"}, "mean 'weight'"),
    ):
        with pytest.raises(MLKitError, match=message) as error:
            check_corrections({"distance": "10"} | wrong, places, "sender")
        assert "\n" not in str(error.value)


def test_a_copy_that_was_handed_over_is_erased_when_nothing_else_is_left(place: Path) -> None:
    mlkit("access", HER, "--to", "hers", *ASKED)
    (place / "predictions.db").unlink()
    for name in ("runs", "copies", "mlartifacts"):
        shutil.rmtree(place / name)
    (place / "copies").mkdir()
    mlkit("erase", HER, *ASKED)
    assert not [*(place / "hers").iterdir()]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["find", "C9999999", *ASKED], "nothing is held of this subject"),
        (["erase", "C9999999", *ASKED], "nothing is held of this subject"),
        (["erase", HER], "which column says whose data a row is"),
        (["erase", HER, *ASKED, "--log", "nowhere.db"], "there is no prediction log"),
        (["erase", HER, *ASKED, "--protect", "env:NOBODY"], "NOBODY is not set"),
        (["erase", HER, "--column", "customer_id", "--also", "nowhere"], "there is no nowhere"),
        (["retain", "--days", "30", "--high-risk"], "six months"),
        (["rectify", HER, *ASKED, "--set", "age"], "--set is COLUMN=VALUE"),
        (["rectify", HER, *ASKED, "--set", "fees=3"], "no column 'fees' in .*; did you mean 'fee'"),
        (["rectify", HER, *ASKED, "--set", "name=Mina", "--set", "fee=a lot"], "'fee' should be a number"),
        (["rectify", "C9999999", *ASKED, "--set", "fee=3"], "nothing is held of this subject"),
    ],
)
def test_bad_input_is_one_line_and_changes_nothing(place: Path, words: list[str], message: str) -> None:
    before = {path: path.read_bytes() for path in (place / "runs").rglob("*") if path.is_file()}
    with pytest.raises(MLKitError, match=message) as error:
        mlkit(*words)
    assert "\n" not in str(error.value) and HER not in str(error.value)
    assert before == {path: path.read_bytes() for path in (place / "runs").rglob("*") if path.is_file()}
    assert not (place / "privacy" / "corrections.json").exists()
