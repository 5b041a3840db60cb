import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from mlkit.core.errors import DataError
from mlkit.sources.examples import (
    EXAMPLES,
    FAULT_RATES,
    REGIONS,
    example_target,
    load_example,
    make_customers,
    make_customers_with_truth,
)

LARGE, TRUTH = make_customers_with_truth(40_000)


def test_same_seed_same_table_other_seed_other_table():
    assert make_customers(300).equals(make_customers(300))
    assert not make_customers(300).equals(make_customers(300, seed=7))


@settings(max_examples=30)
@given(rows=st.integers(1, 400), seed=st.integers(0, 2**32), leak=st.booleans(), drift=st.floats(0, 1))
def test_any_size_has_its_rows_and_honest_probabilities(rows, seed, leak, drift):
    table, truth = make_customers_with_truth(rows, seed, leak=leak, drift=drift)
    assert len(table) == len(truth) == rows
    assert ((truth > 0) & (truth < 1)).all()
    assert ("cancelled_on" in table) == leak
    assert table.index.equals(pd.RangeIndex(rows))


def test_nobody_outdoes_the_truth():
    assert 0.85 < roc_auc_score(LARGE.churned == "yes", TRUTH) < 0.88


def test_probabilities_are_calibrated_and_stay_with_their_rows():
    band = pd.cut(TRUTH, np.linspace(0, 1, 11))
    left = (LARGE.churned == "yes").groupby(band, observed=True).mean()
    stated = pd.Series(TRUTH).groupby(band, observed=True).mean()
    assert (left - stated).abs().max() < 0.03


@pytest.mark.parametrize(
    "fault, share",
    [
        ("age missing", LARGE.age.isna()),
        ("usage_hours missing", LARGE.usage_hours.isna()),
        ("satisfaction missing", LARGE.satisfaction.isna()),
        ("region missing", LARGE.region.isna()),
        ("whole row twice", LARGE.duplicated()),
        ("age impossible", ~LARGE.age.dropna().between(18, 95)),
        ("region spelled otherwise", ~LARGE.region.dropna().isin(list(REGIONS))),
    ],
)
def test_faults_come_at_the_stated_rates(fault, share):
    assert share.mean() == pytest.approx(FAULT_RATES[fault], rel=0.15)


def test_commas_stand_only_in_fees_of_a_thousand_and_more():
    fees = LARGE.monthly_fee
    amounts = fees.str.replace(",", "").astype(float)
    assert (amounts[fees.str.contains(",")] >= 1000).all()
    share = fees.str.contains(",").mean() / (amounts >= 1000).mean()
    assert share == pytest.approx(FAULT_RATES["monthly_fee with a comma"], rel=0.15)


def test_the_leak_is_filled_for_those_who_left_and_nobody_else():
    table = make_customers(2000, leak=True)
    assert (table.cancelled_on.notna() == (table.churned == "yes")).all()
    assert (table.cancelled_on.dropna() > table.joined_on[table.cancelled_on.notna()]).all()


def test_leak_changes_no_other_column():
    assert make_customers(500, leak=True).drop(columns="cancelled_on").equals(make_customers(500))


def test_drift_moves_the_inputs():
    later = make_customers(10_000, drift=0.6)
    now = LARGE.head(10_000)
    assert later.usage_hours.median() < 0.85 * now.usage_hours.median()
    assert later.age.median() < now.age.median() - 3
    assert (later.contract == "monthly").mean() > (now.contract == "monthly").mean() + 0.1


def test_there_is_a_rare_category():
    share = (LARGE.region.str.strip().str.lower() == "islands").mean()
    assert 0 < share < 0.01


def test_given_the_inputs_the_targets_tell_nothing_about_one_another():
    band = pd.cut(TRUTH, np.linspace(0, 1, 11))
    for _, rows in LARGE.groupby(band, observed=True):
        left = rows.churned == "yes"
        for contract in ("monthly", "yearly"):
            part = (rows.contract == contract) & (rows.plan == "plus")
            if min((part & left).sum(), (part & ~left).sum()) < 200:
                continue
            mean = rows.spend_next[part].groupby(left[part]).mean()
            assert abs(mean[True] - mean[False]) < 0.2 * rows.spend_next[part].std()


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_ends_with_its_target_and_has_no_other(name):
    table = load_example(name)
    target = example_target(name)
    assert table.columns[-1] == target
    assert table[target].notna().all()
    assert not {"churned", "plan_next", "spend_next"} & set(table.columns) - {target}
    assert len(table) >= 100


def test_classes_are_words():
    assert set(load_example("breast_cancer").diagnosis) == {"malignant", "benign"}
    assert set(load_example("digits").digit) == set("0123456789")


@pytest.mark.parametrize("call", [lambda: load_example("custmers"), lambda: example_target("custmers")])
def test_an_unknown_example_is_answered_with_the_nearest(call):
    with pytest.raises(DataError, match=r"^no example 'custmers': .*; did you mean 'customers'\?$"):
        call()


@pytest.mark.parametrize(
    "wrong",
    [{"rows": 0}, {"rows": -3}, {"seed": -1}, {"drift": 1.5}, {"drift": -0.1}, {"drift": float("nan")}],
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(DataError, match=next(iter(wrong))):
        make_customers(**wrong)


def test_the_customer_whom_the_lessons_follow_is_in_the_example_once():
    customers = load_example("customers")
    mina = customers[customers["name"] == "Mina Okada"]
    assert len(mina) == 1 and mina.index[0] >= 1600, "among the last rows, where lessons have their test rows"
    assert mina["email"].item() == "mina.okada884@example.com" and mina["churned"].item() == "yes"
    assert mina[["contract", "plan"]].values.tolist() == [["monthly", "basic"]]
    assert (make_customers(800)["name"] != "Mina Okada").all(), "a smaller table does not reach her"
