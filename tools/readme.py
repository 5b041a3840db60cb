"""Print the README, which is nbs/index.ipynb as Markdown: `python tools/readme.py > README.md`."""

import re
import sys
from pathlib import Path

import nbformat
from nbconvert import MarkdownExporter

INDEX = Path(__file__).resolve().parents[1] / "nbs" / "index.ipynb"
FENCE = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)
LOCAL_LINK = re.compile(r"(\]\()(?![a-z]+:|#)([^)]+\))")


def from_the_root(link: re.Match) -> str:
    """A link beside the notebook, seen from the README one folder up."""
    opening, target = link.groups()
    return opening + (target.removeprefix("../") if target.startswith("../") else f"nbs/{target}")


def readme(index: Path = INDEX) -> str:
    notebook = nbformat.read(index, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if cell.source.split("\n")[0] != "#| hide"]
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = LOCAL_LINK.sub(from_the_root, cell.source)
        else:
            cell.source = re.sub(r"^#\|.*\n", "", cell.source, flags=re.MULTILINE)
    text, _ = MarkdownExporter().from_notebook_node(notebook)
    parts = FENCE.split(text)  # code keeps its empty lines
    parts[::2] = [re.sub(r"\n{3,}", "\n\n", part) for part in parts[::2]]
    return "".join(parts).strip() + "\n"


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    sys.stdout.write(readme())
