"""Metrics that somebody has written: as scikit-learn takes them, with an interval; one line says why one cannot be."""

import math
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

import mlkit
from mlkit.core.errors import MLKitError
from mlkit.task.comparison import compare_outputs
from mlkit.task.influence import influence_values
from mlkit.task.intervals import score_interval, score_intervals
from mlkit.task.metrics import METRICS
from mlkit.task.own_metric import find_own_metric
from mlkit.task.problem import state_problem
from mlkit.task.task import Task, score_output
from mlkit.task.task_inference import make_task

OWN = "tests.task.test_own_metrics:"
RNG = np.random.default_rng(5)
ROWS = 240
WEIGHT = RNG.normal(size=ROWS)
NOISE = RNG.normal(size=ROWS)
COLUMNS = {
    "binary": np.where(WEIGHT + NOISE > 0.5, "yes", "no"),
    "multiclass": np.array(["low", "middle", "high"])[np.digitize(WEIGHT + NOISE, [-0.7, 0.7])],
    "regression": np.round(50 + 20 * (WEIGHT + NOISE), 2),
}


def settled(kind: str, metric: object, metrics: object = "") -> tuple[Task, np.ndarray]:
    """A task with an own metric, and the truth of its rows."""
    cells = pd.Series(COLUMNS[kind]).astype(object)
    task = make_task(state_problem("y", metric=metric, metrics=metrics), cells)
    return task, (
        np.array([task.classes.index(each) for each in cells]) if task.classes else cells.to_numpy(float)
    )


def output_for(task: Task, truth: np.ndarray, sure: float = 1.0) -> np.ndarray:
    if not task.classes:
        return truth + 5 * np.random.default_rng(1).normal(size=len(truth)) / sure
    scores = np.random.default_rng(1).normal(size=(len(truth), len(task.classes)))
    scores += 2 * sure * np.eye(len(task.classes))[truth]
    return np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)


PATHS = {
    "matthews": ("binary", "sklearn.metrics:matthews_corrcoef", lambda t, y, p: sk.matthews_corrcoef(y, p[:, 1] >= 0.5)),
    "kappa": ("multiclass", "sklearn.metrics:cohen_kappa_score", lambda t, y, p: sk.cohen_kappa_score(y, p.argmax(axis=1))),
    "max": ("regression", "sklearn.metrics:explained_variance_score", lambda t, y, p: sk.explained_variance_score(y, p)),
    "probability": (
        "binary",
        sk.make_scorer(sk.brier_score_loss, greater_is_better=False, response_method="predict_proba"),
        lambda t, y, p: sk.brier_score_loss(y, p[:, 1]),
    ),
    "names": ("multiclass", lambda y_true, y_pred: np.mean((y_true == "high") & (y_pred == "high")),
              lambda t, y, p: np.mean((y == t.classes.index("high")) & (p.argmax(axis=1) == t.classes.index("high")))),
}  # fmt: skip


@pytest.mark.parametrize("case", PATHS)
def test_functions_and_scorers_of_scikit_learn_are_metrics_as_they_are(case):
    kind, stated, theirs = PATHS[case]
    task, truth = settled(kind, stated)
    output = output_for(task, truth)
    value = score_output(task, truth, output)
    assert value == pytest.approx(theirs(task, truth, output))
    low, high = score_interval(task.scored_by, truth, output)
    assert low < value < high
    better = compare_outputs(task, truth, output_for(task, truth, 3), output)
    assert better.value > 0 and math.isfinite(better.low)


@mlkit.metric(greater_is_better=False)
def mean_error(y_true, y_pred):
    return float(np.mean(np.abs(y_true - y_pred)))


def test_an_interval_is_that_of_the_same_metric_of_ours():
    task, truth = settled("regression", f"{OWN}mean_error")
    output = output_for(task, truth)
    np.testing.assert_allclose(
        influence_values(task.scored_by, truth, output), influence_values("mae", truth, output)
    )
    ours, own = (np.array(score_interval(each, truth, output)) for each in ("mae", task.scored_by))
    np.testing.assert_allclose(own, ours, atol=0.1 * (ours[1] - ours[0]))
    groups = np.arange(ROWS) // 8
    table = score_intervals(task, truth, output, groups=groups).set_index("metric")
    wide = table.high - table.low
    assert wide["mean_error"] == pytest.approx(wide["mae"], rel=0.15)


def test_many_rows_are_taken_in_parts_and_say_the_same():
    truth = np.random.default_rng(0).normal(size=3000)
    output = truth + np.random.default_rng(1).normal(size=3000)
    own = find_own_metric(mean_error)
    parts, singly = (influence_values(own, truth, output, singly=each) for each in (False, True))
    assert parts.std() == pytest.approx(singly.std(), rel=0.1)


@pytest.mark.filterwarnings("ignore:Only one class is present")
def test_a_slice_with_one_class_has_no_score_and_ends_nothing():
    task, truth = settled("binary", "sklearn.metrics:matthews_corrcoef", [sk.roc_auc_score])
    ones = np.full(10, 1)
    assert not math.isfinite(
        score_output(task.find_metric("roc_auc_score"), ones[:1], output_for(task, ones)[:1])
    )
    assert [name for name in task.metric_names if name not in mlkit.task.METRICS] == [
        "matthews_corrcoef",
        "roc_auc_score",
    ]


def test_a_task_keeps_its_metrics_in_json_without_their_code_and_in_a_pickle_with_it():
    task, truth = settled("binary", "tests.task.test_own_metrics:cost", "log_loss")
    assert task.scored_by.code and task.scored_by.right == 0
    written = task.to_dict()
    assert "def cost" not in str(written) and Task.from_dict(written, task.scored_by.code).metric == "cost"
    again = pickle.loads(pickle.dumps(task))
    assert score_output(again, truth, output_for(task, truth)) == score_output(
        task, truth, output_for(task, truth)
    )


@mlkit.metric(greater_is_better=False)
def cost(y_true, y_pred):
    """What the two mistakes cost."""
    return float(np.mean(5 * (y_true == 1) * (y_pred == 0) + (y_true == 0) * (y_pred == 1)))


NUMBER = 3


def mae(y_true, y_pred):
    return 0.0


def one(y_true):
    return 0.0


def chance(y_true, y_pred):
    return float(RNG.random())


def in_place(y_true, y_pred):
    y_true[:] = 0
    return float(np.mean(y_true == y_pred))


WRONG = {
    "no name": (f"{OWN}csot", "has no 'csot'; did you mean 'cost'?"),
    "no module": ("projectt.metrics:profit", "there is no module 'projectt'"),
    "no path": ("cost.", "is no path; write module:name"),
    "no function": (f"{OWN}NUMBER", "which is a int and no function of y_true and y_pred"),
    "class": ("sklearn.svm:SVC", "which is a class and no function of y_true and y_pred"),
    "one argument": (f"{OWN}one", "which takes 1 argument; a metric takes two: y_true and y_pred"),
    "name of ours": (f"{OWN}mae", "mlkit has a metric of that name"),
    "needs more": (sk.fbeta_score, "which takes 3 arguments"),
    "raises": (lambda y_true, y_pred: 1 / 0, "fails (ZeroDivisionError); y_true is 1 for 'yes' and 0 for 'no'"),
    "array": (lambda y_true, y_pred: y_true, "gives an array of shape (240,), and should give one number"),
    "text": (lambda y_true, y_pred: "good", "gives a str, and should give one number"),
    "none": (lambda y_true, y_pred: None, "gives a NoneType, and should give one number"),
    "truth value": (lambda y_true, y_pred: True, "gives a bool, and should give one number"),
    "nan": (lambda y_true, y_pred: math.nan, "gives no finite number for right predictions"),
    "labels as text": (lambda y_true, y_pred: np.mean(y_true == "yes"), "for right and for wrong predictions"),
    "turned round": (lambda y_true, y_pred: np.mean(y_true != y_pred), "say @metric(greater_is_better=False)"),
    "chance": (f"{OWN}chance", "gives other values when it is asked again"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:elementwise comparison")
@pytest.mark.parametrize("case", WRONG)
def test_a_metric_that_cannot_be_is_told_in_one_line(case):
    stated, message = WRONG[case]
    with pytest.raises(MLKitError) as told:
        settled("binary", stated)
    assert message in str(told.value) and "\n" not in str(told.value)


def test_what_a_function_does_to_its_arguments_stays_there():
    task, truth = settled("binary", "sklearn.metrics:matthews_corrcoef")
    before = truth.copy()
    find_own_metric(in_place).for_classes(task.classes).score(truth, output_for(task, truth))
    assert (truth == before).all()


def test_probabilities_of_a_number_there_are_none_and_two_of_one_name_neither():
    wants = mlkit.metric(response_method="predict_proba")(lambda y_true, y_pred: 1.0)
    with pytest.raises(MLKitError, match="wants probabilities .predict_proba., but 'y' is regression"):
        settled("regression", wants)
    with pytest.raises(MLKitError, match="have the same name; rename one"):
        settled("binary", f"{OWN}cost", [lambda y_true, y_pred: 1.0, lambda a, b: 2.0])
    for word in ("greater_is_better", "response_method"):
        with pytest.raises(MLKitError, match=f"metric: {word} is"):
            mlkit.metric(**{word: "up"})


# ---------------------------------------- in a program
FRAME = pd.DataFrame({"weight": WEIGHT, "colour": RNG.choice(["red", "blue"], ROWS)})
QUICK = {"budget": 0, "trials": 1, "models": "linear", "ensemble": False}


@pytest.fixture(scope="module")
def fitted():
    answers = pd.Series(COLUMNS["binary"], name="left")
    model = mlkit.MLKitClassifier(metric=cost, extra_metrics=[sk.matthews_corrcoef], test_size=0.3, **QUICK)
    return model.fit(FRAME, answers)


def test_an_estimator_goes_by_a_function_and_reports_others(fitted):
    assert fitted.metrics["metric"] == "cost" and fitted.metrics["direction"] == "minimize"
    low, high = fitted.metrics["intervals"]["matthews_corrcoef"]
    assert low < fitted.metrics["test"]["matthews_corrcoef"] < high and fitted.metrics["baseline"] > 0


def test_its_package_has_the_function(fitted, tmp_path, monkeypatch):
    saved = fitted.save(tmp_path / "model", max_leak=1)
    facts = saved.predictor.manifest["own_code"]
    assert facts["metrics"]["cost"] == f"{OWN}cost" and "tests/task/test_own_metrics.py" in facts["files"]
    rows = FRAME.assign(left=COLUMNS["binary"])
    found = mlkit.compare(mlkit.load(tmp_path / "model"), fitted, rows)
    assert found.differences["cost"].value == pytest.approx(0, abs=1e-6)
    assert "What the two mistakes cost" in (tmp_path / "model/card.md").read_text(encoding="utf-8")


def test_a_function_of_this_process_scores_and_is_in_no_package(tmp_path):
    def gain(y_true, y_pred):
        return float(np.mean(y_true * y_pred))

    model = mlkit.MLKitClassifier(metric=gain, **QUICK).fit(FRAME, COLUMNS["binary"])
    assert model.metrics["metric"] == "gain" and model.metrics["score"] > 0
    with pytest.raises(
        MLKitError, match="'gain' is known in this process only; put it into a module"
    ) as told:
        model.save(tmp_path / "model", max_leak=1)
    assert "\n" not in str(told.value) and not (tmp_path / "model").exists()


# ---------------------------------------- where it decides
def test_the_gate_goes_by_it_and_a_challenger_is_told_its_path(tmp_path):
    from mlkit.retraining.challenger import run_overrides
    from mlkit.retraining.gate import decide_promotion

    task, truth = settled("binary", f"{OWN}cost")
    weak, strong = (output_for(task, truth, sure) for sure in (0.2, 3))
    assert decide_promotion(task, truth, weak, strong, "request").is_promoted
    kept = decide_promotion(task, truth, strong, weak, "request")
    assert not kept.is_promoted and kept.challenger_score > kept.champion_score and "cost " in kept.reasons[0]
    told = run_overrides({"problem.metrics": "mape"}, task, "leavers", "refit", tmp_path)
    assert f"problem.metric={OWN}cost" in told and "problem.metrics=mape" in told


def test_the_usual_metric_watches_where_nobody_can_count_row_by_row():
    from mlkit.monitoring.losses import make_loss_measure

    for kind, usual in {"binary": "roc_auc", "multiclass": "f1_macro", "regression": "r2"}.items():
        task, truth = settled(kind, lambda y_true, y_pred: np.mean(y_true == y_pred))
        measure = make_loss_measure(task, truth, output_for(task, truth))
        assert measure.name == usual and 0 <= measure.losses(truth, output_for(task, truth)).mean() <= 1
        assert measure.label.startswith(METRICS[usual].label)
        assert measure.label.endswith(f", in place of {task.scored_by.label}")


def test_settings_that_cannot_be_are_told_before_anything_runs():
    from mlkit.pipeline.notebooks import list_stages
    from mlkit.pipeline.settings import resolve_settings

    stages = {name: stage.parameters for name, stage in list_stages().items()}
    for given, said in {
        f"metric={OWN}csot": f"problem.metric names '{OWN}csot', but 'tests.task.test_own_metrics' has no 'csot'",
        "metric=profit": "or an import path such as project.metrics:profit, not 'profit'",
        "metrics=mape, profit": "or import paths such as project.metrics:profit, not 'profit'",
        f"metrics={OWN}one": "which takes 1 argument; a metric takes two: y_true and y_pred",
    }.items():
        with pytest.raises(MLKitError) as told:
            resolve_settings(stages, None, {}, [f"problem.{given}"])
        assert said in str(told.value) and "\n" not in str(told.value)
    values = resolve_settings(
        stages, None, {}, [f"problem.metric={OWN}cost", "problem.metrics=log_loss", "problem.goal=1"]
    )
    assert values["problem"]["metric"] == f"{OWN}cost"
