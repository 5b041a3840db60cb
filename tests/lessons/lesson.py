"""What the tests of lessons share: a stage notebook as its reader sees it, and a kernel to run it in."""

import ast
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

from mlkit.pipeline.engine import WarmManager, can_fork
from mlkit.pipeline.notebooks import has_tag, run_view
from tools.on_a_copy import ROOT

FENCE = re.compile(r"```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
TRY_THIS = re.compile(r"\*\*Try this\b")
MARKUP = re.compile(r"```.*?```|<[^>]+>|!\[[^\]]*\]\([^)]*\)|\]\([^)]*\)", re.DOTALL)


@dataclass(frozen=True)
class Lesson:
    """A stage notebook."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def stage(self) -> str:
        return self.path.stem.split("_", 1)[1]

    @cached_property
    def notebook(self) -> NotebookNode:
        return nbformat.read(self.path, as_version=4)

    @property
    def prose(self) -> list[NotebookNode]:
        return [cell for cell in self.notebook.cells if cell.cell_type == "markdown"]

    @property
    def visible_code(self) -> list[NotebookNode]:
        return [cell for cell in self.notebook.cells if is_visible_code(cell)]

    @property
    def functions(self) -> list[str]:
        """The public functions and classes that the library gets from it."""
        exported = [cell.source for cell in self.notebook.cells if re.match(r"#\| export", cell.source)]
        made = [node for source in exported for node in ast.parse(source).body]
        named = [node.name for node in made if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
        return [name for name in named if not name.startswith("_")]

    @property
    def words(self) -> int:
        return sum(
            len(re.findall(r"[A-Za-z0-9][\w'.,%-]*", MARKUP.sub(" ", cell.source))) for cell in self.prose
        )

    @property
    def opening(self) -> str:
        """The prose before any code that a reader sees."""
        first = next(place for place, cell in enumerate(self.notebook.cells) if is_lesson_code(cell))
        return "\n\n".join(
            cell.source for cell in self.notebook.cells[:first] if cell.cell_type == "markdown"
        )

    @property
    def pictures(self) -> int:
        drawn = [output for cell in self.visible_code for output in cell.outputs]
        stored = [{"image/png", "image/svg+xml"} & {*output.get("data", {})} for output in drawn]
        return sum(map(bool, stored)) + sum(cell.source.count("![") for cell in self.prose)

    @property
    def longest_row(self) -> int:
        """The most visible code cells without prose between them."""
        row = most = 0
        for cell in self.notebook.cells:
            if cell.cell_type == "markdown":
                row = 0
            elif is_visible_code(cell):
                row += 1
                most = max(most, row)
        return most

    @property
    def run_section(self) -> set[str]:
        """The ids of the cells that the pipeline runs."""
        return {cell.id for cell in run_view(self.notebook).cells}

    def where(self, cell: NotebookNode) -> str:
        return f"nbs/{self.path.name}, cell {cell.id} ({first_line(cell.source)})"


LESSONS = [Lesson(path) for path in sorted(ROOT.glob("nbs/[0-9][0-9]_*.ipynb"))]
each_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)


def is_visible_code(cell: NotebookNode) -> bool:
    return cell.cell_type == "code" and not cell.metadata.get("jupyter", {}).get("source_hidden")


def is_lesson_code(cell: NotebookNode) -> bool:
    return (
        is_visible_code(cell)
        and not has_tag(cell, "parameters")
        and not cell.source.startswith("#| default_exp")
    )


def code_lines(source: str) -> list[str]:
    return [line for line in source.splitlines() if line.strip() and not line.startswith("#|")]


def first_line(source: str) -> str:
    lines = [line for line in source.splitlines() if line.strip()]
    return lines[0][:60] if lines else "empty"


def try_this(cell: NotebookNode) -> list[str]:
    """The code that a learner is asked to paste into a new cell."""
    found = TRY_THIS.search(cell.source) if cell.cell_type == "markdown" else None
    blocks = FENCE.findall(cell.source[found.start() :]) if found else []
    return [code for language, code in blocks if language == "python"]


def numpy_names(outputs: list[NotebookNode]) -> list[str]:
    """What a number of numpy looks like where it should look like a number."""
    shown = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs]
    return re.findall(r"\bnp\.\w+\([^)]*\)", "\n".join(shown))


def fail_with(faults: list[str]) -> None:
    if faults:
        pytest.fail("\n".join(faults), pytrace=False)


# ---------------------------------------- running
class Kernel:
    """A fresh kernel, as JupyterLab starts one for a notebook."""

    def __init__(self, client: NotebookClient) -> None:
        self.client, self.count = client, 0

    def run(self, source: str) -> tuple[str, list[NotebookNode]]:
        """What went wrong in one line, and the outputs."""
        cell = nbformat.v4.new_code_cell(source)
        self.client.nb.cells.append(cell)
        self.client.execute_cell(cell, len(self.client.nb.cells) - 1)
        errors = [output for output in cell.outputs if output.output_type == "error"]
        wrong = f"{errors[0].ename}: {' '.join(errors[0].evalue.split())[:300]}" if errors else ""
        return wrong, cell.outputs


@contextmanager
def kernel(folder: Path) -> Iterator[Kernel]:
    """A kernel that works in this folder."""
    warm: dict[str, Any] = (
        {"kernel_manager_class": WarmManager, "shutdown_kernel": "immediate"} if can_fork() else {}
    )
    client = NotebookClient(
        nbformat.v4.new_notebook(),
        timeout=300,
        allow_errors=True,
        resources={"metadata": {"path": str(folder)}},
        **warm,
    )
    with client.setup_kernel():
        made = Kernel(client)
        made.run(f"import os; os.chdir({str(folder)!r}); os.environ.pop('IN_TEST', None)")
        yield made


def code_of(cell: NotebookNode, chosen: dict[str, Any]) -> str:
    """The cell as it is run; into the parameters cell go the values that were chosen."""
    more = [f"\n{name} = {value!r}" for name, value in chosen.items()] if has_tag(cell, "parameters") else []
    return cell.source + "".join(more)
