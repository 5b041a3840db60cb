"""What somebody writes who uses the library, for `make types`: mypy is strict with it, and nothing public is `Any`."""

from pathlib import Path
from typing import assert_type

import numpy as np
import pandas as pd

from mlkit import (
    MLKitClassifier,
    MLKitRegressor,
    compare,
    feature,
    fit,
    load,
    load_example,
    load_predictor,
    metric,
)
from mlkit.inference import Predictor
from mlkit.models.model import Model
from mlkit.pipeline.compare_models import ModelComparison
from mlkit.pipeline.saved_model import ModelReport, SavedModel
from mlkit.serving.online_explanations import Explanation


@feature(inputs=["monthly_fee", "usage_hours"])
def fee_an_hour(fee: pd.Series, hours: pd.Series) -> pd.Series:
    return fee / hours


@metric(greater_is_better=False)
def call_cost(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    return float(np.mean(1 * (y_pred > y_true) + 5 * (y_true > y_pred)))


def main(folder: Path) -> None:
    customers = load_example("customers")
    assert_type(customers, pd.DataFrame)
    model = fit(
        customers, "churned", budget=10, metric=call_cost, metrics=["log_loss", "project.metrics:profit"]
    )
    assert_type(model, Model)
    assert_type(model.predict(customers), np.ndarray)

    answers = customers.pop("churned")
    estimator = MLKitClassifier(trials=3, metric=call_cost).fit(customers, answers)
    assert_type(estimator, MLKitClassifier)
    assert_type(MLKitRegressor(metric="mae").fit(customers, answers), MLKitRegressor)
    assert_type(estimator.score(customers, answers), float)
    saved = estimator.save(folder, owner="Ann")
    assert_type(saved, SavedModel)
    assert_type(load(folder).explain(customers), Explanation)
    assert_type(saved.report(), ModelReport)
    assert_type(compare(model, saved, customers, answers), ModelComparison)
    assert_type(load_predictor(folder), Predictor)


if __name__ == "__main__":
    main(Path("model"))
