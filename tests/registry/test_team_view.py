"""What a team sees in MLflow: a run, its trials, its data, and a registered model that explains itself."""

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mlkit.core.errors import PackageError
from mlkit.core.run_folder import RunFolder
from mlkit.registry.history import load_history
from mlkit.registry.model_versions import promote_version, rollback_champion
from mlkit.registry.tracking import TrialLogger, connect_run, log_run, make_mlflow_client
from tests.registry.test_registry import home, name, packages, registered  # noqa: F401

ROOT = Path(__file__).parents[2]


# ---------------------------------------- a run
@pytest.fixture(scope="module")
def run(undisturbed):
    """A real run in its own store: client, the run, its trials, the folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        client, experiment, run_id = connect_run(undisturbed.folder)
        trials = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{run_id}'")
        yield client, client.get_run(run_id), trials, undisturbed


def test_an_experiment_opens_as_one_of_model_training(run):
    client, entry, _, _ = run
    tags = client.get_experiment(entry.info.experiment_id).tags
    assert tags["mlflow.experimentKind"] == "custom_model_development"
    runs = f"#/experiments/{entry.info.experiment_id}/runs?workflowType=machine_learning"
    assert f"({runs})" in tags["mlflow.note.content"], "release 3.17 goes by the address, and not by the kind"


def test_a_run_says_who_from_where_and_what_came_of_it(run):
    _, entry, _, life = run
    tags, metrics, figures = entry.data.tags, entry.data.metrics, life.load("metrics")
    assert tags["mlflow.user"] and tags["mlflow.source.name"] == "mlkit run"
    assert entry.info.run_name == life.folder.name
    assert tags["mlkit.family"] == life.load("choice")["family"]
    assert [metrics["score.low"], metrics["score.high"]] == figures["interval"]
    assert metrics["seconds/train"] > 0 and metrics["peak_memory_MB/train"] > 0
    text, package = tags["mlflow.note.content"], life.load("package")
    assert f"`{figures['target']}`" in text and "#/models/" not in text, "it is not registered"
    assert tags["mlkit.package"] == package["manifest_digest"]
    assert str(life.folder.parent) not in json.dumps(
        [tags[key] for key in tags if "mlkit" in key or "note" in key]
    )


@pytest.mark.usefixtures("at_home")
def test_the_page_of_a_run_leads_to_the_version_that_it_became(home):  # noqa: F811
    folder = home / "runs" / "leading"
    stage = RunFolder(folder, "package")
    score = {
        "metric": "roc_auc",
        "score": 0.84,
        "interval": [0.81, 0.88],
        "baseline": 0.5,
        "test": {"roc_auc": 0.84},
    }
    stage.save("metrics", score)
    stage.save("package", {"name": "our model", "version": "3", "manifest_digest": "ab" * 32})
    stage.save("task", {"target": "churned", "decision": "Whom | do we <call>?"})
    log_run(folder)
    client, _, run_id = connect_run(folder)
    tags = client.get_run(run_id).data.tags
    version = "[our model, version 3](#/models/our%20model/versions/3?workflowType=machine_learning)"
    assert version in tags["mlflow.note.content"]
    assert (
        r"Whom \| do we &lt;call&gt;?" in tags["mlflow.note.content"] and tags["mlkit.model"] == "our model 3"
    )


def test_the_data_of_a_run_are_a_dataset_without_rows(run):
    _, entry, _, life = run
    (given,) = entry.inputs.dataset_inputs
    snapshot = life.load("snapshot")
    assert snapshot["data_hash"].startswith(given.dataset.digest)
    assert json.loads(given.dataset.profile)["num_rows"] == snapshot["rows"]
    columns = {each["name"]: each["type"] for each in json.loads(given.dataset.schema)["mlflow_colspec"]}
    assert {each["name"] for each in life.load("table")["columns"]} == {
        *columns
    } and "double" in columns.values()
    assert set(json.loads(given.dataset.source)) == {"uri"}


def test_the_chosen_trial_says_so_in_its_name(run):
    _, _, trials, life = run
    chosen = [each for each in trials if "mlkit.chosen" in each.data.tags]
    choice = life.load("choice")
    members = choice["settings"].get("members", [None])
    assert len(chosen) == len(members)
    assert all(each.info.run_name.endswith(f"({each.data.tags['mlkit.chosen']})") for each in chosen)
    assert {each.info.status for each in trials if each.data.params["state"] == "complete"} == {"FINISHED"}


def test_a_run_that_is_logged_twice_is_the_same_run(run, tmp_path):
    client, entry, trials, life = run
    log_run(life.folder)
    again = client.get_run(entry.info.run_id)
    assert len(again.inputs.dataset_inputs) == 1 and again.data.tags == entry.data.tags
    names = {each.info.run_id: each.info.run_name for each in trials}
    mine = client.search_runs(
        [entry.info.experiment_id], f"tags.`mlflow.parentRunId` = '{entry.info.run_id}'"
    )
    assert {each.info.run_id: each.info.run_name for each in mine} == names


def test_a_copy_of_a_run_folder_is_a_run_of_its_own_and_a_renamed_one_is_not(run):
    client, entry, trials, life = run
    copy = life.folder.with_name("a copy")
    shutil.copytree(life.folder, copy)
    with TrialLogger(copy) as logger:
        logger.add("000 tree", {"family": "tree", "state": "complete"}, {"validation": 0.5})
    log_run(copy)
    mine = client.search_runs(
        [entry.info.experiment_id], f"tags.`mlflow.parentRunId` = '{entry.info.run_id}'"
    )
    assert {each.info.run_id for each in mine} == {each.info.run_id for each in trials}
    own = connect_run(copy)[2]
    assert own != entry.info.run_id and client.get_run(own).info.run_name == "a copy"
    renamed = copy.rename(copy.with_name("renamed"))
    assert connect_run(renamed)[2] == own


# ---------------------------------------- the page of a model
def page(name: str) -> str:  # noqa: F811
    return make_mlflow_client(Path("runs", "any")).get_registered_model(name).description


@pytest.fixture
def at_home(home):  # noqa: F811
    os.chdir(home)


@pytest.mark.usefixtures("at_home")
def test_the_page_of_a_model_explains_it(registered, name, monkeypatch):  # noqa: F811
    monkeypatch.setenv("MLKIT_USER", "mina")
    promote_version(name, "2", why="better | on\n<b>900</b> rows")
    text = page(name)
    assert "**Predicts** `churned`" in text
    assert "(`champion`): version 2: linear, AUC-ROC 0.810 (0.700 to 0.900), from 100 rows (dddddddd)" in text
    assert "(`challenger`): version 3" in text and f"models:/{name}@champion" in text
    assert r": promote version 2, by mina: better \| on &lt;b&gt;900&lt;/b&gt; rows" in text
    assert text.index("promote version 2") < text.index("promote version 1"), "the newest move is on top"
    rollback_champion(name)
    assert ": rollback version 1, by mina" in page(name)


@pytest.mark.usefixtures("at_home")
def test_what_somebody_wrote_on_the_page_stays_however_long_the_history(registered, name):  # noqa: F811
    client = make_mlflow_client(Path("runs", "any"))
    client.update_registered_model(
        name, "Ask the shop team first.\n\n" + page(name) + "\n\nUsed since March."
    )
    for turn in range(14):
        promote_version(name, "23"[turn % 2], why="w" * 900)
    text = page(name)
    assert text.startswith("Ask the shop team first.") and text.endswith("Used since March.")
    assert len(text.encode()) <= 5_000 and "promote version 3" in text


# ---------------------------------------- two at the same time
PROMOTE = [sys.executable, "-c", "from mlkit.cli.main import main; main()", "promote"]


@pytest.mark.usefixtures("at_home")
def test_of_two_processes_that_promote_at_once_one_wins_and_the_other_is_told(registered, name):  # noqa: F811
    """Both have seen version 1 in use."""
    client = make_mlflow_client(Path("runs", "any"))
    both = [
        subprocess.Popen(
            [*PROMOTE, name, version, "--replacing", "1", "--why", f"by {who}"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "MLKIT_USER": who},
        )
        for who, version in (("ada", "2"), ("ken", "3"))
    ]  # fmt: skip
    told = [process.communicate(timeout=300) for process in both]
    codes = [process.returncode for process in both]
    assert sorted(codes)[0] == 0 and sorted(codes)[1] != 0, told
    winner, loser = codes.index(0), 1 - codes.index(0)
    won, lost = "23"[winner], "23"[loser]
    message = told[loser][1].strip()
    assert f"version {lost} of '{name}' was not put in use: its champion is version {won}" in message
    assert (
        f"by {('ada', 'ken')[winner]}" in message
        and len(message.splitlines()) <= 2
        and "Traceback" not in message
    )
    history = load_history(name)
    assert history.champion.number == won and [each.version for each in history.moves] == ["1", won]
    assert client.get_registered_model(name).aliases.get("challenger") == (None if won == "3" else 3)
    assert f"promote version {won}" in page(name) and f"promote version {lost}" not in page(name)


@pytest.mark.usefixtures("at_home")
def test_two_who_roll_back_at_once_go_back_one_step(registered, name):  # noqa: F811
    promote_version(name, "2")
    promote_version(name, "3")

    def back(_: int) -> str:
        try:
            return rollback_champion(name).version
        except PackageError as error:
            assert "\n" not in str(error)
            return "told"

    with ThreadPoolExecutor(2) as people:
        results = list(people.map(back, range(2)))
    steps = [each.version for each in load_history(name).moves if each.action == "rollback"]
    assert load_history(name).champion.number == steps[-1]
    assert len(steps) == len({*results} - {"told"}), "whoever went back has left a trace, and nobody else"


@pytest.mark.usefixtures("at_home")
def test_a_decision_about_another_champion_is_refused(registered, name):  # noqa: F811
    promote_version(name, "2")
    with pytest.raises(PackageError, match="its champion is version 2 .* by now, not version 1") as refused:
        promote_version(name, "3", replacing="1")
    assert "\n" not in str(refused.value) and load_history(name).champion.number == "2"
    assert promote_version(name, "3", replacing="2").version == "3"
