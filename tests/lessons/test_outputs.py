"""What a lesson shows is what today's code gives: each is run from top to bottom, as its reader runs it.

Compared is all but times, digests, and what differs from run to run or from machine to machine: the outputs of
cells with the tag `varies`, and of run sections from the training on, which has a budget of seconds. Of a picture,
it has to look alike."""

import base64
import io
import math
import os
import platform
import re
import shutil
import sys
from itertools import zip_longest
from pathlib import Path

import numpy as np
import pytest
from nbformat import NotebookNode
from PIL import Image

from mlkit.pipeline.notebooks import has_tag
from tests.lessons.lesson import LESSONS, Lesson, each_lesson, fail_with, kernel
from tools.on_a_copy import ROOT

pytestmark = pytest.mark.skipif(
    not os.environ.get("MLKIT_TEST_LESSONS"), reason="set MLKIT_TEST_LESSONS=1 to run it; it takes minutes"
)

MEND = "run it from top to bottom (make lab), then make notebooks"
NUMBER = re.compile(r"-?(?<![\w.])\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?")
TAG = re.compile(r"<style.*?</style>|<[^>]*>", re.DOTALL)
VARYING = [
    (re.compile(r"\x1b\[[\d;]*m"), ""),  # colours
    (re.compile(r"\b(?=[a-f]*\d)[0-9a-f]{7,64}\b"), "DIGEST"),
    (re.compile(r"[\d,.]+ ?(?:ms|µs|s|seconds?|minutes?|rows a second|a second)\b"), "TIME"),
    (re.compile(r"at 0x[0-9a-f]+"), "at"),
]
# The outputs were stored on Linux by the oldest Python; elsewhere, rounding may differ, and the lesson is only run.
COMPARED = sys.version_info[:2] == (3, 11) and (platform.system(), platform.machine()) == ("Linux", "x86_64")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    "Settings and a folder of notebooks; the run that all lessons share comes into being there."
    place = tmp_path_factory.mktemp("lessons")
    shutil.copy(ROOT / "settings.ini", place)
    (place / "nbs").mkdir()
    return place


def texts(outputs: list[NotebookNode]) -> str:
    "What a reader sees in the outputs of a cell: of a page its words, which no window's width breaks."
    found = []
    for output in outputs:
        data = output.get("data", {})
        page = TAG.sub(" ", data["text/html"]) if "text/html" in data else ""
        found.append(output.get("text") or data.get("text/markdown") or page or data.get("text/plain", ""))
    return "\n".join(text.rstrip("\n") for text in found)


def pictures(outputs: list[NotebookNode]) -> list[np.ndarray]:
    "Its pictures, small and grey."
    stored = [output["data"]["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    opened = [Image.open(io.BytesIO(base64.b64decode(picture))) for picture in stored]
    return [np.asarray(picture.convert("L").resize((64, 36)), dtype=float) for picture in opened]


def steady(text: str) -> str:
    for pattern, instead in VARYING:
        text = pattern.sub(instead, text)
    return "\n".join(line.rstrip() for line in text.splitlines())


def same(stored: str, today: str) -> bool:
    "The same words, and numbers that differ by rounding at most."
    if NUMBER.sub("0", stored).split() != NUMBER.sub("0", today).split():
        return False
    pairs = zip(NUMBER.findall(stored), NUMBER.findall(today), strict=True)
    numbers = ((float(a.replace(",", "")), float(b.replace(",", ""))) for a, b in pairs)
    return all(math.isclose(a, b, rel_tol=2e-3, abs_tol=1e-6) for a, b in numbers)


def first_change(stored: list[str], today: list[str]) -> str:
    "Where two texts part, with the words before and behind."
    pairs = enumerate(zip_longest(stored, today, fillvalue=""))
    place = next((place for place, (a, b) in pairs if not same(a, b)), 0)
    before, *after = (
        " ".join(words) for words in (stored[max(0, place - 5) : place], stored[place:], today[place:])
    )
    return f"... {before} | stored: {after[0][:80] or 'nothing'} | today: {after[1][:80] or 'nothing'}"


def difference(cell: NotebookNode, outputs: list[NotebookNode], varies: bool) -> str:
    "The first line that is another one today; empty: none is."
    stored, today = steady(texts(cell.outputs)), steady(texts(outputs))
    if varies or has_tag(cell, "varies"):
        return "" if bool(stored) == bool(today) else "an output is missing, or should not be there"
    if not same(stored, today):
        return first_change(stored.split(), today.split())
    before, after = pictures(cell.outputs), pictures(outputs)
    apart = [float(np.abs(a - b).mean()) for a, b in zip(before, after, strict=False)]
    if len(before) != len(after) or max(apart, default=0) > 4:
        return "the picture is another one"
    return ""


@each_lesson
def test_stored_outputs_are_those_of_the_code(lesson: Lesson, project: Path) -> None:
    faults, names = [], [each.name for each in LESSONS]
    varying = lesson.run_section if names.index(lesson.name) >= names.index("05_train") else set()
    with kernel(project / "nbs") as at_work:
        for cell in (cell for cell in lesson.notebook.cells if cell.cell_type == "code"):
            wrong, outputs = at_work.run(cell.source)
            if wrong:
                fail_with([*faults, f"{lesson.where(cell)}: it fails: {wrong}"])
            if COMPARED and (changed := difference(cell, outputs, cell.id in varying)):
                faults.append(f"{lesson.where(cell)}: {changed}")
    fail_with([*faults, f"To mend it: {MEND}"] if faults else [])
