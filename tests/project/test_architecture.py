"""The house stands as it is drawn: rooms, floors, sizes, names, dependencies. Every failure says what to do."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from pathlib import Path
from statistics import median

import pytest

from tools.house import STAGES, room_of
from tools.library import ROOT, read_library

LIBRARY = read_library()
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SERVER = "mlkit.serving.server"
CONTRACTS = PYPROJECT["tool"]["importlinter"]["contracts"]
MOST_LAYERS, MOST_LINES, MOST_CELLS, MOST_FILES, MEDIAN_LINES = 12, 500, 80, 20, 12
NOTEBOOKS = sorted(ROOT.glob("nbs/**/[!.]*.ipynb"))
NUMBERED = [path for path in NOTEBOOKS if path.name != "index.ipynb"]


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def cells(path: Path) -> list[dict]:
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def fail_with(faults: list[str], mend: str) -> None:
    if faults:
        pytest.fail("\n".join(faults) + f"\nTo mend it: {mend}", pytrace=False)


# ---------------------------------------- floors
def test_contracts_are_short():
    layered = [each for each in CONTRACTS if each["type"] == "layers"]
    faults = [
        f"{each['name']}: {len(each['layers'])} layers"
        for each in layered
        if len(each["layers"]) > MOST_LAYERS
    ]
    fail_with(faults, f"pyproject.toml: at most {MOST_LAYERS}, of rooms and not of modules")


def test_every_room_has_a_floor():
    floors = [each for each in CONTRACTS if each["type"] == "layers" and each.get("containers") == ["mlkit"]]
    assert len(floors) == 1 and floors[0].get("exhaustive") is True
    named = set(re.findall(r"\w+", " ".join(floors[0]["layers"])))
    missing = {*LIBRARY.rooms, *LIBRARY.stages} - named
    fail_with([f"{each}: no floor" for each in sorted(missing)], "add it to the layers in pyproject.toml")


def arrows(of_stages: bool) -> list[str]:
    """Imports of stages, inside of functions too: by other stages, or by rooms below them."""
    above = {"cli", "pipeline", "course", ""}  # "": mlkit itself, whose names are imported when asked for
    found = []
    for module in LIBRARY.modules.values():
        room = room_of(module.name, LIBRARY.stages)
        if room in above or (room == STAGES) != of_stages:
            continue
        for each in LIBRARY.imports(module):
            if each.target != module.name and each.target in LIBRARY.modules:
                if room_of(each.target, LIBRARY.stages) == STAGES:
                    found.append(f"{each.origin} imports {each.target}")
    return found


def test_no_stage_imports_a_stage():
    fail_with(arrows(of_stages=True), "move what both need into a room; stages meet in the run folder only")


def test_no_room_imports_a_stage():
    fail_with(arrows(of_stages=False), "move what the room needs into a room of the same floor or below")


def test_modules_are_imported_and_not_rooms():
    """A fingerprint follows imports from module to module; and nothing is documented on a server's way."""
    faults = []
    for module in LIBRARY.modules.values():
        for each in LIBRARY.imports(module):
            if module.name != "mlkit" and each.target.removeprefix("mlkit.") in LIBRARY.rooms:
                faults.append(f"{each.origin} imports from {each.target}")
    fail_with(faults, "import from the module that defines it, such as mlkit.core.errors")


HEAVY = ("pandas", "sklearn", "mlflow", "scipy", "matplotlib", "pyarrow", "shap", "optuna")


def test_a_server_stays_light():
    code = f"import sys, {SERVER}; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    fail_with([f"{SERVER} loads {name}" for name in done.stdout.split()], "import it where it is used")


# ---------------------------------------- places
@pytest.mark.parametrize("path", NUMBERED, ids=place)
def test_a_notebook_and_its_module_have_one_place(path):
    code = "\n".join("".join(cell["source"]) for cell in cells(path) if cell["cell_type"] == "code")
    target = re.findall(r"^#\| ?default_exp (\S+)", code, re.M)
    wanted = path.relative_to(ROOT / "nbs").with_name(path.name[3:]).with_suffix("")
    expected = ".".join(wanted.parts)
    if target != [expected]:
        fail_with([f"{place(path)} exports to {target}"], f"let it say #| default_exp {expected}, or move it")
    module = LIBRARY.modules.get(f"mlkit.{expected}")
    if module is None or module.notebook != path.relative_to(ROOT / "nbs").as_posix():
        fail_with([f"{place(path)} and mlkit/{wanted.as_posix()}.py are not of each other"], "make notebooks")


def test_modules_without_notebook_are_packages():
    made = [each for each in LIBRARY.modules.values() if not each.notebook and not each.is_package]
    fail_with([place(each.path) for each in made], "write a notebook for it, or delete it")


FOLDERS = sorted({path.parent for path in NUMBERED})


@pytest.mark.parametrize("folder", FOLDERS, ids=place)
def test_notebooks_of_a_folder_are_numbered(folder):
    numbers = sorted(path.name[:3] for path in folder.glob("*.ipynb") if path in NUMBERED)
    if place(folder) == "nbs":  # the stages have their numbers for good, whichever of them are there
        assert len(numbers) == len(set(numbers))
        return
    expected = [f"{number:02}_" for number in range(1, len(numbers) + 1)]
    if numbers != expected:
        fail_with([f"{place(folder)} has {' '.join(numbers)}"], f"number them {' '.join(expected)}")


def test_rooms_and_folders_of_notebooks_are_the_same():
    folders = {path.parent.name for path in NUMBERED} - {"nbs"}
    assert folders == set(LIBRARY.rooms)


# ---------------------------------------- sizes
def test_modules_are_short():
    long = [each for each in LIBRARY.modules.values() if each.source.count("\n") > MOST_LINES]
    faults = [f"{place(each.path)}: {each.source.count(chr(10))} lines" for each in long]
    fail_with(faults, f"split its notebook; at most {MOST_LINES} lines a module")


def test_notebooks_are_short():
    faults = [
        f"{place(path)}: {len(cells(path))} cells" for path in NOTEBOOKS if len(cells(path)) > MOST_CELLS
    ]
    fail_with(faults, f"split it; at most {MOST_CELLS} cells a notebook")


def test_folders_are_short():
    kinds = {"nbs": "*.ipynb", "mlkit": "*.py"}
    faults = []
    for top, pattern in kinds.items():
        files: dict[Path, int] = defaultdict(int)
        for path in (ROOT / top).rglob(pattern):
            files[path.parent] += not path.name.startswith((".", "_"))
        faults += [f"{place(path)}: {count} files" for path, count in files.items() if count > MOST_FILES]
    fail_with(faults, f"split the room; at most {MOST_FILES} notebooks or modules a folder")


def test_exported_cells_of_stages_are_short():
    lines = []
    for path in ROOT.glob("nbs/[0-9][0-9]_*.ipynb"):
        for cell in cells(path):
            text = "".join(cell["source"]).rstrip()
            defines = re.search(r"^(?:async )?(?:def|class) ", text, re.M)
            if cell["cell_type"] == "code" and re.match(r"#\| ?export\b", text) and defines:
                lines.append(text.count("\n"))  # the line of the directive does not count
    if median(lines) > MEDIAN_LINES:
        fail_with(
            [f"the median is {median(lines):g} lines, of {len(lines)} cells"], "move machinery into rooms"
        )


# ---------------------------------------- names
def test_a_class_has_a_name_of_its_own():
    found: dict[str, list[str]] = defaultdict(list)
    for module in LIBRARY.modules.values():
        for name, node in module.definitions.items():
            if isinstance(node, ast.ClassDef) and not name.startswith("_"):
                found[name].append(module.name)
    faults = [f"{name}: {', '.join(modules)}" for name, modules in found.items() if len(modules) > 1]
    fail_with(faults, "let each name say of what it is")


# ---------------------------------------- dependencies
