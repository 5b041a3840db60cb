"A problem is stated, settled by the data, and scored; the scores are scikit-learn's."

import ast
import json
import math
import subprocess
import sys
import warnings
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics as sk

from mlkit.core.errors import DataError, MLKitError, SettingsError
from mlkit.pipeline.settings import parse_parameters
from mlkit.task.metrics import METRICS, metric_names_for, predicted_codes
from mlkit.task.problem import Problem, show_problem, state_problem
from mlkit.task.task import (
    TASK_TYPES,
    Task,
    baseline_output,
    break_even_threshold,
    encode_target,
    is_better,
    is_goal_reached,
    mean_cost,
    score_all_metrics,
    score_output,
    target_values,
)
from mlkit.task.task_inference import make_task

NOTEBOOK = Path(__file__).parents[2] / "nbs" / "01_problem.ipynb"

NUMBER_METRICS = (
    "r2, mae, rmse, medae, mape, rmsle, poisson_deviance, tweedie_deviance, pinball_10, pinball_90"
)


def settled(cells: object, **stated: object) -> Task:
    return make_task(state_problem("y", **stated), pd.Series(cells))  # type: ignore[arg-type, call-overload]


# ---- the metrics are the known ones ----


@st.composite
def classified(draw: st.DrawFn, classes: int) -> tuple[np.ndarray, np.ndarray]:
    "Truth with every class in it, and probabilities with many ties."
    rows = draw(st.integers(classes, 30))
    truth = np.array(
        draw(
            st.permutations(
                [
                    *range(classes),
                    *draw(
                        st.lists(
                            st.integers(0, classes - 1), min_size=rows - classes, max_size=rows - classes
                        )
                    ),
                ]
            )
        )
    )
    weights = draw(hnp.arrays(np.int64, (rows, classes), elements=st.integers(0, 5)))
    return truth, (weights + 0.01) / (weights + 0.01).sum(axis=1, keepdims=True)


@given(classified(2), st.sampled_from([0.2, 0.5, 0.7]))
def test_binary_scores_equal_scikit_learn(case: tuple[np.ndarray, np.ndarray], threshold: float) -> None:
    truth, output = case
    chance, label = output[:, 1], (output[:, 1] >= threshold).astype(int)
    expected = {
        "roc_auc": sk.roc_auc_score(truth, chance),
        "average_precision": sk.average_precision_score(truth, chance),
        "accuracy": sk.accuracy_score(truth, label),
        "balanced_accuracy": sk.balanced_accuracy_score(truth, label),
        "precision": sk.precision_score(truth, label, zero_division=0),
        "recall": sk.recall_score(truth, label),
        "f1": sk.f1_score(truth, label),
        "log_loss": sk.log_loss(truth, output),
        "brier": sk.brier_score_loss(truth, chance),
    }
    found = score_all_metrics(settled(["a", "b"] * 2), truth, output, threshold)
    assert found == pytest.approx(expected) and list(found) == metric_names_for("binary")


@given(classified(3))
def test_multiclass_scores_equal_scikit_learn(case: tuple[np.ndarray, np.ndarray]) -> None:
    truth, output = case
    label = output.argmax(axis=1)
    macro = {"average": "macro", "zero_division": 0}
    expected = {
        "f1_macro": sk.f1_score(truth, label, **macro),
        "precision_macro": sk.precision_score(truth, label, **macro),
        "recall_macro": sk.recall_score(truth, label, **macro),
        "accuracy": sk.accuracy_score(truth, label),
        "balanced_accuracy": sk.balanced_accuracy_score(truth, label),
        "log_loss": sk.log_loss(truth, output),
        "roc_auc_ovr": sk.roc_auc_score(truth, output, multi_class="ovr"),
    }
    found = score_all_metrics(settled(["a", "b", "c"] * 2), truth, output)
    assert found == pytest.approx(expected) and set(found) == set(metric_names_for("multiclass"))


numbers = hnp.arrays(np.float64, 12, elements=st.floats(-1e6, 1e6))


@given(numbers, numbers)
def test_regression_scores_equal_scikit_learn(truth: np.ndarray, guess: np.ndarray) -> None:
    assume(np.ptp(truth) > 1e-3)
    expected = {
        "r2": sk.r2_score(truth, guess),
        "mae": sk.mean_absolute_error(truth, guess),
        "rmse": sk.root_mean_squared_error(truth, guess),
        "medae": sk.median_absolute_error(truth, guess),
    }
    assert score_all_metrics(settled([0.5, 1, 2, 3]), truth, guess) == pytest.approx(expected)


@given(classified(2))
def test_a_ranking_is_the_same_for_any_rising_scale(case: tuple[np.ndarray, np.ndarray]) -> None:
    truth, output = case
    stretched = output.copy()
    stretched[:, 1] = np.round(output[:, 1] * 1000) / 500
    for name in ("roc_auc", "average_precision"):
        assert score_output(name, truth, stretched) == pytest.approx(
            score_output(name, truth, np.round(output, 3))
        )


def test_float32_probabilities_of_zero_and_one_cost_no_infinity() -> None:
    sure = np.array([[1, 0], [0, 1]], dtype=np.float32)
    assert 10 < score_output("log_loss", np.array([1, 0]), sure) < 20


@pytest.mark.parametrize("name", list(METRICS))
def test_no_metric_fails_or_warns_on_a_fold_without_a_class(name: str) -> None:
    metric = METRICS[name]
    classes = 3 if metric.tasks == ("multiclass",) else 2
    output = np.full((4, classes), 1 / classes) if metric.needs != "number" else np.ones(4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        only_one = score_output(name, np.zeros(4, dtype=np.intp), output)
        assert math.isnan(score_output(name, np.zeros(0, dtype=np.intp), output[:0]))
        assert math.isnan(score_output(name, np.zeros(4, dtype=np.intp), output * np.nan))
    undefined = {
        "roc_auc",
        "roc_auc_ovr",
        "quadratic_kappa",
        "average_precision",
        "precision",
        "recall",
        "f1",
        "r2",
    }
    assert math.isnan(only_one) == (name in undefined or name.startswith("recall_at_"))


def test_answers_and_predictions_must_be_as_many() -> None:
    with pytest.raises(DataError, match="3 answers but 2 predictions"):
        score_output("mae", np.ones(3), np.ones(2))


def test_the_threshold_itself_counts_as_positive() -> None:
    assert predicted_codes(np.array([[0.5, 0.5], [0.51, 0.49]])).tolist() == [1, 0]


def test_every_metric_explains_itself_and_every_task_has_its_default_first() -> None:
    assert [metric_names_for(task)[0] for task in TASK_TYPES] == ["roc_auc", "f1_macro", "r2"]
    assert all(metric.meaning.endswith(".") and metric.label for metric in METRICS.values())


# ---- what is stated ----


@pytest.mark.parametrize(
    "stated, problem",
    [
        ({"target": "  "}, "target is empty; name the column to predict"),
        (
            {"task": "binry"},
            "task = binry is unknown; known are auto, binary, multiclass, regression; did you mean 'binary'?",
        ),
        (
            {"task": "regression", "metric": "f1"},
            f"metric = f1 is not for the task, which is regression; choose {NUMBER_METRICS}",
        ),
        (
            {"metric": "roc_auc", "goal": 80.0},
            "goal = 80 is not possible: roc_auc lies between 0 and 1; write 0.8",
        ),
        ({"metric": "r2", "goal": 1.5}, "goal = 1.5 is not possible: r2 lies between -inf and 1"),
        ({"metric": "mae", "goal": math.inf}, "goal = inf is not possible: mae lies between 0 and inf"),
        ({"cost_false_positive": -1.0}, "costs are numbers from 0 on, not -1 and 1"),
        ({"cost_false_negative": math.nan}, "costs are numbers from 0 on, not 1 and nan"),
        (
            {"cost_false_positive": 0.0, "cost_false_negative": 0.0},
            "both costs are 0; give the worse mistake a cost",
        ),
        (
            {"task": "multiclass", "positive": "yes"},
            "positive = yes is for two classes; leave it empty for multiclass",
        ),
    ],
)
def test_a_statement_that_contradicts_itself_is_refused(stated: dict, problem: str) -> None:
    with pytest.raises(SettingsError) as caught:
        state_problem(**{"target": "y"} | stated)
    assert str(caught.value) == f"[problem] {problem}"


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        state_problem("", task="x", metric="auc", cost_false_positive=-1)
    assert len(str(caught.value).splitlines()) == 4 and "did you mean 'roc_auc'?" in str(caught.value)


# ---- what the data make of it ----


@pytest.mark.parametrize(
    "cells, type, classes",
    [
        (["yes", "no"] * 3, "binary", ["no", "yes"]),
        (["はい", "いいえ"] * 3, "binary", ["いいえ", "はい"]),
        ([" Yes", "yes", "ＹＥＳ", "yes", "no", "NO", "no", "", None], "binary", ["no", "yes"]),
        ([True, False, True, False], "binary", ["False", "True"]),
        ([1, 0, 1, 1, 0], "binary", ["0", "1"]),
        ([1.0, 0.0, None, 1.0, 0.0], "binary", ["0", "1"]),
        (["1.0", "-1", "1", "-1.0"], "binary", ["-1", "1"]),
        (pd.array([1, 0, None, 1, 0], dtype="Int64"), "binary", ["0", "1"]),
        (pd.Categorical(["b", "a", "b", "a", "b"]), "binary", ["b", "a"]),
        ([1, 2, 2, 2, 1], "binary", ["2", "1"]),
        ([0.5, 0.5, 1.5, 1.5], "binary", ["0.5", "1.5"]),
        ([[1], [2], [1], [2]], "binary", ["[1]", "[2]"]),
        ([1, 2, 10] * 3, "multiclass", ["1", "2", "10"]),
        (list(range(10)) * 2, "multiclass", list("0123456789")),
        (["none", "mild", "severe"] * 3, "multiclass", ["mild", "none", "severe"]),
        (["a", "A", "b"] * 3, "multiclass", ["A", "a", "b"]),
        ([f"{code:03}" for code in range(12)] * 3, "multiclass", [f"{code:03}" for code in range(12)]),
        (list(range(11)), "regression", []),
        ([1, 2, 2.5], "regression", []),
        (["$5,720", "1,000", "(5)", "12%"] * 3 + ["1.5", "-", "N/A"], "regression", []),
        ([*map(str, range(200)), "unknown"], "regression", []),
    ],
)
def test_the_task_is_seen_from_the_values(cells: object, type: str, classes: list[str]) -> None:
    task = settled(cells)
    assert (task.type, task.classes) == (type, classes)
    assert task.metric == metric_names_for(type)[0] and task.direction == "maximize"
    assert task.positive == (classes[1] if type == "binary" else "") and task.reason.endswith(".")


@pytest.mark.parametrize(
    "cells, positive",
    [
        (["yes"] * 9 + ["no"] * 2, "yes"),
        (["1"] * 9 + ["0"] * 2, "1"),
        (["1"] * 9 + ["2"] * 2, "2"),
        (["t", "f"] * 2, "t"),
        (["t"] * 3 + ["b"] * 2, "b"),
        (["Positive"] * 3 + ["Negative"] * 2, "Positive"),
        (["a"] * 2 + ["b"] * 3, "a"),
        (["有"] * 3 + ["無"] * 2, "有"),
        (["a", "b"] * 2, "b"),
    ],
)
def test_the_positive_class_says_so_or_is_the_rarer_one(cells: list[str], positive: str) -> None:
    assert settled(cells).positive == positive


def test_what_is_stated_overrules_what_is_seen() -> None:
    assert settled([1, 2, 3] * 3, task="regression").type == "regression"
    assert settled(list(range(20)) * 2, task="multiclass").classes[-1] == "19"
    task = settled(["yes", "no"] * 3, positive="NO", metric="log_loss", goal=0.4)
    assert (task.classes, task.metric, task.direction) == (["yes", "no"], "log_loss", "minimize")
    assert "it was stated" in task.reason and "Log loss was stated" in task.reason


@pytest.mark.parametrize(
    "cells, stated, message",
    [
        ([None, "", " ", "NaN"], {}, "'y' is empty in all 4 rows; choose another target"),
        ([], {}, "'y' is empty in all 0 rows; choose another target"),
        (
            ["a", "bb", "a "],
            {"task": "regression"},
            "'y' holds words such as 'a', too many for task = regression; state auto",
        ),
        ([7.0, 7.0], {}, "'y' has one value only, '7'; choose another target"),
        (["1,000", "1000"], {"task": "regression"}, "'y' has one value only, 1000; choose another target"),
        (
            ["a", "b", "b"],
            {},
            "'y' has one row only of class 'a', too few to learn and to test; add rows or merge classes",
        ),
        (
            ["a", "b", "c"] * 2,
            {"task": "binary"},
            "'y' has 3 values (a, b, c), so its task is not binary; state multiclass or auto",
        ),
        (
            [f"id-{n}" for n in range(50)],
            {},
            "'y' has 50 different values in 50 rows, like an identifier; choose another target",
        ),
        (
            [f"id-{n}" for n in range(101)] * 3,
            {},
            "'y' has more than 100 different values, like an identifier; choose another target",
        ),
        (
            ["basic", "pro"] * 2,
            {"positive": "por"},
            "positive = por is no class; there are basic and pro; did you mean 'pro'?",
        ),
        (
            ["a", "b", "c"] * 2,
            {"positive": "a"},
            "positive = a needs two classes; 'y' is multiclass, so drop it",
        ),
        (
            [1, 2, 2.5],
            {"metric": "f1"},
            f"metric = f1 is not for 'y', which is regression; choose {NUMBER_METRICS}",
        ),
        (["a", "b"] * 2, {"goal": 2.0}, "goal = 2 is not possible: roc_auc lies between 0 and 1"),
    ],
)
def test_a_column_that_cannot_be_learned_is_refused(cells: list, stated: dict, message: str) -> None:
    with pytest.raises(DataError) as caught:
        settled(cells, **stated)
    assert str(caught.value) == message


def test_two_spellings_of_a_class_are_named() -> None:
    assert "(taking 'NO' as 'no')" in settled(["yes", "no", "no", "NO"] * 2).reason


def test_numbers_that_are_none_are_named() -> None:
    reason = settled([*map(str, range(199)), "x"]).reason
    assert "(0.5% of the rows hold no number and are left out)" in reason


odd_cells = ["yes", "No", "maybe", " x ", "７", "7.0", "-", None, "", "é", "e\u0301"]


@given(st.lists(st.sampled_from(odd_cells), max_size=30))
def test_whatever_is_settled_can_be_encoded(cells: list) -> None:
    target = pd.Series(cells, dtype=object)
    try:
        task = make_task(state_problem("y"), target)
    except MLKitError as error:
        assert "\n" not in str(error)
        return
    values = target_values(task, target)
    there = np.array([value is not None for value in values])
    codes = encode_target(task, values[there])
    assert [task.classes[code] for code in codes] == list(values[there])
    assert set(codes) == set(range(len(task.classes)))


@given(st.lists(st.floats(-1e9, 1e9), min_size=12, max_size=40, unique=True))
def test_numbers_read_the_same_typed_and_written(values: list[float]) -> None:
    task = settled([*values, 0.5])
    typed, written = pd.Series([*values, np.inf, None]), pd.Series([*map(str, values), "inf", None])
    assert task.type == "regression"
    np.testing.assert_array_equal(target_values(task, typed), target_values(task, written))
    np.testing.assert_array_equal(encode_target(task, np.array(values)), values)


def test_an_answer_that_is_no_class_or_missing_is_named() -> None:
    task = settled(["yes", "no"] * 2)
    values = target_values(task, pd.Series(["YES", "later", None]))
    assert values.tolist() == ["yes", "later", None]
    with pytest.raises(DataError, match="'y' holds 'later', but its classes are no, yes"):
        encode_target(task, values)
    with pytest.raises(DataError, match="without an answer"):
        encode_target(task, values[[0, 2]])


def test_a_million_different_numbers_are_settled_in_a_moment() -> None:
    target = pd.Series(np.random.default_rng(0).random(1_000_000))
    before = target.copy()
    assert make_task(state_problem("y"), target).type == "regression"
    pd.testing.assert_series_equal(target, before)


# ---- judged by the task ----


def test_the_baseline_says_what_is_usual() -> None:
    binary = settled(["no"] * 3 + ["yes"] * 2)
    assert baseline_output(binary, np.array([0, 0, 0, 1]), 2).tolist() == [[0.75, 0.25]] * 2
    truth = np.array([0.0, 0.0, 9.0])
    assert baseline_output(settled([0.5, 1, 2]), truth, 1).tolist() == [3.0]
    assert baseline_output(settled([0.5, 1, 2], metric="mae"), truth, 1).tolist() == [0.0]


@pytest.mark.parametrize("metric, better, worse", [("roc_auc", 0.9, 0.8), ("log_loss", 0.3, 0.4)])
def test_better_follows_the_direction_and_nan_is_worst(metric: str, better: float, worse: float) -> None:
    task = settled(["yes", "no"] * 2, metric=metric, goal=better)
    assert is_better(task, better, worse) and is_better(task, worse, math.nan)
    for a, b in ((worse, better), (better, better), (math.nan, worse), (math.nan, math.nan)):
        assert not is_better(task, a, b)
    assert [is_goal_reached(task, value) for value in (better, worse, math.nan)] == [True, False, False]
    assert is_goal_reached(settled(["yes", "no"] * 2), 1.0) is None


@given(st.floats(0.01, 100), st.floats(0.01, 100), st.floats(0.01, 0.99))
def test_acting_pays_from_the_break_even_on(needless: float, missed: float, chance: float) -> None:
    task = settled(["yes", "no"] * 2, cost_false_positive=needless, cost_false_negative=missed)
    act, wait = (1 - chance) * needless, chance * missed
    assume(not math.isclose(act, wait))
    assert (chance > break_even_threshold(task)) == (act < wait)


def test_mistakes_cost_what_was_stated() -> None:
    task = settled(["yes", "no"] * 2, cost_false_positive=2.0, cost_false_negative=10.0)
    output = np.array([[0.1, 0.9], [0.4, 0.6], [0.8, 0.2], [0.9, 0.1]])
    truth = np.array([1, 0, 1, 0])
    assert mean_cost(task, truth, output) == 3.0
    assert mean_cost(task, truth, output, 0.2) == 0.5


# ---- handed on and shown ----


def test_problem_and_task_come_back_from_json() -> None:
    problem = state_problem("y", "Whom do we call?", goal=0.8, cost_false_negative=5.0)
    task = make_task(problem, pd.Series(["yes", "no"] * 2))
    assert Problem.from_dict(problem.to_dict()) == problem and Task.from_dict(task.to_dict()) == task


def test_the_table_shows_names_as_they_are() -> None:
    shown = show_problem(state_problem("<b>&", "Whom?", goal=0.8)).data
    assert "&lt;b&gt;&amp;" in shown and "Whom?" in shown and "0.8" in shown
    assert "because" in show_problem(settled(["yes", "no"] * 2)).data


def test_the_stage_states_every_parameter_and_its_lesson_touches_none() -> None:
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    (tagged,) = [cell.source for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    parameters = parse_parameters(tagged)
    assert list(parameters) == [
        "run",
        "target",
        "decision",
        "task",
        "metric",
        "metrics",
        "positive",
        "goal",
        "cost_false_positive",
        "cost_false_negative",
    ]
    assert all(parameter.help for parameter in parameters.values())
    lesson = [cell.source for cell in cells if cell.cell_type == "code" and cell.source != tagged]
    statements = [statement for source in lesson for statement in ast.parse(source).body]
    targets = [
        target
        for statement in statements
        for target in [*getattr(statement, "targets", []), getattr(statement, "target", ast.Pass())]
    ]
    assigned = {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}
    assert "leavers" in assigned and not assigned & set(parameters)


def test_a_server_can_read_a_task_without_pandas() -> None:
    code = "import sys, mlkit.problem; print({'pandas', 'sklearn', 'scipy', 'IPython'} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "set()\n"


@pytest.mark.parametrize("cells, numbers", [
    (["1.459,83", "12,5", "7,25", "0,5"] * 10, [1459.83, 12.5, 7.25, 0.5]),
    (["85 m²", "120 m²", "70 m²", "99 m²"] * 10, [85, 120, 70, 99]),
    (["CHF 1'250.–", "CHF 990.–", "CHF 12.–", "CHF 7'000.–"] * 10, [1250, 990, 12, 7000]),
])  # fmt: skip
def test_a_target_is_read_as_its_column_is_written(cells, numbers):
    column = pd.Series([*cells, *[f"{cell}" for cell in cells]], dtype="str", name="price")
    task = make_task(Problem("price", task="regression"), column)
    assert target_values(task, column.head(4)).tolist() == numbers
    again = Task.from_dict(json.loads(json.dumps(task.to_dict())))
    assert target_values(again, column.head(4)).tolist() == numbers
