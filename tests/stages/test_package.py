"""What is shipped is whole, is the model, tells where it comes from, and holds nobody's row."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlkit.core.errors import PackageError, RunError
from mlkit.core.files import file_digest
from mlkit.core.run_folder import RunFolder, read_journal, remove_partial_files
from mlkit.data.model_inputs import input_names
from mlkit.inference.predictor import load_predictor
from mlkit.inference.signing import verify_package
from mlkit.package import FILE_PURPOSES
from mlkit.packaging import onnx_export, parity
from mlkit.packaging.package_writer import replace_package
from mlkit.packaging.parity import export_and_check, shuffle_columns
from mlkit.packaging.provenance import git_state
from mlkit.pipeline.notebooks import list_stages, run_in_process
from mlkit.registry import fetching, history

QUIET = {"register": False}
SMALL = {
    "problem": {"target": "churned"},
    "collect": {"source": "example:customers", "rows": 600},
    "validate": {},
    "prepare": {},
    "train": {"models": "tree", "trials": 1, "budget": 0.0, "jobs": 1},
    "evaluate": {"resamples": 100, "curve_points": 0},
    "explain": {"samples": 10, "background": 20, "rows": "1"},
    "package": QUIET,
}


@pytest.fixture(autouse=True, scope="module")
def key(own_key):
    """No server of anybody's either."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield own_key


@pytest.fixture(scope="module")
def made(key, tmp_path_factory) -> Path:
    """A run of the example up to the package. To be read, or copied; never to be changed."""
    folder = tmp_path_factory.mktemp("runs") / "example"
    for name, parameters in SMALL.items():
        run_in_process(folder, list_stages()[name], parameters)
    return folder


@pytest.fixture
def own(made, tmp_path) -> Path:
    """The same, to be changed."""
    return Path(shutil.copytree(made, tmp_path / "run"))


def again(folder: Path, **parameters) -> bool:
    """Run the stage; did it have to?"""
    before = read_journal(folder)["stages"]["package"]["attempt"]
    run_in_process(folder, list_stages()["package"], QUIET | parameters)
    return read_journal(folder)["stages"]["package"]["attempt"] != before


def parts(folder: Path):
    run = RunFolder(folder)
    return run.load("final"), run.load("train"), run.load("test")


# ---------------------------------------- what is in it
def test_a_package_is_whole_and_says_what_it_is(made):
    manifest = verify_package(made / "model")
    own = {"code"}  # of models that a project has written a part of
    assert {path.name for path in (made / "model").iterdir()} == set(FILE_PURPOSES) - own
    assert manifest["format"] == 2 and manifest["name"] == "mlkit"
    assert manifest["data"] == {"hash": RunFolder(made).load("snapshot")["data_hash"], "rows": 600}
    assert manifest["parity"] == manifest["parity"] | {"onnx": True, "changed_labels": 0, "reason": ""}
    assert manifest["parity"]["rows"] >= 1500 and manifest["parity"]["largest_difference"] <= 1e-5
    assert manifest["packages"]["scikit-learn"] and manifest["model"]["score"] > 0.6
    recorded = RunFolder(made).load("package")
    assert recorded["manifest_digest"] == file_digest(made / "model" / "manifest.json")
    assert (recorded["folder"], recorded["version"]) == ("model", "")


def test_a_package_answers_as_the_model_did(made):
    model, _, test = parts(made)
    predictor = load_predictor(made / "model")
    answers = predictor.predict(test)
    assert np.abs(answers - model.output(test)).max() < 1e-5
    assert predictor.labels(answers) == model.predict(test).tolist()


def test_all_formats_are_the_same_model(made):
    model, _, test = parts(made)
    expected = model.output(test)
    code = (
        "import joblib, pickle, sys, pandas as pd, numpy as np\n"
        "test = pd.read_parquet(sys.argv[2])\n"
        "with open(f'{sys.argv[1]}/model.pkl', 'rb') as file: one = pickle.load(file)\n"
        "other = joblib.load(f'{sys.argv[1]}/model.joblib')\n"
        "np.save(sys.argv[3], np.stack([one.output(test), other.output(test)]))\n"
    )
    said = made.parent / "said.npy"
    arguments = [str(made / "model"), str(made / "artifacts" / "test.parquet"), str(said)]
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, timeout=120)
    assert (np.load(said) == expected).all()


def test_only_columns_of_the_model_are_told(made):
    model, _, test = parts(made)
    used = [column.name for column in model.table.used]
    schema, background = (json.loads((made / "model" / f"{name}.json").read_text())
                          for name in ("schema", "background"))  # fmt: skip
    assert list(schema["columns"]) == used == list(background["columns"])
    reference = json.loads((made / "model" / "reference.json").read_text())
    names = {name for column in model.table.used for name in input_names(column)}
    assert {column["name"] for column in reference["columns"]} <= names
    assert reference["quality"]["metric"]["rows"] == len(test)
    assert {len(cells) for cells in background["columns"].values()} == {60}
    problem = json.loads((made / "model" / "problem.json").read_text())
    assert {"name", "email"} <= set(problem["personal"]) and problem["threshold"] == model.threshold


def test_no_file_holds_a_person_of_the_table(made):
    people = parts(made)[1]["email"].dropna().tolist()
    for path in (made / "model").iterdir():
        content = path.read_bytes()
        assert not any(mail.encode() in content for mail in people), path.name
    assert people


def test_no_file_says_where_it_was_made(made):
    for path in (made / "model").glob("*.json"):
        text = path.read_text()
        assert str(made) not in text and os.uname().nodename not in text, path.name


@given(st.integers(2, 40), st.integers(1, 60), st.integers(0, 5))
@settings(max_examples=30)
def test_shuffled_columns_keep_their_values_and_no_row(count, rows, seed):
    frame = pd.DataFrame({"one": range(count), "other": [str(number) for number in range(count)]})
    mixed = shuffle_columns(frame, rows, seed)
    assert len(mixed) == min(rows, count)
    assert set(mixed.one) <= set(frame.one) and mixed.one.is_unique and mixed.other.is_unique
    if rows >= count:
        assert sorted(mixed.one) == sorted(frame.one)
    if count > 20 and rows > 20:
        assert (mixed.one.astype(str) != mixed.other).any()


# ---------------------------------------- when the graph is not the model
def test_a_graph_that_differs_is_not_shipped_and_the_manifest_says_why(own, monkeypatch):
    model, train, test = parts(own)
    wrong = onnx_export.to_onnx(model)
    for node in wrong.graph.node:
        if node.op_type == "Cast" and node.output[0] == "output":
            node.input[0] = "tilted"
    said = next(node for node in wrong.graph.node if node.output[0] == "output")
    last = [node.output[0] for node in wrong.graph.node][-2]
    from onnx import helper, numpy_helper

    wrong.graph.initializer.append(numpy_helper.from_array(np.array(1.001), "more"))
    wrong.graph.node.insert(len(wrong.graph.node) - 1, helper.make_node("Mul", [last, "more"], ["tilted"]))
    assert said.input[0] == "tilted"
    monkeypatch.setattr(onnx_export, "to_onnx", lambda model: wrong)
    proof = export_and_check(model, train, test)
    assert proof.graph is None and not proof.to_dict()["onnx"]
    assert proof.to_dict()["largest_difference"] > 1e-5 and "parity fails" in proof.to_dict()["reason"]


def test_a_model_that_cannot_be_written_ships_in_the_other_formats(own, monkeypatch):
    def refuse(model):
        raise PackageError("Dice cannot be written as ONNX: nobody knows it")

    shutil.rmtree(own / "model")
    monkeypatch.setattr(onnx_export, "to_onnx", refuse)
    assert again(own)
    manifest = verify_package(own / "model")
    assert not (own / "model" / "model.onnx").exists()
    assert manifest["parity"] == {
        "onnx": False, "rows": 0, "largest_difference": 0.0, "changed_labels": 0,
        "reason": "There is no ONNX model: Dice cannot be written as ONNX: nobody knows it."}  # fmt: skip
    model, _, test = parts(own)
    assert np.abs(load_predictor(own / "model").predict(test) - model.output(test)).max() < 1e-9
    summary = read_journal(own)["stages"]["package"]["summary"]
    assert summary.split(";")[:2] == ["mlkit, not registered", " not as ONNX"]


def test_a_graph_that_does_not_run_is_not_shipped(made, monkeypatch):
    def refuse(*arguments):
        raise RuntimeError("[ONNXRuntimeError] : 9 : NOT_IMPLEMENTED : no implementation\nand more")

    monkeypatch.setattr(parity, "check_parity", refuse)
    proof = export_and_check(*parts(made))
    reason = proof.to_dict()["reason"]
    assert proof.graph is None and reason.startswith("There is no ONNX model: [ONNXRuntimeError]")
    assert "\n" not in proof.description


# ---------------------------------------- again, and after damage
def test_what_is_intact_is_not_made_again(own):
    assert not again(own)


@pytest.mark.parametrize("name", ["model.onnx", "card.md", "manifest.json", "signature"])
def test_a_damaged_file_is_made_anew(own, name):
    before = file_digest(own / "model" / "manifest.json")
    with open(own / "model" / name, "ab") as file:
        file.write(b" ")
    with pytest.raises(PackageError):
        verify_package(own / "model")
    assert again(own)
    verify_package(own / "model")
    assert file_digest(own / "model" / "manifest.json") == before, "the same content is the same package"


def test_a_lost_package_is_made_anew(own):
    before = {path.name: file_digest(path) for path in (own / "model").iterdir()}
    shutil.rmtree(own / "model")
    assert again(own)
    after = {path.name: file_digest(path) for path in (own / "model").iterdir()}
    changed = {name for name in before if before[name] != after.get(name)}
    assert changed <= {"signature", "manifest.json", "model.pkl"}, "pickle does not promise the same bytes"


def test_other_content_is_another_package(own):
    before = verify_package(own / "model")["created"], file_digest(own / "model" / "manifest.json")
    assert again(own, name="customers")
    manifest = verify_package(own / "model")
    assert manifest["name"] == "customers" and file_digest(own / "model" / "manifest.json") != before[1]


def test_a_package_that_could_not_be_finished_is_never_seen(own, monkeypatch):
    before = {path.name: file_digest(path) for path in (own / "model").iterdir()}

    def fill(beside):
        (beside / "model.pkl").write_bytes(b"half a mod")
        raise OSError(28, "No space left on device")

    with pytest.raises(RunError, match="cannot write .*: No space left on device; free space or"):
        replace_package(own / "model", fill, {"name": "x"})
    assert {path.name: file_digest(path) for path in (own / "model").iterdir()} == before
    assert not [*own.glob(".model.*")]


def test_what_a_killed_process_left_beside_is_swept(own):
    (own / ".model.0badcafe").mkdir()
    (own / ".model.0badcafe" / "model.pkl").write_bytes(b"half a mod")
    remove_partial_files(own)
    assert not [*own.glob(".model.*")] and (own / "model").exists()


# ---------------------------------------- where it comes from
def test_the_manifest_names_the_commit_and_whether_anything_was_changed_since(tmp_path):
    def git(*words):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *words], cwd=tmp_path,
                       check=True, capture_output=True)  # fmt: skip

    assert git_state(tmp_path) is None
    git("init")
    assert git_state(tmp_path) is None, "there is no commit yet"
    (tmp_path / "settings.ini").write_text("[project]\n")
    git("add", ".")
    git("commit", "-m", "begin")
    (tmp_path / "runs").mkdir()
    clean = git_state(tmp_path / "runs")
    assert clean is not None and len(clean["commit"]) == 40 and clean["dirty"] is False
    (tmp_path / "settings.ini").write_text("[project]\nname = x\n")
    assert git_state(tmp_path / "runs") == {"commit": clean["commit"], "dirty": True}


def test_without_git_there_is_no_commit(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_state(tmp_path) is None


# ---------------------------------------- the registry
def test_the_first_version_is_champion_and_the_next_one_challenger(made, tmp_path, monkeypatch):
    home = tmp_path / "home"
    own = Path(shutil.copytree(made, home / "runs" / "customers"))
    monkeypatch.chdir(home)
    run_in_process(own, list_stages()["package"], {"name": "customers"})
    assert RunFolder(own).load("package")["version"] == "1"
    (own / "model" / "card.md").unlink()
    run_in_process(own, list_stages()["package"], {"name": "customers"})
    assert RunFolder(own).load("package")["version"] == "1", "the same content is the same version"
    with open(own / "artifacts" / "card.md", "a") as file:
        file.write("\nA new word.\n")
    run = RunFolder(own, "explain")
    run.save("card.md", (own / "artifacts" / "card.md").read_text())
    run_in_process(own, list_stages()["package"], {"name": "customers"})
    assert RunFolder(own).load("package")["version"] == "2"
    found = {version.number: set(version.aliases) for version in history.load_history("customers").versions}
    assert found == {"1": {"champion"}, "2": {"challenger"}}
    champion = fetching.find_package("customers@champion")
    assert "A new word" not in (champion / "card.md").read_text()
    assert joblib.load(champion / "model.joblib").family == verify_package(champion)["model"]["family"]
