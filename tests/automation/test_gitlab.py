"""One note on a merge request, one issue of a model that does harm, on GitLab; harmless where a job may not write."""

import json

import pytest
from typer.testing import CliRunner

from mlkit.automation.model_check import ModelCheck
from mlkit.cli.main import app
from mlkit.core.errors import SettingsError
from tests.automation.gitlab_server import ME, fake_gitlab
from tests.automation.test_comments import EVIL, PAGE

COMMENT = ["ci", "comment", "facts.json", "--link", "https://gitlab.com/acme/shop/-/pipelines/1"]
MARK = "<!-- mlkit:report -->"


@pytest.fixture
def gitlab(tmp_path, monkeypatch):
    """A job of merge request 3, and facts that the change has written."""
    facts = ModelCheck(False, f"Worse {EVIL}", "by 0.04", leaks=[f"Left out: {EVIL}"])
    (tmp_path / "facts.json").write_text(facts.to_json(), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with fake_gitlab() as server:
        for name, value in {
            "GITLAB_CI": "true",
            "CI_API_V4_URL": f"{server.url}/api/v4",
            "CI_MERGE_REQUEST_IID": "3",
            "CI_MERGE_REQUEST_PROJECT_ID": "12",
            "CI_PROJECT_ID": "12",
            "MLKIT_GITLAB_TOKEN": server.token,
        }.items():
            monkeypatch.setenv(name, value)
        yield server


def comment() -> str:
    done = CliRunner().invoke(app, COMMENT)
    assert done.exit_code == 0, done.output + repr(done.exception)
    return done.output


def test_there_is_one_note_and_nobody_elses_is_touched(gitlab):
    stranger = {"id": 1, "noteable_iid": 3, "author": {"id": 9}, "system": False, "body": f"{MARK}\nmine now"}
    system = {"id": 2, "noteable_iid": 3, "author": ME, "system": True, "body": f"{MARK}\nassigned"}
    gitlab.notes += [stranger, system]
    gitlab.notes += [{**stranger, "id": n, "author": ME, "body": "talk"} for n in range(3, 130)]
    assert comment() == "Comment on !3 created.\n"
    gitlab.notes += [{**stranger, "id": n, "author": ME, "body": "talk"} for n in range(2_000, 2_130)]
    assert comment() == "Comment on !3 updated.\n", "it is found on the second page"
    ours = [
        note for note in gitlab.notes if note["author"] == ME and MARK in note["body"] and not note["system"]
    ]
    assert len(ours) == 1 and stranger["body"].endswith("mine now") and system["body"].endswith("assigned")
    shown = PAGE.render(ours[0]["body"].partition("\n")[2])
    assert "<img" not in shown and "Worse" in shown and shown.count("href=") == 1


@pytest.mark.parametrize("why", ["no token", "no permission", "wrong token"])
def test_without_the_right_to_write_the_job_ends_well(gitlab, monkeypatch, why):
    if why == "no permission":
        gitlab.may_write = False
    else:
        monkeypatch.setenv("MLKIT_GITLAB_TOKEN", "" if why == "no token" else "another")
    told = comment()
    said = "the variable MLKIT_GITLAB_TOKEN is not set here" if why == "no token" else "GitLab says 40"
    assert told.startswith(f"No comment: {said}") and not gitlab.notes
    assert "It would have been:" in told and "another" not in told


def test_a_pipeline_of_no_merge_request_writes_nothing(gitlab, monkeypatch):
    monkeypatch.delenv("CI_MERGE_REQUEST_IID")
    assert comment() == "No comment: this pipeline belongs to no merge request.\n" and not gitlab.seen


@pytest.mark.parametrize(
    ("name", "value"),
    [("CI_MERGE_REQUEST_PROJECT_ID", "12/../13"), ("CI_API_V4_URL", "http://evil.example/api/v4")],
)
def test_a_token_goes_only_where_gitlab_says_and_encrypted(gitlab, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    done = CliRunner().invoke(app, COMMENT)
    assert isinstance(done.exception, SettingsError) and name in str(done.exception) and not gitlab.seen
    assert gitlab.token not in str(done.exception) + done.output


ISSUE = ["ci", "issue", "churn", "--code", "3"]
HARM = "<!-- mlkit:monitor-churn -->"
CHECK = {
    "label": "AUC-ROC", "score": 0.61, "limit": 0.78, "feedback": 300, "since": 1.8e9, "evidence": 1.0,
    "estimate": 0.7, "error": 0.02, "changes": [], "alarms": {"changed": False, "at_risk": False, "harmed": True},
}  # fmt: skip


@pytest.fixture
def harmed(gitlab, tmp_path):
    """The folder of a monitor whose last check has found harm, in a job of a schedule."""
    (tmp_path / "monitor" / "churn").mkdir(parents=True)
    (tmp_path / "monitor" / "churn" / "state.json").write_text(json.dumps({"history": [CHECK]}))
    return gitlab


def test_harm_is_one_open_issue_of_our_own(harmed):
    strange = {"id": 1, "iid": 1, "author": {"id": 9}, "state": "opened", "description": f"{HARM}\nmine"}
    closed = {"id": 2, "iid": 2, "author": ME, "state": "closed", "description": f"{HARM}\nlast year"}
    harmed.issues += [strange, closed]
    told = [CliRunner().invoke(app, ISSUE).output for _ in range(2)]
    assert told == ["Issue #3 created.\n", "Issue #3 updated.\n"] and len(harmed.issues) == 3
    assert harmed.issues[2]["title"] == "churn does harm"
    assert strange["description"].endswith("mine") and closed["description"].endswith("last year")


@pytest.mark.parametrize("why", ["no token", "no permission"])
def test_an_issue_that_may_not_be_written_is_in_the_log_and_the_job_goes_on(harmed, monkeypatch, why):
    harmed.may_write = False
    if why == "no token":
        monkeypatch.delenv("MLKIT_GITLAB_TOKEN")
    done = CliRunner().invoke(app, ISSUE)
    assert done.exit_code == 0 and done.output.startswith("No issue: ") and not harmed.issues
    assert "It would have been:" in done.output
