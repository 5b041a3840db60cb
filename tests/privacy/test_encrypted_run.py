"""An encrypted run: no byte of a row is on the disk, everything works with the master key, nothing without it."""

import base64
import hashlib
import io
import json
import os
import shutil
import signal
import stat
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from mlkit.cli.main import app
from mlkit.core.errors import RunError, SettingsError
from mlkit.core.files import atomic_file, encrypt_folder, file_digest
from mlkit.core.master_key import make_master_key
from mlkit.core.run_folder import RunFolder, read_journal
from mlkit.core.sealed_files import (
    holds_rows,
    is_sealed,
    make_table_key,
    open_content,
    read_content,
    readable_file,
)
from mlkit.privacy.copy_search import find_places, plan_search, search_copies
from mlkit.retraining.training_snapshot import TRAIN_FILE, read_gate_rows, write_snapshot
from mlkit.sources.headers import glance_at_names
from mlkit.sources.readers import concat_frames, read_batches
from tests.conftest import STAGES, Lifecycle, until

MARK = "qzMARKqz"  # stands in cells of each row
HER = "CU0000042"
ASKED = ("-p", "protect.subject=customer_id", "-p", "protect.encrypt=yes")


def customers(rows: int = 300) -> pd.DataFrame:
    chance = np.random.default_rng(0)
    mood = chance.normal(size=rows)
    return pd.DataFrame(
        {
            "customer_id": [f"CU{row:07d}" for row in range(rows)],
            "name": [f"{MARK}岡田{row:04d}" for row in range(rows)],
            "note": [
                f"{MARK}{row:04d} was {'slow and bad' if each > 0 else 'fine, thanks'}"
                for row, each in enumerate(mood)
            ],
            "age": chance.integers(20, 80, rows),
            "churned": np.where(mood + chance.normal(size=rows) * 0.7 > 0, "yes", "no"),
        }
    )


def files_of(*folders: Path) -> list[Path]:
    return sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())


def readings(path: Path) -> Iterator[bytes]:
    """A file's bytes, and what they become if they are unpacked in the ways that files of a run are packed."""
    content = path.read_bytes()
    yield content
    if content[:4] == b"PAR1":
        yield pd.read_parquet(io.BytesIO(content)).to_csv().encode()
    if content[:1] == b"\x78":
        with suppress(zlib.error):  # sealed bytes may begin like packed ones
            yield zlib.decompress(content)


def places_of_rows(*folders: Path) -> list[str]:
    marks = (MARK, HER, "CU00000", "岡田", json.dumps("岡田")[1:-1])
    wanted = [each.encode() for each in marks] + [base64.b64encode(f"{MARK}岡田"[:9].encode())[:11]]
    return [
        str(path)
        for path in files_of(*folders)
        if any(each in reading for reading in readings(path) for each in wanted)
    ]


def digests(folder: Path) -> dict[str, str]:
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files_of(folder)}


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Iterator[Path]:
    """A folder with a table and a master key, which the environment names."""
    place = tmp_path_factory.mktemp("shop")
    customers().to_csv(place / "people.csv", index=False)
    make_master_key(place / "master.key")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLKIT_PROTECT", str(place / "master.key"))
        patch.setenv("MLKIT_AUDIT_LOG", str(place / "audit.jsonl"))
        patch.setenv("MLKIT_PRIVACY", str(place / "privacy"))
        yield place


@pytest.fixture(scope="module")
def whole(shop, project) -> Lifecycle:
    """A finished run. To be read, or copied; never to be changed."""
    life = Lifecycle(shop / "runs" / "whole", project, str(shop / "people.csv"), "churned")
    life.folder.parent.mkdir()
    assert life.run(*ASKED) == STAGES
    return life


@pytest.fixture
def run(whole, shop, tmp_path, project) -> Lifecycle:
    """A copy of it."""
    (tmp_path / "runs").mkdir()
    shutil.copytree(whole.folder, tmp_path / "runs" / "copy")
    shutil.copy(shop / "people.csv", tmp_path)  # a copy looks at its own table
    return Lifecycle(tmp_path / "runs" / "copy", project, str(tmp_path / "people.csv"), "churned")


def invoke(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, [*words])
    if result.exception and not isinstance(result.exception, SystemExit):
        return 1, str(result.exception)
    return result.exit_code, result.output


# ------------------------------------ what is on the disk
def test_no_file_of_an_encrypted_run_holds_a_row(whole):
    assert places_of_rows(whole.folder) == []
    sealed = {path.relative_to(whole.folder).as_posix() for path in files_of(whole.folder) if is_sealed(path)}
    expected = {
        "report.html",
        "predictions.parquet",
        "artifacts/train.parquet",
        "artifacts/explanations.json",
    }
    assert expected | {"notebooks/02_collect.ipynb", "notebooks/07_explain.ipynb"} <= sealed
    assert stat.S_IMODE((whole.folder / "tables.key").stat().st_mode) == 0o600


def test_mlflow_gets_no_row_of_an_encrypted_run(whole):
    database, files = (whole.folder.parent.parent / name for name in ("mlflow.db", "mlartifacts"))
    assert MARK.encode() not in database.read_bytes()
    assert [path for path in files_of(files) if path.name == "metrics.json"] and places_of_rows(files) == []


def test_with_the_master_key_everything_is_read_as_ever(whole):
    made = RunFolder(whole.folder)
    data = made.load("data")
    assert data["note"].tolist() == customers()["note"].tolist()
    assert MARK in json.dumps(made.load("explanations"))
    assert json.loads(read_content(whole.folder / "notebooks" / "02_collect.ipynb"))["nbformat"] == 4
    assert b"</html>" in read_content(whole.folder / "report.html")
    table = str(whole.artifacts / "train.parquet")
    assert "note" in (glance_at_names(table, {}) or ())
    assert len(concat_frames([*read_batches(table)], 0)) == len(made.load("train"))


def test_the_digest_of_an_artifact_is_that_of_its_content(whole, tmp_path):
    plain = RunFolder(tmp_path / "plain", "collect")
    plain.save("data", RunFolder(whole.folder).load("data"))
    known = read_journal(plain.folder)["artifacts"]["data"]["sha256"]
    assert read_journal(whole.folder)["artifacts"]["data"]["sha256"] == known
    assert file_digest(whole.artifacts / "data.parquet") == known


def test_the_stage_and_the_papers_say_that_the_run_is_encrypted(whole):
    facts = whole.load("protect")
    assert facts["encrypted"] and all(place["encrypted"] for place in facts["places"])
    assert "all of them encrypted" in facts["summary"]
    assert (
        "all of them encrypted"
        in (whole.folder / "papers" / "impact_assessment.md").read_text()
        + (whole.folder / "papers" / "processing_record.md").read_text()
    )


# ------------------------------------ going on
def test_a_run_goes_on_where_it_was_and_mends_what_is_damaged(run):
    assert run.run(*ASKED) == []
    table = run.artifacts / "test.parquet"
    content = bytearray(table.read_bytes())
    content[-40] ^= 1
    table.write_bytes(content)
    assert run.run(*ASKED, "--to", "validate") == ["validate"]
    assert len(RunFolder(run.folder).load("test")) == 60
    assert places_of_rows(run.folder) == []


@pytest.mark.parametrize("key", ["", "other.key"])
def test_without_its_master_key_a_run_says_so_in_one_line_and_loses_nothing(run, key, monkeypatch):
    before = digests(run.folder)
    place = str(run.folder.with_name(key)) if key else ""
    if key:
        make_master_key(Path(place))
    monkeypatch.setenv("MLKIT_PROTECT", place)
    run.run(*ASKED, expect=2)
    assert run.err.count("\n") == 1 and "MLKIT_PROTECT" in run.err and "copy" in run.err
    assert "Traceback" not in run.err + run.out
    for words in (
        ["show", str(run.folder), "--open"],
        ["privacy", "find", HER, "--runs", str(run.folder.parent), "--log", "none"],
        ["privacy", "erase", HER, "--runs", str(run.folder.parent), "--log", "none"],
        ["privacy", "decrypt", str(run.folder / "report.html"), "--to", str(run.folder.parent / "page.html")],
        ["compare", str(run.folder), str(run.folder.parent)],
    ):
        code, said = invoke(*words)
        assert code, words
    with pytest.raises(SettingsError, match="MLKIT_PROTECT"):
        RunFolder(run.folder).load("train")
    now = digests(run.folder)
    assert {path for path in before if now.get(path) != before[path]} == set()


def test_a_lost_key_of_the_run_is_told_and_no_new_one_takes_its_place(run):
    (run.folder / "tables.key").unlink()
    before = digests(run.folder)
    run.run(*ASKED, expect=2)
    assert "tables.key is gone" in run.err and run.err.count("\n") == 1
    with pytest.raises(RunError, match=r"tables\.key"):
        RunFolder(run.folder).load("train")
    assert {path: each for path, each in digests(run.folder).items() if path in before} == before


def test_a_run_in_clear_becomes_an_encrypted_one_and_stays_so(shop, project, tmp_path):
    life = Lifecycle(tmp_path / "later", project, str(shop / "people.csv"), "churned")
    assert life.run("--to", "validate") == STAGES[:3]
    assert len(places_of_rows(life.folder)) >= 4
    assert life.run("--to", "validate", *ASKED[2:]) == []
    assert places_of_rows(life.folder) == []
    life.run("--to", "validate", "-p", "protect.encrypt=no", expect=2)
    assert "stays so" in life.err and life.err.count("\n") == 1


def test_a_run_that_is_to_be_encrypted_needs_a_master_key(shop, project, tmp_path, monkeypatch):
    monkeypatch.delenv("MLKIT_PROTECT")
    life = Lifecycle(tmp_path / "none", project, str(shop / "people.csv"), "churned")
    life.run(*ASKED, expect=2)
    assert "no master key is named" in life.err and "MLKIT_PROTECT" in life.err
    assert places_of_rows(life.folder) == []


def test_killed_at_any_moment_a_run_leaves_nothing_in_clear(shop, project, tmp_path):
    life = Lifecycle(tmp_path / "killed", project, str(shop / "people.csv"), "churned")
    for stage in ("collect", "validate", "prepare", "explain"):
        process = life.start(*ASKED, "--to", "explain")
        begun = until(
            lambda stage=stage: life.journal()["stages"].get(stage, {}).get("state") == "running", 120
        )
        time.sleep(0.5)  # in the middle of it, wherever that is
        process.kill()
        process.wait()
        assert begun and until(lambda: not life.processes(), 30)
        assert places_of_rows(life.folder) == [], stage
    life.run(*ASKED, "--to", "explain")
    assert places_of_rows(life.folder) == []
    assert len(RunFolder(life.folder).load("train")) == 240


# ------------------------------------ rights
def test_a_person_is_found_and_handed_over(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, said = invoke("privacy", "find", HER)
    assert code == 0 and "data.parquet" in said
    code, said = invoke("privacy", "access", HER, "--to", "hers")
    assert code == 0
    facts = json.loads((tmp_path / "hers" / "access.json").read_text(encoding="utf-8"))
    assert facts["records"][0]["customer_id"] == HER and facts["records"][0]["note"].startswith(f"{MARK}0042")


def test_a_person_is_erased_and_the_run_stays_encrypted_and_whole(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sealed = [path for path in files_of(run.folder) if is_sealed(path)]
    code, said = invoke("privacy", "erase", HER)
    assert code == 0, said
    assert all(is_sealed(path) for path in sealed if path.exists())
    assert places_of_rows(run.folder) == []
    made = RunFolder(run.folder)
    assert len(made.load("data")) == 299 and HER not in set(made.load("data")["customer_id"])
    for path in files_of(run.folder):
        clear = read_content(path)
        if clear[:4] == b"PAR1":
            clear = pd.read_parquet(io.BytesIO(clear)).to_csv().encode()
        assert HER.encode() not in clear and f"{MARK}0042".encode() not in clear, path
    places = find_places(run.folder.parent)
    assert not [*search_copies(places, plan_search(places, "customer_id", HER))]


def test_rows_that_are_old_go(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in files_of(run.folder):
        os.utime(path, (1e9, 1e9))
    code, said = invoke("privacy", "retain", "--days", "365", "--log", "none")
    assert code == 0 and not (run.artifacts / "train.parquet").exists(), said


# ------------------------------------ the master key
def rotate(*words: str) -> None:
    code, said = invoke("privacy", "rotate", "master", *words)
    assert code == 0, said


def test_a_new_master_key_opens_the_run_and_the_old_one_does_not(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(os.environ["MLKIT_PROTECT"], tmp_path / "own.key")
    make_master_key(tmp_path / "new.key")
    rotate("--protect", "own.key", "--new", "new.key")
    monkeypatch.setenv("MLKIT_PROTECT", "own.key")
    with pytest.raises(SettingsError, match="another master key"):
        RunFolder(run.folder).load("train")
    monkeypatch.setenv("MLKIT_PROTECT", "new.key")
    assert len(RunFolder(run.folder).load("train")) == 240
    rotate()  # in the same file
    assert len(RunFolder(run.folder).load("train")) == 240 and (tmp_path / "new.key.old").is_file()


def rotate_and_die(write: int) -> None:
    """In a process of its own: it ends by SIGKILL before a file takes the place of another."""
    left, replace = [write], os.replace

    def counted(*places, **more):
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        replace(*places, **more)

    os.replace = counted
    rotate()


def test_killed_before_any_write_a_rotation_loses_no_run_and_goes_on(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLKIT_PRIVACY", str(tmp_path / "privacy"))
    shutil.copytree(run.folder, run.folder.with_name("second"))
    shutil.copy(os.environ["MLKIT_PROTECT"], tmp_path / "own.key")
    monkeypatch.setenv("MLKIT_PROTECT", "own.key")
    killed = 0
    for write in range(1, 12):
        process = get_context("fork").Process(target=rotate_and_die, args=(write,))
        process.start()
        process.join(60)
        killed += process.exitcode == -signal.SIGKILL
        for name in ("copy", "second"):
            assert len(RunFolder(tmp_path / "runs" / name).load("test")) == 60, write
        rotate()
        for name in ("copy", "second"):
            assert len(RunFolder(tmp_path / "runs" / name).load("test")) == 60, write
        if process.exitcode == 0:
            break
    assert killed >= 4


# ------------------------------------ reading on purpose
def test_a_file_is_decrypted_for_its_owner_alone_and_on_record(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    notebook, copy = run.folder / "notebooks" / "02_collect.ipynb", tmp_path / "collect.ipynb"
    code, said = invoke("privacy", "decrypt", str(notebook), "--to", str(copy))
    assert code == 0 and json.loads(copy.read_text(encoding="utf-8"))["nbformat"] == 4
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert "exported" in Path(os.environ["MLKIT_AUDIT_LOG"]).read_text(encoding="utf-8")
    code, said = invoke("privacy", "decrypt", str(notebook), "--to", str(copy))
    assert code and "is there already" in said
    code, said = invoke("privacy", "decrypt", str(run.folder / "run.json"), "--to", str(tmp_path / "other"))
    assert code and "is not encrypted" in said


# ------------------------------------ files
def folder_with_key(place: Path) -> Path:
    place.mkdir()
    make_table_key(place)
    return place


def test_whatever_a_stage_of_a_project_saves_is_sealed(shop, tmp_path):
    run = RunFolder(folder_with_key(tmp_path / "run"), "mine")
    values = {
        "list": [MARK],
        "page.html": MARK,
        "object": (MARK, {1, 2}),
        "table": pd.DataFrame({"a": [MARK]}),
    }
    for name, value in values.items():
        run.save(name, value)
    run.save("sheet", pd.DataFrame({"a": [MARK]}), ".csv")
    assert places_of_rows(run.folder) == []
    assert run.load("list") == [MARK] and run.load("object") == values["object"]
    assert run.load("page.html") == MARK and run.load("sheet")["a"].tolist() == [MARK]


def test_a_large_table_is_read_in_parts(shop, tmp_path):
    folder = folder_with_key(tmp_path / "run")
    chance = np.random.default_rng(0)
    frame = pd.DataFrame({f"x{column}": chance.normal(size=200_000) for column in range(4)})
    with atomic_file(folder / "large.parquet") as target:
        frame.to_parquet(target, index=False)
    assert (folder / "large.parquet").stat().st_size > 5 << 20
    pd.testing.assert_frame_equal(pd.read_parquet(readable_file(folder / "large.parquet")), frame)
    one = pd.read_parquet(readable_file(folder / "large.parquet"), columns=["x2"])
    assert one["x2"].equals(frame["x2"])


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 2 << 20])
def test_a_file_of_any_size_is_the_same_again_and_never_shorter(shop, tmp_path, size):
    folder, content = folder_with_key(tmp_path / "run"), os.urandom(size)
    with atomic_file(folder / "a.csv") as target:
        target.write(content)
    assert read_content(folder / "a.csv") == content
    with open_content(folder / "a.csv") as file:
        file.seek(size // 2)
        assert file.read(1000) == content[size // 2 :][:1000]
    sealed = (folder / "a.csv").read_bytes()
    for cut in {1, 2, 27, 28, 29, 100, len(sealed) // 2, len(sealed) - 15, (1 << 20) + 28, (1 << 20) + 29}:
        if len(sealed) - cut > 15:
            (folder / "a.csv").write_bytes(sealed[:-cut])
            with pytest.raises(RunError, match="damaged"):
                read_content(folder / "a.csv")


def test_a_file_under_anothers_name_or_in_anothers_folder_does_not_open(shop, tmp_path):
    one, other = folder_with_key(tmp_path / "one"), folder_with_key(tmp_path / "other")
    with atomic_file(one / "a.csv") as target:
        target.write(b"of one")
    for place in (one / "b.csv", other / "a.csv"):
        shutil.copy(one / "a.csv", place)
        with pytest.raises(RunError, match="damaged, or was changed"):
            read_content(place)


def test_encrypting_a_folder_goes_on_after_a_kill(shop, tmp_path):
    def encrypt_and_die(write: int) -> None:
        rotate_like, left = os.replace, [write]

        def counted(*places, **more):
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            rotate_like(*places, **more)

        os.replace = counted
        encrypt_folder(tmp_path / "run")

    (tmp_path / "run").mkdir()
    for number in range(4):
        (tmp_path / "run" / f"{number}.csv").write_text(f"{MARK} {number}")
    for write in (1, 3):
        process = get_context("fork").Process(target=encrypt_and_die, args=(write,))
        process.start()
        process.join(60)
        assert process.exitcode == -signal.SIGKILL
    encrypt_folder(tmp_path / "run")
    assert places_of_rows(tmp_path / "run") == []
    assert [read_content(tmp_path / "run" / f"{number}.csv").decode() for number in range(4)] == [
        f"{MARK} {number}" for number in range(4)
    ]


def test_what_leaves_a_run_stays_readable(tmp_path):
    open_files = (
        "model/background.json",
        "deploy/docker/model/card.html",
        "run.json",
        "artifacts/metrics.json",
    )
    assert not any(holds_rows(tmp_path / name, tmp_path) for name in open_files)
    closed = (
        "artifacts/train.validate.parquet",
        "artifacts/own.json",
        "compare.html",
        "notebooks/.02_collect.ipynb",
    )
    assert all(holds_rows(tmp_path / name, tmp_path) for name in closed)


# ------------------------------------ retraining
def test_a_snapshot_for_a_challenger_is_encrypted_as_its_champions_run_is(shop, tmp_path):
    table = customers(20)
    parts = {"train": ["a"], "gate": ["b"]}
    write_snapshot(
        tmp_path / "snapshot", table, table.head(5), parts, [1.0] * 20, {"since": 0.0}, encrypt=True
    )
    assert places_of_rows(tmp_path / "snapshot") == []
    assert read_gate_rows(tmp_path / "snapshot")["note"].tolist() == table.head(5)["note"].tolist()
    source = str(tmp_path / "snapshot" / TRAIN_FILE)
    assert concat_frames([*read_batches(source)], 0)["note"].tolist() == table["note"].tolist()
