"""Draw the house, the rooms of mlkit and what they import, into CONTRIBUTING.md: `python tools/house.py`.

The rooms, their arrows and their notebooks come from the code, their floors from the layers contract in
pyproject.toml. `python tools/house.py --check` writes nothing and fails when the picture is stale. Without it,
docs/rooms.md is made, too."""

import re
import sys
import tomllib
from collections.abc import Collection, Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tools.library import Library, Module, between  # noqa: E402

PAGE = Path("CONTRIBUTING.md")
STAGES = "stages"  # all of them stand in one box
NOTEBOOKS = "[0-9][0-9]_*.ipynb"  # what a module says that looks for the notebooks of stages
Arrows = dict[str, set[str]]  # what a room imports


def read_floors(pyproject: str) -> list[list[str]]:
    """The layers of the contract on `mlkit` itself, from the top: names of rooms and stages."""
    contracts = tomllib.loads(pyproject)["tool"]["importlinter"]["contracts"]
    found = [each for each in contracts if each.get("containers") == ["mlkit"] and each["type"] == "layers"]
    if len(found) != 1:
        raise SystemExit("pyproject.toml needs one contract of layers with containers = ['mlkit']")
    return [re.findall(r"\w+", layer) for layer in found[0]["layers"]]


def room_of(module: str, stages: Collection[str]) -> str:
    """Where a module stands; empty for `mlkit` itself."""
    first = module.split(".")[1] if "." in module else ""
    return STAGES if first in stages else first


def runners(library: Library) -> set[str]:
    """Rooms that run the notebooks of stages, and need not import a stage for that."""
    modules = [each for each in library.modules.values() if f'"{NOTEBOOKS}"' in each.source]
    return {room_of(each.name, library.stages) for each in modules} - {STAGES}


def read_arrows(library: Library) -> Arrows:
    """Which room imports which; what is only written for type checkers does not count."""
    arrows: Arrows = {room: set() for room in [*library.rooms, STAGES]}
    for module in library.modules.values():
        source = room_of(module.name, library.stages)
        for each in library.imports(module):
            target = room_of(each.target, library.stages) if each.target in library.modules else ""
            if source and target and source != target and not each.for_types:
                arrows[source].add(target)
    return arrows


def downward(arrows: Arrows, floors: list[list[str]]) -> tuple[Arrows, list[tuple[str, str]]]:
    """The arrows that lead to a lower floor, and the others, which the contract forbids."""
    level = {room: number for number, floor in enumerate(floors) for room in floor}
    kept = {room: {each for each in theirs if level[room] < level[each]} for room, theirs in arrows.items()}
    against = [(room, each) for room in arrows for each in sorted(arrows[room] - kept[room])]
    return kept, against


def fewest(arrows: Arrows) -> Arrows:
    """The transitive reduction: without an arrow where a longer way leads to the same room."""

    def below(room: str) -> set[str]:
        return arrows[room].union(*(below(each) for each in arrows[room]))

    return {
        room: {each for each in theirs if not any(each in below(other) for other in theirs - {each})}
        for room, theirs in arrows.items()
    }


def as_mermaid(
    arrows: Arrows, floors: list[list[str]], stages: Iterable[str], runs: Collection[str] = ()
) -> str:
    """The picture as text. GitHub draws it. The longer an arrow is written, the more floors it spans."""
    names, a_line = list(stages), 6
    rows = "<br/>".join(" · ".join(names[first : first + a_line]) for first in range(0, len(names), a_line))
    level = {room: number for number, floor in enumerate(floors) for room in floor}
    lines = ["```mermaid", '%%{init: {"flowchart": {"wrappingWidth": 600}}}%%', "flowchart TB"]
    lines += [f'  {room}["<b>{room}</b><br/>{rows}"]' if room == STAGES else f"  {room}" for room in level]
    for room in level:
        for each in [each for each in level if each in arrows[room]]:
            floors_down = level[each] - level[room]
            if each == STAGES and room in runs:
                arrow = f"-{'.' * floors_down}->|runs their notebooks|"
            else:
                arrow = f"-{'-' * floors_down}>"
            lines.append(f"  {room} {arrow} {each}")
    return "\n".join([*lines, "```"])


def links(modules: Iterable[Module], root: Path) -> str:
    """The notebooks of modules; of a module without notebook its file."""
    found = []
    for each in modules:
        place = f"nbs/{each.notebook}" if each.notebook else each.path.relative_to(root).as_posix()
        found.append(f"[{each.name.rsplit('.', 1)[1]}]({place})")
    return " · ".join(found)


def as_table(library: Library, floors: list[list[str]]) -> str:
    """What stands in each room, from the top."""
    lines = ["| room | what stands there | notebooks |", "|---|---|---|"]
    for room in [room for floor in floors for room in floor]:
        if room == STAGES:
            modules = [library.modules[f"mlkit.{name}"] for name in library.stages]
            about = "The steps of a run, unknown to each other: they meet in the run folder."
        else:
            modules = library.within(room)
            about = library.modules[f"mlkit.{room}"].summary
        lines.append(f"| `{room}` | {about} | {links(modules, library.root)} |")
    return "\n".join(lines)


def house(library: Library, pyproject: str) -> tuple[str, list[tuple[str, str]]]:
    """Picture and table, and the arrows that are not drawn because they lead upwards."""
    floors: list[list[str]] = []
    for layer in read_floors(pyproject):
        there = [STAGES if name in library.stages else name for name in layer]
        there = [name for name in dict.fromkeys(there) if name == STAGES or name in library.rooms]
        floors += [there] if there else []
    if missing := {*library.rooms, STAGES} - {room for floor in floors for room in floor}:
        raise SystemExit(f"{', '.join(sorted(missing))}: no floor; add it to the layers in pyproject.toml")
    runs, all_arrows = runners(library), read_arrows(library)
    for room in runs:  # which also open a run for a notebook that nobody runs but its reader
        all_arrows[room].add(STAGES)
        all_arrows[STAGES].discard(room)
    arrows, against = downward(all_arrows, floors)
    picture = as_mermaid(fewest(arrows), floors, library.stages, runs)
    return f"{picture}\n\n{as_table(library, floors)}", against


def main(root: Path = ROOT) -> None:
    text = (root / PAGE).read_text(encoding="utf-8")
    drawn, against = house(Library(root), (root / "pyproject.toml").read_text(encoding="utf-8"))
    made = between(text, "house", drawn)
    for room, other in against:
        print(f"not drawn, because it leads upwards: {room} -> {other} (make layers)", file=sys.stderr)
    if "--check" in sys.argv[1:]:
        if text != made:
            sys.exit(f"{PAGE}: the picture of the house is stale. To mend it: python tools/house.py")
        return
    (root / PAGE).write_text(made, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
    if "--check" not in sys.argv[1:]:
        from tools import rooms

        rooms.main()
