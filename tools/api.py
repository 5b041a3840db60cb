"""Write docs/api.md, the page of the public API, from the code: `python tools/api.py`.

`python tools/api.py --check` writes nothing and fails when the page is not what the code says."""

import ast
import re
import sys
from io import StringIO
from pathlib import Path
from tokenize import COMMENT, generate_tokens

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tools.library import Definition, Library, Module, parameters  # noqa: E402

PAGE = Path("docs", "api.md")
HEAD = """\
<!-- Made from the code by `python tools/api.py`; not to be edited. -->
# Public API

What stands on this page may be relied on; nothing else of the library may.

**The promise.** mlkit follows [semantic versioning](https://semver.org). A name on this page keeps its place, its meaning, the names and order of its parameters and what it returns until the next major version. What is to go first warns with `DeprecationWarning` for at least one minor version, and [CHANGELOG.md](../CHANGELOG.md) says what to use instead. A minor version may add names, parameters with a default, and keys to a dictionary. Before 1.0, a minor version may break this, and the changelog says where.

**Not promised:** names with a leading underscore and names that are not here, though they can be imported; the wording of messages; how a report, a model card or a picture looks; which model a search finds. They change whenever that makes the library better.

Import a name from its room (`from mlkit.core import DataError`) and not from the module that defines it: it may move within its room. Importing `mlkit` or a room costs nothing, because a name is loaded when it is first used. `help(mlkit.fit)` tells what each parameter is, `dir(mlkit.core)` what there is. What needs no Python is told by `mlkit --help`.
"""  # noqa: E501


def sentence(text: str) -> str:
    """The first sentence of a docstring."""
    paragraph = " ".join(text.strip().split("\n\n")[0].split())
    found = re.match(r".+?[.!?](?=\s+[A-Z`]|$)", paragraph)
    return found[0] if found else paragraph


def comment(module: Module, node: ast.stmt) -> str:
    """What stands beside a constant, in its first line or its last, or in the line above it."""
    tokens = generate_tokens(StringIO(module.source).readline)
    comments = {token.start[0]: token for token in tokens if token.type == COMMENT}
    beside = [comments[line] for line in (node.lineno, node.end_lineno) if line in comments]
    above = comments.get(node.lineno - 1)
    if above and not above.line[: above.start[1]].strip() and not above.string.startswith("# %%"):
        beside.append(above)
    return beside[0].string.lstrip("# ") if beside else ""


def makers(library: Library, module: Module, node: ast.ClassDef) -> list[tuple[str, bool]] | None:
    """Parameters that make an object of a class; None where it is not made by calling it."""
    fields: dict[str, bool] = {}
    declares = False
    for _, each in reversed(list(library.bases(module, node))):
        for line in each.body:
            if isinstance(line, ast.FunctionDef) and line.name == "__init__":
                return parameters(line)
        text = " ".join(map(ast.unparse, [*each.decorator_list, *each.bases]))
        if "dataclass" in text or "NamedTuple" in text:
            declares = True
            for line in each.body:
                if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
                    default = ast.unparse(line.value) if line.value else ""
                    if "init=False" not in default and "ClassVar" not in ast.unparse(line.annotation):
                        fields[line.target.id] = not default
    return list(fields.items()) if declares else None


def signature(library: Library, module: Module, node: Definition, name: str) -> str:
    """A call in short: what must be given, and dots for what may be."""
    if isinstance(node, ast.ClassDef):
        made = makers(library, module, node)
        if made is None:
            return name
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        made = parameters(node)
    else:
        return name
    needed = [each for each, must in made if must]
    return f"{name}({', '.join([*needed, *(['...'] if len(needed) < len(made) else [])])})"


def row(library: Library, module: str, name: str) -> str:
    """One line of a table: what it is called, what it is, where it is taught."""
    found = library.find(module, name)
    if found is None:
        raise SystemExit(f"{module} has no '{name}': take it out of the package's __init__.py, or correct it")
    place, node = found
    if isinstance(node, ast.Assign | ast.AnnAssign):
        about = comment(place, node)
    else:
        about = sentence(ast.get_docstring(node) or "")
    cells = [f"`{signature(library, place, node, name)}`", about, link(place)]
    return "| " + " | ".join(each.replace("|", r"\|") for each in cells) + " |"


def link(module: Module) -> str:
    path = module.notebook
    return f"[{Path(path).stem}](../nbs/{path})" if path else "by hand"


def table(head: tuple[str, ...], rows: list[str]) -> str:
    return "\n".join([f"| {' | '.join(head)} |", "|---" * len(head) + "|", *rows])


def section(library: Library, package: str) -> str:
    """What a package says of itself, and its public names."""
    module = library.modules[package]
    names = {name: place for name, place in library.public(package).items() if place != f"{package}.{name}"}
    rows = [row(library, place, name) for name, place in names.items()]
    text = (ast.get_docstring(module.tree) or "").strip()
    parts = [f"## {package}", text, table(("name", "what it is", "notebook"), rows) if rows else ""]
    return "\n\n".join(part for part in parts if part)


def stages(library: Library) -> str:
    """The stages, which are modules and not rooms."""
    modules = [library.modules[f"mlkit.{name}"] for name in library.stages]
    rows = [f"| `{each.name}` | {each.summary} | {link(each)} |" for each in modules]
    text = (
        "Each stage of a run is a module, and its notebook is the manual. Its place, its parameters and what\n"
        "it hands on in the run folder may be relied on; what it computes with is public in the rooms."
    )
    return f"## The stages\n\n{text}\n\n" + table(("module", "what it answers", "notebook"), rows)


def api(library: Library | None = None) -> str:
    """The whole page."""
    library = library or Library()
    rooms = [section(library, f"mlkit.{room}") for room in library.rooms]
    return "\n\n".join([HEAD.strip(), section(library, "mlkit"), stages(library), *rooms]) + "\n"


def main(root: Path = ROOT) -> None:
    page, made = root / PAGE, api(Library(root))
    if "--check" in sys.argv[1:]:
        if not page.is_file() or page.read_text(encoding="utf-8") != made:
            sys.exit(f"{PAGE.as_posix()} is not what the code says. To mend it: python tools/api.py")
        return
    page.parent.mkdir(exist_ok=True)
    page.write_text(made, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
