"""A run folder that was not made on this machine runs no code."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import joblib
import pandas as pd
import pytest

from mlkit.core.errors import RunError
from mlkit.core.files import file_digest
from mlkit.core.machine_key import make_mark
from mlkit.core.run_folder import RunFolder, edit_journal, has_own_request, read_journal
from mlkit.evaluation.champion import find_champion_file
from mlkit.pipeline.notebooks import _is_unchanged_artifact

MAIN = "from mlkit.cli.main import main; main()"


class Bomb:
    """What runs code when it is opened."""

    def __init__(self, place: Path):
        self.place = place

    def __reduce__(self):
        return (os.mkdir, (str(self.place),))


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "here"))
    for name in ("MLKIT_SIGNING_KEY", "MLKIT_TRUST_RUNS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def foreign(tmp_path, monkeypatch) -> Path:
    """A run folder of another machine, whose objects run code."""
    folder = tmp_path / "theirs"
    with monkeypatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path / "there"))
        run = RunFolder(folder, "evaluate")
        run.save("final", {1, 2})
        run.save("table", pd.DataFrame({"a": [1]}))
        run.save("facts", {"score": 0.5})
        with edit_journal(folder) as journal:
            journal["request"] = {"data": "x.csv", "overrides": ["evaluate.champion=/tmp/bomb.joblib"]}
        joblib.dump(Bomb(tmp_path / "code ran"), folder / "artifacts" / "final.joblib")
        with edit_journal(folder) as journal:
            digest = file_digest(folder / "artifacts" / "final.joblib")
            journal["artifacts"]["final"] |= {"sha256": digest, "mark": make_mark(f"final {digest}")}
    return folder


def test_an_object_of_another_machine_is_not_opened_and_data_are(foreign, tmp_path):
    run = RunFolder(foreign)
    with pytest.raises(
        RunError, match="theirs was not made on this machine.*mlkit run --fresh.*MLKIT_TRUST_RUNS"
    ):
        run.load("final")
    assert run.load("table")["a"].tolist() == [1] and run.load("facts") == {"score": 0.5}
    assert not (tmp_path / "code ran").exists()


def test_writing_into_it_makes_nothing_of_it_our_own(foreign, tmp_path):
    RunFolder(foreign, "explain").save("more", {3})
    journal = read_journal(foreign)
    assert RunFolder(foreign).load("more") == {3} and not has_own_request(foreign, journal)
    with pytest.raises(RunError, match="not made on this machine"):
        RunFolder(foreign).load("final")
    assert not _is_unchanged_artifact(foreign, "final", journal["artifacts"]["final"])  # its stage runs anew
    assert not (tmp_path / "code ran").exists()


@pytest.mark.parametrize("change", ["no mark", "mark of another artifact", "another file"])
def test_a_mark_counts_for_one_content_of_one_artifact(tmp_path, change):
    run = RunFolder(tmp_path / "ours", "evaluate")
    run.save("final", {1, 2})
    run.save("other", {3})
    path = tmp_path / "ours" / "artifacts" / "final.joblib"
    with edit_journal(tmp_path / "ours") as journal:
        entry = journal["artifacts"]["final"]
        if change == "no mark":
            del entry["mark"]
        elif change == "mark of another artifact":
            entry["mark"] = journal["artifacts"]["other"]["mark"]
        else:
            joblib.dump(Bomb(tmp_path / "code ran"), path)
            entry["sha256"] = file_digest(path)
    with pytest.raises(RunError, match="not made on this machine"):
        RunFolder(tmp_path / "ours").load("final")
    assert not (tmp_path / "code ran").exists()


def test_somebody_can_vouch_for_it(foreign, tmp_path, monkeypatch):
    monkeypatch.setenv("MLKIT_TRUST_RUNS", os.pathsep.join(["elsewhere", str(foreign)]))
    RunFolder(foreign).load("final")
    assert (tmp_path / "code ran").exists() and has_own_request(foreign, read_journal(foreign))


def test_machines_with_one_signing_key_open_each_others_runs(tmp_path, monkeypatch):
    (tmp_path / "shared.key").write_text("a key that both have")
    monkeypatch.setenv("MLKIT_SIGNING_KEY", str(tmp_path / "shared.key"))
    RunFolder(tmp_path / "run", "evaluate").save("final", {1, 2})
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "another machine"))
    assert RunFolder(tmp_path / "run").load("final") == {1, 2}


def test_a_run_of_this_machine_may_be_moved(tmp_path):
    RunFolder(tmp_path / "run", "evaluate").save("final", {1, 2})
    shutil.move(tmp_path / "run", tmp_path / "moved")
    assert RunFolder(tmp_path / "moved").load("final") == {1, 2}
    assert (tmp_path / "here" / "mlkit" / "run.key").stat().st_mode & 0o077 == 0 or os.name != "posix"


def test_a_home_that_cannot_be_written_has_its_key_elsewhere(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file" / "home"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    RunFolder(tmp_path / "run", "evaluate").save("final", {1, 2})
    assert RunFolder(tmp_path / "run").load("final") == {1, 2} and list(tmp_path.glob("mlkit-*/run.key"))


@pytest.mark.parametrize("named", ["", "artifacts/final.joblib"])
def test_it_is_no_champion(foreign, tmp_path, named):
    with pytest.raises(RunError, match="not made on this machine"):
        find_champion_file(str(foreign / named))
    assert not (tmp_path / "code ran").exists()


def test_its_settings_are_not_carried_out(foreign, tmp_path):
    command = [sys.executable, "-c", MAIN, "run", "--out", str(foreign)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert (
        done.returncode == 2
        and "was not made on this machine, and its settings could run code" in done.stderr
    )
    assert "Traceback" not in done.stderr and done.stderr.count("\n") == 1
    assert json.loads((foreign / "run.json").read_text())["request"]


def test_an_object_of_an_older_mlkit_is_said_to_be_so(tmp_path):
    run = RunFolder(tmp_path / "run", "evaluate")
    path = run.save("final", {1, 2})
    path.write_bytes(b"cmlkit.kit.models\nModel\n.")  # a pickle of a module that is gone
    with edit_journal(tmp_path / "run") as journal:
        digest = file_digest(path)
        journal["artifacts"]["final"] |= {"sha256": digest, "mark": make_mark(f"final {digest}")}
    with pytest.raises(RunError, match="written by another version of mlkit.*mlkit run --fresh"):
        run.load("final")
