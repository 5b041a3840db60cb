"""The gate: what may take the champion's place, and how often it errs in a year."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlkit.retraining import GateSettings, decide_promotion
from mlkit.task.task import Task, score_output

BINARY = Task("left", "binary", "roc_auc", "maximize", ["no", "yes"], "yes")
THREE = Task("kind", "multiclass", "accuracy", "maximize", ["a", "b", "c"])
NUMBER = Task("price", "regression", "mae", "minimize")


def outputs(task: Task, rows: int, gain: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, champion and challenger, whose errors are mostly the same; a positive gain: the challenger is better."""
    rng = np.random.default_rng(seed)
    if task.type == "regression":
        truth, shared = rng.normal(size=rows), rng.normal(size=rows)
        own = rng.normal(size=(2, rows))
        return truth, truth + 0.5 * shared + 0.3 * own[0], truth + (1 - gain) * 0.5 * shared + 0.3 * own[1]
    truth = rng.integers(0, len(task.classes), rows)
    shared = rng.normal(size=(rows, len(task.classes)))
    both = []
    for strength in (1.5, 1.5 + gain):
        logits = strength * np.eye(len(task.classes))[truth] + shared
        logits = logits + 0.3 * rng.normal(size=shared.shape)
        exp = np.exp(logits)
        both.append(exp / exp.sum(axis=1, keepdims=True))
    return truth, *both


@pytest.mark.parametrize("task", [BINARY, THREE, NUMBER], ids=lambda task: task.type)
def test_what_is_clearly_better_is_promoted_and_what_is_not_is_not(task):
    better = outputs(task, 3000, 0.8, 1)
    decision = decide_promotion(task, *better, "harmed")
    assert decision.is_promoted and str(decision).startswith("The challenger is promoted. ")
    assert not decide_promotion(task, better[0], better[2], better[1], "harmed").is_promoted
    assert not decide_promotion(task, better[0], better[2], better[1], "schedule").is_promoted
    same = decide_promotion(task, better[0], better[1], better[1], "harmed")
    assert not same.is_promoted and same.difference.value == 0


def test_on_schedule_equal_is_enough_and_after_harm_it_is_not():
    equal = outputs(BINARY, 20_000, 0.0, 3)
    assert decide_promotion(BINARY, *equal, "schedule").is_promoted
    assert not decide_promotion(BINARY, *equal, "harmed").is_promoted
    assert not decide_promotion(BINARY, *(part[:300] for part in equal), "schedule").is_promoted


def test_in_at_most_one_year_of_twenty_a_challenger_that_is_no_better_is_promoted():
    years = [
        any(
            decide_promotion(BINARY, *outputs(BINARY, 300, 0.0, 52 * year + week), "harmed").is_promoted
            for week in range(52)
        )
        for year in range(40)
    ]
    assert sum(years) <= 6, "six or fewer of 40 happen in 99 of 100 cases where the rate is 5 %"


def test_one_that_is_better_by_two_points_is_promoted_within_four_weeks():
    truth, champion, challenger = outputs(BINARY, 200_000, 0.18, 1)
    scores = [score_output(BINARY, truth, output) for output in (champion, challenger)]
    assert scores[1] - scores[0] == pytest.approx(0.02, abs=0.003)
    found = [
        any(
            decide_promotion(BINARY, *outputs(BINARY, 2000, 0.18, 4 * year + week), "harmed").is_promoted
            for week in range(4)
        )
        for year in range(20)
    ]
    assert sum(found) >= 16


def test_no_group_of_rows_may_pay_for_the_others():
    truth, champion, better = outputs(BINARY, 4000, 0.8, 5)
    south = np.arange(4000) < 800
    spoiled = better.copy()
    spoiled[south] = 1 - better[south]
    groups = {"region south": south, "region north": ~south, "a few": np.arange(4000) < 20}
    decision = decide_promotion(BINARY, truth, champion, spoiled, "schedule", slices=groups)
    assert not decision.is_promoted
    said = [reason for reason in decision.reasons if reason.startswith("For ")]
    assert len(said) == 1 and said[0].startswith("For region south (800 rows) it is worse by ")
    assert decide_promotion(BINARY, truth, champion, better, "harmed", slices=groups).is_promoted


def test_an_order_without_probabilities_is_no_progress():
    truth, champion, better = outputs(BINARY, 4000, 0.8, 6)
    decision = decide_promotion(BINARY, truth, champion, 0.45 + 0.1 * better, "harmed")
    assert not decision.is_promoted and "further from what happened" in str(decision)


def test_rows_that_cannot_tell_end_in_a_sentence():
    truth, champion, challenger = outputs(BINARY, 40, 0.5, 7)
    decision = decide_promotion(BINARY, np.zeros_like(truth), champion, challenger, "harmed")
    assert not decision.is_promoted and "wait for more feedback" in str(decision)
    assert decision.to_dict()["difference"] == {"value": None, "low": None, "high": None}


def test_when_the_rows_are_too_few_it_says_how_many_would_do():
    few = outputs(BINARY, 250, 0.12, 11)
    decision = decide_promotion(BINARY, *few, "harmed")
    assert not decision.is_promoted
    assert "rows would show it, if the difference is real" in str(decision)


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.floats(-0.5, 0.5), st.sampled_from([BINARY, THREE, NUMBER]))
def test_two_models_never_replace_each_other_as_better(seed, gain, task):
    truth, one, other = outputs(task, 200, gain, seed)
    assert not (
        decide_promotion(task, truth, one, other, "harmed").is_promoted
        and decide_promotion(task, truth, other, one, "harmed").is_promoted
    )


def test_fewer_retrainings_a_year_may_each_spend_more():
    assert GateSettings(retrainings=4).confidence < GateSettings(retrainings=52).confidence < 1
