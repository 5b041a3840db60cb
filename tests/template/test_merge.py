"""Notebooks that two people have changed: the merged one opens, its ids are unique, nothing of either is lost."""

import copy
import json
import random
import shutil

import nbformat
import pytest
from nbformat import v4

from mlkit.core.errors import RunError
from mlkit.core.extras import MissingExtraError
from mlkit.template.notebook_merge import (
    describe_notebook_conflicts,
    merge_notebook_files,
    merge_notebook_texts,
    set_merge_driver,
)
from tests.template.repository import git

Cells = list[nbformat.NotebookNode]
BASE: Cells = [
    v4.new_markdown_cell("# Title", id="title"),
    *(v4.new_code_cell(f"a{n} = 1\nb{n} = 2\nc{n} = 3", id=f"cell{n}") for n in range(6)),
]


def text(cells: Cells) -> str:
    return nbformat.writes(v4.new_notebook(cells=copy.deepcopy(cells)))


def edited(chance: random.Random, who: str) -> Cells:
    """The notebook after a few edits of the kinds that people make: change, insert, delete, move, run."""
    cells = copy.deepcopy(BASE)
    for number in range(chance.randint(1, 4)):
        place, new = chance.randrange(len(cells)), f"{who}{number} = {chance.random():.3f}"
        match chance.choice(["change", "insert", "delete", "move", "run"]):
            case "change":
                lines = cells[place].source.split("\n")
                lines[chance.randrange(len(lines))] = new
                cells[place].source = "\n".join(lines)
            case "insert":
                cells.insert(place, v4.new_code_cell(new, id=f"{who}{chance.randrange(10**6)}"))
            case "delete":
                del cells[place]
            case "move":
                cells.insert(chance.randrange(len(cells)), cells.pop(place))
            case "run" if cells[place].cell_type == "code":
                cells[place].outputs = [v4.new_output("stream", text=new)]
                cells[place].execution_count = number
    return cells


def new_lines(cells: Cells) -> set[str]:
    known = {line for cell in BASE for line in cell.source.split("\n")}
    return {line for cell in cells for line in cell.source.split("\n")} - known


@pytest.mark.parametrize("seed", range(8))
def test_whatever_two_people_do_it_opens_ids_are_unique_and_no_line_is_lost(seed):
    chance = random.Random(seed)
    for _ in range(40):
        ours, theirs = edited(chance, "ours"), edited(chance, "theirs")
        merged, conflict = merge_notebook_texts(text(BASE), text(ours), text(theirs))
        notebook = nbformat.reads(merged, as_version=4)
        nbformat.validate(notebook)
        raw = [cell.get("id") for cell in json.loads(merged)["cells"]]
        assert all(isinstance(one, str) for one in raw) and len(set(raw)) == len(raw)
        source = "\n".join(cell.source for cell in notebook.cells)
        assert new_lines(ours) | new_lines(theirs) <= set(source.split("\n"))
        assert conflict == ("<<<<<<<" in merged or "nbdime-conflicts" in merged)


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        ("x = 1", "x = 2", "changed on both sides"),
        (None, "x = 2", "deleted here, changed in the template"),
        ("x = 1", None, "changed here, deleted in the template"),
    ],
    ids=["both", "deleted-here", "deleted-there"],
)
def test_a_conflict_is_inside_its_cell_and_told_in_one_line(ours, theirs, said):
    def changed(source: str | None) -> Cells:
        cells = copy.deepcopy(BASE)
        if source is None:
            del cells[2]
        else:
            cells[2].source = source
        return cells

    merged, conflict = merge_notebook_texts(text(BASE), text(changed(ours)), text(changed(theirs)))
    assert conflict and describe_notebook_conflicts("nbs/x.ipynb", merged) == [
        f"nbs/x.ipynb, cell 3 (cell1): {said}"
    ]


def test_a_driver_leaves_ours_where_theirs_is_no_notebook(tmp_path, capsys):
    files = [tmp_path / name for name in ("base", "ours", "theirs")]
    for file, content in zip(files, [text(BASE), text(BASE), "{"], strict=True):
        file.write_text(content, encoding="utf-8")
    assert merge_notebook_files(*files) == 2 and files[1].read_text(encoding="utf-8") == text(BASE)
    assert "is not merged" in capsys.readouterr().err


def test_a_missing_nbdime_is_told_with_the_extra_that_has_it(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "nbdime", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'mlkit-notebooks\[notebook\]'"):
        merge_notebook_texts(text(BASE), text(BASE), text(BASE))


@pytest.mark.skipif(not shutil.which("git"), reason="there is no Git here")
def test_two_clones_that_change_the_same_cell_merge_with_the_conflict_inside_of_it(
    tmp_path, monkeypatch, capsys
):
    from mlkit.cli.main import app

    first, other = tmp_path / "first", tmp_path / "other"
    first.mkdir()
    git(first, "init", "-q", "-b", "main")
    (first / "x.ipynb").write_text(text(BASE), encoding="utf-8")
    monkeypatch.chdir(first)
    with pytest.raises(SystemExit):
        app(["doctor", "--fix"])
    told = capsys.readouterr().out
    assert "merge.jupyternotebook.driver" in told and ".gitattributes" in told
    assert set_merge_driver(first) == []
    git(first, "add", "-A")
    git(first, "commit", "-qm", "Start")
    git(tmp_path, "clone", "-q", str(first), str(other))
    assert [each.split()[0] for each in set_merge_driver(other)] == ["git", "git"]
    for folder, value in ((first, "10"), (other, "11")):
        cells = copy.deepcopy(BASE)
        cells[2].source = cells[2].source.replace("a1 = 1", f"a1 = {value}")
        cells.insert(4, v4.new_code_cell(f"look({value})", id=f"new{value}"))
        (folder / "x.ipynb").write_text(text(cells), encoding="utf-8")
        git(folder, "commit", "-qam", value)
    git(other, "pull", "-q", "--no-rebase", "origin", "main", expect=1)
    merged = (other / "x.ipynb").read_text(encoding="utf-8")
    nbformat.validate(nbformat.reads(merged, as_version=4))
    ids = [cell["id"] for cell in json.loads(merged)["cells"]]
    assert len(set(ids)) == len(ids) == len(BASE) + 2
    assert describe_notebook_conflicts("x.ipynb", merged) == [
        "x.ipynb, cell 3 (cell1): changed on both sides"
    ]
    assert git(other, "diff", "--name-only", "--diff-filter=U").split() == ["x.ipynb"]


def test_where_no_repository_is_no_driver_is_set(tmp_path):
    with pytest.raises(RunError, match="is in no Git repository"):
        set_merge_driver(tmp_path)
