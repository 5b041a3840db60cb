"""Every lesson has the form of a lesson: little code at a time, prose around it, a picture, an end."""

import ast
import re

import pytest

from mlkit.pipeline.notebooks import has_tag
from tests.lessons.lesson import (
    LESSONS,
    TRY_THIS,
    Lesson,
    code_lines,
    each_lesson,
    fail_with,
    is_visible_code,
    numpy_names,
    try_this,
)
from tools.on_a_copy import ROOT

LONGEST_CELL, LONGEST_INTERFACE, LONGEST_ROW, WORDS_A_LINE, CELLS = 15, 18, 2, 8, range(35, 61)


@each_lesson
def test_code_comes_in_small_cells(lesson: Lesson) -> None:
    """The parameters are a stage's whole interface, and stand in one cell."""
    wrong = []
    for cell in lesson.visible_code:
        most = LONGEST_INTERFACE if has_tag(cell, "parameters") else LONGEST_CELL
        if (lines := len(code_lines(cell.source))) > most:
            wrong.append(f"{lesson.where(cell)}: {lines} lines of code, at most {most}")
    fail_with(wrong)


@each_lesson
def test_prose_stands_between_code(lesson: Lesson) -> None:
    faults, row = [], 0
    for cell in lesson.notebook.cells:
        row = 0 if cell.cell_type == "markdown" else row + is_visible_code(cell)
        if row == LONGEST_ROW + 1:
            faults.append(
                f"{lesson.where(cell)}: more than {LONGEST_ROW} code cells without prose between them"
            )
    lines = sum(len(code_lines(cell.source)) for cell in lesson.visible_code)
    if lesson.words < WORDS_A_LINE * lines:
        share = (
            f"{lesson.words} words beside {lines} visible lines of code: {lesson.words / lines:.1f} a line"
        )
        faults.append(f"nbs/{lesson.path.name}: {share}, at least {WORDS_A_LINE}")
    fail_with(faults)


@each_lesson
def test_a_lesson_is_neither_long_nor_bare(lesson: Lesson) -> None:
    faults, cells = [], len(lesson.notebook.cells)
    if cells not in CELLS:
        faults.append(f"nbs/{lesson.path.name}: {cells} cells, from {CELLS.start} to {CELLS.stop - 1}")
    if not lesson.pictures:
        faults.append(f"nbs/{lesson.path.name}: no picture in its outputs")
    fail_with(faults)


@each_lesson
def test_a_lesson_opens_and_closes(lesson: Lesson) -> None:
    opening, ends = lesson.opening, "\n\n".join(cell.source for cell in lesson.prose)
    closing = ends[ends.rfind("\n## ") + 1 :] if "## Recap" not in ends else ends[ends.rindex("## Recap") :]
    after = LESSONS.index(lesson) + 1
    parts = {
        "title: # ...": bool(re.match(r"# \w", opening)),
        "what you can do: 'After this you can ...'": "After this you can" in opening,
        "time: 'It takes about N minutes'": bool(re.search(r"takes about \d+ minutes", opening)),
        "what it builds on: 'It builds on ... [..](NN_x.ipynb)'": after == 1
        or bool(re.search(r"\bbuilds on [^\n]*\]\(\d\d_\w+\.ipynb\)", opening)),
    }
    ending = {
        "## Recap": "## Recap" in closing,
        "## Check yourself": "## Check yourself" in closing,
        "a folded answer: <details><summary>Answer</summary>": "<details><summary>Answer</summary>"
        in closing,
        "a link to the next: 'Next: [..](NN_x.ipynb)'": after == len(LESSONS)
        or f"]({LESSONS[after].path.name})" in closing,
    }
    fail_with(
        [
            f"nbs/{lesson.path.name}: the opening lacks its {part}"
            for part, there in parts.items()
            if not there
        ]
        + [f"nbs/{lesson.path.name}: the end lacks {part}" for part, there in ending.items() if not there]
    )


@each_lesson
def test_try_this_is_python_that_can_be_pasted(lesson: Lesson) -> None:
    faults, asked = [], 0
    for cell in lesson.prose:
        asked += bool(TRY_THIS.search(cell.source))
        if TRY_THIS.search(cell.source) and not try_this(cell):
            faults.append(f"{lesson.where(cell)}: 'Try this' without a ```python block behind it")
        for code in try_this(cell):
            try:
                ast.parse(code)
            except SyntaxError as error:
                faults.append(f"{lesson.where(cell)}: 'Try this' is no Python: {error}")
    if not asked:
        faults.append(f"nbs/{lesson.path.name}: nothing to try; a bold **Try this** with a ```python block")
    fail_with(faults)


@each_lesson
def test_numbers_look_like_numbers(lesson: Lesson) -> None:
    found = [(cell, odd) for cell in lesson.visible_code if (odd := numpy_names(cell.outputs))]
    fail_with([f"{lesson.where(cell)}: it shows {odd[0]}" for cell, odd in found])


@each_lesson
def test_every_function_of_a_lesson_is_shown_at_work(lesson: Lesson) -> None:
    shown = "\n".join(cell.source for cell in lesson.visible_code if cell.id not in lesson.run_section)
    missing = [name for name in lesson.functions if not re.search(rf"\b{name}\b", shown)]
    fail_with([f"nbs/{lesson.path.name}: no cell before the run section uses {name}" for name in missing])


def test_the_customer_is_followed_through_every_lesson() -> None:
    told = {lesson.path.name: "Mina" in "".join(cell.source for cell in lesson.prose) for lesson in LESSONS}
    missing = [name for name, there in told.items() if not there]
    if missing:
        pytest.fail(
            f"{', '.join(missing)}: not a word about Mina Okada, whom the lessons follow", pytrace=False
        )


def test_the_index_has_every_lesson_with_its_minutes() -> None:
    index = (ROOT / "nbs" / "index.ipynb").read_text(encoding="utf-8")
    faults = []
    for lesson in LESSONS:
        row = re.search(rf"\({lesson.path.name}\) \| (\d+) min \|", index)
        said = re.search(r"takes about (\d+) minutes", lesson.opening)
        if not row or not said or row[1] != said[1]:
            ours, theirs = row[1] if row else "nothing", said[1] if said else "nothing"
            faults.append(f"nbs/{lesson.path.name}: the index says {ours} minutes, the lesson {theirs}")
    fail_with(faults)
