"""A project of one's own, as `mlkit new` makes it: it runs, its tests pass, and nothing of anybody's is lost."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import r2_score

from mlkit.core.errors import SettingsError
from mlkit.pipeline.settings import project_name
from mlkit.serving.client import temporary_server
from mlkit.template import ProjectAnswers, make_project, render_project
from mlkit.template.rendering import RECORD, shipped_stages
from tests.template.repository import git
from tests.warm import COMMAND, run_mlkit
from tools.on_a_copy import ROOT

needs_git = pytest.mark.skipif(not shutil.which("git"), reason="there is no Git here")
QUICK = "train.models=linear train.trials=1 evaluate.resamples=100 evaluate.curve_points=0 explain.samples=10"
QUICK += " package.register=false serve.rows=20 deploy.targets=docker"


def command(*words: str, cwd: Path, expect: int = 0, **environ: str) -> tuple[str, str]:
    """A command in a process of its own; what it prints, and its errors."""
    own = {**os.environ, "PYTHONPATH": str(ROOT), "MLFLOW_DISABLE_TELEMETRY": "true", "CI": "true"} | environ
    if [*words[:3]] == COMMAND:
        done = run_mlkit(*words[3:], cwd=cwd, env=own)
    else:
        done = subprocess.run(words, cwd=cwd, env=own, capture_output=True, text=True, timeout=580)
    assert done.returncode == expect, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout, done.stderr


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> tuple[Path, str]:
    """A project with the code of a stage, and what was told; it is made and run once."""
    place = tmp_path_factory.mktemp("place")
    told, _ = command(*COMMAND, "new", "claims", "--own", "train", cwd=place)
    return place / "claims", told


@pytest.fixture(scope="session")
def ran(made) -> str:
    """What `.ci/run` says: the tests of the project, and its pipeline."""
    words = [word for setting in QUICK.split() for word in ("-p", setting)]
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return command(".ci/run", *words, cwd=made[0], PATH=programs)[0]


@pytest.mark.skipif(os.name == "nt", reason=".ci/run is a shell script")
def test_a_new_project_passes_its_tests_and_runs(made, ran):
    assert re.search(r"\d+ passed", ran) and "failed" not in ran
    journal = json.loads((made[0] / "runs/claims/run.json").read_text(encoding="utf-8"))
    assert {record["state"] for record in journal["stages"].values()} == {"done"}
    assert "better than the baseline" in ran and (made[0] / "runs/claims/report.html").is_file()


@pytest.mark.skipif(os.name == "nt", reason=".ci/run is a shell script")
def test_what_runs_are_the_notebooks_of_the_project(made, ran):
    executed = nbformat.read(made[0] / "runs/claims/notebooks/05_train.ipynb", as_version=4)
    assert any("def summarise" in cell.source for cell in executed.cells)
    thin = nbformat.read(made[0] / "runs/claims/notebooks/06_evaluate.ipynb", as_version=4)
    assert any("These cells call" in cell.source for cell in thin.cells)


OPENED = """
import json, sys
import pandas as pd
from mlkit import load
from mlkit.task import score_output
model = load("model")
[own] = model.predictor.table.derived
rows = pd.read_csv("rows.csv")
print(json.dumps({
    "own": own.of_columns(pd.Series([1.0, 0.0, None]), pd.Series([30.0, 31.0, 32.0])).fillna(-1).tolist(),
    "predictions": model.predict(rows).tolist(),
    "reasons": model.explain(rows).contributions.abs().idxmax(axis=1).tolist(),
    "profit": score_output(model.predictor.task, rows["charges"].to_numpy(), model.predict(rows)),
    "project": "project" in sys.modules,
}))
"""


@pytest.fixture(scope="session")
def switched(made, ran, tmp_path_factory) -> tuple[Path, str]:
    """The project with its feature, metric and estimator switched on in the settings, and what the run says."""
    folder = tmp_path_factory.mktemp("switched") / "claims"
    shutil.copytree(made[0], folder)
    settings = folder / "settings.ini"
    text = settings.read_text(encoding="utf-8")
    named = re.search(r"project\.estimators:\w+", text)
    assert named and "\n# features = " in text
    for old, new in {
        "\n# features = ": "\nfeatures = ",
        "\n# metrics = project.metrics:profit": "\nmetrics = mape",
        "metric = r2": "metric = project.metrics:profit",
        "goal = 0.7": "goal = 2000",
        "models = linear boosting": f"models = {named[0]}",
    }.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    settings.write_text(text.replace("trials = 8", "trials = 3"), encoding="utf-8")
    words = [word for each in [*QUICK.split()[2:], "train.ensemble=no"] for word in ("-p", each)]
    return folder, command(*COMMAND, "run", "--to", "package", *words, cwd=folder)[0]


@pytest.mark.skipif(os.name == "nt", reason=".ci/run is a shell script")
def test_what_depends_on_an_example_that_is_switched_on_runs_again_and_nothing_else(switched):
    again = re.findall(r"^✓ \d\d_(\w+)", switched[1], re.MULTILINE)
    assert again == ["problem", "validate", "prepare", "train", "evaluate", "explain", "package"]
    assert "derived: smoker_bmi; learned: region_cost" in switched[1]
    assert re.search(r"project\.estimators:LogRidge, profit .*; best of 3 trials", switched[1])
    number = r"[-\d.,e+]+"
    assert re.search(rf"profit {number} \({number} to {number}\); baseline {number}; fit", switched[1])
    assert "look for a leak" not in switched[1]


@pytest.mark.skipif(os.name == "nt", reason=".ci/run is a shell script")
def test_the_examples_are_in_the_package_and_right_where_no_project_is(switched, tmp_path):
    run = switched[0] / "runs/claims"
    shutil.copytree(run / "model", tmp_path / "model")
    shutil.copy(switched[0] / "data/insurance.csv", tmp_path / "rows.csv")
    found = json.loads(command(sys.executable, "-c", OPENED, cwd=tmp_path)[0])
    assert found["own"] == [30, 0, -1] and not found["project"]
    rows = pd.read_csv(tmp_path / "rows.csv")
    assert r2_score(rows["charges"], found["predictions"]) > 0.6
    price = 1.2 * np.array(found["predictions"])
    earned = np.where(price <= 1.5 * rows["charges"], price - rows["charges"], 0)
    assert found["profit"] == pytest.approx(earned.mean())
    heavy = (rows["smoker"] == "yes") & (rows["bmi"] > 35)
    assert {reason for reason, one in zip(found["reasons"], heavy, strict=True) if one} <= {
        "smoker",
        "bmi",
        "age",
    }
    command(*COMMAND, "score", "model", "rows.csv", "answers.csv", cwd=tmp_path)
    np.testing.assert_allclose(pd.read_csv(tmp_path / "answers.csv")["prediction"], found["predictions"])
    with temporary_server(tmp_path / "model", str(tmp_path / "log.db")) as (_, client):
        answers = client.predict(rows.drop(columns="charges").head(3).to_dict("records"))["predictions"]
    np.testing.assert_allclose([each["prediction"] for each in answers], found["predictions"][:3])


@needs_git
def test_it_is_a_git_repository_with_nothing_left_to_commit(made):
    folder, told = made
    assert git(folder, "status", "--porcelain") == "" and git(folder, "branch", "--show-current") == "main"
    assert git(folder, "rev-parse", "main") == git(folder, "rev-parse", "mlkit-template")
    assert git(folder, "ls-files", "-s", ".ci/run").startswith("100755")
    assert told.splitlines()[1:] == ["Next: cd claims && mlkit run", "      cd claims && python -m pytest"]


def test_nothing_in_it_leads_to_the_place_where_mlkit_is(made):
    record = json.loads((made[0] / RECORD).read_text(encoding="utf-8"))
    for place in [*record["files"], RECORD]:
        assert str(ROOT) not in (made[0] / place).read_text(encoding="utf-8"), place


@pytest.mark.parametrize("own", [(), tuple(shipped_stages())], ids=["thin", "own"])
def test_each_notebook_opens_and_its_links_lead_somewhere(own):
    files = render_project(ProjectAnswers("claims", own))
    for place, text in files.items():
        if place.endswith(".ipynb"):
            nbformat.validate(notebook := nbformat.reads(text, as_version=4))
            assert nbformat.writes(notebook) + "\n" == text, f"{place}: JupyterLab would change it by saving"
            for link in re.findall(r"\]\(([^)#\s]+)", "".join(cell.source for cell in notebook.cells)):
                assert link.startswith("http") or f"nbs/{link}" in files, f"{place}: {link}"


def test_the_workflow_is_valid_pinned_and_without_permissions(made, tmp_path):
    path = made[0] / ".github/workflows/pipeline.yml"
    checker = Path(sys.executable).with_name("check-jsonschema")
    command(str(checker), "--builtin-schema", "vendor.github-workflows", str(path), cwd=tmp_path)
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {}
    job = workflow["jobs"]["pipeline"]
    used = [step["uses"] for step in job["steps"] if "uses" in step]
    assert used and all(re.fullmatch(r"\./\.github/.+|[\w./-]+@[0-9a-f]{40}", each) for each in used)
    assert job["steps"][0]["with"]["persist-credentials"] is False and job["permissions"] == {
        "contents": "read"
    }


# ---------------------------------------- places and names
@pytest.mark.parametrize(
    "name",
    ["my 'first' [model]", "日本語の表", "a $(touch no) b", "--trailing.", "100%", "[project]"],
    ids=["quotes", "japanese", "shell", "dashes", "percent", "section"],
)
def test_any_name_of_a_folder_gives_a_good_name(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    from mlkit.cli.new_command import describe_new_project

    made = make_project(Path(name))
    assert project_name(made.folder / "settings.ini") == made.answers.name
    enter = describe_new_project(made).splitlines()[-2].removeprefix("Next: ").removesuffix(" && mlkit run")
    if os.name == "posix" and not name.startswith("-"):
        there = subprocess.run(["sh", "-c", f"{enter} && pwd"], cwd=tmp_path, capture_output=True, text=True)
        assert there.stdout.strip() == str(tmp_path / name), shlex.split(enter)
    assert not (tmp_path / "no").exists() and [path.name for path in tmp_path.iterdir()] == [name]


def fill(folder: Path) -> None:
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")


@pytest.mark.parametrize(
    ("make", "words", "said"),
    [
        (fill, ["it"], "is not empty (thesis.txt); name a new folder, or an empty one"),
        (Path.touch, ["it"], "is a file; name a new folder"),
        (
            Path.mkdir,
            ["it", "--own", "trian"],
            "--own trian: there is no stage 'trian'; did you mean 'train'?",
        ),
        (Path.touch, [], "where shall the project be? mlkit new DIR; in a project, mlkit new --update"),
        (Path.touch, ["it/within"], "it is a file; name a new folder"),
        (Path.touch, ["a\nb"], "has characters that no terminal shows; name another folder"),
        (Path.mkdir, ["it", "--update"], "it is no project of mlkit (.mlkit-template.json is missing)"),
    ],
    ids=["full", "file", "stage", "nowhere", "below-a-file", "newline", "no-project"],
)
def test_a_place_that_will_not_do_is_told_in_one_line_and_nothing_is_lost(
    tmp_path, monkeypatch, make, words, said, capsys
):
    from mlkit.cli.main import main

    make(tmp_path / "it")
    before = {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["mlkit", "new", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    told = " ".join(capsys.readouterr().err.split())
    assert ended.value.code == 2 and said in told and told.startswith("mlkit: ")
    assert {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")} == before


@needs_git
def test_an_empty_repository_is_a_place_and_one_with_commits_is_none(tmp_path):
    git(tmp_path, "init", "-q", "-b", "trunk", "repo")
    made = make_project(tmp_path / "repo")
    assert (
        git(made.folder, "branch", "--show-current") == "trunk"
        and git(made.folder, "status", "--porcelain") == ""
    )
    for path in made.folder.iterdir():
        if path.name != ".git":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(SettingsError, match="a repository with commits already"):
        make_project(tmp_path / "repo")


@needs_git
def test_a_project_within_a_repository_says_so(tmp_path):
    git(tmp_path, "init", "-q")
    assert Path(make_project(tmp_path / "claims").around).resolve() == tmp_path.resolve()


def test_without_git_the_files_are_there_and_it_is_said_what_is_missing(tmp_path):
    told, _ = command(*COMMAND, "new", "claims", cwd=tmp_path, PATH=str(tmp_path))
    assert "Git is not there, and mlkit new --update needs it" in told
    assert (tmp_path / "claims" / RECORD).is_file() and not (tmp_path / "claims/.git").exists()


def test_a_project_that_is_interrupted_is_not_there(tmp_path, monkeypatch):
    from mlkit.template import new_project

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(new_project, "commit_template" if shutil.which("git") else "write_files", stopped)
    with pytest.raises(KeyboardInterrupt):
        make_project(tmp_path / "claims")
    assert not [*tmp_path.iterdir()]
