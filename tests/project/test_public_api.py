"""The public names: what is listed exists, costs nothing until it is used, and is documented."""

import ast
import importlib
import inspect
import json
import operator
import pydoc
import re
import subprocess
import sys
from textwrap import dedent

import pytest

import mlkit
from mlkit.core.public_api import add_docments, docments, numpydoc_sections, read_docments
from tools.api import PAGE, api, signature
from tools.library import ROOT, Library, read_library

LIBRARY = read_library()
PACKAGES = ["mlkit", *(f"mlkit.{room}" for room in LIBRARY.rooms)]


def fail_with(faults: list[str], mend: str) -> None:
    if faults:
        pytest.fail("\n".join(faults) + f"\nTo mend it: {mend}", pytrace=False)


# ---------------------------------------- the lists
def test_the_page_says_what_the_code_says():
    before = (ROOT / PAGE).read_text(encoding="utf-8").splitlines() if (ROOT / PAGE).exists() else []
    now = api(LIBRARY).splitlines()
    changed = [f"- {line}" for line in before if line not in now]
    changed += [f"+ {line}" for line in now if line not in before]
    if before != now:
        mend = "if that is meant, python tools/api.py, and say so in CHANGELOG.md"
        fail_with([f"{PAGE.as_posix()} is not what the code says:", *changed], mend)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_says_what_it_is_for(package):
    text = ast.get_docstring(LIBRARY.modules[package].tree) or ""
    what, _, rest = text.partition("\n\n")
    assert what.endswith(".") and len(what) <= 120, "the first line is one sentence: what is here"
    lines = rest.splitlines()
    assert lines[0].startswith("For ") and len(lines) == 2, (
        "then, below an empty line: for whom, and what not"
    )


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_are_where_the_package_says(package):
    faults = []
    for name, place in LIBRARY.public(package).items():
        if place == f"{package}.{name}":
            if place not in LIBRARY.modules:
                faults.append(f"{name}: there is no such module")
            continue
        if f"{package}.{name}" in LIBRARY.modules:
            faults.append(
                f"{name}: a module of this package has the same name, and hides it once it is loaded"
            )
        if name.startswith("_"):
            faults.append(f"{name}: is private")
        if not place.startswith(f"{package}."):
            faults.append(f"{name}: comes from {place}, another package; it is public there")
        if place not in LIBRARY.modules or name not in LIBRARY.modules[place].definitions:
            faults.append(f"{name}: is not defined in {place}")
    fail_with(faults, f"{package.replace('.', '/')}/__init__.py")


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_are_written_as_type_checkers_read_them(package):
    """`from .x import name as name` is public for them; everything else is not."""
    tree = LIBRARY.modules[package].tree
    if len(tree.body) == 1:  # a docstring: nothing is public
        return
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    lines = [line for line in block.body if isinstance(line, ast.ImportFrom)]
    assert len(lines) == len(block.body)
    assert all(line.level == 1 and alias.name == alias.asname for line in lines for alias in line.names)
    assert [ast.unparse(line) for line in block.orelse] == ["__getattr__, __dir__ = lazy_imports(__name__)"]


def test_stages_and_rooms_are_public():
    assert {*LIBRARY.rooms, *LIBRARY.stages} <= LIBRARY.public("mlkit").keys()


def test_everything_public_says_what_it_is():
    bare = re.findall(r"^\| (`.*`) \|  \|", api(LIBRARY), re.M)
    fail_with(bare, "a docstring, or a comment beside the constant, in its notebook")


# ---------------------------------------- when they are asked for
def test_importing_a_package_costs_nothing():
    code = f"""
        import importlib, json, sys
        before = set(sys.modules)
        for package in {PACKAGES!r}:
            dir(importlib.import_module(package))
        print(json.dumps(sorted({{name.split(".")[0] if "mlkit" not in name else name
                                  for name in set(sys.modules) - before}})))"""
    done = subprocess.run([sys.executable, "-c", dedent(code)], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    ours = {name for name in loaded if name.startswith("mlkit")}
    assert ours == {*PACKAGES, "mlkit.core.public_api"}
    assert loaded - ours <= sys.stdlib_module_names, "a package loads a library"


def test_help_tells_what_each_parameter_is():
    text = pydoc.plain(pydoc.render_doc(mlkit.fit))
    assert (
        "budget : float, default 60.0\n        seconds in all; 0: no limit. "
        "Training gets what is left, a fifth of it at least" in text
    )
    assert "Returns\n    -------\n    Model\n        with predict" in text
    for name in inspect.signature(mlkit.fit).parameters:
        assert re.search(rf"^    {name} : ", text, re.M), f"{name} is missing"


def test_what_there_is_can_be_seen():
    assert dir(mlkit) == operator.attrgetter("__all__")(mlkit) == sorted(LIBRARY.public("mlkit"))
    assert {"fit", "problem", "core"} <= set(dir(mlkit))
    from mlkit.core import DataError

    assert DataError is importlib.import_module("mlkit.core.errors").DataError
    with pytest.raises(AttributeError, match="module 'mlkit' has no attribute 'fitt'") as caught:
        operator.attrgetter("fitt")(mlkit)
    assert (caught.value.name, caught.value.obj) == ("fitt", mlkit)  # Python suggests `fit` from these


# ---------------------------------------- a package of the tests' own
FACE = '''
"""Tools."""
from typing import TYPE_CHECKING
from mlkit.core.public_api import lazy_imports
if TYPE_CHECKING:
    from . import drawer as drawer
    from .tools import LIMIT as LIMIT
    from .tools import Base as Base
    from .tools import Broken as Broken
    from .tools import Field as Field
    from .tools import Point as Point
    from .tools import Shape as Shape
    from .tools import counted as counted
    from .tools import cut as cut
    from .tools import later as later
    from .tools import plain as plain
    from .tools import settled as settled
    from .tools import within as within
else:
    __getattr__, __dir__ = lazy_imports(__name__)
'''
TOOLS = '''
from __future__ import annotations
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple, Protocol

LIMIT = {"a": 1}

class Broken(ValueError):
    "It broke."

def cut(
    text: str,  # what is cut; "#" counts
    *marks: str,  # where
    wide: bool = "#" in "no # comment",  # also before
    sizes: tuple[
        int, int
    ] = (1, 2),  # smallest and largest
    **options: int,  # all others
) -> list[
    str
]:  # the pieces
    """Cut a text.

    In pieces.
    """
    return [text]  # no comment of a parameter

def plain(a: int, b: int = 2) -> int:
    "No comments."
    return a  # nor is this

def settled(
    a: int,  # a comment
) -> int:
    """Has sections.

    Parameters
    ----------
    a : written by hand
    """
    return a

@cache
def counted(
    n: int,  # how many
) -> int:  # one more
    "Counted."
    return n + 1

@contextmanager
def within(
    n: int,  # how deep
):
    yield n

async def later(
    n: "int",  # when
) -> None:
    "Later."

@dataclass(frozen=True)
class Base:
    "A base."
    a: int  # the first
    seen: dict = field(default_factory=dict)  # what was seen
    made: int = field(default=0, init=False)  # not to be given

@dataclass(frozen=True)
class Shape(Base):
    "A shape."
    b: str = "x"  # the second

    def area(
        self,
        unit: str = "m",  # metre
    ) -> float:  # its size
        "Area."
        return 1.0

    @classmethod
    def make(
        cls,
        text: str,  # as written
    ) -> "Shape":
        "From text."
        return cls(1)

    @staticmethod
    def sides(
        n: int,  # how many
    ) -> int:
        return n

    def _hidden(
        self,
        n: int,  # for nobody
    ) -> None:
        "Hidden."

class Point(NamedTuple):
    "A point."
    x: float  # to the right
    y: float = 0.0  # upwards

class Field(Protocol):
    "Something with a name."
    name: str  # never given to anybody
'''


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    folder = tmp_path_factory.mktemp("path")
    (folder / "toolkit_of_tests").mkdir()
    for name, code in {"__init__": FACE, "tools": TOOLS, "drawer": "FULL = True"}.items():
        (folder / "toolkit_of_tests" / f"{name}.py").write_text(code, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield importlib.import_module("toolkit_of_tests")
        for name in [name for name in sys.modules if name.startswith("toolkit_of_tests")]:
            del sys.modules[name]


def test_every_kind_of_parameter_is_documented(kit):
    assert kit.cut.__doc__ == dedent("""\
        Cut a text.

        In pieces.

        Parameters
        ----------
        text : str
            what is cut; "#" counts
        *marks : str
            where
        wide : bool, default '#' in 'no # comment'
            also before
        sizes : tuple[int, int], default (1, 2)
            smallest and largest
        **options : int
            all others

        Returns
        -------
        list[str]
            the pieces""")


def test_what_is_decorated_is_documented(kit):
    assert "n : int\n    how many\n\nReturns\n-------\nint\n    one more" in kit.counted.__doc__
    assert kit.within.__doc__ == "Parameters\n----------\nn : int\n    how deep"
    assert kit.later.__doc__ == "Later.\n\nParameters\n----------\nn : int\n    when"
    assert kit.counted(1) == 2 and kit.counted.cache_info().misses == 1


def test_a_class_is_documented_with_its_fields_and_methods(kit):
    shape = kit.Shape
    assert shape.__doc__ == dedent("""\
        A shape.

        Parameters
        ----------
        a : int
            the first
        seen : dict, optional
            what was seen
        b : str, default 'x'
            the second""")
    assert shape.area.__doc__ == (
        "Area.\n\nParameters\n----------\nunit : str, default 'm'\n    metre\n\n"
        "Returns\n-------\nfloat\n    its size"
    )
    assert shape.make.__doc__ == (
        "From text.\n\nParameters\n----------\ntext : str\n    as written\n\nReturns\n-------\nShape"
    )
    assert "n : int\n    how many" in shape.sides.__doc__
    assert shape._hidden.__doc__ == "Hidden."
    assert shape.make("x") == shape(1)
    assert kit.Point.__doc__.endswith("x : float\n    to the right\ny : float, default 0.0\n    upwards")


def test_what_has_nothing_to_add_stays_as_it_is(kit):
    assert kit.plain.__doc__ == "No comments."
    assert kit.Broken.__doc__ == "It broke."
    assert kit.Field.__doc__ == "Something with a name."
    assert kit.settled.__doc__.count("Parameters") == 1
    assert kit.LIMIT == {"a": 1}
    assert kit.drawer.FULL is True


def test_it_is_added_once(kit):
    for item in (kit.cut, kit.Shape, kit.counted):
        before = item.__doc__
        assert add_docments(item) is item and item.__doc__ == before


def test_all_names_can_be_imported_at_once(kit):
    space: dict = {}
    exec("from toolkit_of_tests import *", space)
    assert set(dir(kit)) == set(kit.__all__) == space.keys() - {"__builtins__"}
    assert space["cut"] is kit.cut


def test_without_source_nothing_is_said():
    space: dict = {}
    exec("def f(a):  # none\n    'Kept.'\nclass C:\n    'Kept.'\n    a: int", space)
    for item in (space["f"], space["C"], len, int, 3):
        text = getattr(item, "__doc__", None)
        assert add_docments(item) is item and getattr(item, "__doc__", None) == text
    assert docments(space["f"]) == {} and numpydoc_sections({}) == ""


def test_an_indented_function_is_read():
    assert read_docments("    def f(\n        a=1,  # one\n    ):\n        pass\n")["a"].comment == "one"


# ---------------------------------------- the page
@pytest.mark.parametrize(
    "name, expected",
    [
        ("cut", "cut(text, ...)"),
        ("plain", "plain(a, ...)"),
        ("counted", "counted(n)"),
        ("Shape", "Shape(a, ...)"),
        ("Point", "Point(x, ...)"),
        ("Broken", "Broken"),
        ("LIMIT", "LIMIT"),
    ],
)
def test_the_page_has_short_signatures(tmp_path, name, expected):
    (tmp_path / "mlkit" / "kit").mkdir(parents=True)
    (tmp_path / "mlkit" / "kit" / "tools.py").write_text(TOOLS, encoding="utf-8")
    library = Library(tmp_path)
    found = library.find("mlkit.kit.tools", name)
    assert found and signature(library, *found, name) == expected


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_links_of_a_page_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8"))
    fail_with([link for link in links if not (page.parent / link).exists()], f"docs/{page.name}")
