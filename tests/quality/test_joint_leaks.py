"""Two columns that are the answer only together, and a score that is too good to be true."""

import numpy as np
import pandas as pd
import pytest

from mlkit import fit
from mlkit.data.type_inference import infer_table_spec
from mlkit.quality.leakage import audit_leakage
from mlkit.quality.splitting import split_train_test
from mlkit.quality.threshold_search import find_threshold_formulas
from mlkit.task.problem import Problem
from mlkit.task.score_summary import describe_verdict, read_score_summary
from mlkit.task.task_inference import make_task


def leaking_columns(frame, target="y"):
    task = make_task(Problem(target), frame[target])
    train, test, way = split_train_test(frame, task)
    return audit_leakage(infer_table_spec(train, ignore=[target]), train, test, task, way).leaking_columns


def flags(kind="xor", rows=800, seed=0, slips=0.0):
    random = np.random.default_rng(seed)
    a, b = random.integers(0, 2, (2, rows))
    frame = pd.DataFrame({"noise": random.normal(size=rows), "a": a, "b": np.where(b == 1, "on", "off"),
                          "c": random.choice(list("uvw"), rows)})  # fmt: skip
    y = a ^ b
    if kind == "parity":
        frame["a"], frame["b"] = random.integers(0, 6, rows), random.integers(0, 5, rows)
        y = (frame.a + frame.b) % 2
    if kind == "gaps":
        frame["b"] = pd.Series(frame["b"]).where(b == 1)
    if kind == "three classes":
        frame["a"] = random.integers(0, 3, rows)
        y = (frame["a"] + b) % 3
    wrong = random.random(rows) < slips
    frame["y"] = [f"class {(int(each) + int(off)) % 3 if kind == 'three classes' else int(each) ^ int(off)}"
                  for each, off in zip(y, wrong, strict=True)]  # fmt: skip
    return frame


@pytest.mark.parametrize("slips", [0.0, 0.001])
@pytest.mark.parametrize("kind", ["xor", "parity", "gaps", "three classes"])
def test_two_columns_that_are_the_answer_together_are_a_leak(kind, slips):
    assert leaking_columns(flags(kind, slips=slips)) == ["a", "b"]


@pytest.mark.parametrize("seed", range(5))
def test_honest_pairs_are_none(seed):
    frame = flags("xor", seed=seed, slips=0.03)
    assert leaking_columns(frame) == [], "three in a hundred are no slips"
    random = np.random.default_rng(seed)
    codes = pd.DataFrame(random.integers(0, 12, (300, 6)), columns=list("abcdef"))
    assert leaking_columns(codes.assign(y=random.random(300) < 0.4)) == [], "many values, few rows"
    rare = codes.assign(y=["yes"] * 8 + ["no"] * 292)
    assert leaking_columns(rare) == []


@pytest.mark.parametrize("gaps", [0.0, 0.1])
@pytest.mark.parametrize("sign", "+−×/")
def test_a_threshold_on_two_of_many_numbers_is_found(sign, gaps):
    random = np.random.default_rng(1)
    numbers = random.uniform(1, 9, (400, 12))
    left, right = numbers[:, 3], numbers[:, 8]
    made = {"+": left + right, "−": left - right, "×": left * right, "/": left / right}[sign]
    upper = made > np.median(made)
    numbers[random.random(numbers.shape) < gaps] = np.nan
    names = [f"c{place}" for place in range(12)]
    assert (3, 8) in [formula.columns for formula in find_threshold_formulas(upper, numbers, names)]
    mixed = random.permutation(upper)
    assert not [*find_threshold_formulas(mixed, numbers, names)]


def test_a_perfect_score_is_doubted():
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.integers(0, 2, (900, 4)), columns=list("abcd"))
    frame["y"] = np.where((frame.a + frame.b + frame.c) % 2, "yes", "no")
    with pytest.warns(UserWarning, match="AUC-ROC 1.000 on 180 rows: look for a leak"):
        model = fit(frame, "y", models="boosting tree", trials=6, budget=0)
    assert "look for a leak" in describe_verdict(read_score_summary(model.metrics))


@pytest.mark.parametrize("metric, score, baseline, rows, doubted", [
    ("roc_auc", 1.0, 0.5, 50, True), ("roc_auc", 0.9999, 0.5, 400, True), ("roc_auc", 0.999, 0.5, 400, False),
    ("roc_auc", 1.0, 0.5, 36, False), ("log_loss", 1e-5, 0.69, 90, True), ("log_loss", 0.02, 0.69, 90, False),
    ("rmse", 0.0, 4.0, 90, True), ("r2", 0.99999, 0.0, 90, True), ("r2", 0.998, 0.0, 90, False),
    ("accuracy", 0.2, 0.5, 90, False)])  # fmt: skip
def test_when_a_score_is_doubted(metric, score, baseline, rows, doubted):
    metrics = {"metric": metric, "score": score, "baseline": baseline, "rows": {"test": rows}}
    assert ("look for a leak" in describe_verdict(read_score_summary(metrics))) == doubted
