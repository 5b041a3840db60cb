"""A budget is kept inside of a training too, and what was not reached is said."""

import time
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mlkit import fit
from mlkit.core.errors import SettingsError
from mlkit.core.parallel import WorkerPool
from mlkit.data.column_stats import compute_column_stats
from mlkit.data.type_inference import infer_column
from mlkit.models.blending import blend_trials
from mlkit.models.cross_validation import FoldJob, encode_fold, evaluate_fold, evaluate_trials, with_fold_rows
from mlkit.models.families import make_model
from mlkit.models.model import affordable_rows, find_model
from mlkit.models.search import fit_folds_to_budget, has_time_for
from mlkit.models.time_budget import fit_until, seconds_to_train, spread_deadlines
from mlkit.models.trials import Trial
from mlkit.pipeline.fit import split_and_prepare

ROWS = 6_000
CHANCE = np.random.default_rng(0)
TABLE = pd.DataFrame(CHANCE.normal(size=(ROWS, 4)), columns=list("abcd"))
TABLE["answer"] = np.where(TABLE.a * TABLE.b + CHANCE.normal(size=ROWS) / 3 > 0, "yes", "no")


@pytest.fixture(scope="module")
def made():
    return split_and_prepare(TABLE, "answer", "auto", 0.0, 42)


def test_boosting_stops_growing_when_its_time_is_over(made):
    late = evaluate_fold(made.data, FoldJob("boosting", {"learning_rate": 0.02}, 0, 42, time.time()))
    free = evaluate_fold(made.data, FoldJob("boosting", {"learning_rate": 0.02}, 0, 42))
    assert late.note == "" and late.steps <= 11 < free.steps and np.isfinite(late.unseen)


def test_a_forest_in_pieces_is_the_same_forest(made):
    inputs, truth = TABLE[list("abcd")].to_numpy(), made.data.truth

    def forest():
        return make_model("forest", {"n_estimators": 30}, made.data.task)

    whole, pieces = forest().fit(inputs, truth), fit_until(forest(), inputs, truth, time.time() + 900)
    assert np.array_equal(whole.predict_proba(inputs), pieces.predict_proba(inputs))
    assert len(fit_until(forest(), inputs, truth, time.time()).estimators_) < 30


def test_where_time_is_short_folds_are_smaller_and_fewer_rows_are_learned(made):
    smaller = with_fold_rows(made.data, 2_000)
    assert all(len(learn) == 2_000 for learn, _ in smaller.folds)
    truth = np.r_[np.zeros(9_999, dtype=int), 1]
    some = affordable_rows(truth, made.data.task, 100.0, time.time() + 20)
    assert 1_000 < len(some) < 3_000 and set(truth[some]) == {0, 1}
    assert len(affordable_rows(truth, made.data.task, 1.0, np.inf)) == 10_000


def test_a_search_with_hardly_any_time_ends_with_a_model(made):
    found = find_model(made.data, made.table, "boosting", trials=1_000, budget=1e-3)
    assert found.chosen.family == "boosting" and len(found.tried) < 5
    assert found.unreached == {}


def test_a_fit_is_not_good_when_a_family_was_not_reached():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = fit(TABLE, "answer", models="linear boosting", trials=1, budget=0)
    assert model.metrics["model"] == "linear" and model.metrics["fit"] != "good"
    assert list(model.metrics["unreached"]) == ["boosting"]
    assert any("not reached: boosting" in str(one.message) for one in caught)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        reached = fit(TABLE, "answer", models="linear boosting", trials=2, budget=0)
    assert "unreached" not in reached.metrics and reached.metrics["fit"] == "good"


def test_deadlines_follow_each_other():
    now = time.time()
    ends = spread_deadlines(4, 2, 2, now + 30)
    assert ends == sorted(ends) and ends[-1] < now + 25
    assert spread_deadlines(2, 0, 1, np.inf) == [np.inf, np.inf]


def test_training_gets_what_reading_the_table_has_left_of_the_budget():
    assert seconds_to_train(20, 5) == pytest.approx(14)  # 5 % are kept for the evaluation
    assert seconds_to_train(20, 19) == seconds_to_train(20, 1_000) == pytest.approx(4)
    assert all(spent + seconds_to_train(20, spent) <= 1.2 * 20 for spent in range(21))


def test_a_million_numbers_are_judged_by_a_thousand(made):
    for cells in (pd.Series(CHANCE.normal(size=50_000)), pd.Series(np.arange(50_000) * 7)):
        assert len(compute_column_stats(cells, frozenset()).text_counts) == 1_000
        column = infer_column(cells)
        assert column.kind in ("number", "identifier") and "50,000" in column.kind_reason


def test_the_target_is_a_name():
    with pytest.raises(SettingsError, match=r"name of a column, not Series"):
        fit(TABLE.drop(columns="answer"), TABLE.answer)


def test_a_perfect_score_is_no_underfit_though_a_family_was_not_reached():
    random = np.random.default_rng(0)
    table = pd.DataFrame({"size": random.normal(size=400), "other": random.normal(size=400)})
    table["kind"] = np.where(table["size"] + 0.2 * random.normal(size=400) > 0, "large", "small")
    table = table[table["size"].abs() > 0.7].reset_index(drop=True)
    with pytest.warns(UserWarning, match="not reached: boosting"):
        model = fit(table, "kind", models="linear boosting", trials=1, budget=0)
    assert model.metrics["validation"] > 0.99 and model.metrics["fit"] == "good"


def test_a_network_stops_learning_when_its_time_is_over(made):
    inputs, truth = TABLE[list("abcd")].to_numpy(), made.data.truth

    def network():
        return make_model(
            "neural", {"passes": 60, "layers": "16", "rate": 0.01, "decay": 1e-3}, made.data.task
        )

    whole, passes = network().fit(inputs, truth), fit_until(network(), inputs, truth, time.time() + 900)
    assert (
        abs(whole.score(inputs, truth) - passes.score(inputs, truth)) < 0.02 and len(passes.loss_curve_) > 5
    )
    assert fit_until(network(), inputs, truth, time.time()).loss_curve_[1:] == []


def test_where_time_is_short_slow_families_learn_from_fewer_rows_and_are_judged_on_the_same(made):
    families = ["linear", "forest", "boosting"]
    with WorkerPool() as workers:
        small = fit_folds_to_budget(made.data, families, 1e-3, workers)
        assert fit_folds_to_budget(made.data, families, 1e6, workers) is made.data
    assert set(small.family_rows) == {"linear", "forest"} and len(small.folds) == 2
    for (_, judged), (_, whole) in zip(small.folds, made.data.folds, strict=False):
        assert np.array_equal(judged, whole)
    part, whole = (encode_fold(small, 0, "filled", most) for most in (small.family_rows["forest"], 0))
    assert len(part.truth) == 2_000
    assert np.array_equal(
        part.train_sample_truth, whole.train_sample_truth
    )  # an ensemble of both is judged there


def test_families_that_learned_from_unequal_rows_can_be_mixed(made):
    wide = replace(made.data, family_rows={"forest": 300}, encoded_folds={})
    wide.folds = with_fold_rows(made.data, 700).folds[:2]
    trials = [Trial(0, "boosting", {"steps": 20}), Trial(1, "forest", {})]
    judged = evaluate_trials(trials, wide)
    assert {len(known) for trial in judged for known in trial.known} == {700}
    blend_trials(judged, wide)


def test_where_there_is_time_for_few_trees_each_learns_more(made):
    rates = []
    for seconds in (900, 0.02):
        settings = {"learning_rate": 0.05, "leaves": 31}
        data = with_fold_rows(made.data, 10_000)
        found = evaluate_fold(data, FoldJob("boosting", settings, 0, until=time.time() + seconds))
        rates.append(found.rate)
    assert rates[0] == 0 and 0.05 < rates[1] <= 0.3


@pytest.mark.parametrize("rows, columns", [(25_000, 3), (900, 700)])
def test_on_a_large_table_boosting_has_the_first_turn(rows, columns):
    chance = np.random.default_rng(1)
    table = pd.DataFrame(chance.normal(size=(rows, columns))).add_prefix("x")
    table["answer"] = np.where(table.x0 * table.x1 + chance.normal(size=rows) > 0, "yes", "no")
    large = split_and_prepare(table, "answer", "auto", 0.0, 42)
    found = find_model(large.data, large.table, trials=3, budget=60)
    assert [trial.family for trial in found.tried[:3]] == ["boosting", "boosting", "linear"]


def test_no_trial_is_begun_that_would_be_late():
    slow = Trial(0, "forest", {}, "complete", [0.7], [0.7], seconds=10)
    assert has_time_for("forest", [slow], 6, 2) and not has_time_for("forest", [slow], 4, 2)
    assert has_time_for("linear", [slow], 0.1, 2)  # nothing is known of it
