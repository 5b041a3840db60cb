"""Who may do what on the command line of a shared installation: in processes of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlkit.core.errors import SettingsError
from mlkit.security.roles import require_role, system_user

USER = system_user()[0]
COMMAND = [sys.executable, "-c", "from mlkit.cli.main import main; main()"]


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLKIT_AUDIT_LOG", str(tmp_path / "audit.jsonl"))
    monkeypatch.setenv("MLKIT_USER", "root")  # a name that anybody can set
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("MLKIT_ROLES", raising=False)
    return tmp_path


def give(place: Path, users: object) -> None:
    (place / "roles.json").write_text(json.dumps({"users": users}), encoding="utf-8")
    (place / "roles.json").chmod(0o644)


def events(place: Path) -> list[dict]:
    log = place / "audit.jsonl"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def test_without_a_file_everybody_may_do_everything(place):
    for role in ("promote", "privacy", "admin"):
        require_role(role)
    assert not events(place)


@pytest.mark.parametrize("roles, allowed", [
    ({USER: ["promote"]}, True),
    ({USER: ["admin"]}, True),
    ({"*": ["promote"]}, True),
    ({}, False),
    ({USER: ["privacy"]}, False),
    ({USER: []}, False),
    ({USER.upper(): ["promote"]}, False),
    ({f"{USER} ": ["promote"]}, False),
    ({f"@{USER}s-who-are-no-group": ["promote"]}, False),
])  # fmt: skip
def test_a_role_belongs_to_the_user_whom_the_system_knows(place, roles, allowed):
    give(place, roles)
    if allowed:
        require_role("promote", "mlkit promote")
        assert not events(place)
        return
    with pytest.raises(
        SettingsError, match=f"'mlkit promote' needs the role 'promote', which {USER} does not"
    ):
        require_role("promote", "mlkit promote")
    assert [(each["what"], each["who"], each["about"]["role"]) for each in events(place)] == [
        ("role refused", USER, "promote")
    ]


@pytest.mark.parametrize("text, told", [
    ("{", "does not say who has which roles"),
    ('{"users": []}', "does not say"),
    ('{"users": {"anna": "promote"}}', "does not say"),
    ('{"users": {"anna": ["promote"], "anna": ["admin"]}}', "does not say"),
    ('{"users": {"anna": ["promot"]}}', "did you mean 'promote'"),
])  # fmt: skip
def test_a_file_that_is_wrong_lets_nobody_in(place, text, told):
    (place / "roles.json").write_text(text)
    (place / "roles.json").chmod(0o644)
    with pytest.raises(SettingsError, match=told):
        require_role("promote")


def test_a_file_that_others_can_change_or_that_is_gone_lets_nobody_in(place, monkeypatch):
    give(place, {USER: ["admin"]})
    if os.name == "posix":
        (place / "roles.json").chmod(0o666)
        with pytest.raises(SettingsError, match="can be changed by others"):
            require_role("promote")
    monkeypatch.setenv("MLKIT_ROLES", str(place / "gone.json"))
    with pytest.raises(SettingsError, match="there is no such file"):
        require_role("promote")


def test_it_stands_beside_the_registry(place, monkeypatch):
    (place / "registry").mkdir()
    give(place / "registry", {})
    require_role("promote")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{place / 'registry' / 'mlflow.db'}")
    with pytest.raises(SettingsError, match="needs the role"):
        require_role("promote")


@pytest.mark.parametrize("words", [
    ("promote", "churn", "1"), ("rollback", "churn"), ("improve", "churn", "--approve"),
])  # fmt: skip
def test_commands_refuse_in_one_line_before_they_do_anything(place, words):
    give(place, {USER: ["predict", "privacy"]})
    done = subprocess.run([*COMMAND, *words], capture_output=True, text=True, timeout=120)
    told = " ".join(done.stderr.split())
    assert done.returncode == 2 and told.startswith(f"mlkit: 'mlkit {words[0]}' needs the role 'promote'")
    assert "Traceback" not in done.stderr and not done.stdout
    assert [each["about"]["command"] for each in events(place)] == [f"mlkit {words[0]}"]
    assert not (place / "mlflow.db").exists()
