"""Own features and estimators are part of the model: they go where it goes, and run nowhere before it is verified."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest

from tests.own_project import QUICK_STAGES, mlkit, score, stages_that_ran

FEATURES = '''"""What the shop knows."""
from mlkit import feature

from .rates import FACTOR


def smoker_bmi(smoker, bmi):
    return FACTOR * smoker * bmi


@feature(inputs=["bmi", "the region"], output="build")
def heavy(bmi, region):
    assert (bmi > 0).all() or bmi.isna().all()
    return region.where(bmi > 30, "light")
'''
ESTIMATOR = """import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin

from .rates import FACTOR


class Mine(RegressorMixin, BaseEstimator):
    search_space = {"pull": (0.001, 1.0, "log"), "offset": [True, False]}

    def __init__(self, pull=1.0, offset=True):
        self.pull, self.offset = pull, offset

    def _columns(self, X):
        return np.column_stack([np.asarray(X, float), np.full(len(X), float(self.offset * FACTOR))])

    def fit(self, X, y):
        X = self._columns(X)
        self.weights_ = np.linalg.solve(X.T @ X + self.pull * np.eye(X.shape[1]), X.T @ np.asarray(y, float))
        return self

    def predict(self, X):
        return self._columns(X) @ self.weights_
"""
METRICS = """from collections.abc import Sequence

import numpy as np

from mlkit import metric

MARGIN = 1.2


def profit(y_true, y_pred):
    "What is earned for each offer; who is asked for too much goes elsewhere."
    price = MARGIN * y_pred
    return np.mean(np.where(price <= 1.5 * y_true, price - y_true, 0.0))


@metric(greater_is_better=False)
def dear(y_true: Sequence[float], y_pred: Sequence[float]) -> float:
    return float(np.mean(y_pred > 1.02 * y_true))
"""
SETTINGS = (
    """[project]
name = insurance
[problem]
target = charges
goal =
metric = project.metrics:profit
metrics = mape project.metrics:dear
[collect]
source = insurance.csv
[prepare]
columns =
features = project.features:smoker_bmi project.features:heavy
[train]
models = linear
trials = 1
ensemble = no
"""
    + QUICK_STAGES
)


def truth(age, bmi, smoker, region):
    return 250 * age + 700 * bmi * (smoker == "yes") + 900 * (region == "south") + 2000


def make_project(folder: Path) -> Path:
    rng, rows = np.random.default_rng(1), 400
    table = pd.DataFrame(
        {
            "age": rng.integers(18, 65, rows),
            "bmi": rng.normal(30, 6, rows).round(1).clip(15),
            "smoker": np.where(rng.random(rows) < 0.3, "yes", "no"),
            "the region": rng.choice(["north", "south", "east"], rows),
        }
    )
    charges = truth(table.age, table.bmi, table.smoker, table["the region"]) + rng.normal(0, 300, rows)
    table.assign(charges=charges.round(2)).to_csv(folder / "insurance.csv", index=False)
    (folder / "project").mkdir()
    files = {"__init__": "", "rates": "FACTOR = 1\n"}
    files |= {"features": FEATURES, "estimators": ESTIMATOR, "metrics": METRICS}
    for name, text in files.items():
        (folder / "project" / f"{name}.py").write_text(text)
    (folder / "settings.ini").write_text(SETTINGS)
    return folder


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    folder = make_project(tmp_path_factory.mktemp("project"))
    mlkit(folder, "run", "--to", "package")
    shutil.copytree(
        folder / "runs/insurance", folder / "runs/first"
    )  # whose model needs no class of the project
    return folder


@pytest.fixture(scope="module")
def package(project, tmp_path_factory) -> Path:
    """In a folder where there is no project."""
    place = tmp_path_factory.mktemp("elsewhere") / "model"
    shutil.copytree(project / "runs/first/model", place)
    return place


@pytest.fixture(scope="module")
def mine(project, tmp_path_factory) -> Path:
    """The package of an own estimator, in a folder where there is no project."""
    mlkit(
        project,
        "run",
        "--to",
        "package",
        "-p",
        "train.models=project.estimators:Mine",
        "-p",
        "train.trials=4",
    )
    place = tmp_path_factory.mktemp("elsewhere") / "mine"
    shutil.copytree(project / "runs/insurance/model", place)
    return place


ROWS = [
    {"age": 40, "bmi": 28.5, "smoker": "yes", "the region": "south"},
    {"age": 40, "bmi": 28.5, "smoker": "no", "the region": "south"},
    {"age": 30, "bmi": 35.0, "smoker": "Yes", "the region": "north"},
]
EXPECTED = [truth(row["age"], row["bmi"], row["smoker"].lower(), row["the region"]) for row in ROWS]


def test_the_package_holds_the_source_and_says_what_it_needs(package):
    manifest = json.loads((package / "manifest.json").read_text())
    own = manifest["own_code"]
    assert own["features"] == {"smoker_bmi": "project.features:smoker_bmi", "build": "project.features:heavy"}
    assert own["metrics"] == {"profit": "project.metrics:profit", "dear": "project.metrics:dear"}
    assert own["files"] == [f"project/{name}.py" for name in ("__init__", "features", "metrics", "rates")]
    assert {f"code/{place}" for place in own["files"]} <= manifest["files"].keys()
    assert (package / "code/project/features.py").read_text() == FEATURES
    assert "pandas" in own["libraries"] and "code" not in json.loads((package / "table.json").read_text())


def profit(y_true, y_pred):
    price = 1.2 * y_pred
    return np.mean(np.where(price <= 1.5 * y_true, price - y_true, 0.0))


def test_own_metrics_choose_and_are_reported_with_intervals_on_the_card_and_in_the_report(project, package):
    metrics = json.loads((package / "metrics.json").read_text())
    assert metrics["metric"] == "profit" and metrics["direction"] == "maximize"
    assert metrics["score"] == metrics["test"]["profit"] > metrics["baseline"]
    assert {"r2", "mae", "mape", "dear", "profit"} <= metrics["test"].keys() and "rmsle" not in metrics[
        "test"
    ]
    for name in ("profit", "dear"):
        low, high = metrics["intervals"][name]
        assert low <= metrics["test"][name] <= high and low < high
    card = (package / "card.md").read_text()
    assert (
        "What is earned for each offer; who is asked for too much goes elsewhere. More is better." in card
        and "`project.metrics:profit`" in card
        and "| dear |" in card
    )
    assert "profit" in (project / "runs/insurance/report.html").read_text()


def test_a_package_knows_its_metrics_where_no_project_is(package, mine, tmp_path, monkeypatch):
    from mlkit import compare, load
    from mlkit.task.task import score_output

    monkeypatch.chdir(tmp_path)
    one, two = load(package), load(mine)
    rows = pd.DataFrame(ROWS * 10).assign(charges=EXPECTED * 10)
    rows["age"] += np.arange(30) % 7
    said = one.predict(rows)
    task = one.predictor.task
    assert score_output(task, np.array(EXPECTED * 10), said) == pytest.approx(
        profit(np.array(EXPECTED * 10), said)
    )
    assert list(compare(one, two, rows).differences)[0] == "profit" and "project" not in sys.modules


@pytest.mark.parametrize("which", ["package", "mine"])
def test_a_package_scores_where_no_project_is(which, request, tmp_path):
    folder = request.getfixturevalue(which)
    assert (folder / "model.onnx").exists() == (which == "package")
    np.testing.assert_allclose(score(folder, ROWS, tmp_path).prediction, EXPECTED, rtol=0.05)


@pytest.mark.parametrize("which", ["package", "mine"])
def test_a_server_answers_where_no_project_is(which, request, tmp_path):
    from mlkit.serving.client import temporary_server

    with temporary_server(request.getfixturevalue(which), str(tmp_path / "log.db")) as (_, client):
        answers = client.predict(ROWS)["predictions"]
        np.testing.assert_allclose([each["prediction"] for each in answers], EXPECTED, rtol=0.05)


def test_one_row_many_rows_and_an_explanation_agree(package):
    from mlkit import load_predictor
    from mlkit.inference.predictor import stack_rows
    from mlkit.serving.online_explanations import explain_row

    predictor = load_predictor(package)
    many = predictor.predict(pd.DataFrame(ROWS))
    single = predictor.output(stack_rows([predictor.read_row(row) for row in ROWS]))
    np.testing.assert_array_equal(many, single)
    told = explain_row(predictor, ROWS[0])
    shares = {each["column"]: each["contribution"] for each in told["contributions"]}
    assert max(shares, key=shares.get) == "smoker" and told["output"] == pytest.approx(float(many[0]))
    assert sum(shares.values()) + told["base_value"] == pytest.approx(told["output"])


def test_two_versions_are_open_in_one_process(project, package, tmp_path):
    from mlkit.core.own_code import OwnCode, load_own_object

    files = {
        f"project/{name}.py": (project / f"project/{name}.py").read_text()
        for name in ("__init__", "rates", "features")
    }
    old, new = OwnCode.from_dict(files), OwnCode.from_dict(files | {"project/rates.py": "FACTOR = 10\n"})
    one, other = (load_own_object(code, "project.features:smoker_bmi") for code in (old, new))
    assert (one(1, 2), other(1, 2), one(1, 2)) == (2, 20, 2)
    assert "project" not in sys.modules


def test_a_row_for_which_a_function_fails_is_rejected_and_named(package, tmp_path):
    bad = ROWS[:1] + [ROWS[1] | {"bmi": -3}] + ROWS[2:]
    answers = score(package, bad, tmp_path)
    assert answers.row.tolist() == [1, 3]
    np.testing.assert_allclose(answers.prediction, [EXPECTED[0], EXPECTED[2]], rtol=0.05)
    told = (tmp_path / "answers.rejected.csv").read_text()
    assert "project.features:heavy fails (AssertionError, line 13 of project/features.py)" in told


def test_a_server_says_422_where_a_function_fails(package, tmp_path):
    from mlkit.serving.client import temporary_server

    with temporary_server(package, str(tmp_path / "log.db")) as (_, client):
        answer = client.request("POST", "/predict", ROWS[1] | {"bmi": -3})
        text = json.dumps(answer.value)
        assert answer.status == 422
        assert "project.features:heavy fails (AssertionError" in text and "Traceback" not in text


def test_nothing_runs_before_the_signature_is_checked(package, tmp_path):
    evil, mark = tmp_path / "evil", tmp_path / "it ran"
    shutil.copytree(package, evil)
    place = evil / "code/project/features.py"
    place.write_text(f"open({str(mark)!r}, 'w')\n" + place.read_text())
    said = score(evil, ROWS, tmp_path, fails=True)
    assert "'code/project/features.py' is not what was signed" in said and not mark.exists()


def test_a_library_that_own_code_needs_is_named(package, tmp_path):
    from mlkit import PackageError, load_predictor
    from mlkit.inference.signing import sign_package

    other = tmp_path / "other"
    shutil.copytree(package, other)
    place = other / "code/project/rates.py"
    place.write_text("import nowhere_to_be_had\n" + place.read_text())
    facts = json.loads((other / "manifest.json").read_text())
    sign_package(other, {name: facts[name] for name in ("name", "data", "model", "own_code")})
    with pytest.raises(
        PackageError, match=r"ModuleNotFoundError 'nowhere_to_be_had', line 1 of project/rates.py"
    ):
        load_predictor(other)


def test_what_depends_on_an_edited_line_runs_again_and_nothing_else(project, mine):
    rates = project / "project/rates.py"
    before = rates.read_text()
    features, metrics = project / "project/features.py", project / "project/metrics.py"
    try:
        assert stages_that_ran(mlkit(project, "run", "--to", "prepare")) == []
        features.write_text(FEATURES.replace("> 30", "> 31"))
        assert stages_that_ran(mlkit(project, "run", "--to", "prepare")) == ["prepare"]
        features.write_text(FEATURES.replace("> 30", "> 31") + "\n# a comment changes nothing\n")
        assert stages_that_ran(mlkit(project, "run", "--to", "prepare")) == []
        features.write_text(FEATURES)
        rates.write_text("FACTOR = 1.0\n")  # the estimator and the features import it
        assert stages_that_ran(mlkit(project, "run", "--to", "prepare")) == ["prepare"]
        rates.write_text(before)
        metrics.write_text(METRICS.replace("1.2", "1.3"))
        said = mlkit(project, "run", "--to", "train", "--out", "runs/first")
        assert stages_that_ran(said) == ["problem", "validate", "train"]
    finally:
        metrics.write_text(METRICS)
        rates.write_text(before)
        features.write_text(FEATURES)


WRONG = {
    "no_module": ("projct.features:x", "there is no module 'projct'; did you mean 'project'?"),
    "no_name": (
        "project.features:smoker_bmj",
        "'project.features' has no 'smoker_bmj'; did you mean 'smoker_bmi'?",
    ),
    "no_path": ("smoker_bmi", "which is no path; write module:name"),
    "no_function": ("wrong:NUMBER", "which is no function but a int"),
    "class": ("wrong:Keeper", "which is a class and no function"),
    "transformer": (
        "sklearn.preprocessing:StandardScaler",
        "which learns (fit and transform); name its columns in a module of yours",
    ),
    "no_inputs": ("wrong:nothing", "which has 0 parameters; name a column for each"),
    "broken_module": ("broken:x", "its module fails: ZeroDivisionError, line 1 of broken.py"),
    "syntax": ("syntax:x", "its module fails: SyntaxError, line 1 of syntax.py"),
}
BAD = """import pandas as pd

NUMBER = 3


def nothing():
    return 1


class Keeper:
    pass


def column_that_is_not(agee):
    return agee


def of_the_target(charges):
    return charges


def bmi(age):
    return age


def too_short(age):
    return age.head(3)


def scalar(age):
    return age.mean()


def never(age):
    return age * float("nan")


def of_words(smoker):
    return smoker == "yes"


def rank(age):
    return age.rank()


def centred(age):
    return age - age.mean()


def sorted_rows(age):
    return age.sort_values()


def by_chance(age):
    import random

    return age * random.random()


def fails_at_a_row(age):
    return age.map(lambda each: 1 / (each - 40))


def texts_and_numbers(age):
    return pd.Series([[1]] * len(age))
"""
AT_THE_DATA = {
    "column_that_is_not": "reads 'agee', which is no column; did you mean 'age'?",
    "of_the_target": "reads 'charges', which is the target",
    "bmi": "gives 'bmi', which is there already; name it: @feature(output=...)",
    "too_short": "gives 3 values for 320 rows",
    "scalar": "gives a float64, and should give one value a row",
    "never": "gives no value for every training row",
    "of_words": "gives 0 for every training row; 'smoker' arrives as 1 for yes and 0 for no",
    "rank": "another value when it comes alone",
    "centred": "another value when it comes alone",
    "sorted_rows": "gives the rows in another order",
    "by_chance": "gives other values when it is asked again",
    "fails_at_a_row": "fails (ZeroDivisionError, line 61 of wrong.py), at row",
    "texts_and_numbers": "gives something else than numbers",
}


@pytest.fixture(scope="module")
def wrong(project) -> Path:
    (project / "wrong.py").write_text(BAD)
    (project / "broken.py").write_text("1 / 0\n")
    (project / "syntax.py").write_text("def :\n")
    return project


@pytest.mark.parametrize("case", WRONG)
def test_a_feature_that_is_not_there_is_told_before_anything_runs(wrong, case, monkeypatch):
    from mlkit.core.errors import SettingsError
    from mlkit.features.own_features import find_features

    path, message = WRONG[case]
    monkeypatch.chdir(wrong)
    with pytest.raises(SettingsError) as told:
        find_features(path)
    assert message in str(told.value) and "\n" not in str(told.value)


def test_the_command_line_says_so_before_anything_runs(wrong):
    said = mlkit(wrong, "run", "-p", "prepare.features=project.features:smoker_bmj", fails=True)
    assert said.strip().count("\n") == 0 and "did you mean 'smoker_bmi'?" in said


@pytest.mark.parametrize("name", AT_THE_DATA)
def test_a_feature_that_cannot_be_is_told_in_one_line(wrong, name, monkeypatch):
    from mlkit.core.errors import MLKitError
    from mlkit.core.run_folder import RunFolder
    from mlkit.data.table_spec import TableSpec
    from mlkit.features.own_features import add_own_features
    from mlkit.task.task import Task

    monkeypatch.chdir(wrong)
    run = RunFolder(wrong / "runs/insurance")
    table = TableSpec.from_dict(
        {key: part for key, part in run.load("table").items() if key not in ("features", "code")}
    )
    with pytest.raises(MLKitError) as told:
        add_own_features(table, run.load("train"), Task.from_dict(run.load("task")), f"wrong:{name}")
    assert f"wrong:{name}" in str(told.value) and AT_THE_DATA[name] in str(told.value)
    assert "\n" not in str(told.value)


SPACES = {
    "unknown": ('{"pul": (0.1, 1.0)}', "has 'pul', which is no parameter of it; did you mean 'pull'?"),
    "reversed": ('{"pull": (1.0, 0.1)}', "write (low, high), (low, high, 'log') or [a, b]"),
    "no_dict": ("[1, 2]", "is a list; make it a dict, or a static method of a trial"),
}


@pytest.mark.parametrize("case", SPACES)
def test_a_search_space_that_cannot_be_is_told_before_anything_runs(tmp_path, case, monkeypatch):
    from mlkit.core.errors import SettingsError
    from mlkit.models.families import choose_families

    space, message = SPACES[case]
    code = ESTIMATOR.replace("from .rates import FACTOR", "FACTOR = 1").replace(
        '{"pull": (0.001, 1.0, "log"), "offset": [True, False]}', space
    )
    (tmp_path / f"estimator_{case}.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SettingsError) as told:
        choose_families(f"estimator_{case}:Mine")
    assert message in str(told.value)


def test_the_search_space_of_an_own_estimator_is_searched(project, mine):
    trials = pd.read_parquet(project / "runs/insurance/artifacts/trials.parquet")
    settings = [json.loads(each) if isinstance(each, str) else each for each in trials.settings]
    assert settings[0] == {"pull": 1.0, "offset": True}  # as its maker has set it
    assert len({each["pull"] for each in settings}) == 4 and all(
        0.001 <= each["pull"] <= 1 for each in settings
    )


def test_an_image_holds_own_code_and_the_libraries_it_needs(package, mine, tmp_path):
    from mlkit.deployment.targets import write_deployment

    for folder, heavy in ((package, False), (mine, True)):
        place = tmp_path / folder.name
        write_deployment("docker", folder, place)
        needed = (place / "requirements.txt").read_text()
        assert "pandas==" in needed and ("scikit-learn==" in needed) == heavy
        assert (place / "model/code/project/features.py").is_file()
        # The server of the image, with its modules only, in a process that knows no other mlkit.
        code = "from mlkit.inference.predictor import load_predictor as load\n"
        code += "load('model')\nprint(load.__globals__['__file__'])"
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        environment |= {"MLKIT_PUBLIC_KEY": str(place / "signing.pub")}
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=place, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0 and done.stdout.strip() == str(place / "mlkit/inference/predictor.py"), (
            done.stdout,
            done.stderr,
        )


CLEAN = """from mlkit.core.run_folder import RunFolder
from mlkit.pipeline.notebooks import check_parameters

check_parameters("tidy", globals())
run = RunFolder(run, "tidy")
data = run.load("data")
{what}
run.save("data", data)
run.set_summary(f"{{len(data)}} rows")"""


def write_stage(folder: Path, what: str, name: str = "02_tidy") -> None:
    cells = [
        nbformat.v4.new_markdown_cell("# Tidy"),
        nbformat.v4.new_code_cell(
            'run: str = ""\nmost: int = 60  # years', metadata={"tags": ["parameters"]}
        ),
        nbformat.v4.new_markdown_cell("## Run this stage"),
        nbformat.v4.new_code_cell(CLEAN.format(what=what)),
    ]
    (folder / "nbs").mkdir(exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / f"nbs/{name}.ipynb")


FEWER = "data = data[data.age.astype(int) <= most]"


def test_an_own_stage_may_overwrite_what_it_reads_and_reruns_are_skipped(tmp_path):
    """And its parameters are checked like ours; a column that it adds is refused where the package is made."""
    folder = make_project(tmp_path)
    write_stage(folder, FEWER)
    nbformat.write(nbformat.v4.new_notebook(), folder / "nbs/01_notes.ipynb")  # a notebook, and no stage
    assert stages_that_ran(mlkit(folder, "run", "--to", "validate")) == [
        "problem",
        "collect",
        "tidy",
        "validate",
    ]
    assert stages_that_ran(mlkit(folder, "run", "--to", "validate")) == []
    journal = json.loads((folder / "runs/insurance/run.json").read_text())["artifacts"]["data"]
    assert (journal["stage"], journal["before"]["stage"]) == ("tidy", "collect")
    assert stages_that_ran(mlkit(folder, "run", "--to", "validate", "-p", "tidy.most=50")) == [
        "tidy",
        "validate",
    ]
    kept = pd.read_parquet(folder / "runs/insurance/artifacts/train.parquet")
    assert kept.age.astype(int).max() == 50
    said = mlkit(folder, "run", "-p", "tidy.mots=50", fails=True)
    assert "unknown parameter 'mots'; did you mean 'most'?" in said
    write_stage(folder, "data = data.assign(twice=data.bmi)")
    assert stages_that_ran(mlkit(folder, "run", "--to", "validate")) == ["tidy", "validate"]
    (folder / "nbs/02_tidy.ipynb").unlink()
    assert stages_that_ran(mlkit(folder, "run", "--to", "validate")) == ["validate"]
    assert len(pd.read_parquet(folder / "runs/insurance/artifacts/train.parquet")) == 320


def test_no_package_is_made_where_a_stage_has_added_a_column(project, tmp_path):
    from mlkit import PackageError
    from mlkit.core.run_folder import RunFolder, edit_journal
    from mlkit.packaging.raw_columns import check_raw_columns

    shutil.copytree(project / "runs/first", tmp_path / "run")
    run = RunFolder(tmp_path / "run")
    model = run.load("final")
    assert check_raw_columns(run, model) == ""
    with edit_journal(run.folder) as journal:
        journal["order"].insert(3, "tidy")
    own = RunFolder(tmp_path / "run", "tidy")
    data = own.load("data")
    own.save("data", data.assign(age=data.age.astype(int) + 100))
    train = own.load("train")
    own.save("train", train.assign(age=(train.age.astype(int) + 100).astype(str)))
    assert "the stage tidy has changed cells of age" in check_raw_columns(run, model)
    with edit_journal(run.folder) as journal:  # as if the column had not been collected
        first = journal["artifacts"]["data"]["before"]
    data.drop(columns="age").to_parquet(run.artifacts / first["file"])
    with pytest.raises(
        PackageError, match=r"the stage tidy has added age, and a package cannot make that from raw rows"
    ):
        check_raw_columns(run, model)
