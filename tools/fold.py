"""Fold the exported cells of the stage notebooks: `python tools/fold.py`.

A lesson shows the field's own tools and what comes out; what mlkit exports of it is there, folded, for those who
want to look.
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


def main() -> None:
    """Fold."""
    for path in sorted((ROOT / "nbs").glob("[0-9][0-9]_*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        if fold(notebook):
            nbformat.write(notebook, path)


if __name__ == "__main__":
    main()
