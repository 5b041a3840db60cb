"""Prediction intervals and sets hold as many truths as they promise, wherever a model answers."""

import json
from contextlib import closing
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mlkit
from mlkit import MLKitClassifier, MLKitRegressor
from mlkit.core.errors import DataError, SettingsError
from mlkit.inference.predictor import load_predictor
from mlkit.scoring.batch_job import score_source
from mlkit.serving.client import running_server
from mlkit.task.prediction_intervals import (
    LEVELS,
    fit_prediction_intervals,
    fit_prediction_sets,
    measure_coverage,
    read_conformal,
)

EXACT = {"budget": 0, "trials": 1, "models": "linear", "ensemble": False, "jobs": 1}
RNG = np.random.default_rng(5)
ROWS = 3_000
SIZE = RNG.uniform(1, 10, ROWS)
FLATS = pd.DataFrame({"size": SIZE, "floor": RNG.integers(0, 9, ROWS), "noise": RNG.normal(size=ROWS)})
PRICE = pd.Series(SIZE * 100 * (1 + 0.1 * RNG.standard_t(4, size=ROWS)), name="price")
KIND = pd.Series(
    np.array(["flat", "house", "castle"])[np.digitize(SIZE + RNG.normal(size=ROWS), [4, 7])], name="kind"
)
LEARN, NEW = slice(0, 1_000), slice(1_000, ROWS)


@pytest.fixture(scope="module")
def prices():
    return MLKitRegressor(**EXACT, split="chance").fit(FLATS[LEARN], PRICE[LEARN])


@pytest.fixture(scope="module")
def kinds():
    return MLKitClassifier(**EXACT, split="chance").fit(FLATS[LEARN], KIND[LEARN])


@pytest.fixture(scope="module")
def price_package(prices, tmp_path_factory):
    return prices.save(tmp_path_factory.mktemp("price") / "model")


@pytest.fixture(scope="module")
def kind_package(kinds, tmp_path_factory):
    return kinds.save(tmp_path_factory.mktemp("kind") / "model")


@pytest.mark.parametrize("level", LEVELS)
def test_as_many_truths_are_held_as_were_promised(prices, kinds, level):
    low, high = prices.predict_interval(FLATS[NEW], level).T
    assert abs(((low <= PRICE[NEW]) & (PRICE[NEW] <= high)).mean() - level) < 0.03
    possible = kinds.predict_set(FLATS[NEW], level)
    column = {label: place for place, label in enumerate(kinds.classes_)}
    held = possible[np.arange(len(possible)), KIND[NEW].map(column)].mean()
    assert held > level - 0.03
    assert (possible.sum(axis=1) >= 1).all()


def test_dear_flats_have_wider_intervals_than_cheap_ones(prices):
    low, high = prices.predict_interval(FLATS[NEW]).T
    dear = FLATS["size"][NEW] > 7
    assert (high - low)[dear].mean() > 1.5 * (high - low)[~dear].mean()


def test_the_package_says_the_same_as_the_model(prices, price_package, kinds, kind_package):
    rows = FLATS[NEW].head(200)
    saved = mlkit.load(price_package.folder).predict_interval(rows, 0.8)
    assert [*saved.columns] == ["low", "high"] and saved.index.equals(rows.index)
    np.testing.assert_allclose(saved, prices.predict_interval(rows, 0.8), rtol=1e-4)
    sets = mlkit.load(kind_package.folder).predict_set(rows, 0.95)
    order = [[*kind_package.classes_].index(label) for label in kinds.classes_]
    assert (sets[:, order] == kinds.predict_set(rows, 0.95)).all()


def test_metrics_say_how_many_truths_were_held():
    model = mlkit.fit(FLATS[LEARN].assign(price=PRICE[LEARN]), "price", split="chance", **EXACT)
    found = {each["level"]: each for each in model.metrics["coverage"]}
    assert (
        found[0.9]["low"] <= 0.92 and found[0.9]["high"] >= 0.88 and found[0.5]["size"] < found[0.9]["size"]
    )


def test_a_table_is_scored_with_intervals(price_package, kind_package, tmp_path):
    rows = FLATS[NEW].head(50)
    rows.to_csv(tmp_path / "new.csv", index=False)
    source, out = str(tmp_path / "new.csv"), tmp_path / "out.csv"
    score_source(load_predictor(price_package.folder), source, str(out), level=0.9)
    scored = pd.read_csv(out)
    spans = price_package.predict_interval(rows, 0.9)
    np.testing.assert_allclose(scored[["prediction.low", "prediction.high"]], spans, rtol=1e-6)
    score_source(load_predictor(kind_package.folder), source, str(out), overwrite=True, level=0.9)
    names, sets = kind_package.classes_, kind_package.predict_set(rows, 0.9)
    assert pd.read_csv(out)["prediction.set"].tolist() == [" | ".join(names[each]) for each in sets]
    score_source(load_predictor(kind_package.folder), source, str(out), overwrite=True)
    assert "prediction.set" not in pd.read_csv(out)


def test_a_server_says_intervals_and_describes_them(price_package, kind_package):
    row = {"size": 5.0, "floor": 2, "noise": 0.0}
    with (
        running_server(price_package.folder, log="none", level=0.9) as server,
        closing(server.client()) as client,
    ):
        span = price_package.predict_interval(pd.DataFrame([row]), 0.9).iloc[0]
        assert client.predict(row)["interval"] == pytest.approx(
            {"level": 0.9, "low": span.low, "high": span.high}
        )
        document = client.request("GET", "/openapi.json").value
        assert "interval" in document["components"]["schemas"]["Prediction"]["properties"]
    with (
        running_server(kind_package.folder, log="none", level=0.99) as server,
        closing(server.client()) as client,
    ):
        said = client.predict(row)
        assert said["prediction"] in said["set"]["classes"] and said["set"]["level"] == 0.99


@pytest.mark.parametrize("level", [0, 1, 0.91, "0.9", True, None, float("nan")])
def test_a_level_that_is_none_is_refused_in_one_line(prices, price_package, level):
    for act in (prices.predict_interval, price_package.predict_interval):
        with pytest.raises(SettingsError, match=r"^level is .*; choose one of 0.5, 0.8, 0.9, 0.95, 0.99$"):
            act(FLATS[NEW].head(3), level)


def test_the_other_question_is_refused_in_one_line(prices, kinds, price_package, kind_package):
    rows = FLATS[NEW].head(3)
    with pytest.raises(
        DataError, match="'price' is a number and has no set of classes; use predict_interval"
    ):
        prices.model_.predict_set(rows)
    with pytest.raises(DataError, match="use predict_interval"):
        price_package.predict_set(rows)
    with pytest.raises(DataError, match="'kind' is a class and has no interval; use predict_set"):
        kinds.model_.predict_interval(rows)
    with pytest.raises(DataError, match="use predict_set"):
        kind_package.predict_interval(rows)


def test_a_low_threshold_leaves_sets_as_they_are(tmp_path):
    """A decision weighs costs; a set says what may be true, and holds what was asked, not more."""
    leaves = pd.Series(np.where(RNG.random(ROWS) < 0.05 + 0.4 * (SIZE > 7), "yes", "no"), name="leaves")
    model = MLKitClassifier(**EXACT, split="chance").fit(FLATS[LEARN], leaves[LEARN])
    predictor = replace(load_predictor(model.save(tmp_path / "model").folder), threshold=0.1)
    FLATS[NEW].to_csv(tmp_path / "new.csv", index=False)
    score_source(predictor, str(tmp_path / "new.csv"), str(tmp_path / "out.csv"), level=0.8)
    scored, truth = pd.read_csv(tmp_path / "out.csv"), leaves[NEW].reset_index(drop=True)
    held = [one in may.split(" | ") for one, may in zip(truth, scored["prediction.set"], strict=True)]
    assert abs(np.mean(held) - 0.8) < 0.04
    assert ((scored["prediction"] == "yes") & (scored["prediction.set"] == "no")).any()


def test_few_rows_know_few_levels():
    few = fit_prediction_intervals(np.arange(30.0), np.arange(30.0) + np.sin(np.arange(30.0)))
    assert few.levels == (0.5, 0.8, 0.9)
    with pytest.raises(
        SettingsError,
        match="level is 0.99, for which the model has learned from too few rows; choose one of 0.5, 0.8, 0.9",
    ):
        few(np.zeros(2), 0.99)
    none = fit_prediction_sets(np.zeros(0, dtype=int), np.zeros((0, 2)))
    with pytest.raises(SettingsError, match="it has none at all"):
        none(np.array([[0.5, 0.5]]), 0.9)


@given(st.integers(0, 2**32 - 1), st.sampled_from(LEVELS), st.integers(400, 3_000), st.booleans())
def test_coverage_holds_for_errors_of_any_kind(seed, level, rows, ties):
    rng = np.random.default_rng(seed)
    said = rng.choice(5, 2 * rows) * 1.0 if ties else rng.normal(size=2 * rows)
    true = said + rng.standard_t(2, size=2 * rows) * np.exp(said / 2)
    intervals = fit_prediction_intervals(true[:rows], said[:rows])
    assert read_conformal(json.loads(json.dumps(intervals.to_dict()))) == intervals
    found = {each.level: each for each in measure_coverage(intervals, true[rows:], said[rows:])}
    assert abs(found[level].held - level) < 6 * np.sqrt(level * (1 - level) * 2 / rows) + 0.02
