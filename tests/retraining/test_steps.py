"""From the registration to the rollback: killed between any two writes, and with somebody else's hands in between."""

import os
import shutil
import stat
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlkit.core.errors import MLKitError, RunError, SettingsError
from mlkit.inference.example_package import make_parcel_package
from mlkit.inference.predictor import load_predictor
from mlkit.inference.signing import sign_package
from mlkit.registry.client import alias_changes, registered_model, registry_client
from mlkit.registry.history import load_history
from mlkit.registry.model_versions import promote_version, register_package, rollback_champion
from mlkit.registry.rollout import ROLLOUT_TAG, read_rollout, start_rollout
from mlkit.retraining.improvement import answer_retraining, improve_model
from mlkit.retraining.improvement_steps import ImproveSettings
from mlkit.retraining.retraining_journal import load_retraining_journal
from mlkit.retraining.webhook import RetrainingChild
from mlkit.serving.prediction_log import FeedbackRecord, PredictionRecord, open_log_database, write_records
from tests.conftest import until
from tests.retraining.dying import died

NAME = "parcels"


def parcels(rows: int, seed: int = 0) -> pd.DataFrame:
    chance = np.random.default_rng(seed)
    columns = {
        "weight": chance.uniform(1, 60, rows).round(1),
        "distance": chance.uniform(10, 900, rows).round(1),
    }
    return pd.DataFrame({**columns, "service": chance.choice(["standard", "express"], rows)})


def truths(package: Path, rows: pd.DataFrame, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """What the model says, and what happens as it says."""
    output = load_predictor(package).predict(rows)
    return output, np.where(np.random.default_rng(seed).random(len(rows)) < output[:, 1], "yes", "no")


def write_log(log: Path, package: Path, turned: bool, rows: int = 400) -> None:
    """Predictions of version 2 in the hours to come, all with their truth."""
    table = parcels(rows, seed=5)
    output, true = truths(package, table, 6)
    records, begin = [], time.time() + 3_600
    for number, (row, said, truth) in enumerate(zip(table.to_dict("records"), output, true, strict=True)):
        shares = dict(zip(("no", "yes"), map(float, said), strict=True))
        answer = {"id": f"p{number}", "prediction": max(shares, key=shares.get), "probabilities": shares}
        when, told = begin + number, {"yes": "no", "no": "yes"}[truth] if turned else str(truth)
        records.append(PredictionRecord(when, NAME, "2", [*row], row, answer, 0.004))
        records.append(FeedbackRecord(answer["id"], when, told))
    engine = open_log_database(f"sqlite:///{log}")
    write_records(engine, records)
    engine.dispose()


class Desk:
    """A registry with a champion, a second package, and a retraining that is as far as one likes."""

    def __init__(self, place: Path):
        self.place, self.folder = place, place / "improve" / NAME
        self.asked = NAME, self.folder, ImproveSettings(rollout="none", probation_rows=300, log="log.db")
        os.chdir(place)

    @property
    def packages(self) -> list[Path]:
        return [self.place / "runs" / day / "model" for day in ("monday", "friday")]

    def make(self) -> "Desk":
        for package, offset in zip(self.packages, (-3.0, -2.5), strict=True):
            make_parcel_package(package, offset)
            said = '{"metric": "roc_auc", "direction": "maximize", "score": 0.8}'
            (package / "metrics.json").write_text(said)
            sign_package(package, {"name": NAME})
        register_package(self.packages[0], self.packages[0].parent, NAME)
        table = parcels(600, seed=1)
        gate = self.folder / "1" / "snapshot" / "gate.parquet"
        gate.parent.mkdir(parents=True)
        table.assign(late=truths(self.packages[1], table, 2)[1]).to_parquet(gate)
        write_log(self.place / "log.db", self.packages[1], turned=True)
        return self

    def copy(self, place: Path) -> "Desk":
        shutil.copytree(self.place, place)
        return Desk(place)

    def begin(self, until: str) -> "Desk":
        """A retraining whose steps up to this one are done."""
        journal = load_retraining_journal(self.folder, NAME)
        journal.begin("harmed", "1", time.time(), load_history(NAME).champion.tags["manifest"])
        package = self.packages[1]
        chosen = {
            "why": "It is better.",
            "package": str(package),
            "run": str(package.parent),
            "promoted": True,
        }
        for step, result in {
            "snapshot": {"hash": "ab12", "gate_end": 1.0},
            "challenger": chosen,
            "verification": {"passed": True},
            "registration": None,
            "canary began": {"time": time.time()},
            "shadow": {"state": "passed"},
            "canary": {"state": "passed"},
        }.items():
            if step == "registration":
                result = {"version": register_package(package, package.parent, NAME)}
            journal.record(step, result)
            if step == until:
                return self
        start_rollout(NAME, "2", "canary", 0.1)
        return self

    def rows(self) -> list[Path]:
        """Files of rows that retrainings have left."""
        return [*self.folder.rglob("*.parquet")]

    def improve(self, **settings):
        name, folder, asked = self.asked
        return improve_model(name, folder, ImproveSettings(**{**asked.__dict__, **settings}))

    def journal(self):
        return load_retraining_journal(self.folder, NAME)

    @property
    def champion(self) -> str:
        return load_history(NAME).champion.number

    def model(self):
        with registry_client() as client:
            return registered_model(client, NAME)

    def moves(self) -> list[tuple[str, str]]:
        return [(each.action, each.version) for each in alias_changes(self.model())]


@pytest.fixture(scope="module")
def template(own_key, tmp_path_factory):
    before = os.getcwd()
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield Desk(tmp_path_factory.mktemp("desk")).make()
    os.chdir(before)


@pytest.fixture
def desk(template, tmp_path):
    return template.copy(tmp_path / "desk")


# ------------------------------------ killed
@pytest.mark.skipif(os.name != "posix", reason="needs processes that can be killed")
@pytest.mark.parametrize("until", ["verification", "all"])
def test_killed_between_any_two_writes_it_ends_as_if_it_had_not_been(template, tmp_path, until):
    """Registration, promotion and rollback: one process dies before a write, the next one goes on. MLKIT_TEST_KILLS=20
    or more: before each of their writes; else before every third."""
    every = 1 if int(os.environ.get("MLKIT_TEST_KILLS", "4")) >= 20 else 3
    write = 1
    while True:
        desk = template.copy(tmp_path / str(write)).begin(until)
        is_dead = died(desk.place, desk.asked, write)
        assert desk.champion in ("1", "2")
        if desk.champion == "2":
            assert read_rollout(NAME) is None  # the canary is over in the moment in which the alias moves
        progress = desk.improve() if is_dead else None
        journal = desk.journal()
        [retraining] = journal.retrainings
        assert retraining.outcome == "rolled back" and "does harm" in retraining.why, (write, progress)
        assert desk.champion == "1" and len(load_history(NAME).versions) == 2
        assert journal.cooldown_until > time.time() and "version 2 was rolled back" in journal.cooldown_why
        model = desk.model()
        assert ROLLOUT_TAG not in model.tags and "challenger" not in model.aliases, (write, model)
        moves = alias_changes(model)
        lasting = [each for each in moves if each.who]
        assert [(each.action, each.version) for each in lasting[:2]] == [("promote", "1"), ("promote", "2")]
        assert moves[-1].action == "rollback" and "Retraining 1 (harmed)" in lasting[1].why
        assert lasting[1].data == "ab12"
        assert desk.improve().state == "idle" and desk.champion == "1"  # nothing is done twice
        assert (
            retraining.steps["snapshot"]["hash"] == "ab12" and not desk.rows()
        )  # hash and counts are enough
        if not is_dead:
            break
        write += every
    assert write > {"verification": 15, "all": 9}[until], write


def test_an_undone_promotion_starts_its_cooldown_though_it_is_killed(desk, monkeypatch):
    register_package(desk.packages[1], desk.packages[1].parent, NAME)
    promote_version(NAME, "2", "a hunch")
    monkeypatch.setattr("mlkit.retraining.improvement.harm_begin", lambda *_: 1.0)
    dead = RuntimeError("killed")

    def die(*_):
        rollback_champion(NAME)
        raise dead

    monkeypatch.setattr("mlkit.retraining.improvement.rollback_champion", die)
    with pytest.raises(RuntimeError):
        desk.improve()
    assert desk.champion == "1" and desk.journal().cooldown_until > time.time()


@pytest.mark.parametrize("until", ["verification", "all"])
def test_a_full_disk_is_a_line_and_the_next_call_goes_on(desk, until):
    resource = pytest.importorskip("resource")
    desk.begin(until)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, limits[1]))
    try:
        with pytest.raises(MLKitError, match="free space") as error:
            desk.improve()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "\n" not in str(error.value) and desk.champion == "1"
    assert desk.journal().current is not None and not [*desk.folder.glob(".*")]
    assert desk.improve().outcome == "rolled back" and desk.champion == "1"
    assert len(load_history(NAME).versions) == 2 and len(desk.journal().retrainings) == 1


# ------------------------------------ settings
def test_what_the_command_is_not_told_is_as_the_settings_have_it(desk, monkeypatch, capsys):
    from mlkit.cli.main import main

    def improve(*words: str) -> str:
        monkeypatch.setattr("sys.argv", ["mlkit", "improve", NAME, "--log", "log.db", *words])
        with pytest.raises(SystemExit):
            main()
        return " ".join("".join(capsys.readouterr()).split())

    desk.begin("canary")
    (desk.place / "log.db").unlink()
    write_log(desk.place / "log.db", desk.packages[1], turned=False, rows=200)
    (desk.place / "settings.ini").write_text("[improve]\nrollout = none\nask = yes\nprobation_rows = 900\n")
    assert "waits for a person" in improve()
    assert "waits for the probation" in improve("--approve")
    assert "has passed its probation" in improve("--probation", "150")
    for line, part in [
        ("gate_rows = 3", "improve.gate_rows in the settings: --gate-rows 3 is out of range"),
        ("rollout = shadows", "did you mean 'shadow'?"),
    ]:
        (desk.place / "settings.ini").write_text(f"[improve]\n{line}\n")
        assert part in improve()


# ------------------------------------ other hands
def test_a_rejected_challenger_goes_at_once_and_is_offered_no_more(desk):
    desk.begin("canary began")
    start_rollout(NAME, "2", "canary", 0.1)
    answer_retraining(NAME, desk.folder, "the campaign ends on Friday")
    assert desk.improve(rollout="canary").outcome == "rejected"
    assert ROLLOUT_TAG not in desk.model().tags and "challenger" not in desk.model().aliases
    assert "the campaign ends" in desk.journal().retrainings[0].why


@pytest.mark.parametrize("until", ["registration", "canary began", "canary"])
def test_a_challenger_promoted_by_hand_ends_the_retraining(desk, until):
    desk.begin(until)
    promote_version(NAME, "2", "I cannot wait")
    progress = desk.improve(rollout="both", approve="ask")
    assert progress.outcome == "overtaken" and desk.champion == "2"


def test_a_rollout_that_nobody_watches_any_more_does_not_come_back(desk):
    desk.begin("all")
    with registry_client() as client:  # in MLflow's own pages: mlkit is not told
        client.set_registered_model_alias(NAME, "champion", "2")
        assert read_rollout(NAME) is None
    desk.improve()
    with registry_client() as client:
        client.set_registered_model_alias(NAME, "champion", "1")
    assert read_rollout(NAME) is None


def test_a_rollout_ends_with_the_term_of_its_champion(desk):
    """Whoever dies between the move of the alias and the end of the rollout leaves a tag that means nothing."""
    register_package(desk.packages[1], desk.packages[1].parent, NAME)
    start_rollout(NAME, "2", "canary", 0.1)
    tag = desk.model().tags[ROLLOUT_TAG]
    promote_version(NAME, "2")
    with registry_client() as client:
        client.set_registered_model_tag(NAME, ROLLOUT_TAG, tag)
    with registry_client() as client:
        client.set_registered_model_alias(NAME, "champion", "1")
    assert read_rollout(NAME) is None


def test_a_rollback_by_hand_in_the_probation_is_told_and_begins_a_cooldown(desk):
    desk.begin("all")
    (desk.place / "log.db").unlink()
    write_log(desk.place / "log.db", desk.packages[1], turned=False, rows=100)
    assert desk.improve().state == "waits" and desk.champion == "2"
    rollback_champion(NAME, "complaints")
    progress = desk.improve()
    assert progress.outcome == "rolled back" and "complaints" in progress.so_what
    assert "passed" not in str(progress) and desk.journal().cooldown_until > time.time()


def test_a_champion_chosen_by_hand_in_the_probation_has_not_passed_it(desk):
    desk.begin("all")
    (desk.place / "log.db").unlink()
    write_log(desk.place / "log.db", desk.packages[1], turned=False, rows=100)
    assert desk.improve().state == "waits"
    promote_version(NAME, "1", "I liked it")
    assert desk.improve().outcome == "overtaken"


def test_an_approved_promotion_that_was_passed_ends_well_and_is_dated_as_the_move(desk):
    desk.begin("all")
    (desk.place / "log.db").unlink()
    write_log(desk.place / "log.db", desk.packages[1], turned=False)
    progress = desk.improve()
    assert progress.outcome == "promoted" and desk.champion == "2" and not desk.rows()
    moved = alias_changes(desk.model())[-1]
    assert desk.journal().retrainings[0].steps["promotion"]["time"] == pytest.approx(moved.moment)


# ------------------------------------ another registry, another alarm
def test_the_same_numbers_in_another_registry_are_other_packages(desk, tmp_path, monkeypatch):
    desk.begin("registration")
    elsewhere = tmp_path / "elsewhere"
    for place, offset in ((elsewhere / "a" / "model", -3.0), (elsewhere / "b" / "model", 5.0)):
        make_parcel_package(place, offset)
        shutil.copy(desk.packages[0] / "metrics.json", place)
        sign_package(place, {"name": NAME})
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/other.db")
    for place in ("a", "b"):
        register_package(elsewhere / place / "model", elsewhere / place, NAME)
    with pytest.raises(RunError, match="another package") as error:
        desk.improve()
    assert "\n" not in str(error.value) and desk.champion == "1" and desk.journal().current is not None
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    (desk.place / "log.db").unlink()
    write_log(desk.place / "log.db", desk.packages[1], turned=False)
    assert desk.improve().outcome == "promoted"


@pytest.mark.parametrize("trigger", [None, "harmed"])
def test_the_alarm_of_an_earlier_champion_begins_nothing(desk, tmp_path, trigger):
    alarm = '{"digest": "of version 0", "history": [{"alarms": {"harmed": true}}]}'
    (tmp_path / "state.json").write_text(alarm)
    asked = ImproveSettings(log="log.db", monitor=tmp_path)
    progress = improve_model(NAME, desk.folder, asked, trigger)
    assert progress.state == "idle" and desk.journal().retrainings == []


@pytest.mark.skipif(os.name != "posix", reason="a program of two lines of shell")
def test_an_alarm_is_kept_when_no_process_can_be_started(tmp_path):
    program, said = tmp_path / "mlkit", list[str]()
    child = RetrainingChild(["churn"], 0.1, said.append, command=[str(program)])
    try:
        child.ask()
        assert until(lambda: len(said) > 1, 20) and "cannot be started" in said[0]
        program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked')
        program.chmod(0o700)
        assert until(lambda: (tmp_path / "asked").exists() and (tmp_path / "asked").read_text(), 20)
        assert (tmp_path / "asked").read_text().splitlines()[0] == "churn --trigger harmed"
    finally:
        child.close()


# ------------------------------------ the files
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"number": 1', '"number": "1; rm"'),
        ('"number": 1', '"number": 7'),
        ('"trigger": "harmed"', '"trigger": "whim"'),
        ('"steps": {', '"steps": 5, "other": {'),
        ('"ended": null', '"ended": "soon"'),
        ('"cooldown_until": 0.0', '"cooldown_until": "never"'),
        ('"champion": "1"', '"champion": 1'),
        ('"passed": true', '"passed": tru'),
    ],
)
def test_a_journal_that_somebody_has_edited_is_refused_in_one_line(desk, old, new):
    desk.begin("all")
    path = desk.folder / "journal.json"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(RunError, match="is damaged; restore it") as error:
        desk.improve()
    assert "\n" not in str(error.value) and desk.champion == "1"


def test_a_snapshot_that_is_gone_is_told_in_one_line(desk):
    desk.begin("all")
    shutil.rmtree(desk.folder / "1")
    with pytest.raises(RunError, match=r"gate\.parquet") as error:
        desk.improve()
    assert "\n" not in str(error.value)


def test_an_answer_comes_too_late_once_the_promotion_has_begun(desk):
    desk.begin("all")
    desk.improve(probation_rows=10_000)
    with pytest.raises(SettingsError, match="waits for an answer"):
        answer_retraining(NAME, desk.folder, "no")


def test_the_rows_of_a_snapshot_are_private(desk):
    from mlkit.retraining.improvement_steps import ImproveRun

    before = os.umask(0o022)
    try:
        desk.begin("all")
        run = ImproveRun(*desk.asked, desk.journal(), load_history(NAME).champion, print, time.time())
        place = run.make_place()
    finally:
        os.umask(before)
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
