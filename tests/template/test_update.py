"""A newer template comes into a project: edits of both sides are kept, notebooks open, conflicts are seen."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
import psutil
import pytest

from mlkit.core.errors import RunError
from mlkit.template import git as git_room
from mlkit.template import make_project, new_project, rendering, update, update_project
from mlkit.template.rendering import RECORD
from mlkit.template.stage_copies import stage_notebook_folder
from tests.template.repository import git
from tools.on_a_copy import ROOT

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="there is no Git here")
TRAIN, EVALUATE = Path("nbs/05_train.ipynb"), Path("nbs/06_evaluate.ipynb")


def commit(folder: Path, message: str = "Work of ours") -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", message)


# ---------------------------------------- three versions of the template
def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def change_stage(path: Path, edit: Callable[[list], None]) -> None:
    notebook = nbformat.read(path, as_version=4)
    edit(notebook.cells)
    nbformat.write(notebook, path)


def cell_with(cells: list, text: str) -> nbformat.NotebookNode:
    return next(cell for cell in cells if text in cell.source and "#| export" not in cell.source)


def new_cell(source: str, id: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_code_cell(source, id=id)


def second(files: Path, nbs: Path) -> None:
    """The template of version 2: a sentence, a setting, a file, a cell changed and a cell more."""
    change(files / "README.md.j2", "the tests of this project", "the tests of this project, all of them")
    change(files / "settings.ini.j2", "trials = 8", "trials = 9")
    (files / "NOTES.md.j2").write_text("What [= name =] has learned.\n", encoding="utf-8")

    def train(cells: list) -> None:
        place = cells.index(cell_with(cells, "plot_budget(found.tried)"))
        cells[place].source += "  # seconds by family"
        cells.insert(place, new_cell("len(found.tried)", "second01"))

    change_stage(nbs / TRAIN.name, train)


def third(files: Path, nbs: Path) -> None:
    """Version 3: on top of that a cell changed that the team has changed too, one deleted, a file gone."""
    second(files, nbs)
    (files / "NOTES.md.j2").unlink()
    change(files / "settings.ini.j2", "goal = 0.7", "goal = 0.75")

    def train(cells: list) -> None:
        cell = next(each for each in cells if "plot_search(found.tried, data.task)" in each.source)
        cell.source = cell.source.replace(
            "plot_search(found.tried, data.task)", "plot_search(found.tried, data.task)  # v3"
        )
        cells.remove(next(each for each in cells if each.id == "second01"))

    change_stage(nbs / TRAIN.name, train)


RELEASES = {1: lambda files, nbs: None, 2: second, 3: third}


def release(number: int, place: Path, patch: Callable[[object, str, object], None]) -> None:
    """From now on mlkit is of another version, with the template of that version."""
    folder = place / f"release{number}"
    if not folder.exists():
        shutil.copytree(ROOT / "mlkit/template/files", folder / "files")
        shutil.copytree(
            stage_notebook_folder(),
            folder / "nbs",
            ignore=lambda at, names: [n for n in names if not re.match("0[4-6]", n)],
        )
        RELEASES[number](folder / "files", folder / "nbs")
    patch(rendering, "template_folder", lambda: folder / "files")
    patch(rendering, "stage_notebook_folder", lambda: folder / "nbs")
    for module in (rendering, new_project, update):
        patch(module, "__version__", f"0.{number}.0")


@pytest.fixture(scope="session")
def releases(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("releases")


@pytest.fixture
def publish(releases, monkeypatch) -> Callable[[int], None]:
    return lambda number: release(number, releases, monkeypatch.setattr)


@pytest.fixture
def project(tmp_path, publish) -> Path:
    """A project of version 1 that a team has worked on, with everything committed."""
    publish(1)
    folder = make_project(tmp_path / "claims", own=["evaluate"]).folder

    def train(cells: list) -> None:
        place = next(n for n, cell in enumerate(cells) if "plot_budget(found.tried)" in cell.source)
        cells.insert(place, new_cell("found.chosen  # ours", "ours0001"))
        cells[0].source += "\n\nTrained by the claims team."

    change_stage(folder / TRAIN, train)
    change(folder / "settings.ini", "name = claims", "name = claims of 2026")
    change(folder / "project/features.py", '"""Features of our own', '"""Features of the claims team')
    (folder / "nbs/03_weather.ipynb").write_text(
        nbformat.writes(nbformat.v4.new_notebook()), encoding="utf-8"
    )
    commit(folder)
    return folder


def assert_whole(folder: Path) -> None:
    """All notebooks open, and no two cells of one have the same id."""
    for path in sorted(folder.glob("nbs/*.ipynb")):
        nbformat.validate(nbformat.read(path, as_version=4))
        ids = [cell.get("id") for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]]
        assert len(set(ids)) == len(ids) and None not in ids, path
    git(folder, "fsck", "--strict")


def sources(folder: Path, place: Path = TRAIN) -> str:
    return "\n".join(cell.source for cell in nbformat.read(folder / place, as_version=4).cells)


def has_ours(folder: Path) -> bool:
    ours = sources(folder)
    return (
        "found.chosen  # ours" in ours
        and "Trained by the claims team." in ours
        and "claims of 2026" in (folder / "settings.ini").read_text(encoding="utf-8")
        and "the claims team" in (folder / "project/features.py").read_text(encoding="utf-8")
        and (folder / "nbs/03_weather.ipynb").is_file()
    )


# ---------------------------------------- what must hold
def test_over_three_versions_edits_of_both_sides_are_kept_and_conflicts_are_seen(project, publish):
    publish(2)
    told: list[str] = []
    done = update_project(project, tell=told.append)
    assert (done.before, done.version, done.conflicts) == (
        "0.1.0",
        "0.2.0",
        (),
    ) and "1 notebook changed" in told[0]
    assert_whole(project)
    assert (
        has_ours(project)
        and "# seconds by family" in sources(project)
        and "len(found.tried)" in sources(project)
    )
    assert "trials = 9" in (project / "settings.ini").read_text(encoding="utf-8")
    assert (project / "NOTES.md").read_text(encoding="utf-8") == "What claims has learned.\n"
    assert git(project, "status", "--porcelain") == "" and update_project(project).files == ()
    assert rendering.older_template(project) == ""

    cells = nbformat.read(project / TRAIN, as_version=4).cells
    number = next(
        n for n, cell in enumerate(cells, 1) if "plot_search(found.tried, data.task)" in cell.source
    )
    change(
        project / TRAIN, "plot_search(found.tried, data.task)", "plot_search(found.tried, data.task)  # ours"
    )
    change(project / "settings.ini", "goal = 0.7", "goal = 0.6")
    commit(project)
    publish(3)
    older = "The notebooks here are of mlkit 0.2.0, and this is 0.3.0: mlkit new --update merges"
    assert rendering.older_template(project) == older
    done = update_project(project)
    assert [line.split(" (")[0] for line in done.conflicts] == [
        f"{TRAIN.as_posix()}, cell {number}",
        f"settings.ini, line {marker_line(project / 'settings.ini')}: changed on both sides",
    ]
    assert_whole(project)
    assert has_ours(project) and "# v3" in sources(project) and not (project / "NOTES.md").exists()
    assert git(project, "diff", "--name-only", "--diff-filter=U").split() == [
        TRAIN.as_posix(),
        "settings.ini",
    ]
    with pytest.raises(RunError, match="a merge is not finished"):
        update_project(project)

    def resolve(cells: list) -> None:
        for cell in cells:
            cell.source = keep_ours(cell.source)

    change_stage(project / TRAIN, resolve)
    settings = project / "settings.ini"
    settings.write_text(keep_ours(settings.read_text(encoding="utf-8")), encoding="utf-8")
    commit(project, "Merged")
    assert len(git(project, "rev-list", "--parents", "-1", "HEAD").split()) == 3
    assert update_project(project).files == () and has_ours(project)
    assert_whole(project)


def keep_ours(text: str) -> str:
    return re.sub(r"<<<<<<< .*\n((?:.*\n)*?)=======\n(?:.*\n)*?>>>>>>> .*\n?", r"\1", text)


def marker_line(path: Path) -> int:
    lines = path.read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.startswith("<<<<<<<"))


def test_an_update_that_is_taken_back_can_be_made_again(project, publish):
    change(project / "settings.ini", "trials = 8", "trials = 80")
    commit(project)
    before = git(project, "rev-parse", "HEAD^{tree}")
    publish(2)
    first = update_project(project).conflicts
    assert first and git(project, "merge", "--abort") == ""
    assert git(project, "rev-parse", "HEAD^{tree}") == before and git(project, "status", "--porcelain") == ""
    assert update_project(project).conflicts == first


def test_the_code_of_a_stage_can_be_brought_in_later(project):
    done = update_project(project, own=["train"])
    assert set(done.files) == {TRAIN.as_posix(), RECORD} and not done.conflicts
    assert "def summarise" in sources(project) and has_ours(project)
    assert json.loads((project / RECORD).read_text(encoding="utf-8"))["answers"]["own"] == [
        "train",
        "evaluate",
    ]
    assert_whole(project)


@pytest.mark.parametrize("history", ["clone", "squashed", "late"])
def test_a_project_whose_template_branch_is_gone_is_updated_too(project, publish, tmp_path, history):
    folder = project
    if history == "clone":
        git(tmp_path, "clone", "-q", "--single-branch", str(project), "copy")
        folder = tmp_path / "copy"
    elif history == "squashed":
        git(project, "checkout", "-q", "--orphan", "new")
        git(project, "commit", "-qm", "All in one\n\nMlkit-Template: 0.1.0")
        git(project, "branch", "-D", "main", "mlkit-template")
    else:  # made without Git, which came later
        folder = tmp_path / "late"
        publish(1)
        files = rendering.render_project(rendering.ProjectAnswers("claims", ("evaluate",)))
        folder.mkdir()
        new_project.write_files(folder, files)
        git(folder, "init", "-q")
        commit(folder, "Start")
        for place in git(project, "diff", "--name-only", "mlkit-template", "main").split():
            shutil.copy(project / place, folder / place)
        commit(folder)
    publish(2)
    done = update_project(folder)
    assert not done.conflicts and has_ours(folder) and "# seconds by family" in sources(folder)
    assert_whole(folder)
    assert git(folder, "rev-parse", "mlkit-template") and update_project(folder).files == ()


# ---------------------------------------- refused
def dirty(folder: Path) -> None:
    change(folder / "settings.ini", "trials = 8", "trials = 80")


def newer(folder: Path) -> None:
    change(folder / RECORD, '"mlkit": "0.1.0"', '"mlkit": "9.0.0"')
    commit(folder)


def damaged(folder: Path) -> None:
    (folder / RECORD).write_text("{}", encoding="utf-8")
    commit(folder)


def in_the_way(folder: Path) -> None:
    (folder / "NOTES.md").write_text("not committed", encoding="utf-8")


def no_history(folder: Path) -> None:
    shutil.rmtree(folder / ".git")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (dirty, "not committed: settings.ini; git commit or git stash first, so that nothing gets lost"),
        (newer, "the project is of mlkit 9.0.0, and this is 0.2.0; update mlkit first"),
        (damaged, f"{RECORD} is damaged; restore it: git checkout HEAD -- {RECORD}"),
        (in_the_way, "NOTES.md is not in Git, and the template has a file of this name; rename or commit it"),
        (no_history, "has no Git history; begin one there: git init"),
    ],
    ids=["dirty", "newer", "damaged", "in-the-way", "no-history"],
)
def test_an_update_that_could_do_harm_is_refused_and_nothing_changes(project, publish, make, said):
    make(project)
    publish(2)
    before = {
        path: path.read_bytes() for path in project.rglob("*") if path.is_file() and ".git" not in path.parts
    }
    with pytest.raises(RunError) as caught:
        update_project(project)
    assert said in str(caught.value) and "\n" not in str(caught.value)
    after = {
        path: path.read_bytes() for path in project.rglob("*") if path.is_file() and ".git" not in path.parts
    }
    assert after == before


# ---------------------------------------- killed
@pytest.mark.parametrize("conflict", [False, True], ids=["clean", "conflict"])
def test_wherever_an_update_stops_what_it_says_next_brings_all_back(project, publish, conflict, monkeypatch):
    """It stops before each call of Git in turn; then a person does what the next update says."""
    if conflict:
        dirty(project)
        commit(project)
    publish(2)
    head, call = git(project, "rev-parse", "HEAD"), git_room.Repository.call
    writes = ("update-ref", "merge", "read-tree", "update-index", "commit-tree", "merge-tree")
    for stop in range(100):
        done: list[str] = []

        def stopping(
            self: git_room.Repository, *words: str, stop: int = stop, done: list = done, **more: object
        ) -> object:
            if any(each in words for each in writes):
                if len(done) == stop:
                    raise KeyboardInterrupt
                done.append(words[0])
            return call(self, *words, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(git_room.Repository, "call", stopping)
        try:
            update_project(project)
        except KeyboardInterrupt:
            monkeypatch.setattr(git_room.Repository, "call", call)
            bring_back(project)
            assert git(project, "status", "--porcelain") == "" and git(project, "rev-parse", "HEAD") == head
            assert has_ours(project)
        else:
            break
    monkeypatch.setattr(git_room.Repository, "call", call)
    assert stop > 4 and has_ours(project)
    assert_whole(project)


def bring_back(folder: Path) -> None:
    """What the refusal of the next update names; nothing where the work tree is as it was."""
    if git(folder, "status", "--porcelain"):
        with pytest.raises(RunError, match="take") as caught:
            update_project(folder)
        command = str(caught.value).rpartition(": ")[2]
        assert command in ("git reset --hard", "git merge --abort")
        git(folder, *command.split()[1:])


UPDATE = """
import sys
from pathlib import Path
from tests.template.test_update import release
from mlkit.template import update_project
release(2, Path(sys.argv[1]), setattr)
update_project(Path(sys.argv[2]))
"""


@pytest.mark.skipif(os.name == "nt", reason="no groups of processes")
def test_an_update_that_is_killed_in_the_merge_leaves_the_work_tree_alone(project, publish, releases):
    publish(2)
    head = git(project, "rev-parse", "HEAD")
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-c", UPDATE, str(releases), str(project)]
    started = subprocess.Popen(words, env=environ, cwd=ROOT, start_new_session=True, stderr=subprocess.PIPE)
    while started.poll() is None and not merging(started.pid):
        time.sleep(0.005)
    assert started.poll() is None, started.communicate()
    os.killpg(started.pid, signal.SIGKILL)
    started.communicate()
    assert (
        git(project, "status", "--porcelain", "--ignored") == "" and git(project, "rev-parse", "HEAD") == head
    )
    assert not update_project(project).conflicts and has_ours(project)
    assert_whole(project)


def merging(pid: int) -> bool:
    """Is Git merging notebooks already?"""
    for child in psutil.Process(pid).children(recursive=True):
        try:
            if "mlkit.template.notebook_merge" in " ".join(child.cmdline()):
                return True
        except psutil.Error:
            pass
    return False
