"""constraints.txt, the tested set: first what a user installs, then what an author adds.

`python tools/constraints.py users` prints the first part, for `pip install --require-hashes -r`.
`python tools/constraints.py compile` makes the file from pyproject.toml, and keeps every pin that still fits;
with `--upgrade` it takes the newest that go together. It needs uv.
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "constraints.txt"
HEAD = """\
# The tested set: every package with its version and the hashes of its files.
# Made by `make constraints` from pyproject.toml. Not to be edited.
# For Python 3.11 and later on Linux, macOS (Apple silicon) and Windows.
"""
USERS = "# ---- for users: the extra all, and the group setup\n"
AUTHORS = "# ---- for authors: what the group dev adds\n"
USER_OPTIONS = ["--extra", "all", "--group", "setup"]


def split(text: str) -> tuple[str, str]:
    """The users' and the authors' part."""
    users, found, authors = text.partition(AUTHORS)
    if not found:
        raise SystemExit(f"{FILE.name} has no line {AUTHORS.strip()!r}. To mend it: make constraints")
    return users, authors


def resolve(options: list[str], known: str) -> str:
    """Pins and hashes of everything that pyproject.toml asks for with these options; `known` pins are kept."""
    with TemporaryDirectory() as folder:
        output = Path(folder, FILE.name)
        output.write_text(known, encoding="utf-8")
        command = ["uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"]
        command += ["--generate-hashes", "--no-annotate", "--no-header", "--output-file", str(output)]
        done = subprocess.run([*command, "pyproject.toml", *options], cwd=ROOT, stdout=subprocess.DEVNULL)
        if done.returncode:
            raise SystemExit(done.returncode)
        return output.read_text(encoding="utf-8")


def by_package(pins: str) -> dict[str, str]:
    """The lines of each package, of all its versions together."""
    packages: dict[str, str] = {}
    for line in pins.splitlines(keepends=True):
        if not line.startswith((" ", "#")):
            package = line.partition("==")[0]
        if not line.startswith("#"):
            packages[package] = packages.get(package, "") + line
    return packages


def compiled(upgrade: bool) -> str:
    """The whole set, each package once. What both need has the markers of the whole."""
    known = "" if upgrade or not FILE.exists() else FILE.read_text(encoding="utf-8")
    everything = resolve([*USER_OPTIONS, "--group", "dev"], known)
    wanted = by_package(resolve(USER_OPTIONS, everything))
    pins = by_package(everything)
    users = "".join(lines for package, lines in pins.items() if package in wanted)
    authors = "".join(lines for package, lines in pins.items() if package not in wanted)
    return HEAD + USERS + users + AUTHORS + authors


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["users"]:
            sys.stdout.reconfigure(encoding="utf-8", newline="\n")
            sys.stdout.write(split(FILE.read_text(encoding="utf-8"))[0])
        case ["compile", *options] if set(options) <= {"--upgrade"}:
            FILE.write_text(compiled("--upgrade" in options), encoding="utf-8", newline="\n")
        case _:
            raise SystemExit(__doc__)
