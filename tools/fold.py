"""Fold the exported cells of the stage notebooks, and keep their parameters Python: `python tools/fold.py`.

A lesson shows the field's own tools and what comes out; what mlkit exports of it is there, folded, for those who
want to look. IPython takes a cell of one line that begins with `run` for its command `%run`, in JupyterLab and
under papermill, so a parameters cell has two lines at least.
"""

from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]


def is_exported(cell: nbformat.NotebookNode) -> bool:
    """Does the library get this cell?"""
    return cell.cell_type == "code" and cell.source.startswith("#| export")


def fold(notebook: nbformat.NotebookNode) -> list[str]:
    """Fold exported cells and unfold all others; the ids of those that were otherwise."""
    changed = []
    for cell in notebook.cells:
        folded = cell.metadata.get("jupyter", {}).get("source_hidden", False)
        if folded != is_exported(cell):
            changed.append(cell.id)
            if folded:
                del cell.metadata["jupyter"]
            else:
                cell.metadata["jupyter"] = {"source_hidden": True}
    return changed


def lengthen(notebook: nbformat.NotebookNode) -> list[str]:
    """Put a comment above the only line of a parameters cell; the ids of those that had one line."""
    short = [
        cell
        for cell in notebook.cells
        if "parameters" in cell.metadata.get("tags", []) and len(cell.source.strip().splitlines()) == 1
    ]
    for cell in short:
        cell.source = f"# all that can be set from outside\n{cell.source.strip()}"
    return [cell.id for cell in short]


def main() -> None:
    """Fold, and lengthen."""
    for path in sorted((ROOT / "nbs").glob("[0-9][0-9]_*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        if fold(notebook) + lengthen(notebook):
            nbformat.write(notebook, path)


if __name__ == "__main__":
    main()
