"""What a learner sets in the parameters cell is what the run section gets, whatever was run in between."""

import ast
import dis
import re
from collections.abc import Iterator
from importlib import import_module

import pytest

from mlkit.pipeline.notebooks import list_stages, run_view

TRY_THIS = re.compile(r"\*\*Try this\*\*.*?```python\n(.*?)```", re.DOTALL)


def bound_names(code: str) -> set[str]:
    "The names that a cell binds or deletes in the notebook, those of `import *` too."
    stores = "STORE_NAME", "STORE_GLOBAL", "DELETE_NAME"
    bound = {
        step.argval for step in dis.get_instructions(compile(code, "cell", "exec")) if step.opname in stores
    }
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Global):
            bound |= set(node.names)
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            bound |= set(import_module(node.module or "").__all__)
    return bound


def cells_beside_the_parameters(stage: str) -> Iterator[tuple[str, set[str]]]:
    "The code of each lesson cell, run cell and `Try this`, and what it may bind although it is a parameter."
    notebook = list_stages()[stage].notebook
    in_run = {cell.id for cell in run_view(notebook).cells}
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            yield from ((block, set()) for block in TRY_THIS.findall(cell.source))
        elif cell.cell_type == "code" and "parameters" not in cell.metadata.get("tags", []):
            yield cell.source, {"run"} if cell.id in in_run else set()


@pytest.mark.parametrize("stage", list_stages())
def test_no_cell_binds_the_name_of_a_parameter(stage: str) -> None:
    parameters = set(list_stages()[stage].parameters)
    found = list(cells_beside_the_parameters(stage))
    assert found
    for code, allowed in found:
        taken = (bound_names(code) & parameters) - allowed
        assert not taken, f"{stage}: {code[:80]!r} binds {', '.join(taken)}, a parameter; use another name"


@pytest.mark.parametrize(
    "code",
    [
        "rows = 1",
        "for rows in []: pass",
        "import json as rows",
        "def rows(): pass",
        "with open('x') as rows: pass",
        "a, (b, rows) = c",
        "rows: int = 3",
        "del rows",
        "print(rows := 2)",
        "def f():\n    global rows\n    rows = 1",
    ],
)
def test_every_way_of_binding_is_seen(code: str) -> None:
    assert "rows" in bound_names(code)


def test_a_name_of_its_own_is_not_bound_in_the_notebook() -> None:
    assert bound_names("[rows for rows in x]\ndef f(rows): rows = 2\ny = f(rows=1)") == {"f", "y"}
    assert "summarise" in bound_names("from mlkit.evaluate import *")
