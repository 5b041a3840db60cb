"""Tables, tasks and outputs that the tests of judging share."""

import numpy as np
import pandas as pd

from mlkit.task.problem import state_problem
from mlkit.task.task_inference import make_task

TARGETS = {
    "binary": pd.Series(["no", "yes"] * 30),
    "multiclass": pd.Series(["a", "b", "c"] * 20),
    "regression": pd.Series(np.linspace(0, 1, 60)),
}


def task_of(kind, metric="auto", **stated):
    return make_task(state_problem("target", task=kind, metric=metric, **stated), TARGETS[kind])


BINARY, MANY, NUMBER = map(task_of, TARGETS)


def two(probability):
    return np.column_stack([1 - probability, probability])


def drawn(probability, rng):
    return (rng.random(len(probability)) < probability).astype(int)


def example(kind, rows, seed=0):
    """Truth, and an output that knows something of it."""
    rng = np.random.default_rng(seed)
    if kind == "regression":
        truth = rng.normal(size=rows)
        return truth, truth + rng.normal(size=rows)
    if kind == "binary":
        output = two(rng.random(rows))
        return drawn(output[:, 1], rng), output
    output = rng.dirichlet(np.ones(3), rows)
    return (output.cumsum(axis=1) > rng.random((rows, 1))).argmax(axis=1), output
