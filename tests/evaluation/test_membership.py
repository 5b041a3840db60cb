"""Membership inference finds rows that were learned by heart, and nothing where there is nothing to find."""

import numpy as np
import pandas as pd
import pytest

from mlkit.core.errors import StageError
from mlkit.evaluation.membership import (
    MembershipReport,
    attack_model,
    check_membership,
    complementary_halves,
    describe_membership,
    describe_remedy,
    find_remedy,
    members_found,
)
from mlkit.models.calibration import finalise_model
from mlkit.models.example_model import train_example_model
from mlkit.models.families import DatasetTraits, get_family, with_min_leaf
from mlkit.models.sampler import TrialSampler
from mlkit.sources.examples import make_customers_with_truth
from mlkit.task.problem import Problem
from mlkit.task.task import Task


def attack(
    family: str, frame: pd.DataFrame | None = None, problem: Problem | None = None, rows=900, **settings
):
    asked = {"problem": problem} if problem else {}
    made = train_example_model(family, frame, rows=rows, **asked, **settings)
    return attack_model(finalise_model(made.model), made.data, made.train, made.test), made


def test_deep_forest_gives_its_rows_away_and_linear_model_does_not() -> None:
    deep, made = attack("forest", min_samples_leaf=1, n_estimators=50)
    flat, _ = attack("linear")
    assert deep.auc > 0.8 and deep.low > 0.03 and deep.verdict(0.03) == "failed"
    assert flat.auc < 0.65 and flat.found < deep.low
    remedy = find_remedy(finalise_model(made.model), made.data, made.train, made.test, 0.03)
    words = describe_membership(deep, 0.03, describe_remedy(remedy, "roc_auc"))
    assert "more than allowed" in words and "under `[train]`" in words and "AUC-ROC on the test rows" in words


def test_a_model_of_persons_that_gives_rows_away_is_not_packed_however_few_its_test_rows_are() -> None:
    "400 test rows prove nothing of their last percent; the attacked reference models do."
    made = train_example_model("forest", rows=400, min_samples_leaf=1, n_estimators=50)
    parts = finalise_model(made.model), made.data, made.train, made.test.head(300)
    report = attack_model(*parts)
    assert report is not None and report.half is not None and not report.has_enough_rows
    assert report.half[1] > 0.03 and report.verdict(0.03) == "failed"
    with pytest.raises(StageError, match="no package is made") as error:
        check_membership(*parts, 0.03)
    assert "under [train]" in str(error.value) and "raise protect.max_leak" in str(error.value)
    told = check_membership(*parts, 0.03, made_up=True)
    assert told["verdict"] == "failed" and "no package would be made; these are made up" in told["words"]
    assert check_membership(*parts, 1.0)["verdict"] == "not tried"


@pytest.mark.parametrize(
    ("found", "low", "half", "auc_low", "verdict"),
    [
        (0.02, 0.0, (0.02, 0.01, 0.03), 0.9, "passed"),
        (0.10, 0.0, (0.02, 0.01, 0.03), 0.55, "doubtful"),
        (0.02, 0.0, (0.04, 0.02, 0.06), 0.55, "doubtful"),
        (0.10, 0.0, (0.04, 0.02, 0.06), 0.55, "doubtful"),  # twice more than allowed, and neither proved
        (0.02, 0.0, (0.08, 0.04, 0.12), 0.45, "failed"),
        (0.10, 0.04, (0.02, 0.01, 0.03), 0.45, "failed"),
        (0.10, 0.0, None, 0.62, "doubtful"),  # an AUC-ROC of .62 stands for 2.9 %
        (0.10, 0.0, None, 0.64, "failed"),
    ],
)
def test_refused_is_what_is_proved_to_be_above_the_limit(found, low, half, auc_low, verdict) -> None:
    report = MembershipReport(found, low, 0.2, 0.6, auc_low, 0.7, 1_600, 400, 4, half)
    assert report.verdict(0.03) == verdict


def test_a_small_table_is_refused_for_a_forest_and_not_for_what_chance_finds_of_a_linear_model() -> None:
    """Both measures of these two linear models are above the limit, by chance: fresh rows find 2 to 4 %."""
    verdicts = {"linear": [], "forest": []}
    for seed in (0, 6):
        frame = make_customers_with_truth(250, seed=seed)[0].drop(columns=["plan_next", "spend_next"])
        for family, leaf in (("linear", {}), ("forest", {"min_samples_leaf": 1, "n_estimators": 50})):
            made = train_example_model(family, frame, rows=200, **leaf)
            report = attack_model(finalise_model(made.model), made.data, made.train, made.test)
            verdicts[family].append(report.verdict(0.03))
    assert "failed" not in verdicts["linear"] and verdicts["forest"] == ["failed"] * 2


@pytest.mark.parametrize("sizes", [(100, 100), (150, 50), (66, 66), (3, 47), (50, 50, 50, 50)])
def test_both_halves_have_all_classes_in_their_shares(sizes) -> None:
    truth = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    kind, names = "binary" if len(sizes) == 2 else "multiclass", [*"abcd"[: len(sizes)]]
    task = Task("y", kind, "accuracy", "maximize", names, names[1] if kind == "binary" else "")
    for half in complementary_halves(task, truth, 3):
        assert abs(np.bincount(truth[half], minlength=len(sizes)) - np.array(sizes) / 2).max() <= 0.5


def test_numbers_are_attacked_by_their_residuals() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(1_500, 4)).round(3), columns=list("abcd"))
    frame["y"] = (frame.a + rng.normal(size=1_500)).round(3)
    deep, _ = attack("forest", frame, Problem("y"), min_samples_leaf=1, n_estimators=30)
    flat, _ = attack("linear", frame, Problem("y"))
    assert deep.auc > 0.75 > 0.6 > flat.auc


def test_rows_that_no_model_has_seen_look_like_any_others() -> None:
    "Half of the test rows are called members: nothing may be found."
    made = train_example_model("forest", rows=900, min_samples_leaf=1, n_estimators=30)
    half = len(made.test) // 2
    report = attack_model(finalise_model(made.model), made.data, made.test[:half], made.test[half:])
    assert report is not None and report.auc_low < 0.5 < report.auc_high and report.low <= 0.01
    assert report.half is not None and report.half[0] > 0.03  # of those who have seen them, it is otherwise


def test_interval_holds_what_is_true() -> None:
    "Scores of known normal distributions: the share above the true 99 % point is inside in 19 of 20 cases."
    from scipy.stats import norm

    rng, member = np.random.default_rng(1), np.arange(1_600) < 800
    truth, held = float(norm.sf(norm.ppf(0.99) - 1.0)), 0
    for _ in range(200):
        _, low, high = members_found(rng.normal(size=1_600) + member, member)
        held += low <= truth <= high
    assert held >= 190


def test_few_rows_prove_nothing_and_say_so() -> None:
    report, _ = attack("forest", rows=1_900, min_samples_leaf=1, n_estimators=20)
    assert report is not None and not report.has_enough_rows and report.low == 0
    assert "only the upper end is proved" in describe_membership(report, 0.03)
    tiny = train_example_model("linear", rows=1_975)
    assert attack_model(finalise_model(tiny.model), tiny.data, tiny.train, tiny.test) is None


@pytest.mark.parametrize("family", ["tree", "forest", "boosting"])
def test_no_trial_has_smaller_leaves_than_asked_for(family: str) -> None:
    task, facts = (
        Task("left", "binary", "roc_auc", "maximize", ["no", "yes"], "yes"),
        DatasetTraits(400, 2, min_leaf=60),
    )
    sampler = TrialSampler(task, facts, [family], first=[(family, get_family(family).start)])
    name = "min_leaf" if family == "boosting" else "min_samples_leaf"
    done = []
    for _ in range(12):
        (trial,) = sampler.ask(done, 1)
        assert trial.settings[name] >= 60
        trial.state, trial.validation = "complete", [0.4, 0.6]
        done.append(trial)
        sampler.tell(trial, None)
    mixed = {"members": [{"weight": 1.0, "family": family, "settings": get_family(family).start}]}
    assert with_min_leaf("ensemble", mixed, 60)["members"][0]["settings"][name] == 60
