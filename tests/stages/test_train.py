"""The best model that the budget buys, chosen honestly; and no table ends in a traceback."""

import pickle
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone

from mlkit import fit
from mlkit.core.errors import DataError, MLKitError, RunError, SettingsError
from mlkit.models import families
from mlkit.models.blending import blend_trials
from mlkit.models.cross_validation import (
    TrainingData,
    estimator_output,
    evaluate_trials,
    fold_rows,
    search_folds,
)
from mlkit.models.ensemble import choose_ensemble_weights
from mlkit.models.families import FAMILIES, DatasetTraits, choose_families, get_family, make_estimator
from mlkit.models.model import choice_json, find_model, train_model
from mlkit.models.search import search_trials
from mlkit.models.trials import (
    Trial,
    choose_trial,
    compare_families,
    corrected_t_test,
    trial_interval,
    trials_frame,
)
from mlkit.pipeline.fit import split_and_prepare
from mlkit.sources.examples import load_example, make_customers_with_truth
from mlkit.task.task import baseline_output, score_output

FAST = "linear tree"


# ---------------------------------------- estimators of one's own, named by their import path
class Nan(ClassifierMixin, BaseEstimator):
    "Learns nothing and says nothing."

    def fit(self, inputs, truth):
        self.classes_ = np.unique(truth)
        return self

    def predict_proba(self, inputs):
        return np.full((len(inputs), len(self.classes_)), np.nan)

    def predict(self, inputs):
        return np.full(len(inputs), self.classes_[0])


class Moody(RegressorMixin, BaseEstimator):
    "Refuses to learn."

    def fit(self, inputs, truth):
        raise ZeroDivisionError("not today\nand not tomorrow")

    def predict(self, inputs):
        return np.zeros(len(inputs))


class Needy(ClassifierMixin, BaseEstimator):
    def __init__(self, friend):
        self.friend = friend

    def fit(self, inputs, truth):
        return self

    def predict(self, inputs):
        return inputs


def prepared(frame: pd.DataFrame, target: str, metric: str = "auto") -> tuple[TrainingData, object]:
    data, table, *_ = split_and_prepare(frame, target, metric, 0.0, 42)
    return data, table


def frame_of(rows: int, kind: str, seed: int = 0, **columns) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    a, b, c = rng.normal(size=(3, rows))
    signal = a + b * c + rng.normal(0, 0.5, rows)
    answers = {
        "binary": np.where(signal > 0, "yes", "no"),
        "multiclass": np.array(["low", "middle", "high"])[np.digitize(signal, [-0.7, 0.7])],
        "regression": signal,
    }
    return pd.DataFrame({"a": a, "b": b, "c": c, "word": rng.choice(list("xyz"), rows)} | columns).assign(
        target=answers[kind]
    )


@pytest.fixture(scope="module")
def customers():
    return prepared(load_example("customers"), "churned")


# ---------------------------------------- the search
def test_with_the_same_seed_a_search_repeats_exactly_whatever_the_number_of_cores():
    data = prepared(frame_of(300, "binary"), "target")[0]
    made = []
    for jobs in (1, 3):
        data.encoded_folds.clear()
        tried = search_trials(
            data, "linear tree forest boosting neural", trials=14, budget=0, jobs=jobs, seed=7
        )
        made.append(trials_frame(tried).drop(columns="seconds").to_json())
    assert made[0] == made[1]


def test_the_chosen_model_is_the_same_to_the_last_bit_whatever_the_number_of_cores():
    frame = frame_of(250, "regression")
    said = [
        fit(frame, "target", budget=0, trials=9, jobs=jobs, test_size=0).predict(frame) for jobs in (1, 2)
    ]
    assert np.array_equal(*said)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_every_family_learns_every_task(kind):
    data, table = prepared(frame_of(240, kind), "target")
    tried = evaluate_trials([Trial(place, name, family.start) for place, name, family in numbered()], data)
    nothing = score_output(data.task, data.truth, baseline_output(data.task, data.truth, len(data.truth)))
    for trial in tried:
        assert trial.state == "complete", f"{trial.family}: {trial.note}"
        assert trial.score > nothing + 0.1
        model = train_model(trial, data, table, jobs=1)
        assert np.isfinite(model.output_of_inputs(data.inputs)).all()


def numbered():
    return [(place, name, family) for place, (name, family) in enumerate(FAMILIES.items())]


def test_the_running_example_is_learned_nearly_as_well_as_it_can_be():
    """Its true probabilities are known; no model can rank better than they do."""
    frame, truth = make_customers_with_truth(6_000)
    labels = (frame["churned"] == "yes").to_numpy().astype(int)
    learn, exam = np.arange(4_500), np.arange(4_500, 6_000)
    features = frame.drop(columns=["plan_next", "spend_next", "customer_id", "name", "email"])
    models = "linear boosting neural"
    model = fit(features.iloc[learn], "churned", trials=14, budget=0, models=models, test_size=0)
    best = score_output("roc_auc", labels[exam], np.column_stack([1 - truth, truth])[exam])
    reached = score_output("roc_auc", labels[exam], model.predict_proba(features.iloc[exam]))
    assert reached >= 0.98 * best, f"{reached:.4f} of {best:.4f}"


@pytest.mark.parametrize("models", [FAST, "forest neural"])
def test_a_budget_is_kept_within_the_time_of_one_fold(models):
    data, table = prepared(frame_of(2_000, "binary"), "target")
    for budget in (2.0, 4.0):
        longest, started = [0.0], time.monotonic()

        def note(trial, best, left, longest=longest):
            longest[0] = max(longest[0], trial.seconds / max(1, len(trial.validation)))

        find_model(data, table, models, trials=10_000, budget=budget, on_trial=note)
        assert time.monotonic() - started < budget + 2 * longest[0] + 1


def test_a_search_ends_when_there_is_nothing_left_to_try():
    data = prepared(frame_of(120, "binary"), "target")[0]
    assert len(search_trials(data, "sklearn.naive_bayes.GaussianNB", trials=30, budget=0)) == 1


def test_time_goes_where_it_pays(customers):
    tried = search_trials(customers[0], "linear tree", trials=16, budget=0)
    best = min(tried, key=lambda trial: -trial.score if trial.state == "complete" else 0)
    later = [trial.family for trial in tried[4:]]
    assert later.count(best.family) > len(later) / 2


def test_folds_in_time_are_judged_by_models_of_their_past():
    data = prepared(frame_of(200, "regression"), "target")[0]
    data.fold, data.is_time_ordered = np.repeat([-1, 0, 1, 2, 3], 40), True
    for learn, unseen in search_folds(data):
        assert learn.max() < unseen.min()
    assert search_trials(data, FAST, trials=2, budget=0)


def test_what_a_fold_is_encoded_with_comes_from_its_learning_rows_alone():
    frame = frame_of(200, "binary", place=[f"place {n % 40}" for n in range(200)])
    data = prepared(frame, "target")[0]
    learn, unseen = search_folds(data)[0]
    before = evaluate_trials([Trial(0, "linear", {})], data)[0].output[unseen]
    changed = data.truth.copy()
    changed[unseen] = 1 - changed[unseen]
    other = TrainingData(data.inputs, changed, data.fold, data.plan, data.task)
    assert np.array_equal(evaluate_trials([Trial(0, "linear", {})], other)[0].output[unseen], before)


# ---------------------------------------- the choice
def test_an_ensemble_shows_whom_it_asks_and_comes_back_from_a_file(customers, tmp_path):
    data, table = customers
    found = find_model(data, table, "linear boosting", trials=6, budget=0)
    assert found.chosen.family == found.model.family == "ensemble"
    assert found.model.estimator.show()["weight"].sum() == pytest.approx(1)
    path = tmp_path / "model.pickle"
    path.write_bytes(pickle.dumps(found.model.estimator))
    data.inputs.head(50).to_pickle(tmp_path / "inputs.pickle")
    code = (
        "import pickle, sys; from pathlib import Path; import pandas as pd; place = Path(sys.argv[1]); "
        "model = pickle.loads((place / 'model.pickle').read_bytes()); "
        "print(repr(model.predict_proba(pd.read_pickle(place / 'inputs.pickle')).tolist()))"
    )
    said = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert np.array_equal(
        np.array(eval(said.stdout)), found.model.estimator.predict_proba(data.inputs.head(50))
    )
    again = clone(found.model.estimator).fit(data.inputs, data.truth)
    assert np.array_equal(
        again.predict_proba(data.inputs.head(50)), found.model.output_of_inputs(data.inputs.head(50))
    )


def test_an_ensemble_of_guesses_is_no_better_than_a_guess():
    """Weights are chosen on other folds than those that judge them, so luck does not add up."""
    rng, frame = np.random.default_rng(0), frame_of(300, "binary")
    data = prepared(frame, "target")[0]
    scores = []
    for _ in range(10):
        guesses = []
        for number in range(12):
            chance = rng.random(300)
            trial = Trial(number, "linear", {}, "complete", output=np.column_stack([1 - chance, chance]))
            trial.known = [rng.random((len(learn), 2)) for learn, _ in search_folds(data)]
            for _, unseen in search_folds(data):
                trial.validation.append(score_output(data.task, data.truth[unseen], trial.output[unseen]))
            guesses.append(trial)
        mixed = blend_trials(guesses, data)
        scores.append(mixed.score if mixed else 0.5)
    assert abs(np.mean(scores) - 0.5) < 0.04


@settings(max_examples=30)
@given(st.integers(1, 8), st.integers(1, 4), st.integers(0, 1000))
def test_weights_sum_to_one_are_few_and_do_no_harm(models, most, seed):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=60)
    outputs = [truth + rng.normal(0, rng.uniform(0.1, 2), 60) for _ in range(models)]

    def closeness(guess):
        return -float(np.mean((guess - truth) ** 2))

    weights = choose_ensemble_weights(outputs, closeness, most=most)
    assert weights.sum() == pytest.approx(1) and 1 <= np.count_nonzero(weights) <= most
    assert closeness(np.tensordot(weights, outputs, 1)) >= max(map(closeness, outputs)) - 1e-12


def test_one_standard_error_prefers_the_simple_and_best_the_best(customers):
    task = customers[0].task
    linear = Trial(0, "linear", {}, "complete", [0.80, 0.82, 0.79, 0.83, 0.81], [0.8] * 5)
    boosting = Trial(1, "boosting", {}, "complete", [0.81, 0.83, 0.79, 0.83, 0.82], [0.9] * 5)
    ensemble = Trial(2, "ensemble", {"members": []}, "complete", [0.82, 0.83, 0.80, 0.83, 0.82], [0.9] * 5)
    tried = [boosting, ensemble, linear]
    assert choose_trial(tried, task).family == "ensemble"
    assert choose_trial(tried, task, "one_se").family == "boosting"
    linear.validation = [0.82, 0.82, 0.80, 0.83, 0.82]
    assert choose_trial(tried, task, "one_se").family == "linear"
    lines = compare_families(tried, task, ensemble).set_index("family")
    assert lines.loc["boosting", "behind"] > 0 and 0 < lines.loc["boosting", "by chance"] < 1


def test_the_corrected_t_test_keeps_its_level_where_the_ordinary_one_does_not():
    """Two equally good models on folds that share their learning rows (Nadeau and Bengio 2003)."""
    from scipy.stats import ttest_rel
    from sklearn.linear_model import LinearRegression

    wrong = {"corrected": 0, "ordinary": 0}
    for seed in range(120):
        rng = np.random.default_rng(seed)
        inputs, answers = rng.normal(size=(60, 2)), rng.normal(size=60)
        fold, errors = np.arange(60) % 10, ([], [])
        for learn, unseen in fold_rows(fold):
            for column, sink in enumerate(errors):
                part = inputs[:, [column]]
                guess = LinearRegression().fit(part[learn], answers[learn]).predict(part[unseen])
                sink.append(np.mean((guess - answers[unseen]) ** 2))
        wrong["corrected"] += corrected_t_test(*errors) < 0.05
        wrong["ordinary"] += ttest_rel(*errors).pvalue < 0.05
    assert wrong["corrected"] <= 0.06 * 120
    assert wrong["corrected"] <= wrong["ordinary"]


def test_without_folds_to_compare_there_is_no_interval_and_no_test():
    assert np.isnan(corrected_t_test([0.8], [0.7]))
    assert np.isnan(trial_interval(Trial(0, "linear", {}, "complete", [0.8]))[0])


# ---------------------------------------- families
def test_a_skewed_number_may_be_learned_on_the_log_scale():
    assert any(start.get("log") for start in FAMILIES["linear"].starts(DatasetTraits(500, 0, is_skewed=True)))
    assert not any(start.get("log") for start in FAMILIES["linear"].starts(DatasetTraits(500, 0)))
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"size": rng.uniform(0, 5, 400)})
    frame["price"] = np.exp(frame["size"] + rng.normal(0, 0.2, 400)).round(2)
    model = fit(frame, "price", trials=3, budget=0, models="linear", test_size=0)
    assert model.settings.get("log") or "'log': True" in str(model.settings)
    assert model.predict(pd.DataFrame({"size": [50.0]}))[0] <= frame["price"].max()


def test_classes_are_weighted_where_the_metric_asks_for_it():
    frame = frame_of(600, "binary")
    frame["target"] = np.where(frame["a"] + 0.7 * frame["b"] > 1.9, "yes", "no")
    data = prepared(frame, "target", "f1")[0]
    assert any("balanced" in trial.settings for trial in search_trials(data, "linear", trials=8, budget=0))
    data = prepared(frame, "target", "roc_auc")[0]
    assert not any(
        "balanced" in trial.settings for trial in search_trials(data, "linear", trials=8, budget=0)
    )


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ("linear forrest", "train.models names 'forrest', which is no family; did you mean 'forest'?"),
        ("", "train.models is empty; name at least one of linear tree boosting forest neural"),
        ("sklearn.svmm.SVC", "there is no module 'sklearn.svmm'; did you mean 'sklearn.svm'?"),
        ("sklearn.svm.SVD", "'sklearn.svm' has no 'SVD'; did you mean 'SV"),
        ("sklearn.svm.SVR", "which is no classifier; a class is to be predicted"),
        ("math.sqrt", "which is no scikit-learn estimator"),
        (f"{__name__}.Needy", "which cannot be made without arguments"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is(customers, models, message):
    with pytest.raises(SettingsError) as error:
        find_model(*customers, models=models)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_an_estimator_without_probabilities_is_calibrated():
    data, table = prepared(frame_of(200, "binary"), "target")
    found = find_model(data, table, "sklearn.svm.LinearSVC", budget=0, jobs=1)
    said = found.model.output_of_inputs(data.inputs)
    assert found.model.family == "sklearn.svm.LinearSVC" and np.allclose(said.sum(axis=1), 1)


def test_boosting_goes_on_without_lightgbm(monkeypatch):
    data = prepared(frame_of(200, "binary"), "target")[0]
    monkeypatch.setattr(families, "import_lightgbm", lambda: None)
    trial = evaluate_trials([Trial(0, "boosting", {})], data)[0]
    assert trial.state == "complete" and trial.settings["steps"] > 1
    assert "Hist" in repr(make_estimator("boosting", trial.settings, data.plan, data.task)[-1])


# ---------------------------------------- bad input
def test_a_family_that_fails_is_named_and_the_run_goes_on():
    data, table = prepared(frame_of(150, "regression"), "target")
    found = find_model(data, table, f"linear {__name__}.Moody", trials=4, budget=0, jobs=1)
    failed = next(trial for trial in found.tried if trial.state == "failed")
    assert failed.note == "ZeroDivisionError: not today" and np.isfinite(found.chosen.score)


def test_numbers_that_are_none_are_a_failure_and_not_a_score():
    data, table = prepared(frame_of(150, "binary"), "target")
    found = find_model(data, table, f"{__name__}.Nan linear", trials=4, budget=0, jobs=1)
    failed = next(trial for trial in found.tried if trial.state == "failed")
    assert failed.note == "it predicts values that are no numbers"
    with pytest.raises(DataError, match="no model could be trained: it predicts values that are no numbers"):
        find_model(data, table, f"{__name__}.Nan", budget=0, jobs=1)


def hard_tables():
    rng = np.random.default_rng(0)
    many = [f"class {n % 60}" for n in range(150)]
    yield "three rows a class", pd.DataFrame({"a": rng.normal(size=9), "target": list("xyz") * 3})
    two = {"a": np.arange(150.0) % 60, "b": rng.normal(size=150)}
    yield "many classes", pd.DataFrame(two | {"target": many})
    constant = frame_of(60, "binary", still=1.0, nothing=np.nan)
    yield "constant features", constant
    huge = frame_of(80, "regression", huge=rng.choice([1e30, -1e30, 1.0], 80))
    yield "huge values", huge
    yield "a huge target", frame_of(80, "regression").assign(target=rng.normal(size=80) * 1e200)
    yield "one positive in a hundred", frame_of(200, "binary").assign(target=["yes", "yes"] + ["no"] * 198)
    yield "infinite values", frame_of(80, "binary", far=rng.choice([np.inf, -np.inf, 1.0], 80))
    yield "one row a class", pd.DataFrame({"a": np.arange(12.0), "target": [f"class {n}" for n in range(12)]})


HARD = list(hard_tables())


@pytest.mark.parametrize(("name", "frame"), HARD, ids=[name for name, _ in HARD])
def test_a_hard_table_gives_a_model_or_one_line(name, frame):
    try:
        model = fit(frame, "target", trials=5, budget=0, test_size=0)
    except MLKitError as error:
        assert "\n" not in str(error), str(error)
    else:
        assert np.isfinite(model.output(frame)).all()


def test_a_fold_with_one_class_does_not_count():
    data, table = prepared(frame_of(100, "binary"), "target")
    data.fold = np.where((data.truth == 0) & (np.arange(100) % 4 == 0), 0, 1 + np.arange(100) % 2)
    found = find_model(data, table, FAST, trials=3, budget=0, jobs=1)
    assert np.isfinite(choice_json(found.chosen, data)["validation"])
    data = TrainingData(data.inputs, data.truth, data.truth, data.plan, data.task)
    with pytest.raises(DataError, match="in no fold can a model learn and be judged"):
        search_trials(data, FAST, budget=0)


# ---------------------------------------- fit
def test_all_rows_can_teach_and_the_metrics_say_so():
    frame = frame_of(200, "binary")
    model = fit(frame, "target", trials=3, budget=0, models=FAST, test_size=0)
    assert model.metrics["rows"] == {"train": 200, "test": 0}
    assert model.metrics["score"] == model.metrics["validation"]
    assert "there are no test rows" in model.metrics["note"]


def test_after_the_exam_the_same_model_may_learn_from_all_rows():
    frame = frame_of(200, "regression")
    examined = fit(frame, "target", trials=3, budget=0, models="linear")
    whole = fit(frame, "target", trials=3, budget=0, models="linear", refit=True)
    told = examined.metrics | {"refit": True, "seconds": whole.metrics["seconds"]}
    assert whole.metrics == told and not examined.metrics["refit"]
    assert whole.settings == examined.settings
    assert not np.array_equal(whole.predict(frame), examined.predict(frame))


# ---------------------------------------- the exam is not looked at
def test_training_does_not_look_at_the_test_rows(undisturbed, project, tmp_path):
    """Garbage in their place, and the model is the same to the last byte."""
    import json
    import shutil

    from mlkit.core.files import file_digest
    from tests.conftest import Lifecycle

    folder = tmp_path / "runs" / "garbage"
    shutil.copytree(undisturbed.folder, folder)
    life = Lifecycle(folder, project)
    before = life.content()
    path = folder / "artifacts" / "test.parquet"
    garbage = pd.read_parquet(path)
    for column in garbage:
        garbage[column] = list(reversed(garbage[column].tolist()))
    pd.concat([garbage] * 3).to_parquet(path, index=False)
    journal = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    journal["artifacts"]["test"]["sha256"] = file_digest(path)
    (folder / "run.json").write_text(json.dumps(journal), encoding="utf-8")
    (folder / "artifacts" / "model.joblib").unlink()  # so that it is trained again
    assert life.run("--to", "train") == ["train"]
    after = life.content()
    for name in ("model.joblib", "choice.json", "trials.parquet"):
        assert after[name] == before[name]
    assert after["test.parquet"] != before["test.parquet"]


# ---------------------------------------- a cluster
def test_a_cluster_finds_the_same_model(cluster):
    data, table = prepared(frame_of(200, "binary"), "target")
    here = find_model(data, table, "linear boosting", trials=5, budget=0, jobs=1)
    there = find_model(data, table, "linear boosting", trials=5, budget=0, cluster=cluster.scheduler_address)
    columns = ["family", "state", "score", "settings"]
    assert trials_frame(there.tried)[columns].equals(trials_frame(here.tried)[columns])
    assert not there.trouble


def test_a_cluster_that_dies_in_the_middle_costs_no_result():
    distributed = pytest.importorskip("distributed", reason="no Dask: the cluster was not tried")
    place = str(Path(__file__).parents[2])
    made = distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None, env={"PYTHONPATH": place}
    )
    data, table = prepared(frame_of(200, "binary"), "target")

    def end_it(trial, best, left):
        if trial.number == 0:
            made.close()

    found = find_model(data, table, FAST, 6, 0, cluster=made.scheduler_address, on_trial=end_it, jobs=1)
    expected = find_model(data, table, FAST, 6, 0, jobs=1)
    assert "failed" in found.trouble and "this machine went on" in found.trouble
    assert [trial.score for trial in found.tried] == [trial.score for trial in expected.tried]


def test_a_cluster_that_is_not_there_is_said_in_one_line(customers):
    from mlkit.core.parallel import connect_cluster

    with pytest.raises(RunError) as error:
        connect_cluster("tcp://127.0.0.1:9", patience=0.3)
    assert str(error.value) == (
        "no Dask scheduler answers at tcp://127.0.0.1:9; start it, or leave train.cluster empty"
    )


def test_a_family_by_name_is_the_same_everywhere():
    assert get_family("linear") is FAMILIES["linear"]
    assert choose_families("neural, tree sklearn.svm.SVC tree") == ["tree", "neural", "sklearn.svm.SVC"]
    assert estimator_output.__doc__
