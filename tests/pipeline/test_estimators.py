"""`MLKitClassifier` and `MLKitRegressor` are estimators as scikit-learn expects them, over raw tables."""

import pickle
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, PredefinedSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

import mlkit
from mlkit import MLKitClassifier, MLKitRegressor, MLKitWarning
from mlkit.core.errors import DataError, MLKitError, SettingsError

# The checks use tables of a few rows that repeat or give the target away; what is left out is another test's.
EXACT = {"budget": 0, "trials": 1, "models": "linear", "ensemble": False, "jobs": 1}
CHECKED = EXACT | {"on_leak": "warn", "duplicates": "keep", "split": "chance"}
FAILED_CHECKS: dict[str, str] = {}  # by name, with the reason; there is none


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(
    [MLKitClassifier(**CHECKED), MLKitRegressor(**CHECKED)], expected_failed_checks=lambda _: FAILED_CHECKS
)
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)


ROWS = 120
RNG = np.random.default_rng(0)
SIZE, KIND = RNG.normal(size=ROWS), RNG.choice(["a", "b", "c"], ROWS)
ANSWER = SIZE + (KIND == "a") + RNG.normal(size=ROWS) / 2 > 0.3
TABLE = pd.DataFrame(
    {"size": SIZE, "kind": KIND, "other": RNG.normal(size=ROWS)}, index=[f"r{n}" for n in range(ROWS)]
)
AMOUNT = pd.Series(3 * SIZE + (KIND == "a") + RNG.normal(size=ROWS), name="amount", index=TABLE.index)


@pytest.fixture(scope="module")
def classifier() -> MLKitClassifier:
    return MLKitClassifier(**EXACT, split="chance").fit(
        TABLE, pd.Series(np.where(ANSWER, "yes", "no"), name="left")
    )


@pytest.fixture(scope="module")
def regressor() -> MLKitRegressor:
    return MLKitRegressor(**EXACT, split="chance").fit(TABLE, AMOUNT)


# ---------------------------------------- labels
LABELS = {
    "int": [0, 1], "negative int": [-1, 1], "float": [0.0, 1.0], "fractions": [0.5, 1.5], "bool": [False, True],
    "str": ["no", "yes"], "three": ["x", "y", "z"], "digits with a zero": ["01", "02"], "whole numbers": [3, 7, 11],
}  # fmt: skip


def answers(labels: list) -> list:
    return [
        labels[int(place)]
        for place in np.digitize(SIZE + (KIND == "a"), np.linspace(-0.5, 1, len(labels) - 1))
    ]


NULLABLE = {int: "Int64", float: "Float64", bool: "boolean", str: "string"}
IN_TYPE = {
    "python": lambda cells: cells,
    "tuple": tuple,
    "numpy": np.array,
    "numpy object": lambda cells: np.array(cells, dtype=object),
    "pandas": pd.Series,
    "pandas object": lambda cells: pd.Series(cells, dtype=object),
    "category": lambda cells: pd.Series(cells).astype("category"),
    "nullable": lambda cells: pd.Series(cells).astype(NULLABLE[type(cells[0])]),
    "arrow": pa.array,
    "polars": lambda cells: pytest.importorskip("polars").Series(cells),
}


@pytest.mark.filterwarnings("ignore::mlkit.MLKitWarning")
@pytest.mark.parametrize(
    "kind, container",
    [
        (kind, own)
        for own in IN_TYPE
        for kind in LABELS
        if own in ("python", "numpy", "pandas") or len(kind) < 6
    ],
)
def test_labels_come_back_in_the_type_that_was_given(kind, container):
    cells = answers(LABELS[kind])
    y = IN_TYPE[container](cells)
    model = MLKitClassifier(**EXACT, split="chance", duplicates="keep").fit(TABLE, y)
    assert model.classes_.tolist() == sorted(LABELS[kind])
    said = model.predict(TABLE)
    assert (said == np.array(cells, dtype=said.dtype)).mean() > 0.6
    assert {type(value) for value in said.tolist()} == {type(LABELS[kind][0])}
    if container == "numpy":
        assert said.dtype == y.dtype
    if container in ("pandas", "category", "nullable", "pandas object"):
        column = model.set_output(transform="pandas").predict(TABLE)
        assert column.dtype == y.dtype and column.index.equals(TABLE.index)


# ---------------------------------------- tables
class OnlyInterchange:
    "A table of some library that knows `__dataframe__` alone."

    def __init__(self, table: pa.Table):
        self.table = table

    def __dataframe__(self, *given, **more):
        return self.table.__dataframe__(*given, **more)


class OnlyStream:
    "A table of some library that knows the Arrow C stream alone."

    def __init__(self, table: pa.Table):
        self.table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


ARROW = pa.Table.from_pandas(TABLE, preserve_index=False)
TABLES = {
    "pandas": TABLE,
    "arrow": ARROW,
    "a batch of arrow": ARROW.to_batches()[0],
    "a stream": OnlyStream(ARROW),
    "an interchange": OnlyInterchange(ARROW),
    "a dict": {name: TABLE[name].tolist() for name in TABLE},
    "a dict of arrays": {name: TABLE[name].to_numpy() for name in TABLE},
    "records": TABLE.to_dict("records"),
    "a structured array": TABLE.to_records(index=False),
    "arrow in pandas": TABLE.convert_dtypes(dtype_backend="pyarrow"),
}


@pytest.mark.parametrize("kind", [*TABLES, "polars"])
def test_any_table_is_learned_and_predicted(kind, classifier):
    table = pytest.importorskip("polars").from_arrow(ARROW) if kind == "polars" else TABLES[kind]
    expected = classifier.predict_proba(TABLE)
    assert np.allclose(classifier.predict_proba(table), expected)
    y = np.where(ANSWER, "yes", "no")
    model = clone(classifier).fit(table, y)
    assert list(model.feature_names_in_) == list(TABLE) and model.n_features_in_ == 3
    assert np.allclose(model.predict_proba(TABLE), expected)
    assert np.allclose(mlkit.fit(frame := as_given(table, y), "left", **EXACT, test_size=0, split="chance")
                       .predict_proba(frame), expected)  # fmt: skip


def as_given(table, y):
    "The table with its target, in the same container where that is easy."
    from mlkit.sources.frames import as_frame

    return pa.Table.from_pandas(as_frame(table).assign(left=y), preserve_index=False)


def test_arrays_have_no_names_and_are_counted():
    array = TABLE[["size", "other"]].to_numpy()
    model = MLKitRegressor(**EXACT, split="chance").fit(array, AMOUNT.to_numpy())
    assert not hasattr(model, "feature_names_in_") and model.n_features_in_ == 2
    assert np.allclose(model.predict(array[:5].tolist()), model.predict(array)[:5])
    with pytest.raises(ValueError, match="X has 1 features, but MLKitRegressor is expecting 2"):
        model.predict(array[:, :1])
    with pytest.warns(UserWarning, match="X has feature names, but MLKitRegressor was fitted without"):
        model.predict(TABLE[["size", "other"]])


def test_predictions_come_in_the_container_that_is_asked_for(classifier, regressor):
    model = clone(classifier).set_output(transform="pandas").fit(TABLE, np.where(ANSWER, "yes", "no"))
    assert model.predict_proba(TABLE).columns.tolist() == ["no", "yes"]
    assert model.predict_proba(TABLE[::-1]).index.tolist() == TABLE.index[::-1].tolist()
    polars = pytest.importorskip("polars")
    assert isinstance(
        clone(regressor).set_output(transform="polars").fit(TABLE, AMOUNT).predict(TABLE), polars.Series
    )
    with pytest.raises(SettingsError, match="default, pandas or polars, not 'dask'"):
        model.set_output(transform="dask")


# ---------------------------------------- scikit-learn's tools
@pytest.mark.parametrize(
    "kind, scoring", [("classifier", "accuracy"), ("classifier", "neg_log_loss"), ("regressor", "r2")]
)
def test_a_nested_cross_validation_gives_the_scores_of_fit(kind, scoring, request):
    "On the folds of `fit`, each fold trained and judged by scikit-learn."
    metric = scoring.removeprefix("neg_")
    fitted = clone(request.getfixturevalue(kind)).set_params(metric=metric)
    y = AMOUNT if kind == "regressor" else pd.Series(ANSWER)
    fitted.fit(TABLE, y)
    # inside, the table is read as for the whole: here every fold has all categories and the same kinds of columns
    nested = cross_val_score(clone(fitted), TABLE, y, cv=PredefinedSplit(fitted.folds_), scoring=scoring)
    own = fitted.metrics["folds"]
    assert len(own) == 5 and np.allclose(np.abs(nested), np.abs(own), atol=1e-6)
    assert fitted.metrics["validation"] == pytest.approx(np.mean(own))


def test_grids_pipelines_and_clones(classifier):
    y = np.where(ANSWER, "yes", "no")
    piped = make_pipeline(FunctionTransformer(lambda rows: rows.drop(columns="other")), clone(classifier))
    grid = GridSearchCV(piped, {"mlkitclassifier__models": ["linear", "tree"]}, cv=2, scoring="roc_auc").fit(
        TABLE, y
    )
    assert grid.best_score_ > 0.7 and grid.predict(TABLE).shape == (ROWS,)
    assert clone(classifier).get_params() == classifier.get_params()
    again = pickle.loads(pickle.dumps(classifier))
    assert (again.predict_proba(TABLE) == classifier.predict_proba(TABLE)).all()
    assert not any(f"r{n}".encode() in pickle.dumps(classifier) for n in (17, 93)), "no row is in a pickle"
    with pytest.raises(DataError, match="not kept in a pickle"):
        again.save("never")


def test_it_says_what_it_is(classifier):
    assert repr(MLKitClassifier(trials=3)) == "MLKitClassifier(trials=3)"
    text, page = repr(classifier), classifier._repr_mimebundle_()["text/html"]
    assert "'left' (binary) by linear; AUC-ROC" in text and "in cross-validation; trials: 1 in" in text
    assert len(text) < 400 and "\n" not in text and page.startswith("<table") and "AUC-ROC" in page
    assert {"settled", "trials", "seconds", "dropped", "folds"} <= classifier.metrics.keys()
    for name in ("metrics", "classes_"):
        with pytest.raises((NotFittedError, AttributeError)):
            getattr(MLKitClassifier(), name)


# ---------------------------------------- what is told, and what is refused
def test_what_is_left_out_is_a_warning_of_its_own():
    table = TABLE.assign(ended=np.where(ANSWER, "2024", ""))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model = MLKitClassifier(**EXACT, split="chance").fit(table, ANSWER)
    [told] = [each for each in said if issubclass(each.category, MLKitWarning)]
    assert "column 'ended'" in str(told.message) and told.filename == __file__
    assert "ended" in model.metrics["dropped"]["columns"] and "ended" in repr(model)
    kept = MLKitClassifier(**EXACT, split="chance", known=["ended"]).fit(table, ANSWER)
    assert "ended" not in kept.metrics["dropped"]["columns"]
    with pytest.raises(ValueError, match="ended"):
        MLKitClassifier(**EXACT, on_leak="fail").fit(table, ANSWER)


def test_groups_time_and_columns_are_parameters():
    table = TABLE.assign(
        who=[f"p{n // 4}" for n in range(ROWS)], day=pd.date_range("2026-01-01", periods=ROWS)
    )
    model = MLKitClassifier(**EXACT, groups="who").fit(table, ANSWER)
    assert (pd.Series(model.folds_).groupby(table["who"].to_numpy()).nunique() == 1).all()
    ordered = MLKitClassifier(**EXACT, time="day").fit(table, ANSWER)
    assert (np.diff(ordered.folds_[ordered.folds_ >= 0]) >= 0).all()
    plain = MLKitClassifier(**EXACT, split="chance", columns="kind: use=no").fit(TABLE, ANSWER)
    assert "kind" in plain.metrics["dropped"]["columns"]


WRONG = {
    "sample_weight": ({}, {"sample_weight": np.ones(ROWS)}, "takes no sample_weight"),
    "an unknown argument": ({}, {"weights": 1}, "knows no weights; it takes X and y"),
    "budget": ({"budget": "x"}, {}, "budget must be a number"),
    "models": ({"models": "boostin"}, {}, "did you mean 'boosting'"),
    "metric": ({"metric": "rmsee"}, {}, "metric = rmsee is unknown"),
    "groups": ({"groups": "woh"}, {}, "no column 'woh'"),
    "time": ({"split": "time"}, {}, "split = time needs time"),
    "columns": ({"columns": "kind: encod=onehot"}, {}, "columns: 'kind': 'encod' is no option"),
    "on_leak": ({"on_leak": 1}, {}, "on_leak must be a text"),
    "no table": ({}, {"X": "a.csv"}, "X must be a table"),
    "a column": ({}, {"X": TABLE["size"]}, "of one column: column.to_frame"),
    "nothing": ({}, {"X": None}, "not NoneType"),
    "rows of different lengths": ({}, {"X": {"a": [1, 2], "b": [1]}}, "cannot be read as a table"),
    "too few answers": ({}, {"y": [0, 1]}, "X has 120 rows and y 2 values"),
    "no answers": ({}, {"y": None}, "requires y to be passed"),
    "answers of two columns": ({}, {"y": TABLE[["size", "other"]].to_numpy()}, "y should be a 1d array"),
    "one class": ({}, {"y": ["a"] * ROWS}, "1 class"),
    "numbers": ({}, {"y": AMOUNT}, "Unknown label type: continuous"),
    "another order": (
        {},
        {"y": pd.Series(np.asarray(ANSWER), index=TABLE.index)[::-1]},
        "X and y have the same row labels in another order; bring them together: y.loc[X.index]",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_one_line(case):
    made, given, said = WRONG[case]
    with pytest.raises(MLKitError) as told:
        MLKitClassifier(**(EXACT | made)).fit(**({"X": TABLE, "y": ANSWER} | given))
    assert isinstance(told.value, ValueError)
    assert said in str(told.value) and "\n" not in str(told.value)
    assert "validate." not in str(told.value) and "settings.ini" not in str(told.value)


def test_answers_in_another_order_are_no_score_and_those_with_other_labels_go_by_their_place(
    classifier, regressor
):
    turned = pd.Series(np.where(ANSWER, "yes", "no"), index=TABLE.index)[::-1]
    for call in (
        lambda: classifier.score(TABLE, turned),
        lambda: regressor.score(TABLE, AMOUNT[::-1]),
        lambda: mlkit.compare(classifier, classifier, TABLE, turned),
    ):
        with pytest.raises(MLKitError, match="and y have the same row labels in another order"):
            call()
    plain = pd.Series(np.where(ANSWER, "yes", "no"))  # its labels are others: rows of X are counted
    assert classifier.score(TABLE, plain) == classifier.score(TABLE, turned[::-1]) > 0.6


# ---------------------------------------- packages
@pytest.fixture(scope="module")
def saved(classifier, tmp_path_factory) -> mlkit.pipeline.SavedModel:
    return classifier.save(tmp_path_factory.mktemp("saved") / "leavers", owner="Ann")


def test_a_package_gives_what_the_estimator_gives(classifier, saved):
    model = mlkit.load(saved.folder)
    assert (model.predict(TABLE) == classifier.predict(TABLE)).all()
    assert np.allclose(model.predict_proba(TABLE), classifier.predict_proba(TABLE), atol=1e-6)
    assert model.name == "leavers" and model.predictor.manifest["parity"]["onnx"]
    assert model.metrics["score"] == pytest.approx(classifier.metrics["score"])
    card = (saved.folder / "card.md").read_text(encoding="utf-8")
    assert "Answerable: Ann" in card and "save(use=...)" in card and "settings.ini" not in card
    assert "There are no test rows" in card and "test rows, and permutation" not in card
    assert "<h1>Model card: leavers" in model.report().html and "AUC-ROC" in repr(model)


def test_explanations_add_up_and_keep_the_index(classifier, saved):
    for why in (classifier.explain(TABLE.head(3)), saved.explain(TABLE.head(3))):
        assert why.contributions.index.tolist() == ["r0", "r1", "r2"] and set(why.contributions) == set(TABLE)
        assert np.allclose(why.contributions.sum(axis=1) + why.base_value, why.output)
        assert np.allclose(why.output, classifier.predict_proba(TABLE.head(3))[:, 1], atol=1e-6)


@pytest.mark.parametrize("labels", [[0, 1], [0.5, 1.5], [False, True], ["01", "02"]], ids=str)
def test_a_package_gives_labels_in_their_type(tmp_path, labels):
    y = np.array(answers(labels))
    model = MLKitClassifier(**EXACT, split="chance").fit(TABLE, y)
    said = model.save(tmp_path / "model", max_leak=1).predict(TABLE)
    assert said.tolist() == model.predict(TABLE).tolist()
    assert {type(value) for value in said.tolist()} == {type(labels[0])}


def test_a_changed_package_is_not_opened(saved, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(saved.folder, copy)
    (copy / "metrics.json").write_text("{}", encoding="utf-8")
    with pytest.raises(MLKitError, match="metrics.json"):
        mlkit.load(copy)
    with pytest.raises(MLKitError):
        mlkit.load(tmp_path / "nowhere")


def test_nothing_else_is_overwritten(classifier, tmp_path):
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(MLKitError, match="is no package; name a new folder"):
        classifier.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_model_is_served(saved):
    import requests

    with saved.serve(port=0) as server:
        row = TABLE.head(1).to_dict("records")[0]
        answer = requests.post(f"{server.url}/predict", json=[row], timeout=30).json()
        url = server.url
    assert answer["predictions"][0]["prediction"] == saved.predict(TABLE.head(1))[0]
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=5)


def test_the_page_is_written(saved, tmp_path: Path):
    page = tmp_path / "card.html"
    saved.report(page)
    assert page.read_text(encoding="utf-8") == saved.report().html
    assert "<iframe" in saved.report()._repr_html_() and "<script" not in saved.report().html


ODD_LABELS = {
    "fractions": [1.5, 2.5],
    "dates": [pd.Timestamp("2020-01-01"), pd.Timestamp("2021-01-01")],
    "texts and numbers": ["x", 1],
}


@pytest.mark.parametrize("kind", ODD_LABELS)
def test_the_score_takes_every_label_that_fit_takes(kind):
    y = answers(ODD_LABELS[kind])
    model = MLKitClassifier(**EXACT, split="chance").fit(TABLE, y)
    right = np.mean([one == other for one, other in zip(model.predict(TABLE).tolist(), y, strict=True)])
    assert model.score(TABLE, y) == pytest.approx(right) and right > 0.5


def test_a_score_without_labels_is_told_in_one_line(classifier):
    y = np.where(ANSWER, "yes", "no").astype(object)
    y[3] = None
    with pytest.raises(ValueError, match="^y has no label for 1 row; leave them out"):
        classifier.score(TABLE, y)
    with pytest.raises(ValueError, match="^X has 120 rows and y 2 values"):
        classifier.score(TABLE, ["yes", "no"])


@pytest.mark.parametrize("which", ["classifier", "saved"])
def test_a_cell_that_cannot_be_read_is_told_when_it_is_predicted(which, request):
    model, rows = request.getfixturevalue(which), TABLE.head(3).astype({"size": object})
    rows.iloc[1, 0] = "abc"
    with pytest.warns(MLKitWarning, match="1 cell of 'size' cannot be read as a number.*in row 2") as told:
        model.predict(rows)
    assert len(told) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows.iloc[1, 0] = None
        model.predict(rows)


def test_a_package_tells_of_a_column_that_is_not_there(saved):
    with pytest.warns(MLKitWarning, match="^'size' is not there and counts as missing$"):
        answers = saved.predict(TABLE.drop(columns="size"))
    assert (answers == saved.predict(TABLE.assign(size=None))).all()


@pytest.mark.parametrize("argument", ["groups", "time"])
@pytest.mark.parametrize(
    "value, shown", [(TABLE["size"], "Series"), (None, "NoneType")], ids=["series", "none"]
)
def test_a_split_is_by_the_name_of_a_column(argument, value, shown):
    with pytest.raises(MLKitError, match=f"^{argument} must be a text, not {shown}$"):
        MLKitClassifier(**EXACT, **{argument: value}).fit(TABLE, ANSWER)


@pytest.mark.parametrize("place", [None, 3, ""], ids=["nothing", "number", "empty"])
def test_a_place_that_is_none_is_told_in_one_line(classifier, place):
    with pytest.raises(MLKitError, match="save takes the path where it writes"):
        classifier.save(place)


def test_an_interval_from_folds_ends_where_the_metric_does():
    from mlkit.models.trials import Trial, trial_interval

    trial = Trial(0, "linear", {}, validation=[0.9, 1.0, 0.99])
    assert trial_interval(trial)[1] > 1 and trial_interval(trial, metric="roc_auc")[1] == 1
