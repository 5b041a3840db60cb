import io

import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlkit.evaluation.calibration_report import brier_decomposition, plot_reliability, reliability_table
from mlkit.models.calibration import (
    Calibrator,
    FinalModel,
    check_calibration,
    choose_calibrator,
    finalise_model,
    fit_isotonic,
    fit_sigmoid,
    fit_temperature,
)
from mlkit.models.model import Model
from mlkit.task.task import score_output
from tests.judging import BINARY, MANY, NUMBER, example, two


def louder(output, times):
    odds = np.exp(times * (np.log(output[:, 1]) - np.log(output[:, 0])))
    return two(odds / (1 + odds))


def test_a_model_that_keeps_its_word_lies_on_the_diagonal():
    truth, output = example("binary", 20_000)
    groups = reliability_table(truth, output[:, 1])
    assert len(groups) == 10 and groups.rows.tolist() == [2000] * 10
    assert (groups.said - groups.happened).abs().max() < 0.04 and groups.said.is_monotonic_increasing


def test_a_model_that_exaggerates_does_not():
    truth, output = example("binary", 20_000)
    groups = reliability_table(truth, np.where(output[:, 1] > 0.5, 0.99, 0.01))
    assert len(groups) == 2 and not groups.said.between(groups.low, groups.high).any()


@pytest.mark.parametrize("rows", [1, 5, 45])
def test_few_rows_and_one_probability_for_all_make_one_group(rows):
    groups = reliability_table(np.arange(rows) % 2, np.full(rows, 0.4))
    assert groups.rows.tolist() == [rows] and np.allclose(groups.said, 0.4)


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_honest_models_are_rarely_suspected_and_never_changed_by_much(kind):
    suspected, changed = 0, 0
    for seed in range(60):
        truth, output = example(kind, 300, seed)
        suspected += not check_calibration(truth, output, seed).kept
        changed += choose_calibrator(truth, output, seed=seed) is not None
    assert suspected <= 8 and changed <= 3


@pytest.mark.parametrize("times", [0.3, 3.0])
def test_two_classes_are_put_right_and_the_order_stays(times):
    truth, output = example("binary", 4000)
    said = louder(output, times)
    calibrator = choose_calibrator(truth[:2000], said[:2000])
    mended = calibrator(said[2000:])
    assert (
        not check_calibration(truth[2000:], said[2000:]).kept and check_calibration(truth[2000:], mended).kept
    )
    assert score_output("log_loss", truth[2000:], mended) < score_output(
        "log_loss", truth[2000:], said[2000:]
    )
    assert score_output("roc_auc", truth[2000:], mended) == pytest.approx(
        score_output("roc_auc", truth[2000:], said[2000:]), abs=1e-12
    )


def test_several_classes_get_a_temperature_and_keep_their_answers():
    truth, output = example("multiclass", 3000)
    said = output**3 / (output**3).sum(axis=1, keepdims=True)
    calibrator = choose_calibrator(truth, said)
    assert calibrator.method == "temperature" and calibrator.values[0] == pytest.approx(3, rel=0.1)
    assert (calibrator(said).argmax(axis=1) == said.argmax(axis=1)).all() and np.allclose(
        calibrator(said).sum(axis=1), 1
    )


@settings(max_examples=30)
@given(st.integers(4, 300), st.integers(0, 999), st.sampled_from(["sigmoid", "isotonic"]))
def test_calibrators_never_change_the_order(rows, seed, method):
    rng = np.random.default_rng(seed)
    said, truth = two(np.sort(rng.uniform(0.01, 0.99, rows))), rng.integers(0, 2, rows)
    mended = {"sigmoid": fit_sigmoid, "isotonic": fit_isotonic}[method](truth, said)(said)[:, 1]
    assert (np.diff(mended) >= 0).all() and (mended >= 0).all() and (mended <= 1).all()
    if 0 < truth.sum() < rows:
        assert score_output("roc_auc", truth, two(mended)) == pytest.approx(
            score_output("roc_auc", truth, said), abs=1e-9
        )


def test_what_can_be_told_apart_without_a_mistake_stays_finite():
    truth, said = np.repeat([0, 1], 30), two(np.repeat([0.1, 0.9], 30))
    for calibrator in (fit_sigmoid(truth, said), fit_isotonic(truth, said), fit_temperature(truth, said)):
        assert (
            np.isfinite(calibrator.values).all() and ((calibrator(said) > 0) & (calibrator(said) < 1)).all()
        )


def test_none_and_a_method_by_name():
    truth, output = example("binary", 300)
    assert choose_calibrator(truth, louder(output, 4), "none") is None
    assert choose_calibrator(truth, output, "isotonic").method == "isotonic"
    assert choose_calibrator(*example("multiclass", 300), "isotonic").method == "temperature"


def test_the_parts_of_the_brier_score_add_up():
    truth, output = example("binary", 5000)
    parts = brier_decomposition(truth, louder(output, 2))
    whole = parts["reliability"] - parts["resolution"] + parts["uncertainty"]
    assert whole == pytest.approx(parts["brier"], abs=0.005)


class Estimator:
    """Says what it is given."""

    classes_ = np.array([0, 1])

    def predict_proba(self, inputs):
        return two(inputs["x"].to_numpy())

    def predict(self, inputs):
        return inputs["x"].to_numpy()


class Table:
    used = ()

    def without_reasons(self):
        return self

    def inputs(self, frame):
        return frame


def test_the_final_model_travels_with_calibrator_and_threshold():
    model = Model(BINARY, Table(), Estimator(), "linear", {})
    frame = pd.DataFrame({"x": [0.1, 0.3, 0.6]})
    final = finalise_model(model, Calibrator("sigmoid", (1.0, 1.0)), 0.5)
    parcel = io.BytesIO()
    joblib.dump(final, parcel)
    again = joblib.load(parcel)
    assert isinstance(again, FinalModel) and again.predict(frame).tolist() == ["no", "yes", "yes"]
    assert (again.predict_proba(frame)[:, 1] > model.predict_proba(frame)[:, 1]).all()
    assert finalise_model(model, None, 0.2).predict(frame).tolist() == ["no", "yes", "yes"]
    assert (
        finalise_model(final).calibrator is None
        and finalise_model(final).output(frame).tolist() == model.output(frame).tolist()
    )
    number = finalise_model(Model(NUMBER, Table(), Estimator(), "linear", {}))
    assert number.predict(frame).tolist() == [0.1, 0.3, 0.6]


@pytest.mark.parametrize("task, kind", [(BINARY, "binary"), (MANY, "multiclass")])
def test_reliability_is_drawn(task, kind):
    truth, output = example(kind, 500)
    assert plot_reliability(task, truth, output, output)._repr_png_().startswith(b"\x89PNG")
