"""A retraining goes as far as it can, whatever ends it in between; a worse model gets nowhere; bad input is a line."""

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from mlkit.cli.main import collect_parameters
from mlkit.core.errors import DataError, RunError, SettingsError
from mlkit.core.master_key import load_master_key, make_master_key
from mlkit.core.run_folder import RunFolder
from mlkit.core.sealed_files import is_sealed, readable_file
from mlkit.inference.predictor import load_predictor
from mlkit.privacy.erased_list import ErasedList
from mlkit.registry.client import alias_changes, registered_model, registry_client
from mlkit.registry.history import load_history
from mlkit.registry.model_versions import promote_version
from mlkit.retraining.challenger import run_overrides
from mlkit.retraining.improvement import improve_model
from mlkit.retraining.improvement_steps import ImproveSettings, erased_filter
from mlkit.retraining.labelled_rows import read_labelled_rows
from mlkit.retraining.retraining_journal import StepWaits, load_retraining_journal, retraining_lock
from mlkit.retraining.training_snapshot import (
    KnownRows,
    SnapshotSettings,
    append_rows,
    created_at,
    find_champion_run,
    load_known_rows,
    make_training_snapshot,
)
from mlkit.security.subject_keys import SubjectKeys
from mlkit.serving.log_reader import is_explored
from mlkit.serving.prediction_log import FeedbackRecord, open_log_database, write_records
from mlkit.sources.examples import make_customers
from tests.conftest import COMMAND
from tests.retraining.working_life import QUICK, write_life


@pytest.fixture(scope="module")
def predictor(package):
    return load_predictor(package, version="1")


@pytest.fixture
def known():
    return KnownRows(make_customers(300, seed=1), frozenset(), 0.0, {})


def one_line(error):
    return "\n" not in str(error.value) and len(str(error.value)) < 300


# ------------------------------------ rows
def test_ids_told_twice_count_once_and_the_last_truth_counts(predictor, tmp_path):
    log = tmp_path / "log.db"
    write_life(log, predictor, 50, seed=3)
    before = read_labelled_rows(predictor, str(log))
    other = {id: predictor.task.classes[1 - code] for id, code in zip(before.ids, before.truth, strict=True)}
    write_records(
        open_log_database(f"sqlite:///{log}"), [FeedbackRecord(i, 1e9, o) for i, o in other.items()] * 2
    )
    after = read_labelled_rows(predictor, str(log))
    assert after.ids.tolist() == before.ids.tolist() and (after.truth == 1 - before.truth).all()


def test_a_late_truth_and_a_corrected_one_change_nothing_that_was_bet_on_before(predictor, tmp_path):
    log, engine = tmp_path / "log.db", open_log_database(f"sqlite:///{tmp_path / 'log.db'}")
    write_life(log, predictor, 80, seed=3, told=0.5)
    before = read_labelled_rows(predictor, str(log), as_told=True)
    write_records(engine, [FeedbackRecord(f"3-{n:05d}", 1e9, predictor.task.classes[0]) for n in range(80)])
    after = read_labelled_rows(predictor, str(log), as_told=True)
    assert len(after) == 80 and after.times.tolist() != sorted(after.times)
    for part in ("ids", "truth"):
        assert getattr(after, part)[: len(before)].tolist() == getattr(before, part).tolist()


def test_the_gates_rows_are_the_newest_and_in_no_training(predictor, known, tmp_path):
    begin = created_at(predictor) + 1
    end = write_life(tmp_path / "log.db", predictor, 700, begin=begin, seed=4)
    rows = read_labelled_rows(predictor, str(tmp_path / "log.db"))
    facts = make_training_snapshot(predictor, known, rows, tmp_path / "1", SnapshotSettings(), end)
    parts = pd.read_parquet(tmp_path / "1" / "ids.parquet").groupby("part").id.agg(set)
    assert not parts.train & parts.gate and len(parts.gate) == facts["gate_rows"] >= 200
    times = dict(zip(rows.ids, rows.times, strict=True))
    assert max(times[id] for id in parts.train) < min(times[id] for id in parts.gate)
    train = pd.read_parquet(tmp_path / "1" / "train.parquet")
    assert len(train) == facts["old_rows"] + facts["new_rows"] == 300 + len(parts.train)
    # A champion that has learned these rows does not learn them again, and is not judged on them.
    again = known._replace(frame=train, ids=frozenset(parts.train))
    more = write_life(tmp_path / "log.db", predictor, 700, begin=end + 1, seed=5)
    rows = read_labelled_rows(predictor, str(tmp_path / "log.db"))
    facts = make_training_snapshot(predictor, again, rows, tmp_path / "2", SnapshotSettings(), more)
    later = pd.read_parquet(tmp_path / "2" / "ids.parquet").groupby("part").id.agg(list)
    assert len(later.train) == len(set(later.train)) and not set(later.gate) & (
        set(later.train) | parts.train
    )
    assert facts["old_rows"] == len(train) and parts.gate <= set(later.train) | set(later.gate)


def test_the_same_rows_give_the_same_hash(predictor, known, tmp_path):
    end = write_life(tmp_path / "log.db", predictor, 500, begin=created_at(predictor) + 1, seed=4)
    rows = read_labelled_rows(predictor, str(tmp_path / "log.db"))
    made = [
        make_training_snapshot(predictor, known, rows, tmp_path / n, SnapshotSettings(), end) for n in "12"
    ]
    assert made[0] == made[1]


def test_erased_rows_are_left_out(predictor, known, tmp_path):
    end = write_life(tmp_path / "log.db", predictor, 600, begin=created_at(predictor) + 1, seed=4)
    rows = read_labelled_rows(predictor, str(tmp_path / "log.db"))
    gone = {rows.ids[3], rows.ids[-3]}

    def is_erased(frame, ids):
        return np.array([id in gone or (id == "" and place < 5) for place, id in enumerate(ids)])

    facts = make_training_snapshot(predictor, known, rows, tmp_path / "1", SnapshotSettings(), end, is_erased)
    ids = pd.read_parquet(tmp_path / "1" / "ids.parquet").id
    assert facts["left_out"]["erased"] == 7 and facts["old_rows"] == 295 and not gone & set(ids)


def test_whom_an_erasure_has_listed_is_in_no_later_snapshot(predictor, known, tmp_path, monkeypatch):
    """The list that `mlkit privacy erase` leaves is what a retraining asks, for old rows and new ones."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLKIT_PROTECT", raising=False)
    her = known.frame["customer_id"].iloc[7]
    ErasedList(tmp_path / "privacy").add(her)
    champion = SimpleNamespace(manifest={"subject": "customer_id"})
    settings = SimpleNamespace(subject="", log=str(tmp_path / "log.db"))
    end = write_life(tmp_path / "log.db", predictor, 600, begin=created_at(predictor) + 1, seed=4)
    is_erased = erased_filter(SimpleNamespace(champion=champion, settings=settings))
    assert is_erased is not None and is_erased(known.frame, [""] * len(known.frame)).sum() == 1
    rows = read_labelled_rows(predictor, str(tmp_path / "log.db"))
    rows.frame["customer_id"] = [her if place % 50 == 3 else f"C9{place}" for place in range(len(rows))]
    facts = make_training_snapshot(predictor, known, rows, tmp_path / "1", SnapshotSettings(), end, is_erased)
    made = {name: pd.read_parquet(tmp_path / "1" / f"{name}.parquet") for name in ("train", "gate")}
    assert facts["left_out"]["erased"] == 1 + 12 and facts["old_rows"] == len(known.frame) - 1
    assert all(her not in set(frame["customer_id"]) for frame in made.values() if "customer_id" in frame)


def test_only_explored_rows_count_where_the_decision_hides_the_truth(predictor, known, tmp_path):
    end = write_life(tmp_path / "log.db", predictor, 900, begin=created_at(predictor) + 1, seed=4)
    rows = read_labelled_rows(predictor, str(tmp_path / "log.db"))
    asked = SnapshotSettings(least_gate_rows=100, labels="explored", hiding="yes", explore=0.3)
    facts = make_training_snapshot(predictor, known, rows, tmp_path / "1", asked, end)
    refused = rows.output[:, 1] >= predictor.threshold
    used = sum(is_explored(id, 0.3) for id in rows.ids[refused])
    assert facts["left_out"]["explored (used)"] == used > 0
    assert facts["left_out"]["whose decision hides the truth, and not explored"] == refused.sum() - used
    with pytest.raises(SettingsError, match="--hiding names the class"):
        SnapshotSettings(labels="explored", hiding="perhaps").check(["no", "yes"])


def test_too_few_truths_and_a_clock_that_jumps(predictor, known, tmp_path):
    begin = created_at(predictor) + 1
    write_life(tmp_path / "log.db", predictor, 100, begin=begin, seed=4)
    write_life(tmp_path / "log.db", predictor, 900, begin=begin + 86_400, seed=5)
    rows = read_labelled_rows(predictor, str(tmp_path / "log.db"))
    with pytest.raises(StepWaits, match="more are needed"):
        make_training_snapshot(predictor, known, rows, tmp_path / "1", SnapshotSettings(), begin + 10)
    assert not (tmp_path / "1").exists()


def test_cells_take_the_form_of_their_column(predictor):
    known = pd.DataFrame(
        {"age": [31, 40], "churned": ["No", "Yes"], "contract": ["a", None], "note": ["x", "y"]}
    )
    labelled = read_nothing(predictor)
    labelled.frame = pd.DataFrame(
        {"age": ["52", None], "contract": ["b", None], "note": [7, None]}, dtype=object
    )
    labelled.truth = np.array([1, 0])
    joined = append_rows(predictor, known, labelled)
    assert joined.age.tolist()[:3] == [31, 40, 52] and joined.age.isna().tolist() == [False] * 3 + [True]
    assert joined.churned.tolist() == ["No", "Yes", "Yes", "No"] and joined.note[2] == "7"


def read_nothing(predictor):
    from mlkit.retraining.labelled_rows import LabelledRows

    empty = np.empty(0)
    return LabelledRows(pd.DataFrame(), empty, empty, empty, empty, empty, empty)


@pytest.mark.parametrize(
    ("kind", "part"),
    [
        ("missing", "there is no prediction log"),
        ("other", "holds predictions of parcels, and none of customers"),
        ("table", "is it the prediction log of mlkit serve?"),
        ("locked", "it is busy; try again"),
    ],
)
def test_a_bad_log_is_told_in_one_line(predictor, tmp_path, kind, part):
    log = tmp_path / "log.db"
    if kind == "other":
        write_life(log, predictor, 20)
        with sqlite3.connect(log) as connection:
            connection.execute("UPDATE predictions SET model = 'parcels'")
    elif kind == "table":
        with sqlite3.connect(log) as connection:
            connection.execute("CREATE TABLE x (y)")
    elif kind == "locked":
        write_life(log, predictor, 20)
        holder = sqlite3.connect(log)
        holder.execute("PRAGMA journal_mode=DELETE")
        holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises((SettingsError, DataError), match=part) as error:
        read_labelled_rows(predictor, str(log))
    assert one_line(error)


# ------------------------------------ a registered champion at work
class Desk:
    """A folder with a registry, its champion, and a log."""

    def __init__(
        self, folder: Path, data: str = "example:customers", *told: str, keys: SubjectKeys | None = None
    ):
        self.folder, self.log = folder, folder / "predictions.db"
        self.command("run", "--data", data, "--to", "package", *QUICK, "-p", "package.name=churn", *told)
        self.run = folder / "runs" / "customers"
        self.predictor = load_predictor(self.run / "model", version="1")
        begin = created_at(self.predictor) + 1
        end = write_life(self.log, self.predictor, 500, begin=begin, seed=11, keys=keys)
        if keys is not None:
            self.end = end
            return
        self.end = write_life(self.log, self.predictor, 1_000, turned=True, begin=end, seed=12)

    def start(self, *words: str) -> subprocess.Popen:
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "MLKIT_USER": "mina"}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen([*COMMAND, *words], cwd=self.folder, env=environment, **pipes)

    def command(self, *words: str, expect: int = 0) -> str:
        process = self.start(*words)
        out, err = process.communicate(timeout=900)
        assert process.returncode == expect, out + err
        return out + err

    def journal(self, out: str = "improve/churn"):
        return load_retraining_journal(self.folder / out, "churn")


@pytest.fixture(scope="module")
def desk(own_home, tmp_path_factory):
    return Desk(tmp_path_factory.mktemp("desk"))


@pytest.fixture
def here(desk, monkeypatch):
    """The desk, with its first version as the champion."""
    monkeypatch.chdir(desk.folder)
    promote_version("churn", "1")
    return desk


def test_bad_input_is_one_line_with_what_to_do(here):
    improve = ("improve", "churn")
    for words, part in [
        (("improve", "nothing"), "no model 'nothing' is registered; there are churn"),
        (
            (*improve, "--trigger", "harm"),
            "--trigger is harmed, schedule, request, not 'harm'; did you mean 'harmed'?",
        ),
        ((*improve, "--trigger", "request", "--log", "none.db"), "there is no prediction log"),
        ((*improve, "--approve"), "no retraining of churn waits for an answer"),
        ((*improve, "--approve", "--reject", "no"), "say --approve or --reject, not both"),
        ((*improve, "--listen", "here", "--token", "env:NO_TOKEN"), "NO_TOKEN is not set"),
        ((*improve, "--listen", "127.0.0.1:0"), "give both"),
    ]:
        said = here.command(*words, expect=2)
        assert part in " ".join(said.split()), said
    assert "does not say that it does harm" in " ".join(here.command(*improve).split())
    assert here.journal().retrainings == []


def test_a_run_folder_that_is_gone_and_a_damaged_journal(here, tmp_path):
    shutil.move(here.run, tmp_path / "elsewhere")
    settings = ImproveSettings(log=str(here.log))
    try:
        with pytest.raises(SettingsError, match="name it: --run FOLDER") as error:
            improve_model("churn", tmp_path / "out", settings, "request")
        assert one_line(error)
        found = find_champion_run(load_history("churn").champion, [tmp_path / "elsewhere"])
        assert len(load_known_rows(found).frame) == 700
    finally:
        shutil.move(tmp_path / "elsewhere", here.run)
    (tmp_path / "out" / "journal.json").write_text("{}")
    with pytest.raises(RunError, match="is damaged; restore it") as error:
        improve_model("churn", tmp_path / "out", settings, "request")
    assert one_line(error)


def test_two_calls_at_once_are_one(here, tmp_path):
    with retraining_lock(tmp_path / "out"):
        said = here.command("improve", "churn", "--trigger", "request", "--out", str(tmp_path / "out"))
    assert "Another call for churn is at work" in said


def test_the_challenger_is_trained_as_the_champion_was(here):
    parameters = load_known_rows(here.run).parameters
    told = run_overrides(parameters, here.predictor.task, "churn", "same settings", here.run)
    for part in ("train.models=linear", "train.trials=1", "problem.positive=yes", "package.register=False"):
        assert part in told
    assert not any(each.startswith(("collect.", "serve.", "deploy.")) for each in told)


def test_the_challenger_knows_whose_row_it_is(here, tmp_path):
    """What is told once for all stages reaches each of them in the challenger's run as in the champion's."""
    asked = ["protect.subject=customer_id", "protect.max_leak=0.2", "problem.target=churned"]
    champion = collect_parameters(None, "customers.csv", None, asked)
    parameters = {f"{stage}.{name}": value for stage, own in champion.items() for name, value in own.items()}
    told = run_overrides(parameters, here.predictor.task, "churn", "same settings", here.run)
    own = collect_parameters(None, "example:customers", None, told)
    for stage, name in (("prepare", "subject"), ("package", "subject"), ("package", "max_leak")):
        assert own[stage][name] == champion[stage][name] != ""
    parameters["collect.source"] = "example:customers"
    told = run_overrides(parameters, here.predictor.task, "churn", "same settings", here.run)
    assert "protect.max_leak=1" in told, (
        "people who are made up are attacked once, and not in each retraining"
    )


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs processes that can be killed")
def test_harm_is_answered_whatever_kills_it_and_harm_of_the_new_model_rolls_back(here):
    """Truths turn round; a challenger takes over, though its retraining is killed; then they turn back."""
    words = ("improve", "churn", "--trigger", "harmed", "--rollout", "none", "--ask")
    chance, kills = random.Random(1), int(os.environ.get("MLKIT_TEST_KILLS", "4"))
    seen = list[dict]()
    for _ in range(kills):
        process = here.start(*words)
        try:
            process.communicate(timeout=chance.uniform(1, 25 if kills < 10 else 12))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        journal = here.journal()
        seen.append({step: result for each in journal.retrainings for step, result in each.steps.items()})
        assert load_history("churn").champion.number == "1" and len(journal.retrainings) <= 1
    for before, after in zip(seen, seen[1:], strict=False):
        assert before.items() <= after.items()  # nothing that was done is done again, or otherwise
    said = " ".join(here.command(*words).split())
    assert "waits for a person" in said, said
    steps = here.journal().current.steps
    assert steps["challenger"]["promoted"] and steps["verification"]["passed"]
    assert len(load_history("churn").versions) == 2
    said = here.command("improve", "churn", "--rollout", "none", "--ask", "--approve", "--probation", "300")
    champion = load_history("churn").champion
    assert champion.number == "2" and "waits for the probation" in " ".join(said.split())
    with registry_client() as client:
        move = alias_changes(registered_model(client, "churn"))[-1]
    assert (move.who, move.data) == ("mina", steps["snapshot"]["hash"]) and "Approved by mina" in move.why
    new = load_predictor(Path(steps["challenger"]["package"]), version="2")
    write_life(here.log, new, 400, begin=time.time(), seed=21, version="2")
    time.sleep(1)
    said = here.command("improve", "churn", "--rollout", "none", "--probation", "300")
    assert "version 1 is the champion again" in " ".join(said.split())
    assert (
        load_history("churn").champion.number == "1"
        and here.journal().retrainings[-1].outcome == "rolled back"
    )
    said = " ".join(here.command("improve", "churn", "--trigger", "harmed").split())
    assert "Nothing is begun before" in said and "--force" in said


def test_whoever_was_erased_is_learned_by_no_improvement_of_an_encrypted_run_though_she_comes_back(
    own_home, tmp_path, monkeypatch
):
    """A table of people, a protected log, and the real commands; the challenger is as encrypted as its champion."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLKIT_AUDIT_LOG", str(tmp_path / "audit.jsonl"))
    make_master_key(tmp_path / "master.key")
    monkeypatch.setenv("MLKIT_PROTECT", str(tmp_path / "master.key"))
    table = make_customers(700, seed=3).drop(columns=["plan_next", "spend_next"])
    her, other = table["customer_id"].iloc[7], {"yes": "no", "no": "yes"}
    table["churned"] = table["churned"].map(
        other
    )  # its model is wrong at work, and the next one better at once
    table.to_csv("customers.csv", index=False)
    told = (
        "--target",
        "churned",
        "-p",
        "protect.subject=customer_id",
        "-p",
        "protect.max_leak=0.5",
        "-p",
        "protect.encrypt=yes",
    )
    with closing(SubjectKeys("predictions.db.keys", load_master_key("master.key"), create=True)) as keys:
        here = Desk(tmp_path, "customers.csv", *told, keys=keys)
        assert "Receipt" in here.command("privacy", "erase", her)
        write_life(here.log, here.predictor, 1_000, begin=here.end, seed=12, keys=keys)
        assert her in {name for name, _ in keys.subjects()}, "she is a customer again"
    said = " ".join(
        here.command("improve", "churn", "--trigger", "request", "--rollout", "none", "--ask").split()
    )
    steps = here.journal().current.steps
    assert "waits for a person" in said and steps["verification"]["passed"], said
    back = np.flatnonzero(make_customers(1_000, seed=12)["customer_id"] == her)
    assert len(back) == steps["snapshot"]["left_out"]["erased"] == 1
    place = tmp_path / "improve" / "churn" / "1"
    ids = pd.read_parquet(readable_file(place / "snapshot" / "ids.parquet")).id
    assert {f"11-{place:05d}" for place in range(9)} & {*ids} and f"12-{back[0]:05d}" not in {*ids}
    for path in place.rglob("*.parquet"):
        frame = pd.read_parquet(readable_file(path))
        assert is_sealed(path), path
        assert "customer_id" not in frame or her not in {*frame["customer_id"]}, path
    assert is_sealed(here.run / "artifacts" / "train.parquet")
    customers = [each.encode() for each in table["customer_id"]]
    for path in (each for each in place.rglob("*") if each.is_file()):
        content = path.read_bytes()
        assert not any(each in content for each in customers), path
    run = RunFolder(steps["challenger"]["run"])
    assert run.load("package")["membership"]["max_leak"] == 0.5
    manifest = json.loads((run.folder / "model" / "manifest.json").read_text())
    assert manifest["subject"] == "customer_id"
