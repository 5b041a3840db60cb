import json
import math
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlkit.core.errors import SettingsError
from mlkit.core.formatting import format_number
from mlkit.core.run_folder import RunFolder
from mlkit.data.column_spec import format_cell
from mlkit.data.personal import personal_columns
from mlkit.data.table_spec import DerivedInput
from mlkit.data.type_inference import infer_table_spec
from mlkit.explanation.counterfactual import (
    changeable_columns,
    decision_gain,
    describe_counterfactual,
    find_counterfactual,
)
from mlkit.explanation.global_importance import (
    importance_table,
    partial_dependence,
    permutation_importance,
    plot_importance,
    shap_table,
)
from mlkit.explanation.local_attributions import (
    LIME_RUNS,
    compare_explanations,
    lime_values,
    mean_attribution,
    repeat_lime,
    shap_values,
)
from mlkit.explanation.narrative import describe_explanation, plot_explanation
from mlkit.explanation.perturbation import PerturbationPool, unperturbed_positions
from mlkit.explanation.row_explanation import explain_prediction, make_training_pool, top_contributions
from mlkit.explanation.row_report import (
    choose_explained_rows,
    make_row_report,
    read_explained_rows,
    row_report_json,
)
from mlkit.features.plan import make_plan
from mlkit.models.calibration import finalise_model
from mlkit.models.cross_validation import fit_estimator
from mlkit.models.families import FAMILIES, make_estimator
from mlkit.models.model import Model
from mlkit.packaging.card_page import render_card_page
from mlkit.packaging.model_card import (
    CARD_SECTIONS,
    describe_card_gaps,
    load_card_facts,
    markdown_code,
    model_card,
    public_source_name,
)
from mlkit.pipeline.notebooks import check_parameters, list_stages, run_in_process
from mlkit.sources.examples import make_customers_with_truth
from mlkit.task.problem import state_problem
from mlkit.task.task import encode_target, target_values
from mlkit.task.task_inference import make_task

TRUTHS = {"binary": "churned", "multiclass": "plan_next", "regression": "spend_next"}
CUSTOMERS, PROBABILITY = make_customers_with_truth(1200, seed=7)


def learned(frame, target, family="linear", kind="auto", **chosen):
    task, table = (
        make_task(state_problem(target, task=kind), frame[target]),
        infer_table_spec(frame, ignore=[target]),
    )
    inputs, truth = table.inputs(frame), encode_target(task, target_values(task, frame[target]))
    start = FAMILIES[family].start | chosen
    estimator = make_estimator(family, start, make_plan(table, inputs), task)
    return Model(task, table, fit_estimator(estimator, inputs, truth), family, start)


def of_customers(target, family):
    others = [name for name in TRUTHS.values() if name != target]
    frame = CUSTOMERS.drop(columns=others)
    return learned(frame[:800], target, family), frame


@pytest.fixture(scope="module")
def churn():
    """A boosting of customers, their table, and a pool: 800 training rows, 400 not."""
    model, frame = of_customers("churned", "boosting")
    return model, frame, make_training_pool(model, frame[:800]).with_rows(frame[800:])


def numbers(rows, columns, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame({f"x{place}": rng.normal(size=rows).round(4) for place in range(columns)})


# ---------------------------------------- on models whose attributions are known
@pytest.mark.parametrize("columns", [1, 2, 5, 9, 30])
def test_shap_of_a_linear_model_is_weight_times_difference(columns):
    frame = numbers(300, columns)
    weights = np.linspace(-3, 4, columns)
    frame["y"] = frame @ weights
    pool = PerturbationPool(learned(frame, "y", strength=1e-9), frame, background=60)
    for row in (0, 250):
        known = weights * (frame.iloc[row, :columns] - frame.iloc[:60, :columns].mean())
        found = shap_values(pool, row)
        assert found.values == pytest.approx(known.to_numpy(), rel=0.01, abs=1e-4)
        assert found.base == pytest.approx(frame["y"][:60].mean(), rel=0.01, abs=1e-3)


def test_lime_ranks_the_columns_of_a_linear_model():
    frame = numbers(300, 6).assign(y=lambda table: table @ [8, -5, 3, 1.5, 0.5, 0])
    pool = PerturbationPool(learned(frame, "y", strength=1e-9), frame, background=100)
    for row in range(5):
        shap, lime = shap_values(pool, row), mean_attribution(repeat_lime(pool, row))
        big = np.abs(shap.values) > 0.1 * np.abs(shap.values).max()
        assert np.array_equal(np.sign(shap.values[big]), np.sign(lime.values[big]))
        assert lime.top(2) == shap.top(2)
        assert lime.fit > 0.75, "a straight line nearby, but for what the background adds by chance"


class Additive:
    """Answers a sum of curves, one of each column."""

    def predict(self, inputs):
        return (
            np.sin(inputs["x0"]) + inputs["x1"] ** 2 + (inputs["x2"] > 0) * 3 + 0 * inputs["x3"]
        ).to_numpy()


@pytest.mark.parametrize("more", [0, 6], ids=["every combination", "some orders"])
def test_shap_of_an_additive_model_is_each_curve_less_its_mean(more):
    frame = numbers(200, 4 + more)
    task = make_task(state_problem("y", task="regression"), pd.Series([1.0, 2.5]))
    model = Model(task, infer_table_spec(frame), Additive(), "additive", {})
    pool = PerturbationPool(model, frame, background=50)
    curves = np.column_stack([np.sin(frame.x0), frame.x1**2, 3.0 * (frame.x2 > 0), 0 * frame.x3])
    found = shap_values(pool, 120)
    assert found.values[:4] == pytest.approx(curves[120] - curves[:50].mean(axis=0), abs=1e-5)
    assert found.values[4:] == pytest.approx(0, abs=1e-9)


def test_columns_that_work_only_together_share_evenly():
    frame = pd.DataFrame({"a": [0, 0, 1, 1] * 50, "b": [0, 1, 0, 1] * 50}).astype(float)
    frame["y"] = 100 * frame.a * frame.b
    pool = PerturbationPool(learned(frame, "y", "tree", "regression", max_depth=2, min_samples_leaf=1), frame)
    assert shap_values(pool, 3).values == pytest.approx([37.5, 37.5])


def test_explaining_leaves_the_global_generator_alone_and_repeats_exactly(churn):
    _, _, pool = churn
    np.random.seed(5)
    before = np.random.get_state()[1].tolist()
    first, again = explain_prediction(pool, 1000, 1), explain_prediction(pool, 1000, 1)
    assert np.random.get_state()[1].tolist() == before
    assert np.array_equal(first.shap.values, again.shap.values)
    assert all(
        np.array_equal(a.values, b.values) for a, b in zip(first.lime_runs, again.lime_runs, strict=True)
    )
    alone = make_training_pool(pool.model, CUSTOMERS[:800].drop(columns=["plan_next", "spend_next"]))
    alone = alone.with_rows(CUSTOMERS[1000:1001])
    assert shap_values(alone, 800).values == pytest.approx(first.shap.values), "alone as among others"


# ---------------------------------------- families and tasks
@pytest.mark.parametrize("target", TRUTHS.values(), ids=TRUTHS)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_and_task_is_explained(family, target):
    model, frame = of_customers(target, family)
    pool = make_training_pool(model, frame[:800], background=30).with_rows(frame[800:840])
    told = make_row_report(pool, 800, 1, changeable_columns(pool, {}), {}, wanted=100.0)
    shap, output = told.explanation.shap, model.output(frame[800:801])[0]
    said = output if model.task.type == "regression" else output[told.explanation.label]
    assert shap.base + shap.values.sum() == pytest.approx(said, abs=1e-4, rel=1e-6), (
        "what is shared out adds up"
    )
    assert shap.columns == pool.columns == [column.name for column in model.table.used]
    lime = mean_attribution(told.explanation.lime_runs)
    assert lime.output == pytest.approx(said, abs=1e-4, rel=1e-6)
    assert len(told.explanation.lime_runs) == LIME_RUNS and np.isfinite(lime.values).all()
    assert told.explanation.trust.rank > 0.1, "LIME's lines fit the steps of a tree badly"
    if model.task.type == "multiclass":
        assert told.explanation.label == output.argmax()
    assert f"`{target}` = " in told.words[0]
    assert json.dumps(row_report_json(told), allow_nan=False)


def test_what_is_explained_is_what_the_final_model_says(churn):
    """With its probabilities put right, and not what its estimator says."""
    model, frame, _ = churn
    final = finalise_model(
        model, lambda output: np.column_stack([1 - output[:, 1] / 2, output[:, 1] / 2]), 0.3
    )
    pool = make_training_pool(final, frame[:800]).with_rows(frame[800:803])
    found, said = explain_prediction(pool, 801, 2), final.output(frame[801:802])[0, 1]
    assert said == pytest.approx(model.output(frame[801:802])[0, 1] / 2)
    assert found.shap.base + found.shap.values.sum() == pytest.approx(said)
    assert mean_attribution(found.lime_runs).output == pytest.approx(said)


# ---------------------------------------- the running example
DRIVERS = {"contract", "support_calls", "satisfaction", "joined_on", "usage_hours", "age", "note"}


def test_the_known_drivers_come_first(churn):
    model, frame, pool = churn
    rows = np.arange(800, 1200)
    values = shap_table(pool, rows[:40], [1] * 40)
    truth = encode_target(model.task, target_values(model.task, frame["churned"][800:]))
    table = importance_table(
        pool, rows[:40], values, permutation_importance(pool, model.task, rows, truth), {}
    )
    assert "contract" in {*table.column[:2]} and {*table.column[:4]} <= DRIVERS
    best = table.sort_values("loss", ascending=False)
    assert {*best.column[:4]} <= DRIVERS and best.low.iloc[0] > 0
    ways = table.set_index("column").way
    assert ways["satisfaction"] == "more lowers it" and ways["support_calls"] == "more raises it"
    assert ways["contract"] == "monthly raises it most, yearly lowers it"
    assert (table.shap_low <= table.shap).all() and (table.shap <= table.shap_high).all()
    assert {*explain_prediction(pool, 800 + int(PROBABILITY[800:].argmax()), 1).shap.top(3)} <= DRIVERS


def test_a_column_that_the_model_does_not_use_moves_nothing_and_costs_nothing():
    frame = numbers(400, 2).assign(y=lambda table: 3 * table.x0)
    model = learned(frame, "y", "tree", max_depth=6, min_samples_leaf=5)
    pool = PerturbationPool(model, frame)
    lost = permutation_importance(pool, model.task, np.arange(400), frame["y"].to_numpy()).set_index("column")
    assert lost.loss["x0"] > 1 > lost.low["x0"] - 1 and lost.low["x0"] > 0.5
    assert abs(lost.loss["x1"]) < 0.05 and lost.low["x1"] <= 0.02


def test_dependence_follows_the_curve_of_an_additive_model():
    frame = numbers(200, 4)
    task = make_task(state_problem("y", task="regression"), pd.Series([1.0, 2.5]))
    pool = PerturbationPool(Model(task, infer_table_spec(frame), Additive(), "additive", {}), frame)
    curve = partial_dependence(pool, "x0", range(100))
    shape = np.sin(np.array(curve.values))
    assert curve.mean - curve.mean[0] == pytest.approx(shape - shape[0], abs=1e-5)
    steps = curve.ice_curves - curve.ice_curves[:, :1]
    assert np.ptp(steps, axis=0).max() < 1e-5, "no interaction: all curves run side by side"
    assert json.dumps(curve.to_dict(), allow_nan=False)


def test_the_parts_of_a_date_are_told_apart(churn):
    _, _, pool = churn
    parts = partial_dependence(pool, "joined_on", range(800, 860)).parts
    assert {"year", "month", "days"} <= parts.keys() and max(parts, key=parts.get) in ("days", "year")


# ---------------------------------------- what would have to change
def test_a_counterfactual_flips_the_decision_with_values_that_training_rows_have(churn):
    model, frame, pool = churn
    names = changeable_columns(pool, personal_columns(frame, doubtful=True), "age | region")
    output, flipped = model.output(frame[800:])[:, 1], 0
    for row in np.argsort(-output)[[0, 3, 20, 60]].tolist() + [int(output.argmin())]:
        change = find_counterfactual(
            pool, 800 + row, names, decision_gain(model.task, model.output(frame[800:])[row])
        )
        assert (
            0 <= len(change.changes) <= 3
            and not {"age", "region", "joined_on", "note"} & change.changes.keys()
        )
        if not change.turned:
            continue
        flipped += 1
        raw = frame[800 + row : 801 + row].copy()
        for name, (_, new) in change.changes.items():
            known = [format_cell(model.table[name], cell) for cell in pool.cells[name][:800]]
            assert new in known
            raw[name] = pool.rows[name].iloc[known.index(new)]
        again = model.output(raw)[0]
        assert again == pytest.approx(change.after)
        assert (again[1] >= 0.5) != (output[row] >= 0.5)
    assert flipped >= 3


def test_a_counterfactual_takes_the_fewest_columns_and_the_shortest_way():
    frame = numbers(300, 3).assign(y=lambda table: 10 * table.x0 + 4 * table.x1)
    model = learned(frame, "y", strength=1e-9)
    pool = make_training_pool(model, frame)
    middle = int((pool.cells[["x0", "x1"]].abs().sum(axis=1)).argmin())
    gain = decision_gain(model.task, model.output(pool.rows)[middle], wanted=5.0)
    change = find_counterfactual(pool, middle, pool.columns, gain)
    assert change.turned and [*change.changes] == ["x0"]
    assert 5 <= float(change.after - change.before) < 9, "no further than the step between two tried values"
    assert "+" in describe_counterfactual(model.task, change)
    down = find_counterfactual(
        pool, middle, pool.columns, decision_gain(model.task, change.before, wanted=-5.0)
    )
    assert down.turned and float(down.after - down.before) <= -5


def test_several_columns_are_changed_where_one_is_not_enough():
    frame = numbers(400, 3).assign(y=lambda table: table.x0 + table.x1 + table.x2)
    model = learned(frame, "y", strength=1e-9)
    pool = make_training_pool(model, frame)
    middle = int(pool.cells[["x0", "x1", "x2"]].abs().sum(axis=1).argmin())
    gain = decision_gain(model.task, model.output(pool.rows)[middle], wanted=4.5)
    assert len(find_counterfactual(pool, middle, pool.columns, gain).changes) == 3
    assert not find_counterfactual(pool, middle, pool.columns[:1], gain).turned


def test_a_change_keeps_to_what_goes_together():
    rng = np.random.default_rng(0)
    months = rng.integers(1, 73, 600).astype(float)
    frame = pd.DataFrame({"months": months, "paid": (50 * months + rng.normal(0, 60, 600)).round(2)})
    frame["y"] = frame.paid - 50 * frame.months
    model = learned(frame, "y", strength=1e-9)
    pool = make_training_pool(model, frame)
    for row in range(5):
        gain = decision_gain(model.task, model.output(pool.rows)[row], wanted=1500.0)
        change = find_counterfactual(pool, row, pool.columns, gain)
        assert not change.turned, "it would take one who has paid for years in the first month"
        new = {name: float(pair[1].replace(",", "")) for name, pair in change.changes.items()}
        whole = pool.cells.iloc[row].to_dict() | new
        assert abs(whole["paid"] - 50 * whole["months"]) < 0.25 * 50 * 72


def test_when_nothing_helps_it_says_so(churn):
    model, frame, pool = churn
    row = int(model.output(frame[800:])[:, 1].argmax())
    change = find_counterfactual(
        pool, 800 + row, ["logins"], decision_gain(model.task, model.output(frame[800:])[row])
    )
    assert not change.turned and "nothing that was tried" in describe_counterfactual(model.task, change)
    none = find_counterfactual(pool, 800 + row, [], decision_gain(model.task, model.output(frame[800:])[row]))
    assert (
        not none.turned
        and none.changes == {}
        and "nothing that was tried" in describe_counterfactual(model.task, none)
    )


# ---------------------------------------- words and pictures
def test_a_sentence_names_the_reasons_on_their_sides(churn):
    model, frame, pool = churn
    output = model.output(frame[800:])[:, 1]
    for row in (int(output.argmax()), int(output.argmin())):
        why = explain_prediction(pool, 800 + row, row + 1)
        said, sign = describe_explanation(model.task, why), 1 if output[row] >= 0.5 else -1
        pro = top_contributions(model.task, why, sign)
        assert f"Row {row + 1} is predicted `churned` = {'yes' if sign > 0 else 'no'}" in said
        assert 1 <= len(pro) <= 3 and all(reason in said for reason in pro)
        assert all(("(+" in reason) == (sign > 0) for reason in pro)
        assert pro[0].startswith(f"`{why.shap.columns[int((sign * why.shap.values).argmax())]}` is ")


def test_disagreement_and_instability_are_said(churn):
    model, frame, pool = churn
    steady, shaky = (
        compare_explanations(shap_values(pool, 900), repeat_lime(pool, 900, neighbours=made))
        for made in (400, 8)
    )
    assert shaky.lime_rank_correlation < steady.lime_rank_correlation and shaky.spread > steady.spread
    assert steady.first in steady.shared


def test_many_and_odd_columns_fit_into_the_pictures():
    frame = numbers(60, 40)
    frame = frame.rename(columns={"x0": "a very long name " * 20, "x1": "$x^2_3$ and _$"})
    frame["kind"] = ["a|b", "<b>x</b>", "`"] * 20
    frame["y"] = frame.iloc[:, 0] + (frame["kind"] == "`")
    model = learned(frame, "y", "tree")
    pool = make_training_pool(model, frame, background=20)
    rows = np.arange(20)
    values = shap_table(pool, rows[:3], [1] * 3)
    lost = permutation_importance(pool, model.task, rows, frame["y"].to_numpy()[:20], draws=5)
    table = importance_table(pool, rows[:3], values, lost, {})
    assert plot_importance(model.task, pool, rows[:3], values, table)._repr_png_().startswith(b"\x89PNG")
    assert plot_explanation(model.task, explain_prediction(pool, 0, 1))._repr_png_().startswith(b"\x89PNG")


# ---------------------------------------- odd rows
ODD = st.sampled_from(
    [None, math.nan, "", "?", 1e300, -1e300, 3e38, "unheard of", "999999999", 0, "2199-01-01", "1"]
)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ODD, min_size=14, max_size=14))
def test_odd_rows_get_one_finite_value_for_each_column(churn, cells):
    model, frame, _ = churn
    names = [name for name in frame if name != "churned"]
    row = pd.DataFrame([dict(zip(names, cells, strict=True))])
    pool = PerturbationPool(model, frame[:30]).with_rows(row)
    shap, lime = shap_values(pool, 30), lime_values(pool, 30, neighbours=30)
    for found in (shap, lime):
        assert found.columns == [column.name for column in model.table.used]
        assert found.values.shape == (len(found.columns),) and np.isfinite(found.values).all()
    assert shap.base + shap.values.sum() == pytest.approx(model.output(row)[0, 1], abs=1e-6)
    assert describe_explanation(model.task, explain_prediction(pool, 30, 1, {}))


def test_a_row_like_all_others_is_explained_by_nothing():
    for columns in (3, 9):
        wide = numbers(50, columns).assign(y=lambda table: table.x0)
        model, same = learned(wide, "y", strength=1e-9), pd.concat([wide[:1]] * 20, ignore_index=True)
        found = shap_values(PerturbationPool(model, same), 0)
        assert np.isfinite(lime_values(PerturbationPool(model, same), 0).values).all()
        assert found.values == pytest.approx(0) and found.base == pytest.approx(found.output)


def test_a_ratio_is_shared_between_its_two_columns():
    frame = pd.DataFrame({"debt": [1.0, 2, 3, 4.5, 7] * 20, "income": [1.0, 2, 4, 8.25] * 25})
    task = make_task(state_problem("y", task="regression"), pd.Series([1.0, 2.5]))
    table = infer_table_spec(frame).with_derived([DerivedInput("", "debt", "/", "income")])
    pool = PerturbationPool(Model(task, table, Last(), "last", {}), frame)
    assert pool.columns == ["debt", "income"] and len(pool.inputs.columns) == 3
    debt, income = frame.debt[3], frame.income[3]
    mean, whole = float((frame.debt / frame.income).mean()), debt / income
    first, second = float((debt / frame.income).mean()), float((frame.debt / income).mean())
    expected = [(first - mean + whole - second) / 2, (second - mean + whole - first) / 2]
    assert shap_values(pool, 3).values == pytest.approx(expected, rel=1e-5)


class Last:
    """Says what its last input says."""

    def predict(self, inputs):
        return inputs.iloc[:, -1].to_numpy(dtype=float)


class Entangled:
    """A table whose only input is made from two columns together."""

    def __init__(self, table):
        self.table = table

    def __getattr__(self, name):
        return getattr(self.table, name)

    def __getitem__(self, name):
        return self.table[name]

    @property
    def input_names(self):
        return ("product",)

    def inputs(self, frame):
        read = self.table.inputs(frame)
        return pd.DataFrame({"product": read["a"] * read["b"]})


class Itself:
    def predict(self, inputs):
        return inputs["product"].to_numpy()


def test_an_input_that_is_made_of_several_columns_is_shared_between_them():
    frame = pd.DataFrame({"a": [1.0, 2, 3, 4] * 20, "b": [1.0, 1, 2, 5, 7] * 16})
    task = make_task(state_problem("y", task="regression"), pd.Series([1.0, 2.5]))
    pool = PerturbationPool(Model(task, Entangled(infer_table_spec(frame)), Itself(), "itself", {}), frame)
    assert pool.columns == ["a", "b"] and not pool.owners
    found = shap_values(pool, 3)
    a, b, mean = frame.a, frame.b, float((frame.a * frame.b).mean())
    first, second = float((a[3] * b).mean()), float((a * b[3]).mean())
    assert found.values == pytest.approx(
        [(first - mean + a[3] * b[3] - second) / 2, (second - mean + a[3] * b[3] - first) / 2]
    )
    assert pool.output(unperturbed_positions(pool, [3, 4])) == pytest.approx((a * b)[[3, 4]])


# ---------------------------------------- settings
@pytest.mark.parametrize("rows, wrong", [("0", "'0'"), ("3 401", "'401'"), ("3 x", "'x'"), ("-1", "'-1'")])
def test_a_row_that_is_not_there_is_named(churn, rows, wrong):
    model, frame, _ = churn
    with pytest.raises(SettingsError, match=rf"explain.rows names {wrong}; use numbers from 1 to 400"):
        choose_explained_rows(model.task, model.output(frame[800:]), rows)


def test_rows_are_chosen_in_their_order(churn):
    model, frame, _ = churn
    assert choose_explained_rows(model.task, model.output(frame[800:]), "7, 3 7") == [6, 2]


def test_a_fixed_column_that_is_not_there_is_named(churn):
    with pytest.raises(SettingsError, match="names 'contrakt', which is no column; did you mean 'contract'?"):
        changeable_columns(churn[2], {}, "age|contrakt")
    with pytest.raises(SettingsError, match="explain.samples: must be from 10 to 2000, not '5'"):
        check_parameters("explain", {"samples": 5, "background": 100})


def test_the_rows_that_are_looked_at_stay_few(churn):
    model, frame, _ = churn
    many = pd.concat([frame] * 20, ignore_index=True)
    pool, chosen, others, at = read_explained_rows(make_training_pool(model, many, 100), many, [5, 7])
    assert len(pool) == 2002 and len(others) == len(at) == 1000 and pool.background == 100
    assert pool.rows.iloc[chosen[1]]["customer_id"] == many["customer_id"][7]
    assert pool.rows.iloc[others[3]]["customer_id"] == many["customer_id"][at[3]]


# ---------------------------------------- whole runs: privacy and the card
def a_run(folder, table, target, **chosen):
    """All stages, here and now, with a small search."""
    few = {
        "problem": {"target": target},
        "collect": {"source": str(table)},
        "train": {"models": "linear", "trials": 1},
        "explain": {"samples": 10, "background": 20, **chosen},
        "evaluate": {"resamples": 100, "curve_points": 0},
    }
    for stage in list_stages().values():
        run_in_process(folder, stage, few.get(stage.name, {}))
    return RunFolder(folder)


SECRETS = ["Zebulon Quix", "Yolanda Vex", "Xaver Zorn", "Wanda Quill"]


@pytest.fixture(scope="module")
def secret_run(tmp_path_factory):
    """A run whose model reads a personal column: a name that many rows share, and that matters."""
    rng, rows = np.random.default_rng(3), 400
    names = rng.choice(SECRETS, rows)
    size = rng.normal(size=rows).round(2)
    left = rng.random(rows) < 1 / (1 + np.exp(-(2 * (names == SECRETS[0]) + size)))
    frame = pd.DataFrame(
        {
            "desk name": names,
            "size": size,
            "area": rng.choice(["north", "south"], rows),
            "left": np.where(left, "yes", "no"),
        }
    )
    folder = tmp_path_factory.mktemp("secret")
    frame.to_csv(folder / "table.csv", index=False)
    return a_run(folder / "run", folder / "table.csv", "left", owner="Data team *of* <five>")


def test_personal_values_are_in_no_output(secret_run):
    found, card = secret_run.load("explanations"), secret_run.load("card.md")
    assert found["rows"][0]["cells"]["desk name"] == "•••"
    assert "desk name" in [line["column"] for line in found["importance"]], "the model does read it"
    for text in (json.dumps(found, ensure_ascii=False), card, secret_run.load("card.html")):
        assert not [word for secret in SECRETS for word in secret.split() if word in text]
    assert "`desk name` (name, used)" in card and "Ask whether it must" in card


def test_the_card_has_every_section_and_says_what_is_not_known(secret_run):
    card = secret_run.load("card.md")
    assert re.findall("^## (.*)$", card, re.MULTILINE) == list(CARD_SECTIONS)
    assert r"Answerable: Data team \*of\* \<five\>" in card
    gaps = re.findall(r"`(\w+) = \.\.\.` under `\[(\w+)\]`", card)
    assert gaps and all(name in list_stages()[stage].parameters for name, stage in gaps)
    assert "<five>" not in secret_run.load("card.html") and "&lt;five&gt;" in secret_run.load("card.html")
    assert "lacks" in describe_card_gaps(card)


def figures_in(value):
    """Every number in an artifact, and every number in its texts."""
    if isinstance(value, dict):
        return [one for pair in value.items() for part in pair for one in figures_in(part)]
    if isinstance(value, list):
        return [one for part in value for one in figures_in(part)] + [float(len(value))]
    if isinstance(value, str):
        return [float(text.replace(",", "")) for text in re.findall(r"\d[\d,]*\.?\d*(?:e-?\d+)?", value)]
    return [float(value)] if isinstance(value, int | float) and not isinstance(value, bool) else []


def test_no_figure_of_the_card_is_invented(secret_run):
    card = secret_run.load("card.md")
    facts = [load_card_facts(secret_run), secret_run.load("explanations")]
    known = {
        shown
        for figure in map(abs, figures_in(facts))
        for shown in (
            format_number(figure),
            f"{figure:g}",
            f"{figure:,.0f}",
            f"{figure:.3g}",
            f"{figure:.4g}",
            f"{100 * figure:.1f}",
        )
    }
    known |= {str(len(facts[0]["table"]["columns"])), *map(str, range(5))}  # counts of a few columns or rows
    hash_or_date = r"`[0-9a-f]{16}`|\b\d{4}-\d\d-\d\d\b"
    figures = re.findall(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?:e-?\d+)?(?![\w])", re.sub(hash_or_date, "", card))
    assert len(figures) > 40
    assert [figure for figure in figures if figure.rstrip(",") not in known] == []


def test_a_card_without_most_facts_says_so():
    facts = {
        "task": {"target": "y", "type": "regression", "classes": [], "positive": "", "decision": ""},
        "metrics": {
            "metric": "r2",
            "score": 0.5,
            "interval": [0.4, 0.6],
            "baseline": 0.0,
            "goal": 0.6,
            "reached": False,
            "train": 0.9,
            "validation": 0.4,
            "fit": "overfit",
            "threshold": None,
            "rows": {"train": 10, "test": 5},
            "test": {"r2": 0.5, "mae": None},
        },
    }
    found = {"about": "y", "behind": 5, "importance": [], "words": [], "rows": []}
    card = model_card(facts, found, {})
    assert all(f"## {title}\n" in card for title in CARD_SECTIONS)
    assert "The goal is not reached" in card and "The fit is overfit" in card
    assert "Quality was not compared between groups" in card and "None" not in card


def test_names_cannot_break_the_card():
    facts = {
        "task": {
            "target": "a|b`c <script>\n# x",
            "type": "regression",
            "classes": [],
            "positive": "",
            "decision": "",
        },
        "metrics": {
            "metric": "r2",
            "score": 0.5,
            "interval": [0.4, 0.6],
            "baseline": 0.0,
            "goal": None,
            "reached": None,
            "train": 0.9,
            "validation": 0.4,
            "fit": "good",
            "threshold": None,
            "rows": {"train": 10, "test": 5},
            "test": {"r2": 0.5},
        },
        "table": {"columns": [{"name": "<img src=x onerror=alert(1)>|`", "kind": "number"}]},
    }
    page = render_card_page(
        model_card(facts, {"about": "y", "behind": 5, "importance": [], "words": [], "rows": []}, {})
    )
    assert "<script" not in page and "<img" not in page and page.count("<h1>") == 1
    assert markdown_code("x" * 200).endswith("…`")


@pytest.mark.parametrize(
    "source, name",
    [
        ("example:customers", "example:customers"),
        ("/home/me/a.csv", "a.csv"),
        ("C:\\data\\a.csv", "a.csv"),
        ("https://me:pass@host/dir/a.csv?token=secret", "a.csv"),
        ("postgresql://me:secret@host/sales", "sales"),
        ("postgresql://me:secret@host", "host"),
    ],
)
def test_a_source_is_named_without_folders_and_secrets(source, name):
    assert public_source_name(source) == name


@pytest.mark.parametrize("target", ["plan_next", "spend_next"])
def test_the_stage_runs_for_the_other_tasks(tmp_path, target):
    frame = CUSTOMERS[:400].drop(columns=[name for name in TRUTHS.values() if name != target])
    frame.to_csv(tmp_path / "table.csv", index=False)
    run = a_run(tmp_path / "run", tmp_path / "table.csv", target, rows="2")
    found = run.load("explanations")
    [row] = found["rows"]
    assert row["row"] == 2 and len(row["shap"]) == len(found["importance"])
    assert row["base"] + sum(row["shap"].values()) == pytest.approx(row["output"])
    assert len(found["dependence"]) == 3 and all(title in run.load("card.md") for title in CARD_SECTIONS)
    assert run.load("card.html").count("<img ") == 2


def test_artifacts_repeat_exactly(secret_run, tmp_path):
    names, before = ("explanations.json", "card.md", "card.html"), {}
    for name in names:
        before[name] = (secret_run.artifacts / name).read_bytes()
    chosen = {"samples": 10, "background": 20, "owner": "Data team *of* <five>"}
    with_other = list_stages()["explain"]
    run_in_process(secret_run.folder, with_other, chosen | {"seed": 1})
    assert (secret_run.artifacts / names[0]).read_bytes() != before[names[0]]
    run_in_process(secret_run.folder, with_other, chosen)
    assert {name: (secret_run.artifacts / name).read_bytes() for name in names} == before
