"""Rows of a log, snapshot, gate, probation and rollout for several classes and for numbers, not for two classes alone."""

import json

import numpy as np
import pandas as pd
import pytest

from mlkit import fit
from mlkit.data.schema_inference import infer_schema
from mlkit.inference.predictor import load_predictor
from mlkit.models.calibration import finalise_model
from mlkit.monitoring.sketch import make_reference
from mlkit.packaging.package_writer import write_package
from mlkit.packaging.parity import export_and_check
from mlkit.packaging.provenance import manifest_facts
from mlkit.registry.rollout import Rollout
from mlkit.retraining.challenger import compare_with_champion, harm_begin
from mlkit.retraining.labelled_rows import read_labelled_rows
from mlkit.retraining.probation import check_probation
from mlkit.retraining.rollout_check import RolloutSettings, check_rollout
from mlkit.retraining.training_snapshot import KnownRows, SnapshotSettings, created_at, make_training_snapshot
from mlkit.serving.prediction_log import (
    FeedbackRecord,
    PredictionRecord,
    ShadowRecord,
    open_log_database,
    write_records,
)
from mlkit.sources.examples import EXAMPLE_TARGETS, make_customers

TARGETS = [EXAMPLE_TARGETS["customers_spend"], EXAMPLE_TARGETS["customers_plan"]]


def table(target: str, rows: int, seed: int) -> pd.DataFrame:
    others = [column for name, column in EXAMPLE_TARGETS.items() if name.startswith("customers")]
    return make_customers(rows, seed=seed).drop(columns=[each for each in others if each != target])


def make_model(folder, target: str, frame: pd.DataFrame, version: str):
    rows = frame.dropna(subset=target).reset_index(drop=True)
    model = finalise_model(fit(rows, target, budget=0, trials=1, models="linear"))
    proof = export_and_check(model, rows, rows.head(0))
    facts = manifest_facts("work", model, model.metrics, {"data_hash": "0" * 64, "rows": 700}, proof, None)
    reference = make_reference(model, rows, table(target, 700, 90).dropna(subset=target)).to_dict()
    schema = infer_schema(model.table, rows)
    write_package(
        folder, model, rows, proof, schema, model.metrics, {"card.md": "#"}, facts, reference=reference
    )
    return load_predictor(folder, version=version)


class Work:
    """A champion of good data, one that has learned nonsense, and a log."""

    def __init__(self, place, target: str):
        self.place, self.target, self.log = place, target, place / "log.db"
        self.known = table(target, 700, 1)
        mixed = self.known.assign(**{target: self.known[target].sample(frac=1, random_state=0).to_numpy()})
        self.good = make_model(place / "good", target, self.known, "1")
        self.bad = make_model(place / "bad", target, mixed, "2")
        self.number = 0

    def answer(self, predictor, rows: int, seed: int, begin: float, shadow=None, canary=None) -> float:
        """The rows of a table are predicted, and their truths are told; a canary answers every other row."""
        frame = table(self.target, rows, seed).dropna(subset=self.target)
        classes, records = predictor.task.classes, []
        names = [column.name for column in predictor.columns]
        said = [each.predict(frame).tolist() for each in (predictor, shadow or canary or predictor)]
        for place, row in enumerate(frame.to_dict("records")):
            self.number += 1
            id, when = f"r{self.number:06d}", begin + self.number / 100
            cells = {
                name: str(row[name]) for name in names if row[name] == row[name] and row[name] is not None
            }
            answers = []
            for output in (said[0][place], said[1][place]):
                if classes:
                    shares = dict(zip(classes, output, strict=True))
                    answers.append(
                        {"id": id, "prediction": max(shares, key=shares.get), "probabilities": shares}
                    )
                else:
                    answers.append({"id": id, "prediction": output})
            theirs = int(canary is not None and place % 2)
            version = (canary if theirs else predictor).version
            records.append(PredictionRecord(when, "work", version, names, cells, answers[theirs], 0.004))
            truth = row[self.target]
            records.append(FeedbackRecord(id, when + 1, truth if classes else float(truth)))
            if shadow is not None:
                records.append(ShadowRecord(id, when, shadow.version, answers[1], 0.004, ""))
        engine = open_log_database(f"sqlite:///{self.log}")
        write_records(engine, records)
        engine.dispose()
        return begin + self.number / 100 + 2


@pytest.fixture(scope="module", params=TARGETS)
def work(request, own_key, tmp_path_factory):
    return Work(tmp_path_factory.mktemp("work"), request.param)


def test_a_champion_without_two_classes_goes_the_whole_way(work, tmp_path):
    begin = created_at(work.good) + 1
    end = work.answer(work.good, 700, 3, begin)
    rows = read_labelled_rows(work.good, str(work.log))
    assert len(rows) > 500 and not rows.left_out.get("of another task")
    assert harm_begin(work.good, rows) is None
    known = KnownRows(work.known, frozenset(), 0.0, {})
    facts = make_training_snapshot(work.good, known, rows, tmp_path / "1", SnapshotSettings(), end)
    train, gate = (pd.read_parquet(tmp_path / "1" / f"{part}.parquet") for part in ("train", "gate"))
    assert len(train) == 700 + facts["new_rows"] and len(gate) == facts["gate_rows"] >= 200
    assert train[work.target].dtype == work.known[work.target].dtype
    if work.good.task.classes:
        assert set(gate[work.target]) <= set(work.known[work.target].dropna())

    # The gate: nonsense is refused by either rule, its opposite is let in.
    for trigger in ("harmed", "schedule"):
        assert not compare_with_champion(work.good, work.bad, tmp_path / "1", trigger, 1).is_promoted
        assert compare_with_champion(work.bad, work.good, tmp_path / "1", trigger, 1).is_promoted
    same = compare_with_champion(work.good, work.good, tmp_path / "1", "harmed", 1)
    assert not same.is_promoted and same.difference.value == 0

    # The probation: what it has promised at the gate, and what it has not.
    waits = check_probation(work.good, tmp_path / "1", rows[np.arange(50)])
    passed = check_probation(work.good, tmp_path / "1", rows, wanted=300)
    assert (waits.state, passed.state) == ("waits", "passed"), passed
    order = np.random.default_rng(0).permutation(len(rows))
    rows.output = rows.output[order]  # it says of each what belongs to another one
    harmed = check_probation(work.good, tmp_path / "1", rows, wanted=300)
    assert harmed.state == "harmed" and harmed.rows <= 300, harmed
    json.dumps([harmed.to_dict(), facts], allow_nan=False)


def test_a_rollout_without_two_classes_stops_nonsense(work):
    began = created_at(work.good) + 5_000
    work.answer(work.good, 600, 8, began, shadow=work.bad)
    rollout = Rollout("2", "shadow", champion="1", began=began)
    check = check_rollout(work.good, str(work.log), rollout, RolloutSettings(rows=300), now=began + 60)
    assert check.state == "failed" and "It is worse on" in str(check), check
    canary = Rollout("2", "canary", 0.5, champion="1", began=began + 10_000)
    work.answer(work.good, 1_000, 20, canary.began, canary=work.bad)
    check = check_rollout(work.good, str(work.log), canary, RolloutSettings(rows=300), now=canary.began + 60)
    assert check.state == "failed" and "It is worse on" in str(check), check
