"""What a page names exists: links and their anchors, notebooks, commands, settings, modules, files."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import pytest
import typer.main

from mlkit.cli.main import app
from mlkit.pipeline.notebooks import list_stages
from tools.library import read_library
from tools.on_a_copy import ROOT

NOTEBOOKS = sorted(ROOT.glob("nbs/**/[!.]*.ipynb"))
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
CODE, LINK = re.compile(r"(?<!`)`([^`\n]+)`(?!`)"), re.compile(r"\]\(([^)\s]+)\)")
OURS = ("nbs/", "docs/", "tests/", "tools/", "mlkit/", ".github/", ".ci/")
LIBRARY = read_library()
NO_NAMES = {
    "mlkit.name",
    "mlkit/name.py",
    "mlkit.kit",
    "mlkit/kit",
}  # placeholders, and what history tells of


@dataclass(frozen=True)
class Text:
    """Markdown, and where it stands."""

    markdown: str
    path: Path
    cell: str = ""  # of a notebook

    @property
    def where(self) -> str:
        return self.path.relative_to(ROOT).as_posix() + (f", cell {self.cell}" if self.cell else "")

    @property
    def prose(self) -> str:
        return FENCE.sub("", self.markdown)

    @property
    def code(self) -> list[str]:
        """What stands between backticks."""
        return CODE.findall(self.prose)

    @property
    def shell(self) -> list[str]:
        """Lines to be typed into a terminal."""
        blocks = [
            block for _, language, block in FENCE.findall(self.markdown) if language in ("sh", "bash", "")
        ]
        return [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]


@cache
def texts() -> tuple[Text, ...]:
    found = [Text(path.read_text(encoding="utf-8"), path) for path in PAGES]
    for path in NOTEBOOKS:
        cells = nbformat.read(path, as_version=4).cells
        found += [Text(cell.source, path, cell.id) for cell in cells if cell.cell_type == "markdown"]
    return tuple(found)


def fail_with(faults: list[str]) -> None:
    if faults:
        pytest.fail("\n".join(sorted(dict.fromkeys(faults))), pytrace=False)


# ---------------------------------------- links
@cache
def anchors(path: Path) -> set[str]:
    """Where a link may lead inside of a page: ids, and headings as GitHub and as JupyterLab spell them."""
    if path.suffix == ".ipynb":
        content = "\n\n".join(
            c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "markdown"
        )
    else:
        content = path.read_text(encoding="utf-8")
    found = {*re.findall(r'<a id="([^"]+)">', content)}
    for heading in re.findall(r"^#+ (.+)$", FENCE.sub("", content), re.MULTILINE):
        plain = re.sub(r"[`*]|\]\([^)]*\)|\[", "", heading).strip()
        found |= {re.sub(r"[^\w -]", "", plain).lower().replace(" ", "-"), plain.replace(" ", "-")}
    return found


def test_every_link_leads_somewhere() -> None:
    faults = []
    for text in texts():
        for link in LINK.findall(CODE.sub("", text.prose)):
            place, _, anchor = link.partition("#")
            if re.match(r"[a-z]+:|\.\./\.\./security/", link):  # elsewhere; on GitHub, beside the files
                continue
            target = (text.path.parent / place).resolve() if place else text.path
            if not target.exists() or not target.is_relative_to(ROOT):
                faults.append(f"{text.where}: no file {place}")
            elif anchor and target.is_file() and anchor not in anchors(target):
                faults.append(f"{text.where}: no #{anchor} in {target.relative_to(ROOT).as_posix()}")
    fail_with(faults)


def test_every_notebook_that_is_named_exists() -> None:
    names = {path.relative_to(ROOT / "nbs").with_suffix("").as_posix() for path in NOTEBOOKS}
    names |= {name.rsplit("/", 1)[-1] for name in names}
    pattern = re.compile(r"(?:nbs/)?((?:\w+/)?\d\d_[a-z]\w*)(?:\.ipynb)?")
    found = [(text.where, pattern.fullmatch(code)) for text in texts() for code in text.code]
    fail_with(
        [f"{where}: no notebook {match[1]}" for where, match in found if match and match[1] not in names]
    )


# ---------------------------------------- commands
def commands(text: Text) -> Iterator[str]:
    """`mlkit ...`, as it is to be typed."""
    for line in [*text.code, *text.shell]:
        for part in re.split(r"&&|\||;", line.partition(" #")[0]):
            part = re.sub(r"^\$ |^\.venv/bin/", "", part.strip())
            if part.startswith("mlkit "):
                yield part


@cache
def command_group() -> Any:
    return typer.main.get_command(app)


def fault_of(command: str) -> str:
    """Why `mlkit ...` cannot be; nothing: it can."""
    at = command_group()
    for word in re.sub(r"\"[^\"]*\"|'[^']*'", "X", command).split()[1:]:
        if hasattr(at, "commands") and not word.startswith("-"):
            if word in at.commands:
                at = at.commands[word]
                continue
            if word.islower() and word.isalpha():
                return f"there is no command {word}"
            return ""  # a placeholder
        options = {name for each in at.params for name in [*each.opts, *each.secondary_opts]} | {"--help"}
        option = word.partition("=")[0]
        if re.match(r"--?[a-z]", option) and option not in options:
            return f"there is no option {option}"
    return ""


def test_every_command_that_is_named_exists() -> None:
    named = [(text.where, command) for text in texts() for command in commands(text)]
    assert len(named) > 30
    fail_with([f"{where}: `{command}`: {fault}" for where, command in named if (fault := fault_of(command))])


def test_the_library_names_every_command_in_its_order() -> None:
    text = ast.get_docstring(LIBRARY.modules["mlkit.cli"].tree) or ""
    listed = text.partition("at a terminal: ")[2].partition(".")[0].split(", ")
    assert listed == [*command_group().commands]


def test_every_make_target_that_is_named_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {*re.findall(r"^([a-z]+):", makefile, re.MULTILINE)}
    found = [
        (text.where, re.match(r"make ([a-z]+)\b", code))
        for text in texts()
        for code in text.code + text.shell
    ]
    fail_with(
        [f"{where}: no `make {match[1]}`" for where, match in found if match and match[1] not in targets]
    )


# ---------------------------------------- names
ENDINGS = ("html", "ipynb", "json", "parquet", "prom", "py")  # of files that are called as a stage is


def test_every_setting_that_is_named_exists() -> None:
    faults, stages = [], list_stages()
    for text in texts():
        named = [re.fullmatch(r"([a-z]+)\.([a-z_]+)(?: ?=.*)?", code) for code in text.code]
        named += [
            match
            for line in [*text.code, *text.shell]
            for match in re.finditer(r"-p \"?([a-z]+)\.([a-z_]+)=", line)
        ]
        for match in filter(None, named):
            stage, name = match[1], match[2]
            if stage not in stages or name in stages[stage].parameters:
                continue
            if name not in LIBRARY.modules[f"mlkit.{stage}"].definitions and name not in ENDINGS:
                faults.append(f"{text.where}: stage {stage} has no parameter {name}")
    fail_with(faults)


def test_every_module_that_is_named_exists() -> None:
    faults = []
    for text in texts():
        for code in text.code:
            for name in re.findall(r"(?<![\w./-])mlkit(?:\.[a-zA-Z_]\w*)+", code):
                parts = name.split(".")
                module = next(n for n in range(len(parts), 0, -1) if ".".join(parts[:n]) in LIBRARY.modules)
                owner = LIBRARY.modules[".".join(parts[:module])]
                missing = parts[module : module + 1]
                known = {*owner.definitions, *LIBRARY.public(owner.name)} if missing else set()
                if (
                    name not in NO_NAMES
                    and missing
                    and missing[0] not in known
                    and not re.search(r"\.(ini|json|db|lock|html)$", name)
                ):
                    faults.append(f"{text.where}: there is no {name}")
    fail_with(faults)


def test_every_file_that_is_named_exists() -> None:
    faults = []
    for text in texts():
        for code in text.code:
            if (
                code.startswith(OURS)
                and code not in NO_NAMES
                and re.fullmatch(r"[\w./-]+", code)
                and not re.search(r"NN|room", code)
            ):
                if not (ROOT / code).exists() and not list(ROOT.glob(f"{code}*")):
                    faults.append(f"{text.where}: there is no {code}")
    fail_with(faults)
