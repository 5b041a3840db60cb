"""docs/glossary.md holds: what it names exists, and what it says no to stands nowhere.

The table is the only list. Behind the bar of the last column, `code` is no public name of the library (with
* for any letters), "a phrase in quotes" is in no text that a reader sees, and other words are advice."""

import ast
import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from tools.library import ROOT, members, parameters, read_library

GLOSSARY = ROOT / "docs" / "glossary.md"
LIBRARY = read_library()
CODE, QUOTED = re.compile(r"`([^`]+)`"), re.compile(r'"([^"]+)"')
ANCHOR = re.compile(r'<a id="([^"]+)"></a>')


def rows() -> list[list[str]]:
    """Term, meaning, where it stands, what it is not called: of each line in each table."""
    lines = [line for line in GLOSSARY.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [[ANCHOR.sub("", row[0]), *row[1:]] for row in cells if set(row[0]) != {"-"} and row[0] != "term"]


ROWS = rows()


def known_names() -> Iterator[str]:
    """Everything that the library names: modules, definitions, members, parameters."""
    for module in LIBRARY.modules.values():
        yield module.name
        for name, node in module.definitions.items():
            yield f"{module.name}.{name}"
            if isinstance(node, ast.ClassDef):
                for _, each in LIBRARY.bases(module, node):
                    yield from (f"{module.name}.{name}.{member}" for member in members(each))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield from (f"{module.name}.{name}.{each}" for each, _ in parameters(node))


def ends(names: Iterator[str]) -> set[str]:
    """Each name, and all of its ends: a glossary may say `Task.target`."""
    found = set()
    for name in names:
        parts = name.split(".")
        found |= {".".join(parts[first:]) for first in range(len(parts))}
    return found


def public_names() -> Iterator[tuple[str, str]]:
    """Names that a reader of the library meets, and where: definitions without an underscore, and the
    members and parameters of what the rooms make public."""
    faces = {
        (place, name)
        for package in ("mlkit", *(f"mlkit.{room}" for room in LIBRARY.rooms))
        for name, place in LIBRARY.public(package).items()
    }
    for module in LIBRARY.modules.values():
        for name, node in module.definitions.items():
            if name.startswith("_"):
                continue
            yield name, module.name
            if (module.name, name) in faces:
                inside: Iterator[str] = iter(())
                if isinstance(node, ast.ClassDef):
                    inside = members(node)
                elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    inside = (each for each, _ in parameters(node))
                yield from ((each, f"{module.name}.{name}") for each in inside if not each.startswith("_"))


def texts() -> Iterator[tuple[str, str]]:
    """What a reader sees, and where: pages, notebooks, templates, the library's own strings."""
    pages = ["README.md", "CONTRIBUTING.md", *(f"docs/{path.name}" for path in ROOT.glob("docs/*.md"))]
    templates = [path for kind in ("*.j2", "*.html") for path in (ROOT / "mlkit").rglob(kind)]
    for path in [ROOT / page for page in pages] + templates:
        if path != GLOSSARY:
            yield path.read_text(encoding="utf-8"), name(path)
    for path in ROOT.glob("nbs/**/[!.]*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "markdown":
                yield "".join(cell["source"]), name(path)
    for module in LIBRARY.modules.values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value, f"{name(module.path)}:{node.lineno}"


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def fail_with(faults: list[str], mend: str) -> None:
    if faults:
        more = f"\n... and {len(faults) - 25} more" if len(faults) > 25 else ""
        pytest.fail("\n".join(faults[:25]) + f"{more}\nTo mend it: {mend}", pytrace=False)


def test_the_table_is_whole():
    fail_with([f"{row}: not four cells" for row in ROWS if len(row) != 4], "docs/glossary.md, that line")
    terms = [row[0] for row in ROWS]
    twice = {term for term in terms if terms.count(term) > 1}
    fail_with([f"{term}: explained twice" for term in twice], "docs/glossary.md, one line a term")
    assert len(ROWS) > 20


def test_a_link_reaches_each_term():
    anchors = ANCHOR.findall(GLOSSARY.read_text(encoding="utf-8"))
    assert len(anchors) == len(set(anchors))
    names = {term: re.split(r" / |/|, ", term) for term in (row[0] for row in ROWS)}
    slugs = {
        term: [re.sub(r"[^\w -]", "", name).strip().lower().replace(" ", "-") for name in names[term]]
        for term in names
    }
    faults = [f"{term}: no anchor {slug}" for term in slugs for slug in slugs[term] if slug not in anchors]
    fail_with(faults, 'in docs/glossary.md: <a id="test-set"></a> before the term')


def test_what_the_glossary_names_exists():
    known, faults = ends(known_names()), []
    for term, _, where, _ in ROWS:
        for place in CODE.findall(where):
            each = [place.replace("<stage>", f"mlkit.{stage}") for stage in LIBRARY.stages]
            missing = [full for full in dict.fromkeys(each) if full not in known]
            faults += [f"{term}: there is no {full}" for full in missing]
    fail_with(faults, "correct the third column of docs/glossary.md, or the name in its notebook")


def test_no_public_name_is_one_that_the_glossary_rejects():
    faults, names = [], list(dict.fromkeys(public_names()))
    for term, _, _, rejected in ROWS:
        for pattern in CODE.findall(rejected):
            hits = [(each, place) for each, place in names if fnmatchcase(each, pattern)]
            faults += [f"{place}: {each}; say '{term}'" for each, place in hits]
    fail_with(faults, "rename it in its notebook, or correct the last column of docs/glossary.md")


def test_no_text_has_a_phrase_that_the_glossary_rejects():
    found = [(" ".join(text.split()).lower(), place) for text, place in texts()]
    faults = []
    for term, _, _, rejected in ROWS:
        for phrase in QUOTED.findall(rejected):
            sought = re.compile(rf"\b{re.escape(phrase.lower())}\b")
            places = [place for text, place in found if phrase.lower() in text and sought.search(text)]
            faults += [f"{place}: '{phrase}'; say '{term}'" for place in dict.fromkeys(places)]
    fail_with(faults, "reword it, or correct the last column of docs/glossary.md")


# ---------------------------------------- lessons
EXPLAINED = """alias, API key, bootstrap, calibration, canary, challenger, champion, code flow, confidence interval,
counterfactual, cross-validation, crypto-shredding, drift, ensemble, feedback loop, gate, GDPR, harmonic mean, HMAC,
HTTP, image, imputation, JSON, learning curve, LIME, manifest, master key, median, model card, NaN,
one-hot encoding, ONNX, Optuna, overfitting, p-value, Parquet, partial dependence, peeking, PKCE, pod, prediction log,
Prometheus, pseudonym, registry, review queue, SHAP, signature, stop switch, test set, TLS, webhook, YAML"""


def test_a_lesson_links_a_term_where_it_first_stands():
    "The words of which a first reader cannot guess the meaning."
    lines = GLOSSARY.read_text(encoding="utf-8").splitlines()
    rows = [{*ANCHOR.findall(line)} for line in lines if "<a id=" in line]
    cells = [
        (path.name, cell["id"], "".join(cell["source"]))
        for path in sorted((ROOT / "nbs").glob("[0-9][0-9]_*.ipynb"))
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
        if cell["cell_type"] == "markdown"
    ]
    faults = []
    for term in re.split(r",\s+", EXPLAINED):
        anchor = term.lower().replace(" ", "-")
        names = next((row for row in rows if anchor in row), set())
        word = re.compile(rf"(?<![\w/-]){re.sub('[ -]', '[ -]', term)}(?![\w-])", re.IGNORECASE)
        for name, id, source in cells:
            prose = re.sub(r"```.*?```|`[^`]*`|https?:\S+|\]\([^)]*\)", "", source, flags=re.DOTALL)
            if word.search(prose):
                if not names & {*re.findall(r"glossary\.md#([\w-]+)", source)}:
                    faults.append(f"nbs/{name}, cell {id}: {term} first stands here, and is not linked")
                break
        else:
            faults.append(f"{term} is in no lesson")
    if faults:
        pytest.fail("\n".join(faults), pytrace=False)
