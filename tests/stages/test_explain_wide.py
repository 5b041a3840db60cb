"""Explanations of a wide table stay within bounds of memory."""

import numpy as np
import pandas as pd
import pytest

from mlkit import fit
from mlkit.explanation import local_attributions, perturbation
from mlkit.explanation.counterfactual import CounterfactualSpace
from mlkit.explanation.local_attributions import lime_values, shap_values
from mlkit.explanation.perturbation import PerturbationPool, unperturbed_positions
from mlkit.explanation.row_explanation import affordable_background, make_training_pool, most_used_columns

COLUMNS = 40


@pytest.fixture(scope="module")
def pool() -> PerturbationPool:
    rng = np.random.default_rng(3)
    rows = pd.DataFrame(rng.normal(size=(100, COLUMNS)), columns=[f"g{at}" for at in range(COLUMNS)])
    rows["y"] = np.where(rows["g0"] + rows["g1"] > 0, "yes", "no")
    return make_training_pool(fit(rows, "y", budget=0, trials=1, models="linear"), rows)


def test_what_is_plausible_is_what_all_pairs_say(pool):
    space = CounterfactualSpace(pool, 0, pool.columns[:3])
    states = space.expand(space.own[None])
    states = np.concatenate([states, space.expand(states[:2]), space.own[None]])[:, :40]
    space.own = space.own[:40]
    kept = states == space.own
    near = space.together[states[:, :, None], states[:, None, :]]
    expected = (near | (kept[:, :, None] & kept[:, None, :])).all(axis=(1, 2))
    assert space.are_plausible(states).tolist() == expected.tolist()


def test_a_wide_table_has_fewer_background_rows_and_a_usual_one_has_all(pool):
    assert affordable_background(30, 100) == 100 and affordable_background(299, 100) == 100
    assert 8 <= affordable_background(2_000, 100) < 20


def test_explanations_in_parts_are_those_in_one_piece(pool, monkeypatch):
    whole = shap_values(pool, 0, entries=1)
    monkeypatch.setattr(local_attributions, "_MAX_CELLS_AT_ONCE", 0)
    monkeypatch.setattr(perturbation, "_MAX_CELLS", 10 * COLUMNS)
    parts = shap_values(pool, 0, entries=1)
    assert np.allclose(whole.values, parts.values, atol=1e-6)


def test_of_a_wide_table_the_columns_that_count_are_explained_and_the_others_stay(pool):
    narrow = pool.with_columns(most_used_columns(pool, 5))
    assert len(narrow.columns) == 5 and {"g0", "g1"} <= set(narrow.columns)
    why = shap_values(narrow, 0, entries=1)
    assert why.columns == narrow.columns and len(why.values) == 5
    assert np.isclose(why.output, pool.output_for_class(unperturbed_positions(pool, [0]))[0])
    assert why.top(1)[0] in ("g0", "g1")
    assert len(lime_values(narrow, 0).values) == 5
    space = CounterfactualSpace(narrow, 0, narrow.columns)
    found = narrow.output(space.place[space.expand(space.own[None])])
    assert len(found) > 20 and np.isfinite(found).all()


def test_mixing_few_columns_of_all_is_mixing_all_with_the_rest_unchanged(pool):
    narrow, rng = pool.with_columns(["g0", "g7"]), np.random.default_rng(0)
    whole = unperturbed_positions(pool, [3] * 20)
    whole[:, [0, 7]] = rng.integers(0, pool.known, (20, 2))
    few = np.column_stack([whole[:, 0], whole[:, 7], np.full(20, 3)])
    assert np.array_equal(pool.output(whole), narrow.output(few))
