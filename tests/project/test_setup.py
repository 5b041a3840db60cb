"""What is set up is what is needed: a user's part, an author's part, and the files that GitHub and Git read."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from check_jsonschema import main as check_jsonschema
from click.testing import CliRunner
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.constraints import by_package, split
from tools.on_a_copy import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT, GROUPS = PYPROJECT["project"], PYPROJECT["dependency-groups"]
EXTRAS = PROJECT["optional-dependencies"]


def names(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(text).name) for text in requirements}


[ALL] = map(Requirement, EXTRAS["all"])
NEEDED = sum((EXTRAS[extra] for extra in sorted(ALL.extras)), PROJECT["dependencies"])  # by `make run`
USERS = names(NEEDED) | names(GROUPS["setup"])
DECLARED = names(PROJECT["dependencies"]).union(*map(names, EXTRAS.values()))
UNDECLARED: set[str] = set()


# ---------------------------------------- constraints.txt
@pytest.fixture(scope="module")
def parts() -> tuple[set[str], set[str]]:
    users, authors = split((ROOT / "constraints.txt").read_text(encoding="utf-8"))
    return set(by_package(users)), set(by_package(authors))


def test_each_package_stands_in_one_part(parts):
    users, authors = parts
    assert users and authors and not users & authors


def test_users_get_what_the_project_depends_on_and_no_more(parts):
    users, authors = parts
    assert users >= USERS
    assert not authors & USERS
    assert authors >= names(GROUPS["dev"]) - users


def test_the_users_part_is_what_the_tool_prints():
    command = [sys.executable, "tools/constraints.py", "users"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode("utf-8")
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert text.startswith(printed) and "for authors" not in printed


# ---------------------------------------- imports are declared
def imported(code: str) -> Iterator[str]:
    """The top-level names of everything that is imported, anywhere in the code."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def foreign(code: str) -> set[str]:
    return set(imported(code)) - set(sys.stdlib_module_names) - {"mlkit", "__future__"}


def cells(path: Path) -> Iterator[str]:
    """The code of a notebook, without lines for IPython and nbdev alone."""
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        code = "".join(cell["source"])
        if cell["cell_type"] == "code" and not code.startswith("%%") and "#| eval: false" not in code:
            yield re.sub(r"^\s*[%!].*$", "", code, flags=re.MULTILINE)


@pytest.fixture(scope="module")
def distributions() -> dict[str, set[str]]:
    """Which distributions an import name may come from."""
    return {name: set(map(canonicalize_name, made)) for name, made in packages_distributions().items()}


def check_declared(where: str, needed: set[str], declared: set[str], distributions: dict[str, set[str]]):
    missing = sorted(each for each in needed - UNDECLARED if not distributions.get(each, {each}) & declared)
    if missing:
        pytest.fail(
            f"{where} imports {', '.join(missing)}, which pyproject.toml does not declare for users. "
            "To mend it: declare it under [project], then make constraints; or do without it",
            pytrace=False,
        )


def test_the_library_imports_what_is_declared(distributions):
    for path in sorted((ROOT / "mlkit").rglob("*.py")):
        needed = foreign(path.read_text(encoding="utf-8"))
        check_declared(path.relative_to(ROOT).as_posix(), needed, DECLARED, distributions)


NOTEBOOKS = sorted(ROOT.glob("nbs/**/[!.]*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_lesson_imports_what_a_learner_has(path, distributions):
    needed = set().union(*map(foreign, cells(path))) & distributions.keys()  # others are made in the lesson
    check_declared(path.relative_to(ROOT).as_posix(), needed, DECLARED, distributions)


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
def test_what_is_imported_is_pinned_for_every_python(python):
    """A marker must not leave out on one Python what the library imports on all of them."""
    users, _ = split((ROOT / "constraints.txt").read_text(encoding="utf-8"))
    here = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
    here |= {"platform_machine": "x86_64", "platform_system": "Linux", "os_name": "posix"}
    lines = [line.partition(" \\")[0] for line in users.splitlines() if re.match(r"[a-z0-9].*==", line)]
    pins = [Requirement(line) for line in lines]
    pinned = {canonicalize_name(pin.name) for pin in pins if not pin.marker or pin.marker.evaluate(here)}
    wanted = [Requirement(text) for text in NEEDED]
    asked = {canonicalize_name(each.name) for each in wanted if not each.marker or each.marker.evaluate(here)}
    assert asked == names(NEEDED) and asked <= pinned, sorted(asked - pinned)


# ---------------------------------------- what GitHub reads
SCHEMAS = {
    ".github/dependabot.yml": "vendor.dependabot",
    ".github/ISSUE_TEMPLATE/config.yml": "vendor.github-issue-config",
    **{
        path.relative_to(ROOT).as_posix(): "vendor.github-issue-forms"
        for path in ROOT.glob(".github/ISSUE_TEMPLATE/*.yml")
        if path.name != "config.yml"
    },
    **{
        path.relative_to(ROOT).as_posix(): "vendor.github-workflows"
        for path in ROOT.glob(".github/workflows/*")
    },
}


@pytest.mark.parametrize("schema", sorted(set(SCHEMAS.values())))
def test_github_can_read_its_files(schema):
    files = sorted(file for file, theirs in SCHEMAS.items() if theirs == schema)
    done = CliRunner().invoke(
        check_jsonschema, ["--builtin-schema", schema, *(str(ROOT / file) for file in files)]
    )
    assert done.exit_code == 0, done.output


def test_each_room_has_a_line_in_codeowners():
    lines = (ROOT / ".github/CODEOWNERS").read_text(encoding="utf-8").splitlines()
    patterns = [line.split()[0] for line in lines if line and not line.startswith("#")]
    dead = [each for each in patterns if each != "*" and not [*ROOT.glob(each.strip("/"))]]
    assert not dead, f".github/CODEOWNERS names {', '.join(dead)}, which is not there"
    rooms = {f"/nbs/{path.name}/" for path in (ROOT / "nbs").iterdir() if [*path.glob("*.ipynb")]}
    assert not rooms - set(patterns), f".github/CODEOWNERS lacks {', '.join(sorted(rooms - set(patterns)))}"


# ---------------------------------------- what Git and pre-commit run
def test_hooks_are_checks_of_the_makefile_and_nothing_is_fetched():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for repository in config["repos"]:
        assert repository["repo"] == "local"
        for hook in repository["hooks"]:
            assert hook["language"] == "system" and hook["entry"] == f"make --silent {hook['id']}"
            assert hook["id"] in targets


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a clone: what Git keeps was not looked at")
def test_git_keeps_nothing_that_is_made_on_a_machine():
    "A link `.venv` that is committed takes the place of everybody's environment."

    def listed(*options: str) -> list[str]:
        command = ["git", "ls-files", *options]
        return subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.splitlines()

    assert listed("--cached", "--ignored", "--exclude-standard") == []
    assert [line for line in listed("--stage") if line.startswith("120000")] == []


# ---------------------------------------- decisions
def test_each_decision_is_in_the_index():
    folder = ROOT / "docs/decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"\]\((\d\d-[\w-]+\.md)\) \| ([^|]+) \|", index)
    titles = {
        path.name: path.read_text(encoding="utf-8").splitlines()[0] for path in folder.glob("[0-9]*.md")
    }
    assert {file: f"# {file[:2]} {title}" for file, title in listed} == titles
