"""What learns, scores and serves needs no extra; what needs one says which."""

import os
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from mlkit.core.extras import EXTRAS
from tests.base_install import check_base_install, make_package
from tools.on_a_copy import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WITHOUT_EXTRAS = """
from importlib.machinery import PathFinder

find = PathFinder.find_spec

def find_spec(name, path=None, target=None):
    return None if name.partition(".")[0] in MODULES else find(name, path, target)

PathFinder.find_spec = find_spec
"""


def names(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(each).name) for each in requirements}


def test_each_module_of_an_extra_comes_with_its_package():
    brought, extras = packages_distributions(), PROJECT["optional-dependencies"]
    for extra, modules in EXTRAS.items():
        for module in modules:
            assert {canonicalize_name(each) for each in brought[module]} & names(extras[extra]), module
    [everything] = map(Requirement, extras["all"])
    assert everything.name == PROJECT["name"] and everything.extras == set(EXTRAS)


def test_no_extra_repeats_a_dependency():
    for extra in EXTRAS:
        assert not names(PROJECT["dependencies"]) & names(PROJECT["optional-dependencies"][extra])


def test_a_base_install_learns_scores_and_serves_and_says_what_else_needs_an_extra(tmp_path):
    """A real one is in test_wheel. Here no Python that is started can find a module of an extra."""
    modules, work = {module for each in EXTRAS.values() for module in each}, tmp_path / "work"
    work.mkdir()
    (tmp_path / "sitecustomize.py").write_text(f"MODULES = {modules!r}\n{WITHOUT_EXTRAS}", encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]), "MLKIT_OSV": ""}
    programs = {"python": [], "mlkit": ["-c", "from mlkit.cli.main import main; main()"]}

    def run(program: str, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *programs[program], *words]
        return subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, timeout=300)

    check_base_install(run, make_package(tmp_path / "kinds"), work)
