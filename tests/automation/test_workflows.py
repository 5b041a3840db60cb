"""The workflows run: a change that makes the model worse, one that leaks, strangers, and the loop from harm to promotion."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from mlkit.automation.workflows import ACTIONS, render_platform, render_workflows
from mlkit.inference.predictor import load_predictor
from mlkit.retraining.retraining_journal import load_retraining_journal
from mlkit.retraining.training_snapshot import created_at
from mlkit.template.new_project import make_project
from tests.automation.github_server import fake_github
from tests.automation.workshop import Workshop, copy_repository
from tests.conftest import COMMAND, checked, tool
from tests.retraining.working_life import QUICK, write_life
from tools.on_a_copy import ROOT

posix = pytest.mark.skipif(os.name != "posix", reason="act runs bash")
PINNED = re.compile(r"uses: (?:\./\.github/\S+|[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)$")


# ---------------------------------------- as they are written
@pytest.fixture(scope="module", params=["project", "library"])
def repository(request, tmp_path_factory):
    """The workflows of a project, or this repository's."""
    if request.param == "library":
        return ROOT
    folder = tmp_path_factory.mktemp("rendered")
    for place, text in render_workflows("project", "churn").items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_text(text, encoding="utf-8")
    checked("git", "init", "-q", cwd=folder)
    return folder


def workflows(folder: Path) -> list[Path]:
    return sorted(folder.glob(".github/workflows/*.yml"))


def test_actionlint_finds_nothing(repository):
    checked(tool("actionlint"), "-no-color", cwd=repository)


def test_zizmor_finds_nothing(repository):
    checked(tool("zizmor"), "--offline", "--no-progress", ".github", cwd=repository)


def test_the_schemas_hold(repository):
    schema = [tool("check-jsonschema"), "--builtin-schema"]
    checked(*schema, "vendor.github-workflows", *map(str, workflows(repository)))
    checked(*schema, "vendor.github-actions", *map(str, repository.glob(".github/actions/*/action.yml")))
    checked(*schema, "vendor.dependabot", str(repository / ".github/dependabot.yml"))


def test_rights_are_none_unless_named_and_actions_are_commits(repository):
    for path in workflows(repository):
        text = path.read_text(encoding="utf-8")
        assert "\npermissions: {}\n" in text, path.name
        used = [line.strip().removeprefix("- ") for line in text.splitlines() if "uses:" in line]
        assert [line for line in used if not PINNED.fullmatch(line)] == [], path.name
        assert text.count("actions/checkout@") == text.count("persist-credentials: false"), path.name
        known = {pin.split()[0] for pin in ACTIONS.values()} | {text.split("@")[0] for text in ("pypa/x@",)}
        for line in used:
            name = line.removeprefix("uses: ").split()[0]
            assert name in known or name.startswith(("./", "pypa/gh-action-pypi-publish@")), (
                f"{path.name}: {name}"
            )
        # a value of somebody else's reaches a shell in a variable, never in its text
        commands = re.findall(r"run: (?:[|>]-?\n(?:(?: {8,}.*)?\n)+|.*\n)", text)
        assert not [each for each in commands if "${{" in each], path.name


def test_this_repositorys_workflows_are_the_shared_ones():
    stale = [
        place
        for place, text in render_workflows("library", "mlkit").items()
        if (ROOT / place).read_text() != text
    ]
    assert not stale, f"{stale}: python tools/workflows.py"


@posix
def test_gitlabs_file_is_one_and_cron_keeps_only_a_model_that_is_no_worse(tmp_path):
    (tmp_path / "gitlab.yml").write_text(
        render_platform("gitlab", "churn")[".gitlab-ci.yml"], encoding="utf-8"
    )
    checked(tool("check-jsonschema"), "--builtin-schema", "vendor.gitlab-ci", str(tmp_path / "gitlab.yml"))
    (tmp_path / "pipeline.sh").write_text(render_platform("cron", "churn")["pipeline.sh"], encoding="utf-8")
    (tmp_path / "bin").mkdir()
    pretended = 'case $1 in run) mkdir -p runs/pipeline; echo "$N" > runs/pipeline/n;; ci) echo judged; exit "$GATE";; esac'
    (tmp_path / "bin/mlkit").write_text(f"#!/bin/sh\n{pretended}\n")
    (tmp_path / "bin/mlkit").chmod(0o755)
    kept = []
    for number, gate in ((1, 0), (2, 0), (3, 3), (4, 0)):
        path = f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}"
        environ = {**os.environ, "PATH": path, "N": str(number), "GATE": str(gate)}
        done = subprocess.run(
            ["sh", str(tmp_path / "pipeline.sh")], env=environ, capture_output=True, text=True
        )
        assert (done.returncode, done.stdout) == (gate, "judged\n" if gate else ""), done.stderr
        kept.append((tmp_path / "runs/kept/n").read_text().strip())
    assert kept == ["1", "2", "2", "4"]


# ---------------------------------------- a change to the model
@pytest.fixture(scope="module")
def github():
    with fake_github() as server:
        yield server


@pytest.fixture(scope="module")
def main(own_home, tmp_path_factory, github):
    """A project whose pipeline has run on main, by its workflow."""
    tool("act")
    place = tmp_path_factory.mktemp("main")
    make_project(place / "shop")
    (place / "shop/tests/test_project.py").write_text("def test_nothing(): ...\n")
    settings = place / "shop/settings.ini"
    text = settings.read_text().replace("models = linear boosting", "models = linear").replace("= 8", "= 1")
    settings.write_text(f"{text}\n[evaluate]\nresamples = 100\ncurve_points = 0\nrecalibrate = none\n")
    shop = Workshop(place / "shop", place / "github", github, {"MLKIT_LAST_STAGE": "evaluate"}).prepare()
    shop.act("push", "pipeline", {"ref": "refs/heads/main"})
    return shop


def branch(main: Workshop, folder: Path) -> Workshop:
    """A pull request on its way: the files of main in a repository of its own, main's cache, no artifact yet."""
    place = folder / "github"
    shutil.copytree(main.store / "cache", place / "store/cache")
    return Workshop(copy_repository(main.folder, folder / "shop"), place, main.github, main.variables)


SHA = "5" * 40
TITLE = '\'; touch "$STORE/pwned" #$(touch $STORE/pwned)`touch $STORE/pwned` <img src=x> @all'
PULL = {
    "pull_request": {
        "number": 3,
        "title": TITLE,
        "head": {"sha": SHA, "ref": "a-branch"},
        "base": {"ref": "main"},
    }
}


def follow(number: int, sha: str = SHA) -> dict:
    """The event of a workflow that follows the one of a fork."""
    head = {"full_name": "stranger/shop", "owner": {"login": "stranger"}}
    run = {
        "id": 1,
        "event": "pull_request",
        "head_sha": sha,
        "head_branch": f"b{number}$(touch $STORE/pwned)",
    }
    return {
        "action": "completed",
        "workflow_run": {
            **run,
            "head_repository": head,
            "html_url": "https://github.com/acme/shop/actions/runs/1",
        },
    }


def open_pull(github, number: int) -> str:
    label = f"stranger:b{number}$(touch $STORE/pwned)"
    github.pulls.append({"number": number, "label": label, "head": {"sha": SHA}})
    return label


@posix
def test_the_run_of_main_is_kept_without_its_rows(main):
    kept = {path.name for path in (main.store / "run").rglob("*") if path.is_file()}
    assert {"run.json", "report.html", "metrics.json"} <= kept and not [
        n for n in kept if n.endswith((".parquet", ".csv"))
    ]
    assert (main.store / "cache/run.json").is_file() and (
        main.store / "cache/artifacts/test.parquet"
    ).is_file()


@posix
def test_a_worse_model_fails_and_the_comment_says_by_how_much(main, github, tmp_path):
    here = branch(main, tmp_path)
    settings = here.folder / "settings.ini"
    settings.write_text(settings.read_text().replace("[prepare]\n", "[prepare]\ncolumns = smoker: use=no\n"))
    said = here.prepare().act("pull_request", "pipeline", PULL, expect=1)
    assert "the gate refuses this change: Worse than main's model: R² by" in said
    assert re.search(r"03_validate +unchanged", said), "main's run is gone on with"
    open_pull(github, 7)
    for outcome in ("created", "updated"):
        assert f"Comment on #7 {outcome}." in here.act("workflow_run", "report", follow(7))
    [comment] = [each["body"] for each in github.comments if each["on"] == 7]
    assert re.search(r"Worse than main's model: R² by 0\.\d+", comment)
    assert re.search(r"worse by 0\.\d+ \(95 % interval 0\.\d+ to 0\.\d+\) on the same 120 test rows", comment)
    assert "prepare.columns" in comment and f"commit {SHA[:11]}" in comment
    assert not (here.store / "pwned").exists()

    # a token that may only read, and none at all: the job ends well, and says what it would have written
    github.may_write = False
    assert "No comment: GitHub says 403" in here.act("workflow_run", "report", follow(7))
    github.may_write = True
    assert "newest of no open pull request" in here.act("workflow_run", "report", follow(7, "6" * 40))


@posix
def test_a_leak_fails_and_the_comment_names_the_column(main, github, tmp_path):
    here, column = branch(main, tmp_path), "refund <img src=x> @all $(touch $STORE/pwned)"
    table = pd.read_csv(here.folder / "data/insurance.csv")
    table.assign(**{column: table["charges"] * 1.1}).to_csv(here.folder / "data/insurance.csv", index=False)
    with (here.folder / "settings.ini").open("a") as settings:
        settings.write("\n[validate]\non_leak = fail\n")
    said = here.prepare().act("pull_request", "pipeline", PULL, expect=1)
    assert "the target leaks" in said
    open_pull(github, 8)
    here.act("workflow_run", "report", follow(8), token="a-token")
    [comment] = [each["body"] for each in github.comments if each["on"] == 8]
    assert "The run stopped in the stage validate" in comment and "refund" in comment
    assert "<img" not in comment and "@all" not in comment and not (here.store / "pwned").exists()


@posix
def test_a_form_with_shell_characters_does_nothing(main, tmp_path):
    here = branch(main, tmp_path).prepare()
    evil = 'train.trials=$(touch${IFS}$STORE/pwned) "problem.decision=`touch $STORE/pwned`; exit"'
    said = here.act("workflow_dispatch", "pipeline", {"inputs": {"parameters": evil}}, expect=1)
    assert "train.trials" in said and "$(touch" in said and not (here.store / "pwned").exists()


# ---------------------------------------- a model at work
@pytest.fixture(scope="module")
def at_work(own_home, tmp_path_factory, github):
    """A registered champion, whose world has turned round; and a project that looks after it."""
    tool("act")
    place = tmp_path_factory.mktemp("work")
    state = place / "state"
    state.mkdir()
    registry = f"sqlite:///{state}/mlflow.db"
    words = ("run", "--data", "example:customers", "--to", "package", *QUICK, "-p", "package.name=churn")
    checked(*COMMAND, *words, cwd=state, env={**os.environ, "MLFLOW_TRACKING_URI": registry})
    predictor = load_predictor(state / "runs/customers/model", version="1")
    end = write_life(state / "log.db", predictor, 300, begin=created_at(predictor) + 1, seed=11)
    write_life(state / "log.db", predictor, 1_000, turned=True, begin=end, seed=12)
    make_project(place / "shop")
    with (place / "shop/settings.ini").open("a") as settings:
        settings.write("\n[improve]\nrollout = none\n")
    variables = {"MLKIT_STATE": str(state), "MLKIT_MODEL": "churn"}
    secrets = {"MLFLOW_TRACKING_URI": registry, "MLKIT_LOG": str(state / "log.db")}
    return Workshop(place / "shop", place / "github", github, variables, secrets).prepare(), state


def history(at_work) -> str:
    shop, state = at_work
    environ = {**os.environ, "MLFLOW_TRACKING_URI": shop.secrets["MLFLOW_TRACKING_URI"]}
    return checked(*COMMAND, "history", "churn", cwd=state, env=environ)


@posix
def test_harm_opens_an_issue_and_a_better_model_is_promoted_and_can_be_rolled_back(at_work, github):
    shop, state = at_work
    said = shop.act("schedule", "monitor", {"schedule": "17 * * * *"}, "--actor", "mina")
    [issue] = github.issues
    assert issue["title"] == "churn does harm" and "beyond the limit of" in issue["body"]
    assert f"Issue #{issue['number']} created." in said
    [retraining] = load_retraining_journal(state / "improve/churn", "churn").retrainings
    assert retraining.trigger == "harmed" and retraining.steps["challenger"]["promoted"]
    assert retraining.answer["said"] == "yes" and "promotion" in retraining.steps
    told = history(at_work)
    assert re.search(r"champion.*2", told) and "Approved by mina" in told

    why = "x' ; touch $STORE/pwned #$(touch $STORE/pwned)"
    rollback = {"inputs": {"action": "rollback", "model": "churn", "why": why}}
    said = shop.act("workflow_dispatch", "retrain", rollback)
    assert "version 1 is the champion" in said or "1 is the champion" in " ".join(said.split())
    assert "$(touch" in history(at_work) and not (shop.store / "pwned").exists()


@posix
def test_the_image_is_built_from_the_champion(at_work):
    shop, _ = at_work
    shop.act("workflow_dispatch", "image", {"inputs": {"model": "churn@champion"}}, "-j", "build")
    assert {"Dockerfile", "requirements.txt", "model", "sbom.cdx.json"} <= {
        p.name for p in (shop.store / "image").iterdir()
    }


# ---------------------------------------- release
@posix
def test_the_release_builds_wheel_and_sdist(tmp_path, github):
    tool("act")
    folder = tmp_path / "shop"
    checked("git", "clone", "-q", "--no-hardlinks", str(ROOT), str(folder))
    for path in (".github", "pyproject.toml", "mlkit", "nbs"):
        target = folder / path
        shutil.rmtree(target, ignore_errors=True) if target.is_dir() else target.unlink()
        copy = shutil.copytree if (ROOT / path).is_dir() else shutil.copy
        copy(ROOT / path, target)
    checked("git", "remote", "remove", "origin", cwd=folder)
    shop = Workshop(folder, tmp_path / "github", github).prepare()
    import mlkit

    tag = {"ref": f"refs/tags/v{mlkit.__version__}", "ref_name": f"v{mlkit.__version__}"}
    shop.act("push", "release", tag, "-j", "build", "--env", f"GITHUB_REF_NAME=v{mlkit.__version__}")
    assert sorted(path.suffix for path in (shop.store / "dist").iterdir()) == [".gz", ".whl"]
