"""A registered champion that has been at work: predictions of customers in a log, with their truths."""

import time
from pathlib import Path

import numpy as np

from mlkit.inference.predictor import Predictor
from mlkit.security.subject_keys import SubjectKeys
from mlkit.serving.prediction_log import FeedbackRecord, PredictionRecord, open_log_database, write_records
from mlkit.serving.sealed_log import LogSealer
from mlkit.sources.examples import make_customers

# One training of one second, and no search: what is tested is what happens around it.
QUICK = ["-p", "train.models=linear", "-p", "train.trials=1", "-p", "train.ensemble=false",
         "-p", "train.budget=0", "-p", "collect.rows=700", "-p", "evaluate.resamples=100",
         "-p", "evaluate.curve_points=0", "-p", "evaluate.recalibrate=none", "-p", "prepare.combine=",
         "-p", "explain.samples=10"]  # fmt: skip


def write_life(
    log: Path,
    predictor: Predictor,  # that has answered
    rows: int,
    turned: bool = False,  # what happens is the opposite of what used to happen
    begin: float | None = None,  # of the first prediction; a millisecond between two
    seed: int = 0,
    told: float = 1.0,  # share of the truths that become known
    version: str = "1",
    keys: SubjectKeys | None = None,  # of a protected log, whose rows are those of customers
) -> float:  # of the last prediction
    """Predictions and truths; the ids say which seed and row they are."""
    table, chance = make_customers(rows, seed=seed), np.random.default_rng(seed)
    output, columns = predictor.predict(table), [column.name for column in predictor.columns]
    moment, records = begin or time.time(), []
    classes = predictor.task.classes
    for number, (row, said) in enumerate(zip(table.to_dict("records"), output.tolist(), strict=True)):
        cells = {key: str(row[key]) for key in columns if row[key] == row[key] and row[key] is not None}
        shares = dict(zip(classes, said, strict=True))
        answer = {
            "id": f"{seed}-{number:05d}",
            "prediction": max(shares, key=shares.get),
            "probabilities": shares,
        }
        when = moment + number / 1_000
        whose = row["customer_id"] if keys is not None else None
        records.append(PredictionRecord(when, predictor.name, version, columns, cells, answer, 0.004, whose))
        truth = predictor.task.read_class(row["churned"]) if isinstance(row["churned"], str) else None
        if truth in classes and chance.random() < told:
            truth = classes[1 - classes.index(truth)] if turned else truth
            records.append(FeedbackRecord(answer["id"], when + 60, truth))
    engine = open_log_database(f"sqlite:///{log}")
    write = write_records if keys is None else LogSealer(keys).write_records
    write(engine, records)
    engine.dispose()
    return moment + rows / 1_000
