"""Own scikit-learn transformers: they learn in each fold anew, and go where the model goes."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.own_project import QUICK_STAGES, mlkit, score, stages_that_ran

FEATURES = '''"""What the shop has learned."""
import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, TargetEncoder

from mlkit import feature

from .rates import PULL

shop_mean = feature(TargetEncoder(smooth=PULL), inputs=["shop"])


@feature(inputs=["width", "height"], output="sizes")
def products():
    return make_pipeline(SimpleImputer(), PolynomialFeatures(2, include_bias=False))


@feature(inputs=["width", "shop"])
class WidthInShop(TransformerMixin, BaseEstimator):
    """How far the width is from what is usual in the shop."""

    def fit(self, X, y=None):
        self.means_ = X.groupby("shop")["width"].mean()
        self.mean_ = X["width"].mean()
        return self

    def transform(self, X):
        usual = X["shop"].map(self.means_).astype(float).fillna(self.mean_)
        return np.column_stack([X["width"] - usual, np.isnan(X["width"])])

    def get_feature_names_out(self, input_features=None):
        return np.array(["width_apart", "width_unknown"], dtype=object)


@feature(inputs=["number"])
class Rote(TransformerMixin, BaseEstimator):
    """Knows the answers of the rows that it has learned from by heart, and of no other."""

    def fit(self, X, y):
        self.answers_ = dict(zip(X["number"].tolist(), y.tolist()))
        self.mean_ = float(np.mean(y))
        return self

    def transform(self, X):
        return np.array([[self.answers_.get(each, self.mean_)] for each in X["number"].tolist()])
'''
SETTINGS = (
    """[project]
name = shop
[problem]
target = price
goal =
metric = r2
[collect]
source = shop.csv
[prepare]
columns = number: use=yes kind=number
combine =
features = {features}
[train]
models = {models}
trials = 1
ensemble = no
"""
    + QUICK_STAGES
)
SHOPS = {f"s{place}": 10.0 * (place * 7 % 12) for place in range(12)}


def price(width, height, shop):
    return 2 * np.asarray(width) * height + pd.Series(shop).map(SHOPS).to_numpy()


def make_project(folder: Path, features: str, models: str = "linear") -> Path:
    rng, rows = np.random.default_rng(1), 400
    table = pd.DataFrame(
        {
            "number": rng.permutation(rows) + rng.random(rows).round(3),
            "width": rng.uniform(1, 9, rows).round(2),
            "height": rng.uniform(1, 9, rows).round(2),
            "shop": rng.choice(list(SHOPS), rows),
        }
    )
    prices = price(table.width, table.height, table.shop) + rng.normal(0, 1, rows)
    table.assign(price=prices.round(2)).to_csv(folder / "shop.csv", index=False)
    (folder / "project").mkdir()
    for name, text in {"__init__": "", "rates": "PULL = 1.0\n", "features": FEATURES}.items():
        (folder / "project" / f"{name}.py").write_text(text)
    paths = " ".join(f"project.features:{name}" for name in features.split())
    (folder / "settings.ini").write_text(SETTINGS.format(features=paths, models=models))
    return folder


ROWS = [
    {"number": 3.5, "width": 4.0, "height": 5.0, "shop": "s3"},
    {"number": 70.25, "width": 8.5, "height": 2.0, "shop": "s11"},
    {"number": 9.125, "width": 2.0, "height": 8.0, "shop": "s0"},
]
EXPECTED = price(*(np.array([row[name] for row in ROWS]) for name in ("width", "height", "shop")))


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """Whose transformers can be written as ONNX."""
    folder = make_project(tmp_path_factory.mktemp("project"), "shop_mean products")
    mlkit(folder, "run", "--to", "package")
    return folder


@pytest.fixture(scope="module")
def package(project, tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("elsewhere") / "model"
    shutil.copytree(project / "runs/shop/model", place)
    return place


@pytest.fixture(scope="module")
def crossed(tmp_path_factory) -> Path:
    """The package of a class of the project that no converter knows."""
    folder = make_project(tmp_path_factory.mktemp("project"), "WidthInShop products", "boosting")
    mlkit(folder, "run", "--to", "package", "-p", "train.trials=2")
    place = tmp_path_factory.mktemp("elsewhere") / "crossed"
    shutil.copytree(folder / "runs/shop/model", place)
    shutil.rmtree(folder)
    return place


def test_a_transformer_learns_from_no_row_that_its_fold_is_judged_on(tmp_path):
    folder = make_project(tmp_path, "Rote")
    mlkit(folder, "run", "--to", "evaluate")
    choice = json.loads((folder / "runs/shop/artifacts/choice.json").read_text())
    test = json.loads((folder / "runs/shop/artifacts/metrics.json").read_text())["score"]
    assert choice["train"] > 0.99, "it knows what it has seen by heart"
    assert choice["validation"] < 0.5 and test < 0.5, "and nothing of what it has not"


def test_the_plan_names_what_a_transformer_gives(project):
    plan = json.loads((project / "runs/shop/artifacts/plan.json").read_text())
    names = {each["name"]: each["outputs"] for each in plan["transformers"]}
    assert names["shop_mean"] == ["shop_mean"]
    assert names["sizes"] == ["width", "height", "width^2", "width height", "height^2"]
    assert (
        "| `sizes` | `width`, `height` | `project.features:products` |"
        in (project / "runs/shop/model/card.md").read_text()
    )
    report = (project / "runs/shop/report.html").read_text()
    assert "earned by project.features:products from width, height, in each fold anew" in report


def test_the_package_holds_source_and_hash_and_is_signed(package):
    manifest = json.loads((package / "manifest.json").read_text())
    own = manifest["own_code"]
    assert own["transformers"] == {
        "shop_mean": "project.features:shop_mean",
        "sizes": "project.features:products",
    }
    assert own["files"] == [f"project/{name}.py" for name in ("__init__", "features", "rates")]
    assert {f"code/{place}" for place in own["files"]} <= manifest["files"].keys()


@pytest.mark.parametrize("which", ["package", "crossed"])
def test_a_package_scores_where_no_project_is(which, request, tmp_path):
    folder = request.getfixturevalue(which)
    assert (folder / "model.onnx").exists() == (which == "package")
    np.testing.assert_allclose(score(folder, ROWS, tmp_path).prediction, EXPECTED, rtol=0.15, atol=6)


def test_a_package_without_a_graph_says_why(crossed):
    parity = json.loads((crossed / "manifest.json").read_text())["parity"]
    assert "project.features:WidthInShop reads several columns" in json.dumps(parity)


@pytest.mark.parametrize("which", ["package", "crossed"])
def test_a_server_answers_and_explains_where_no_project_is(which, request, tmp_path):
    from mlkit.serving.client import temporary_server

    with temporary_server(request.getfixturevalue(which), str(tmp_path / "log.db")) as (_, client):
        answers = client.predict(ROWS)["predictions"]
        np.testing.assert_allclose([each["prediction"] for each in answers], EXPECTED, rtol=0.15, atol=6)
        unknown = [ROWS[0] | {"shop": "of next year"}, ROWS[0] | {"width": None}]
        assert all(np.isfinite(each["prediction"]) for each in client.predict(unknown)["predictions"])


@pytest.mark.parametrize("which", ["package", "crossed"])
def test_many_rows_one_row_and_an_explanation_agree(which, request):
    from mlkit import load_predictor
    from mlkit.inference.predictor import stack_rows
    from mlkit.serving.online_explanations import explain_row

    predictor = load_predictor(request.getfixturevalue(which))
    many = predictor.predict(pd.DataFrame(ROWS))
    single = [predictor.output(stack_rows([predictor.read_row(row)]))[0] for row in ROWS]
    np.testing.assert_allclose(many, single, rtol=1e-6)
    told = explain_row(predictor, ROWS[0])
    shares = {each["column"]: each["contribution"] for each in told["contributions"]}
    assert sum(shares.values()) + told["base_value"] == pytest.approx(float(many[0]), rel=1e-5)
    assert shares["shop"] and shares["width"]


def test_an_edited_line_runs_what_depends_on_it_again_and_nothing_else(project):
    rates = project / "project/rates.py"
    assert stages_that_ran(mlkit(project, "run", "--to", "train")) == []
    rates.write_text("PULL = 1.0  # a comment changes nothing\n")
    assert stages_that_ran(mlkit(project, "run", "--to", "train")) == []
    rates.write_text("PULL = 3.0\n")
    assert stages_that_ran(mlkit(project, "run", "--to", "train")) == ["prepare", "train"]


def test_an_image_holds_what_the_model_needs(package, crossed, tmp_path):
    from mlkit.deployment.targets import write_deployment

    for folder, heavy in ((package, False), (crossed, True)):
        place = tmp_path / folder.name
        write_deployment("docker", folder, place)
        needed = (place / "requirements.txt").read_text()
        assert ("scikit-learn==" in needed) == ("pandas==" in needed) == heavy
        assert (place / "model/code/project/features.py").is_file()


WRONG = """from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.preprocessing import FunctionTransformer, KBinsDiscretizer, OneHotEncoder, PolynomialFeatures

from mlkit import feature


class Base(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X


no_column = feature(PolynomialFeatures(), inputs=["widht"])
target = feature(PolynomialFeatures(), inputs=["price"])
taken = feature(PolynomialFeatures(), inputs=["width"], output="height")
gaps = feature(KBinsDiscretizer(), inputs=["width"])
unknown = feature(OneHotEncoder(), inputs=["shop"])
unsaved = feature(FunctionTransformer(lambda X: X.fillna(0)), inputs=["width"])


@feature(inputs=["width"])
def nothing():
    return 3


@feature(inputs=["width"])
class Asks(Base):
    def __init__(self, degree):
        self.degree = degree


@feature(inputs=["width"])
class Fails(Base):
    def transform(self, X):
        raise KeyError("a cell")


@feature(inputs=["width"])
class Words(Base):
    def transform(self, X):
        return X.astype(str) + " cm"


@feature(inputs=["width"])
class OfOthers(Base):
    def transform(self, X):
        return X - X.mean()


@feature(inputs=["width"])
class Shorter(Base):
    def transform(self, X):
        return X.head(3)
"""
TOLD = {
    "no_column": "reads 'widht', which is no column; did you mean 'width'?",
    "target": "reads 'price', which is the target",
    "taken": "gives 'height', which is there already",
    "gaps": "fails (ValueError), where 'width' is missing or was never met; put a SimpleImputer before it",
    "unknown": "fails (ValueError), where 'shop' is missing or was never met",
    "unsaved": "cannot be saved",
    "nothing": "which makes no transformer (fit and transform)",
    "Asks": "a transformer that cannot be made (TypeError)",
    "Fails": "fails (KeyError, line 37 of wrong.py)",
    "Words": "gives something else than numbers",
    "OfOthers": "another value when it comes alone",
    "Shorter": "gives 3 x 1 values for 320 rows",
}


@pytest.fixture(scope="module")
def wrong(project) -> Path:
    (project / "wrong.py").write_text(WRONG)
    return project


@pytest.mark.parametrize("name", TOLD)
def test_a_transformer_that_cannot_be_is_told_in_one_line(wrong, name, monkeypatch):
    from mlkit.core.errors import MLKitError
    from mlkit.core.run_folder import RunFolder
    from mlkit.data.table_spec import TableSpec
    from mlkit.features.own_features import find_transformers
    from mlkit.task.task import Task

    monkeypatch.chdir(wrong)
    monkeypatch.syspath_prepend(wrong)
    run = RunFolder(wrong / "runs/shop")
    table, task = TableSpec.from_dict(run.load("table")), Task.from_dict(run.load("task"))
    with pytest.raises(MLKitError) as told:
        find_transformers(table, run.load("train"), task, f"wrong:{name}")
    assert f"wrong:{name}" in str(told.value) and TOLD[name] in str(told.value)
    assert "\n" not in str(told.value) and "a cell" not in str(told.value)


def test_a_transformer_of_a_library_has_to_name_its_columns_in_a_module(project):
    said = mlkit(project, "run", "-p", "prepare.features=sklearn.preprocessing:TargetEncoder", fails=True)
    assert said.strip().count("\n") == 0 and "name its columns in a module of yours" in said
    assert "TargetEncoder = feature(TargetEncoder(), inputs=[...])" in said
