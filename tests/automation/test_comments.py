"""One comment and one issue, kept up to date; what others have written is text in them, and nobody's else is touched."""

import html
import json
import os
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from typer.testing import CliRunner

from mlkit.automation.github import GitHubRepository, find_pull_request, write_issue, write_sticky_comment
from mlkit.automation.markdown import escape_markdown, make_markdown_table
from mlkit.automation.model_check import ModelCheck, format_model_check, parse_model_check
from mlkit.cli.main import app
from mlkit.core.errors import DataError, MLKitError, RunError
from tests.automation.github_server import BOT, fake_github

EVIL = '<img src=x onerror=alert(1)> | @all `x` $(touch pwned) [a](javascript:b) "; #1 </td>\n# big'
PAGE = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


@pytest.fixture
def github():
    with fake_github() as server:
        yield server


def repository(server):
    return GitHubRepository(server.url, "acme/shop", server.token)


# ---------------------------------------- text
@given(st.text(max_size=200))
@example(EVIL)
@example("1. item")
@example("- item")
@example("---")
@example("===")
@example("&#60;b&#62; &lt;b&gt;")
@example("www.evil.example https://evil.example")
def test_what_others_wrote_is_shown_as_it_is_and_does_nothing(text):
    shown = PAGE.render(escape_markdown(text)).strip()
    inside = re.sub(r"\A<p>|</p>\Z", "", shown)
    assert "<" not in inside, "no markup"
    words = html.unescape(inside).replace("\u200b", "")
    assert words == html.unescape(html.escape(" ".join(visible(text).split())))
    assert not re.search(r"@\w|#\d|https?://|www\.", html.unescape(inside)), (
        "nobody is called, nothing is linked"
    )


def visible(text):
    import unicodedata

    spaced = "".join(" " if each.isspace() else each for each in text)
    return "".join(
        each for each in spaced if unicodedata.category(each) not in ("Cc", "Cf", "Cs", "Co", "Cn")
    )


def test_a_table_keeps_its_width_whatever_stands_in_a_cell():
    shown = PAGE.render(make_markdown_table(["Setting", "here"], [[EVIL, "a|b"], ["\\|", "|"]]))
    assert shown.count("<tr>") == 3 and shown.count("<td>") == 4 and "<img" not in shown


def test_a_comment_is_never_too_long():
    many = [[f"{EVIL} {n}" * 9, "a" * 900, "b", "c"] for n in range(50)]
    check = ModelCheck(
        False, "h" * 5_000, "r" * 9_000, scores=many, leaks=[EVIL * 50] * 50, notes=[EVIL * 99] * 50
    )
    for each in (check, parse_model_check(check.to_json())):
        assert len(format_model_check(each)) < 65_000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"passed": true}x',
        '{"scores": 3}',
        '{"passed": 1, "scores": [[1, 2, 3, 4, 5]]}',
        "[" * 9_999,
    ],
    ids=["empty", "list", "nothing", "tail", "number", "wide", "deep"],
)
def test_facts_that_are_none_are_one_line(text):
    with pytest.raises(DataError, match="the model check cannot be read; run the pipeline again"):
        parse_model_check(text)


def test_only_true_passes():
    assert not parse_model_check('{"passed": "yes"}').passed and parse_model_check('{"passed": true}').passed


# ---------------------------------------- one comment, one issue
def test_there_is_one_comment_and_nobody_elses_is_touched(github):
    mark = "<!-- mlkit:report -->"
    theirs = {"id": 1, "on": 3, "user": {"login": "stranger"}, "body": f"{mark}\nmine now"}
    github.comments += [theirs] + [
        {"id": n, "on": 3, "user": {"login": BOT}, "body": "talk"} for n in range(2, 120)
    ]
    done = [write_sticky_comment(repository(github), 3, text) for text in ("first", "second")]
    assert done == ["created", "updated"], "it is found on the second page"
    ours = [each for each in github.comments if each["user"]["login"] == BOT and mark in each["body"]]
    assert [each["body"] for each in ours] == [f"{mark}\nsecond"] and theirs["body"].endswith("mine now")


def test_there_is_one_open_issue_for_each_model(github):
    github.issues.append(
        {"number": 9, "state": "closed", "user": {"login": BOT}, "body": "<!-- mlkit:monitor-churn -->"}
    )
    calls = [("churn", "one"), ("churn", "two"), ("other", "three")]
    done = [
        write_issue(repository(github), f"{name} does harm", text, f"monitor:{name}") for name, text in calls
    ]
    assert [each for each, _ in done] == ["created", "updated", "created"]
    assert [each["body"].split("\n")[1] for each in github.issues[1:]] == ["two", "three"]


def test_the_pull_request_is_githubs_and_not_the_changes(github):
    sha = "a" * 40
    head = {
        "head_repository": {"owner": {"login": "stranger"}},
        "head_branch": "x$(touch pwned)",
        "head_sha": sha,
    }
    github.pulls += [
        {"number": 4, "label": "stranger:x$(touch pwned)", "head": {"sha": "old"}},
        {"number": 5, "label": "stranger:x$(touch pwned)", "head": {"sha": sha}},
        {"number": 6, "label": "acme:x", "head": {"sha": sha}},
    ]
    assert find_pull_request(repository(github), {"workflow_run": head}) == 5
    assert find_pull_request(repository(github), {"workflow_run": head | {"head_sha": "b" * 40}}) is None
    assert find_pull_request(repository(github), {"workflow_run": {"head_repository": None}}) is None


def test_a_question_is_asked_again_and_an_answer_that_fails_is_one_line(github):
    github.busy = 2
    assert write_sticky_comment(repository(github), 3, "text") == "created"
    github.busy = 99
    with pytest.raises(
        RunError, match=r"GitHub did not answer GET /issues/3/comments .*; run the job again"
    ) as error:
        write_sticky_comment(repository(github), 3, "text")
    assert github.token not in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "api", ["http://evil.example", "ftp://x", "file:///etc/passwd"], ids=["http", "ftp", "file"]
)
def test_a_token_goes_nowhere_unencrypted(api):
    with pytest.raises(MLKitError, match="GITHUB_API_URL is an https address"):
        GitHubRepository(api, "acme/shop", "a-token")


# ---------------------------------------- where nothing may be written
@pytest.fixture
def job(tmp_path, monkeypatch, github):
    """A job of a workflow that follows another one, and facts that a fork has written."""
    facts = ModelCheck(False, f"Worse {EVIL}", "by 0.04", leaks=[f"Left out: {EVIL}"])
    (tmp_path / "facts.json").write_text(facts.to_json(), encoding="utf-8")
    event = {"pull_request": {"number": 3, "title": EVIL}}
    (tmp_path / "event.json").write_text(json.dumps(event), encoding="utf-8")
    for name, value in {
        "GITHUB_EVENT_PATH": str(tmp_path / "event.json"),
        "GITHUB_REPOSITORY": "acme/shop",
        "GITHUB_API_URL": github.url,
        "GITHUB_TOKEN": github.token,
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return ["ci", "comment", "facts.json", "--link", "https://github.com/acme/shop/actions/runs/1"]


def test_the_comment_holds_what_a_stranger_wrote_as_text(job, github):
    done = CliRunner().invoke(app, job)
    assert done.exit_code == 0 and done.output == "Comment on #3 created.\n"
    shown = PAGE.render(github.comments[0]["body"].partition("\n")[2])
    assert "<img" not in shown and "Worse" in shown and 'href="https://github.com' in shown
    assert shown.count("href=") == 1


@pytest.mark.parametrize("why", ["no token", "no permission", "wrong token"])
def test_without_the_right_to_write_the_job_ends_well(job, github, monkeypatch, why):
    if why == "no permission":
        github.may_write = False
    else:
        monkeypatch.setenv("GITHUB_TOKEN", "" if why == "no token" else "another")
    done = CliRunner().invoke(app, job)
    assert done.exit_code == 0 and done.output.startswith("No comment: ") and not github.comments
    assert "It would have been:" in done.output and "another" not in done.output


# ---------------------------------------- harm, and what stays
@pytest.mark.parametrize(
    ("code", "told"), [("0", "churn does no harm."), ("2", "was not looked at")], ids=["fine", "fault"]
)
def test_only_harm_is_an_issue_and_a_fault_of_the_check_is_the_jobs(
    job, github, tmp_path, monkeypatch, code, told
):
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    done = CliRunner().invoke(app, ["ci", "issue", "churn", "--code", code])
    assert told in done.output + str(done.exception) and not github.issues
    if code == "0":
        assert done.exit_code == 0 and "retrain=false" in (tmp_path / "output").read_text()
    else:
        assert isinstance(done.exception, MLKitError) and not (tmp_path / "output").exists()


@pytest.mark.skipif(os.name != "posix", reason="links to folders need rights on Windows")
def test_what_stays_is_elsewhere_and_nothing_that_is_here_is_hidden(tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    for _ in range(2):
        assert CliRunner().invoke(app, ["ci", "state", str(tmp_path / "kept")]).exit_code == 0
    (tmp_path / "work/improve/x").write_text("kept")
    assert (tmp_path / "kept/improve/x").read_text() == "kept"
    assert CliRunner().invoke(app, ["ci", "state", ""]).exit_code == 0
    (tmp_path / "other/runs/mine").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "other")
    done = CliRunner().invoke(app, ["ci", "state", str(tmp_path / "kept")])
    assert "runs is here already" in str(done.exception) and (tmp_path / "other/runs/mine").is_dir()
