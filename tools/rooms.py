"""Write docs/rooms.md, what there is to read behind the lessons: `python tools/rooms.py`.

Rooms, notebooks and their one sentence come from the code. Which notebooks serve a learner stands here."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tools.library import Library, Module  # noqa: E402

PAGE = Path("docs/rooms.md")
# A dozen that a learner may read like a lesson: the stage after which it can be read, and the notebook.
FOR_LEARNERS = {
    "task/02_metrics": "problem",
    "sources/05_encodings": "collect",
    "quality/05_column_leakage": "validate",
    "features/04_plan": "prepare",
    "models/01_families": "train",
    "task/05_intervals": "evaluate",
    "models/09_calibration": "evaluate",
    "explanation/02_local_attributions": "explain",
    "inference/01_signing": "package",
    "scoring/02_chunks": "score",
    "security/05_api_keys": "serve",
    "deployment/01_image": "deploy",
}
BEGINNING = (
    "# The rooms, for those who want to go deeper\n\n"
    "The lessons stand at the top of `nbs/`; what they import stands in rooms, the folders below it. Every module "
    "there has a notebook of its own: a short lesson, the code, and the code at work. Nobody has to read them. A "
    "dozen can be read like a lesson by anybody who has done the stage that is named; the rest is the engine, and "
    "is read when a question leads there.\n\n"
    "## A dozen for learners\n"
)
ENDING = """
This page is made from the code by `python tools/rooms.py`, which is part of `make notebooks`.
"""


def link(module: Module, root: Path) -> str:
    """A link from docs/ to the notebook of a module, or to its file when it has none."""
    place = f"nbs/{module.notebook}" if module.notebook else module.path.relative_to(root).as_posix()
    return f"[{module.name.rsplit('.', 1)[1]}](../{place})"


def for_learners(library: Library) -> str:
    """The dozen, in the order of the stages."""
    by_notebook = {module.notebook.removesuffix(".ipynb"): module for module in library.modules.values()}
    if missing := [notebook for notebook in FOR_LEARNERS if notebook not in by_notebook]:
        raise SystemExit(f"{', '.join(missing)}: no such notebook; correct FOR_LEARNERS in tools/rooms.py")
    lines = ["| after | read | what about |", "|---|---|---|"]
    for notebook, stage in FOR_LEARNERS.items():
        module, lesson = by_notebook[notebook], library.modules[f"mlkit.{stage}"]
        lines.append(f"| {link(lesson, library.root)} | {link(module, library.root)} | {module.summary} |")
    return "\n".join(lines)


def rooms_page(library: Library) -> str:
    """The whole page."""
    parts = [BEGINNING, for_learners(library), ""]
    for room in sorted(library.rooms):
        about = library.modules[f"mlkit.{room}"].summary
        parts += [f"## {room}", "", about, "", "| notebook | what about |", "|---|---|"]
        for module in library.within(room):
            star = " ★" if module.notebook.removesuffix(".ipynb") in FOR_LEARNERS else ""
            parts.append(f"| {link(module, library.root)}{star} | {module.summary} |")
        parts.append("")
    return "\n".join(parts).rstrip("\n") + "\n" + ENDING


def main(root: Path = ROOT) -> None:
    (root / PAGE).write_text(rooms_page(Library(root)), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
