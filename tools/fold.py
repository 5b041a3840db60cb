"""Fold the exported cells of the stage notebooks: `python tools/fold.py`.

A lesson shows the field's own tools and what comes out; what mlkit exports of it is there, folded, for those who
want to look. `python tools/fold.py --check` changes nothing and fails when a cell is not as it should be.
"""

import sys
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


def main() -> int:
    """Fold, or look only."""
    found = 0
    for path in sorted((ROOT / "nbs").glob("[0-9][0-9]_*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        changed = fold(notebook)
        found += len(changed)
        if changed and "--check" in sys.argv:
            print(f"nbs/{path.name}: {len(changed)} cells are not folded as they should be: make notebooks")
        elif changed:
            text = nbformat.writes(notebook) + "\n"
            path.write_text(text.replace("\n\n", "\n") if text.endswith("\n\n") else text, encoding="utf-8")
    return int(bool(found) and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
