"""How often is the verdict on the fit wrong? Models built to learn too little, too much, or as they should.

`python tests/bench/verdicts.py [SEEDS]` (8 by default) prints, for each kind of model and task, how often
each verdict was given. `constructed` is also what tests/evaluation/test_fit_diagnosis.py judges a part of.
"""

import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from mlkit.evaluation.fit_diagnosis import diagnose_scores
from mlkit.evaluation.reference_models import (
    compare_reference_models,
    evaluate_out_of_fold,
    evaluate_reference_models,
)
from mlkit.features.encoders import InputPlan, PreprocessingPlan
from mlkit.models.families import FAMILIES, make_estimator
from mlkit.task.problem import Problem
from mlkit.task.task import Task, baseline_output, score_output
from mlkit.task.task_inference import make_task

TASKS = ("binary", "multiclass", "regression")
ROWS = 500


def signal_of(shape: str, columns: np.ndarray) -> np.ndarray:
    """What the columns say: a sum, one column times another, or steps."""
    a, b, c = columns[:, :3].T
    if shape == "sum":
        return 1.2 * (a + b + c)
    if shape == "product":
        return 3.0 * a * b
    if shape == "steps":
        return 3.0 * (a > 0.3) + 2.0 * ((b > 0) & (c > 0)) - 2.0
    return np.zeros(len(columns))


def made(
    shape: str, kind: str, seed: int, rows: int = ROWS
) -> tuple[Task, PreprocessingPlan, pd.DataFrame, np.ndarray, list]:
    """A table of that shape: its task, plan, inputs, truth and folds."""
    rng = np.random.default_rng(seed)
    columns = rng.normal(size=(rows, 6))
    signal = signal_of(shape, columns)
    if kind == "regression":
        truth: np.ndarray = signal + rng.normal(size=rows)
        answers = pd.Series(truth)
    else:
        heard = signal + rng.logistic(size=rows)
        cuts = [0.0] if kind == "binary" else [-1.0, 1.0]
        truth = np.digitize(heard, cuts)
        answers = pd.Series(np.array(["a", "b", "c"])[truth])
    task = make_task(Problem("target", task=kind), answers)
    if kind == "binary":
        truth = (answers == task.positive).to_numpy().astype(int)
    inputs = pd.DataFrame(columns, columns=list("uvwxyz")).astype("float32")
    fold = np.arange(rows) % 5
    folds = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(5)]
    plan = PreprocessingPlan(dict.fromkeys(inputs, InputPlan("number", impute="median", scale="standard")))
    return task, plan, inputs, truth, folds


def models(task: Task, plan: PreprocessingPlan) -> Iterator[tuple[str, str, str, Any]]:
    """The verdict that a model was built for, its name, the shape of its table, and the model."""
    regression = task.type == "regression"

    def usual(family: str, **settings: Any) -> Any:
        return make_estimator(family, FAMILIES[family].start | settings, plan, task)

    def own(classifier: Any, regressor: Any, **settings: Any) -> Any:
        return make_pipeline(StandardScaler(), (regressor if regression else classifier)(**settings))

    tree = DecisionTreeClassifier, DecisionTreeRegressor
    boosting = HistGradientBoostingClassifier, HistGradientBoostingRegressor
    network, neighbours = (MLPClassifier, MLPRegressor), (KNeighborsClassifier, KNeighborsRegressor)
    wild = {"max_iter": 400, "learning_rate": 0.4, "max_leaf_nodes": 63, "min_samples_leaf": 2}
    yield "good", "linear", "sum", usual("linear")
    yield "good", "tree", "steps", own(*tree, max_depth=4, min_samples_leaf=10, random_state=0)
    yield "good", "boosting", "product", usual("boosting")
    yield "good", "boosting", "steps", usual("boosting")
    yield "good", "forest", "steps", usual("forest")
    calm = {"hidden_layer_sizes": (16,), "alpha": 3.0, "max_iter": 300, "random_state": 0}
    yield "good", "network", "sum", own(*network, **calm)
    yield "overfit", "unlimited tree", "sum", own(*tree, random_state=0)
    yield "overfit", "unlimited tree", "noise", own(*tree, random_state=0)
    yield "overfit", "wild boosting", "noise", own(*boosting, **wild, random_state=0)
    yield "overfit", "wild boosting", "sum", own(*boosting, **wild, random_state=0)
    yield "overfit", "nearest neighbour", "sum", own(*neighbours, n_neighbors=1)
    long = {"hidden_layer_sizes": (100,), "alpha": 0.0, "max_iter": 600, "learning_rate_init": 0.01}
    yield "overfit", "long network", "noise", own(*network, **long, random_state=0)
    yield "underfit", "linear", "product", usual("linear")
    yield "underfit", "stump", "sum", own(*tree, max_depth=1)
    short = {"max_iter": 1, "learning_rate": 0.02, "max_leaf_nodes": 2}
    yield "underfit", "short boosting", "sum", own(*boosting, **short)
    short = {"hidden_layer_sizes": (4,), "max_iter": 1, "learning_rate_init": 1e-4}
    yield "underfit", "short network", "sum", own(*network, **short, random_state=0)
    yield "underfit", "many neighbours", "product", own(*neighbours, n_neighbors=ROWS // 3)


SHAPES = ("sum", "product", "steps", "noise")


def constructed(
    seed: int, kind: str, rows: int = ROWS, shapes: tuple[str, ...] = SHAPES
) -> Iterator[tuple[str, str, str]]:
    """For every constructed model of a task: what it was built for, its name, and the verdict."""
    tables, rivals = {}, {}
    for shape in shapes:
        tables[shape] = made(shape, kind, seed, rows)
        task, plan, *rest = tables[shape]
        rivals[shape] = evaluate_reference_models(task, plan, *rest)
    for wanted, name, shape, estimator in models(*tables[shapes[0]][:2]):
        if shape not in shapes:
            continue
        task, plan, inputs, truth, folds = tables[shape]
        held = evaluate_out_of_fold(estimator, task, inputs, truth, folds, name)
        baseline = score_output(task, truth, baseline_output(task, truth, len(truth)))
        facing = compare_reference_models(task, truth, held, rivals[shape])
        means = float(np.mean(held.train)), float(np.mean(held.validation))
        fit, _ = diagnose_scores(task, *means, held.validation, baseline, facing)
        yield wanted, f"{name}, {shape}", fit


def main() -> None:
    warnings.filterwarnings("ignore")
    seeds, counts = int(sys.argv[1]) if len(sys.argv) > 1 else 8, Counter[tuple[str, str, str, str]]()
    for kind in TASKS:
        for seed in range(seeds):
            for wanted, name, fit in constructed(seed, kind):
                counts[wanted, name, kind, fit] += 1
    wrong, all_of = Counter[str](), Counter[str]()
    for (wanted, name, kind, fit), number in sorted(counts.items()):
        print(f"{'  ' if wanted == fit else '* '}{wanted:9} {name:26} {kind:11} {fit:9} {number}")
        all_of[wanted] += number
        wrong[wanted] += number * (wanted != fit)
    for wanted, number in all_of.items():
        share = wrong[wanted] / number
        print(f"built to be {wanted}: {wrong[wanted]} of {number} judged otherwise ({share:.1%})")


if __name__ == "__main__":
    main()
