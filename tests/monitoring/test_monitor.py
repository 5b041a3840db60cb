"""A model at work is watched: nothing is counted twice, nothing is lost, and bad input is told in a line."""

import json
import multiprocessing
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import text

from mlkit.core.errors import DataError, MLKitError, PackageError, RunError, SettingsError
from mlkit.inference.predictor import load_predictor
from mlkit.monitoring.check import MonitorSettings, check_model
from mlkit.monitoring.page import monitor_model
from mlkit.serving.prediction_log import (
    FeedbackRecord,
    PredictionRecord,
    ShadowRecord,
    open_log_database,
    write_records,
)
from mlkit.sources.examples import make_customers

NOW = 1_800_000_000.0


@pytest.fixture(scope="module")
def predictor(package):
    return load_predictor(package)


def write_log(path, predictor, rows, turned=0.0, begin=0, told=1.0, seed=0, name=None):
    """Predictions of customers in a log, and their truths, some of them turned round."""
    table, chance = make_customers(rows, seed=seed), np.random.default_rng(seed)
    output, columns = predictor.predict(table), [column.name for column in predictor.columns]
    records = []
    for number, (row, said) in enumerate(zip(table.to_dict("records"), output.tolist(), strict=True), begin):
        cells = {key: str(row[key]) for key in columns if row[key] == row[key] and row[key] is not None}
        answer = {
            "id": f"id{number:06d}",
            "probabilities": dict(zip(predictor.task.classes, said, strict=True)),
        }
        when = NOW - 86_400 + number
        records.append(PredictionRecord(when, name or predictor.name, "1", columns, cells, answer, 0.004))
        if row["churned"] == row["churned"] and row["churned"] is not None and chance.random() < told:
            truth = predictor.task.read_class(row["churned"])
            if truth in predictor.task.classes:
                if chance.random() < turned:
                    truth = predictor.task.classes[1 - predictor.task.classes.index(truth)]
                records.append(FeedbackRecord(answer["id"], when + 60, truth))
    engine = open_log_database(f"sqlite:///{path}")
    write_records(engine, records)
    engine.dispose()
    return path


def test_harm_is_seen_and_drift_is_none(predictor, tmp_path):
    log = write_log(tmp_path / "log.db", predictor, 700, seed=5)
    fine = monitor_model(predictor, str(log), tmp_path / "out", now=NOW)
    assert not any(fine.alarms.values()) and fine.predictions == 700 and fine.feedback > 600
    write_log(log, predictor, 900, turned=0.35, begin=700, seed=6)
    harmed = monitor_model(predictor, str(log), tmp_path / "out", now=NOW + 86_400)
    assert harmed.alarms["harmed"] and harmed.predictions == 900 and harmed.since is not None
    assert "The model does harm" in (tmp_path / "out" / "monitor.html").read_text()


def test_nothing_is_counted_twice(predictor, tmp_path):
    log = write_log(tmp_path / "log.db", predictor, 300)
    first, state = check_model(predictor, str(log), tmp_path, now=NOW)
    second, again = check_model(predictor, str(log), tmp_path, now=NOW)
    assert second.predictions == second.feedback == 0 and again.detector == state.detector
    write_records(open_log_database(f"sqlite:///{log}"), [FeedbackRecord("id000001", NOW, "yes")] * 2)
    third, _ = check_model(predictor, str(log), tmp_path, now=NOW)
    assert third.feedback == 0 and any("correct one that was counted before" in note for note in third.notes)


def test_many_small_checks_find_what_one_large_check_finds(predictor, tmp_path):
    log, parts = write_log(tmp_path / "log.db", predictor, 600, turned=0.2), tmp_path / "parts.db"
    _, whole = check_model(predictor, str(log), tmp_path / "whole", now=NOW)
    shutil.copy(log, parts)
    with sqlite3.connect(parts) as connection:
        told = connection.execute("SELECT * FROM feedback ORDER BY number").fetchall()
        connection.execute("DELETE FROM feedback")
    for start in range(0, len(told), 70):
        with sqlite3.connect(parts) as connection:
            connection.executemany("INSERT INTO feedback VALUES (?, ?, ?, ?)", told[start : start + 70])
        _, state = check_model(predictor, str(parts), tmp_path / "parts", now=NOW)
    assert state.detector.losses == whole.detector.losses and state.waiting == whole.waiting
    assert np.allclose(state.detector.games, whole.detector.games)


def checks_for_ever(package, log, folder):
    predictor = load_predictor(package)
    while True:
        monitor_model(predictor, str(log), folder, now=NOW)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that can be killed")
def test_a_killed_check_repeats_nothing_and_loses_nothing(package, predictor, tmp_path):
    log, chance = tmp_path / "log.db", np.random.default_rng(0)
    write_log(log, predictor, 100)
    context = multiprocessing.get_context("spawn")
    for round in range(1, 5):
        child = context.Process(target=checks_for_ever, args=(package, log, tmp_path / "killed"))
        child.start()
        end = time.monotonic() + 60
        while not (tmp_path / "killed" / "state.json").exists() and time.monotonic() < end:
            time.sleep(0.02)
        write_log(log, predictor, 100, begin=100 * round, seed=round)
        time.sleep(float(chance.uniform(0, 0.5)))
        os.kill(child.pid, signal.SIGKILL)
        child.join()
    _, killed = check_model(predictor, str(log), tmp_path / "killed", now=NOW)
    _, whole = check_model(predictor, str(log), tmp_path / "whole", now=NOW)
    assert killed.detector.losses == whole.detector.losses and killed.waiting == whole.waiting
    assert np.allclose(killed.detector.games, whole.detector.games)


def test_a_table_with_truth_and_one_without(predictor, tmp_path):
    make_customers(400, seed=7).to_csv(tmp_path / "with.csv", index=False)
    make_customers(400, seed=8).drop(columns="churned").to_csv(tmp_path / "without.csv", index=False)
    first, _ = check_model(predictor, str(tmp_path / "with.csv"), tmp_path)
    second, _ = check_model(predictor, str(tmp_path / "without.csv"), tmp_path)
    again, _ = check_model(predictor, str(tmp_path / "with.csv"), tmp_path)
    assert first.feedback > 300 and second.feedback == 0 and second.predictions == 400
    assert again.predictions == 0 and again.notes == ["with.csv was counted before, and is not counted again"]
    assert np.isfinite(second.estimate)


def one_line(error):
    return "\n" not in str(error.value) and len(str(error.value)) < 300


@pytest.mark.parametrize(
    ("kind", "part"),
    [
        ("missing", "there is no prediction log"),
        ("other", "holds predictions of parcels, and none of customers"),
        ("locked", "it is busy; try again"),
        ("tables", "is it the prediction log of mlkit serve?"),
        ("state", "is damaged; restore it, or remove it to begin anew"),
        ("table", "has none of the model's columns"),
    ],
)
def test_bad_input_is_told_in_one_line(predictor, tmp_path, kind, part):
    log = tmp_path / "log.db"
    holder = None
    if kind == "other":
        write_log(log, predictor, 20, name="parcels")
    elif kind == "locked":
        write_log(log, predictor, 20)
        holder = sqlite3.connect(log)
        holder.execute("PRAGMA journal_mode=DELETE")
        holder.execute("BEGIN EXCLUSIVE")
    elif kind == "tables":
        sqlite3.connect(log).execute("CREATE TABLE other (x)").connection.close()
    elif kind == "state":
        write_log(log, predictor, 20)
        (tmp_path / "state.json").write_text('{"format": 1')
    elif kind == "table":
        log = tmp_path / "log.csv"
        log.write_text("a,b\n1,2\n3,4\n")
    with pytest.raises(MLKitError) as error:
        check_model(predictor, str(log), tmp_path)
    assert part in str(error.value) and one_line(error)
    if holder:
        holder.close()


def test_a_clock_that_jumps_changes_no_evidence(predictor, tmp_path):
    log = write_log(tmp_path / "log.db", predictor, 300, turned=0.2)
    _, straight = check_model(predictor, str(log), tmp_path / "straight", now=NOW)
    with sqlite3.connect(log) as connection:
        connection.execute("UPDATE predictions SET time = 0 WHERE rowid % 3 = 0")
        connection.execute("UPDATE predictions SET time = 4e9 WHERE rowid % 3 = 1")
        connection.execute("UPDATE feedback SET time = 1e9 WHERE number % 2")
    for now in (NOW, NOW - 1e8, 0.0, NOW + 1e8):
        result, jumped = check_model(predictor, str(log), tmp_path / "jumped", now=now)
        assert result.time == now and jumped.detector == straight.detector
    monitor_model(predictor, str(log), tmp_path / "jumped", now=NOW)


def test_a_full_disk_is_a_line_and_the_next_check_goes_on(predictor, tmp_path):
    resource = pytest.importorskip("resource")
    for seed in (1, 2):
        make_customers(400, seed=seed).to_csv(tmp_path / f"{seed}.csv", index=False)
    check_model(predictor, str(tmp_path / "1.csv"), tmp_path / "out", now=NOW)
    before, limits = (tmp_path / "out" / "state.json").read_text(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, limits[1]))
    try:
        with pytest.raises(RunError, match=r"cannot write .*state\.json: .*free space") as error:
            monitor_model(predictor, str(tmp_path / "2.csv"), tmp_path / "out", now=NOW)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert one_line(error) and (tmp_path / "out" / "state.json").read_text() == before
    _, after = check_model(predictor, str(tmp_path / "2.csv"), tmp_path / "out", now=NOW)
    for seed in (1, 2):
        _, whole = check_model(predictor, str(tmp_path / f"{seed}.csv"), tmp_path / "whole", now=NOW)
    assert after.detector == whole.detector and after.waiting == whole.waiting


@pytest.mark.parametrize("part", ["dispersion", "column", "bins", "slices", "everything"])
def test_the_reference_of_another_mlkit_says_what_to_do(predictor, tmp_path, part):
    reference = predictor.content("reference.json")
    if part == "dispersion":
        reference["columns"][0]["dispersion"] = 1.7
    elif part == "column":
        reference["outputs"][0] = {"title": "score"}
    elif part == "everything":
        reference = {"quality": []}
    else:
        del reference[part]
    old = replace(predictor, files={**predictor.files, "reference.json": json.dumps(reference).encode()})
    log = write_log(tmp_path / "log.db", predictor, 20)
    with pytest.raises(PackageError, match="make the package anew: mlkit run package") as error:
        monitor_model(old, str(log), tmp_path / "out")
    assert one_line(error)


def test_what_cannot_be_used_is_counted_and_told(predictor, tmp_path):
    log = write_log(tmp_path / "log.db", predictor, 60, told=0.0)
    told = [("id000001", "no"), ("id000001", "yes"), ("nobody", "yes"), ("id000002", "perhaps")]
    write_records(
        open_log_database(f"sqlite:///{log}"), [FeedbackRecord(id, NOW, truth) for id, truth in told]
    )
    with open_log_database(f"sqlite:///{log}").begin() as connection:
        connection.execute(text("UPDATE predictions SET time = :t WHERE id = 'id000003'"), {"t": NOW + 1e6})
        connection.execute(text("UPDATE predictions SET time = 1 WHERE id IN ('id000004', 'id000005')"))
    result, _ = check_model(predictor, str(log), tmp_path, now=NOW)
    notes = " ".join(result.notes)
    assert result.feedback == 1 and result.predictions == 60
    for part in ("told more than once", "not in the log", "no class of the task", "dated in the future",
                 "2 predictions are dated before the model was made"):  # fmt: skip
        assert part in notes


def test_settings_that_cannot_be(predictor, tmp_path):
    for settings in (MonitorSettings(tolerance=-1), MonitorSettings(horizon=1), MonitorSettings(latency=0)):
        with pytest.raises(SettingsError, match=r"^monitor\.\w+: must be"):
            check_model(predictor, "x.csv", tmp_path, settings)


def test_a_state_of_another_model_is_refused(predictor, tmp_path):
    log = write_log(tmp_path / "log.db", predictor, 60)
    check_model(predictor, str(log), tmp_path)
    state = json.loads((tmp_path / "state.json").read_text()) | {"model": "parcels"}
    (tmp_path / "state.json").write_text(json.dumps(state))
    with pytest.raises(RunError, match="is of the model parcels, not customers"):
        check_model(predictor, str(log), tmp_path)


def test_no_cell_of_a_person_is_in_what_a_check_writes(predictor, tmp_path):
    people = make_customers(400, seed=9)
    people.to_csv(tmp_path / "new.csv", index=False)
    monitor_model(predictor, str(tmp_path / "new.csv"), tmp_path / "out")
    for path in (tmp_path / "out").iterdir():
        content = path.read_text()
        assert not any(mail in content for mail in people.email.dropna()), path.name


@pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool (Debian: prometheus)")
def test_prometheus_takes_the_metrics(predictor, tmp_path):
    log = write_log(tmp_path / "log.db", predictor, 300)
    monitor_model(predictor, str(log), tmp_path / "out", now=NOW)
    metrics = (tmp_path / "out" / "monitor.prom").read_bytes()
    done = subprocess.run(["promtool", "check", "metrics"], input=metrics, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert b'mlkit_monitor_alarm{kind="harmed",model="customers"} 0.0' in metrics


def test_the_command_exits_with_three_when_there_is_harm(package, predictor, tmp_path, monkeypatch, capsys):
    from mlkit.cli.main import main

    monkeypatch.chdir(tmp_path)
    write_log(tmp_path / "predictions.db", predictor, 900, turned=0.4)
    monkeypatch.setattr("sys.argv", ["mlkit", "monitor", str(package)])
    with pytest.raises(SystemExit) as done:
        main()
    assert done.value.code == 3 and "The model does harm" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["mlkit", "monitor", str(package), "nothing.db"])
    with pytest.raises(SystemExit) as done:
        main()
    assert done.value.code == 2 and DataError.exit_code == 2


def test_each_version_is_watched_by_itself(package, tmp_path):
    """After a promotion what is still found out about the former champion is no evidence against the new one."""
    old, new = (load_predictor(package, version=version) for version in ("1", "2"))
    log = write_log(tmp_path / "log.db", old, 600, turned=0.4)
    harmed, _ = check_model(old, str(log), tmp_path / "old", now=NOW)
    assert harmed.alarms["harmed"]
    fresh, state = check_model(new, str(log), tmp_path / "new", now=NOW)
    assert not fresh.alarms["harmed"] and fresh.predictions == fresh.feedback == state.detector.losses == 0
    assert fresh.versions == {"1": 600} and any("other versions (1)" in note for note in fresh.notes)
    other = load_predictor(package)
    assert check_model(other, str(log), tmp_path / "folder", now=NOW)[0].predictions == 600


def test_what_is_said_in_the_shadow_is_no_prediction(package, tmp_path):
    predictor = load_predictor(package, version="1")
    log = write_log(tmp_path / "log.db", predictor, 200)
    said = {"prediction": "yes", "probabilities": dict.fromkeys(predictor.task.classes, 0.5)}
    shadow = [ShadowRecord(f"id{number:06d}", NOW, "2", said, 0.9) for number in range(200)]
    write_records(open_log_database(f"sqlite:///{log}"), shadow)
    found, _ = check_model(predictor, str(log), tmp_path, now=NOW)
    assert found.predictions == 200 and found.versions == {"1": 200} and found.latency["p99"] < 0.1
