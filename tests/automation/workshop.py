"""Workflows run on this machine by act, without Docker and network: other people's actions are stubs, GitHub's API a
server on loopback. act does not know rights, environments and concurrency; what they hold back is linted."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlkit.automation.workflows import ACTIONS
from tests.automation.github_server import FakeGitHub
from tests.conftest import tool
from tools.on_a_copy import ROOT

NOTHING = "runs: {using: composite, steps: [{shell: bash, run: 'true'}]}"
CALL = """
inputs: {{name: {{default: ''}}, path: {{default: ''}}, context: {{default: ''}}}}
outputs: {{digest: {{value: 'sha256:{zeros}'}}}}
runs:
  using: composite
  steps:
    - shell: bash
      env: {{NAME: '${{{{ inputs.name }}}}', PLACE: '${{{{ inputs.path }}}}', CONTEXT: '${{{{ inputs.context }}}}'}}
      run: python3 "$STUBS/stub.py" {what}
"""
STUB = """
"What an action of others does with files."
import fnmatch, os, shutil, sys
from pathlib import Path

store, name, lines = Path(os.environ["STORE"]), os.environ["NAME"], os.environ["PLACE"].split("\\n")
paths = [line.strip() for line in lines if line.strip()]
without = [line[1:] for line in paths if line.startswith("!")]


def unwanted(folder, names):
    places = {each: str(Path(folder, each)) for each in names}
    return [n for n, place in places.items() if any(fnmatch.fnmatch(place, w.replace("/**", "")) for w in without)]


def copy(source, target):
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=unwanted, symlinks=True)
    elif source.is_file():
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


what = sys.argv[1]
if what == "restore":
    copy(store / "cache", Path(paths[0]))
elif what == "save":
    shutil.rmtree(store / "cache", ignore_errors=True)
    copy(Path(paths[0]), store / "cache")
elif what == "upload":
    shutil.rmtree(store / name, ignore_errors=True)
    for each in paths:
        if not each.startswith("!"):
            copy(Path(each), store / name)
elif what == "download":
    if not (store / name).is_dir():
        sys.exit(f"no artifact {name}")
    copy(store / name, Path(paths[0]))
elif what == "build":
    shutil.copytree(os.environ["CONTEXT"], store / "image", dirs_exist_ok=True)
"""
DOES = {
    "cache_restore": "restore",
    "cache_save": "save",
    "upload": "upload",
    "download": "download",
    "build_push": "build",
}


@dataclass
class Workshop:
    """A repository whose workflows run here."""

    folder: Path  # of the repository
    place: Path  # of what GitHub keeps: cache, artifacts, actions
    github: FakeGitHub
    variables: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)

    @property
    def store(self) -> Path:
        return self.place / "store"

    def prepare(self) -> "Workshop":
        """Stubs in the place of actions, and a repository that knows its name."""
        stubs = self.place / "stubs"
        stubs.mkdir(parents=True, exist_ok=True)
        self.store.mkdir(exist_ok=True)
        (stubs / "stub.py").write_text(STUB, encoding="utf-8")
        for name, pinned in ACTIONS.items():
            inside = stubs / pinned.partition("@")[0]
            inside.mkdir(parents=True, exist_ok=True)
            text = CALL.format(what=DOES[name], zeros="0" * 64) if name in DOES else NOTHING
            (inside / "action.yml").write_text(f"name: stub\ndescription: stub\n{text}\n", encoding="utf-8")
        git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
        for words in (
            ["init", "-q"],
            ["remote", "add", "origin", "https://github.com/acme/shop"],
            ["add", "-A"],
        ):
            subprocess.run([*git, *words], cwd=self.folder, capture_output=True)
        subprocess.run([*git, "commit", "-qm", "all"], cwd=self.folder, capture_output=True)
        return self

    def act(
        self,
        name: str,  # of the event
        workflow: str,
        event: dict[str, Any],
        *more: str,
        expect: int = 0,
        token: str = "a-token",
    ) -> str:
        """Run a workflow; what it prints."""
        path = self.place / "event.json"
        path.write_text(json.dumps({"repository": REPOSITORY, **event}), encoding="utf-8")
        words = [tool("act"), name, "-W", f".github/workflows/{workflow}.yml", "-e", str(path)]
        words += ["-P", "ubuntu-latest=-self-hosted", "--no-cache-server", "--defaultbranch", "main"]
        words += ["--action-cache-path", str(self.place / "act")]
        for pinned in dict.fromkeys(ACTIONS.values()):
            action, _, version = pinned.partition(" #")[0].partition("@")
            owner, repository, *_ = action.split("/")
            words += [
                "--local-repository",
                f"{owner}/{repository}@{version}={self.place}/stubs/{owner}/{repository}",
            ]
        given = {"STORE": self.store, "STUBS": self.place / "stubs", "GITHUB_API_URL": self.github.url}
        for key, value in given.items():
            words += ["--env", f"{key}={value}"]
        for key, value in self.variables.items():
            words += ["--var", f"{key}={value}"]
        for key, value in (({"GITHUB_TOKEN": token} if token else {}) | self.secrets).items():
            words += ["-s", f"{key}={value}"]
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        own = {"HOME": str(self.place), "PATH": programs, "PYTHONPATH": str(ROOT), "CI": "true"}
        environ = {key: value for key, value in os.environ.items() if not key.startswith("GITHUB_")} | own
        done = subprocess.run(
            [*words, *more], cwd=self.folder, env=environ, capture_output=True, text=True, timeout=550
        )
        said = done.stdout + done.stderr
        assert done.returncode == expect, said[-6_000:]
        return said


REPOSITORY = {"default_branch": "main", "visibility": "private", "full_name": "acme/shop"}


def copy_repository(source: Path, target: Path) -> Path:
    """Another branch of a repository: its files, without what was run."""
    return Path(shutil.copytree(source, target, ignore=shutil.ignore_patterns("runs")))
