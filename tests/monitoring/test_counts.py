"""A protected log is watched without its keys: by what the server has counted before it encrypted the rows."""

from contextlib import closing
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text

from mlkit.core.master_key import make_master_key
from mlkit.inference.group_counts import GroupCounter
from mlkit.inference.predictor import Predictor, load_predictor
from mlkit.monitoring.blocks import bucket_dispersion, group_dispersion
from mlkit.monitoring.check import check_model
from mlkit.monitoring.page import write_page
from mlkit.monitoring.sketch import Reference, input_values, output_values
from mlkit.privacy.subject_log import SubjectLog
from mlkit.serving.client import running_server, to_request_rows
from mlkit.serving.prediction_log import open_log_database, resolve_log_url
from mlkit.serving.sealed_log import LEAST_COUNTED
from mlkit.sources.examples import make_customers
from tests.postgres import new_database

PEOPLE = 40


@pytest.fixture(scope="module")
def predictor(package) -> Predictor:
    return load_predictor(package)


@pytest.fixture(params=["sqlite", "postgres"])
def log(request, tmp_path):
    if request.param == "sqlite":
        return str(tmp_path / "log.db")
    return new_database(request.getfixturevalue("postgres_server"))


def requests(predictor: Predictor, many: int, seed: int, **changed: Any) -> list[dict[str, Any]]:
    table = make_customers(many, seed=seed)[[column.name for column in predictor.columns]].assign(**changed)
    rows = to_request_rows(table)
    return [row | {"person": f"Mina {at % PEOPLE}"} for at, row in enumerate(rows)]


def test_counts_are_those_of_the_rows(predictor):
    table = make_customers(400, seed=3)[[column.name for column in predictor.columns]]
    reads = [predictor.read_row(row) for row in to_request_rows(table)]
    parsed = predictor.read_frame(table)
    output = predictor.output(parsed)
    names = predictor.task.classes
    said = [
        {"prediction": label, "probabilities": dict(zip(names, row, strict=True))}
        for label, row in zip(predictor.labels(output), output.tolist(), strict=True)
    ]
    counts = GroupCounter(predictor).count(reads, said)
    reference = Reference.from_dict(predictor.content("reference.json"))
    known = {each.name: each for each in (*reference.columns, *reference.outputs)}
    values = [*input_values(predictor.table, parsed.numbers, parsed.words)]
    values += [*output_values(predictor.task, predictor.threshold, output)]
    expected = {
        name: np.bincount(known[name].place(cells) + 1, minlength=len(known[name].groups) + 1).tolist()
        for name, cells in values
        if name in known
    }
    assert counts == expected and len(counts) > 8


def test_a_protected_log_is_watched_without_its_keys(log, package, predictor, tmp_path, monkeypatch):
    monkeypatch.delenv("MLKIT_PROTECT", raising=False)
    make_master_key(tmp_path / "master.key")
    how = {"protect": str(tmp_path / "master.key"), "subject_keys": str(tmp_path / "subjects.keys")}
    number = next(each.name for each in predictor.columns if each.kind == "number")

    def serve(rows: list[dict[str, Any]]) -> None:
        with (
            running_server(package, log=log, subject="person", **how) as server,
            closing(server.client()) as client,
        ):
            for start in range(0, len(rows), 100):
                assert client.request("POST", "/predict", rows[start : start + 100]).status == 200

    def count() -> int:
        engine = open_log_database(resolve_log_url(log))
        with engine.connect() as connection:
            found = connection.execute(text("SELECT coalesce(sum(rows), 0) FROM prediction_counts")).scalar()
        engine.dispose()
        return int(found)

    serve(requests(predictor, LEAST_COUNTED - 1, 4))
    assert count() == 0  # so few could be somebody
    serve(requests(predictor, 600, 5))
    assert count() == 600
    first, _ = check_model(predictor, log, tmp_path / "monitor")
    assert first.predictions == 600 and not first.alarms["changed"] and not first.feedback
    assert "no master key" in first.notes[0]
    with closing(SubjectLog(log, "person", "Mina 7", **how)) as hers:
        hers.destroy_key()
        hers.delete()
    assert count() == 600  # what was counted is of nobody any more
    serve(requests(predictor, 600, 6, **{number: 1.0}))
    second, _ = check_model(predictor, log, tmp_path / "monitor")
    assert second.predictions == 600 and second.alarms["changed"] and not second.alarms["harmed"]
    assert {change["name"] for change in second.changes} >= {number}
    again, _ = check_model(predictor, log, tmp_path / "monitor")
    assert again.predictions == 0
    engine = open_log_database(resolve_log_url(log))
    with engine.connect() as connection:
        stored = " ".join(row[0] for row in connection.execute(text("SELECT content FROM prediction_counts")))
    engine.dispose()
    assert "Mina" not in stored
    monkeypatch.setenv("MLKIT_PROTECT", how["protect"])
    monkeypatch.setenv("MLKIT_SUBJECT_KEYS", how["subject_keys"])
    with_keys, _ = check_model(predictor, log, tmp_path / "with keys")
    assert 1_100 < with_keys.predictions < 1_249 and with_keys.latency


@pytest.mark.parametrize("alike", [False, True])
def test_buckets_tell_as_rows_do_whether_rows_hang_together(alike):
    chance = np.random.default_rng(5)
    shares = chance.dirichlet((2, 2, 2), 60) if alike else np.full((60, 3), 1 / 3)
    groups = np.concatenate([chance.choice(3, 50, p=each) for each in shares])
    members = (groups[:, None] == np.arange(3)).astype(float)
    rows, buckets = group_dispersion(members), bucket_dispersion(members.reshape(60, 50, 3).sum(axis=1))
    assert (buckets.factor > 2) == (rows.factor > 2) == alike
    uneven = bucket_dispersion(np.add.reduceat(members, np.cumsum([0, *([20, 80] * 29), 50]), axis=0))
    assert (uneven.factor > 2) == alike
    assert bucket_dispersion(np.ones((3, 3))).blocks == 0


def test_requests_that_the_server_has_failed_are_held_against_what_was_promised(package, predictor, tmp_path):
    log, row = str(tmp_path / "log.db"), to_request_rows(make_customers(1, seed=8))[0]
    with running_server(package, log=log) as server, closing(server.client()) as client:
        for _ in range(90):
            assert client.request("POST", "/predict", row).status == 200
        (tmp_path / "log.db.stop").touch()
        for _ in range(10):
            assert client.request("POST", "/predict", row).status == 503
        assert client.request("GET", "/health/live").status == 200
    result, _ = check_model(predictor, log, tmp_path / "monitor")
    assert result.responses == pytest.approx({"asked": 100, "failed": 0.1, "allowed": 0.001})
    assert "the server has failed 10.00% of 100 requests; 0.10% are allowed" in " ".join(result.notes)
    page = write_page(tmp_path, "churn", "cost", [result.to_dict()]).read_text(encoding="utf-8")
    assert "100; the server has failed 10.00 % of them, 0.10 % are allowed" in page
    again, _ = check_model(predictor, log, tmp_path / "monitor")
    assert again.responses == {}
