import numpy as np
import pandas as pd
import pytest

from mlkit.core.figures import installed_fonts
from mlkit.evaluation.error_analysis import (
    class_averages,
    find_residual_columns,
    matthews_correlation,
    per_class_metrics,
    plot_confusion_matrix,
    plot_errors,
    precision_at_k,
    show_class_metrics,
    show_precision_at_k,
)
from mlkit.task.metrics import METRICS, confusion_matrix, predicted_codes
from mlkit.task.problem import state_problem
from mlkit.task.task_inference import make_task
from tests.judging import MANY, example, task_of, two


@pytest.mark.parametrize("kind, number", [("binary", 3), ("multiclass", 2), ("regression", 1)])
def test_every_task_has_its_pictures(kind, number):
    shown = plot_errors(task_of(kind), *example(kind, 3000), 0.2)
    assert len(shown) == number
    assert all(plot._repr_png_().startswith(b"\x89PNG") for plot in shown if hasattr(plot, "_repr_png_"))


@pytest.mark.filterwarnings("error")
def test_japanese_labels_are_drawn():
    if len(installed_fonts()["font.family"]) < 2:
        pytest.skip("this machine has no Japanese font")
    task = make_task(state_problem("天気", positive="雨"), pd.Series(["晴れ", "雨"] * 30))
    for plot in plot_errors(task, *example("binary", 200)):
        if hasattr(plot, "_repr_png_"):
            plot._repr_png_()


def test_of_many_classes_the_largest_are_shown():
    names = [f"class {number:02d}" for number in range(40)]
    task = make_task(state_problem("target", task="multiclass"), pd.Series(names * 5))
    truth = np.repeat(np.arange(40), np.arange(1, 41))
    axes = plot_confusion_matrix(task, truth, truth).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == [task.classes[c] for c in range(25, 40)]
    title = axes.get_title() + axes.get_title(loc="left")
    assert title.endswith("the 15 largest classes")


def test_classes_agree_with_scikit_learn():
    from sklearn.metrics import average_precision_score, matthews_corrcoef, precision_recall_fscore_support

    truth, output = example("multiclass", 600)
    said = predicted_codes(output)
    table = per_class_metrics(MANY, truth, output)
    precision, recall, f1, rows = precision_recall_fscore_support(truth, said)
    for name, wanted in (("precision", precision), ("recall", recall), ("f1", f1), ("rows", rows)):
        assert np.allclose(table[name], wanted)
    ap = [average_precision_score(truth == code, output[:, code]) for code in range(3)]
    assert (
        np.allclose(table.average_precision, ap)
        and (table.low < table.f1).all()
        and (table.f1 < table.high).all()
    )
    averages = class_averages(table, confusion_matrix(truth, said, 3))
    assert averages["mcc"] == pytest.approx(matthews_corrcoef(truth, said))
    weighted = precision_recall_fscore_support(truth, said, average="weighted")
    assert averages["f1_weighted"] == pytest.approx(weighted[2])
    assert averages["f1_macro"] == pytest.approx(
        METRICS["f1_macro"].function(confusion_matrix(truth, said, 3))
    )


@pytest.mark.filterwarnings("error")
def test_a_class_that_is_missing_from_the_test_rows_is_shown_without_figures():
    truth, output = np.repeat([0, 1], 30), np.tile([0.5, 0.3, 0.2], (60, 1))
    table = per_class_metrics(MANY, truth, output)
    assert table.rows.tolist() == [30, 30, 0] and np.isnan(table.recall[2])
    averages = class_averages(table, confusion_matrix(truth, predicted_codes(output), 3))
    assert averages["mcc"] == 0 and averages["balanced_accuracy"] == 0.5
    assert "class" in show_class_metrics(table, averages).to_html()


def test_correlation_at_its_ends():
    assert (
        matthews_correlation(np.diag([5, 5, 5])) == 1
        and matthews_correlation(np.array([[0, 5], [5, 0]])) == -1
    )
    assert matthews_correlation(np.array([[5, 0], [5, 0]])) == 0


def test_the_top_of_a_list():
    said = np.linspace(1, 0, 1000)
    truth = (np.arange(1000) < 30).astype(int)
    table = precision_at_k(truth, two(said))
    assert table.right[0] == 1 and table.lift[0] == pytest.approx(1000 / 30) and table.reached.iloc[-1] == 1
    assert np.allclose(precision_at_k(truth, two(np.full(1000, 0.1))).right, 0.03)
    assert len(show_precision_at_k(task_of("binary"), truth, two(said))) == 1
    assert show_precision_at_k(task_of("binary"), np.arange(1000) % 2, two(said)) == []
    assert precision_at_k(np.zeros(100, dtype=int), two(said[:100])).empty


def test_columns_that_tell_of_errors_come_first_and_others_not_at_all():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"a": rng.choice(list("xyz"), 600), "b": rng.normal(size=600), "c": rng.normal(size=600)}
    )
    error = rng.normal(size=600) + 1.5 * (frame.a == "x") + frame.b.abs() * rng.normal(size=600)
    assert [name for name, _ in find_residual_columns(frame, error.to_numpy())][:1] == ["a"]
    false = sum(bool(find_residual_columns(frame, rng.normal(size=600))) for _ in range(60))
    assert false <= 8
