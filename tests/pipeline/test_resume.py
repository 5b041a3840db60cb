"""Whatever stops a run, and whenever: nothing is lost, nothing half-written is read, and it goes on."""

import ast
import os
import random
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from hashlib import sha256
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from filelock import FileLock

from mlkit.cli import main as cli
from mlkit.core import source_code
from mlkit.pipeline import notebooks as notebook
from mlkit.pipeline import runner as pipeline
from mlkit.sources.examples import load_example
from tests.conftest import COMMAND, STAGES, Lifecycle, until

KILLS = int(os.environ.get("MLKIT_KILLS", "6"))
SEED = int(os.environ.get("MLKIT_SEED", 1))
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")
PHASES = ["start", *STAGES, "end"]


# ---------------------------------------- what must hold at any moment
def assert_intact(life: Lifecycle) -> None:
    """What says that it is done is whole, and whatever has its final name can be read."""
    if not life.folder.exists():
        return
    with FileLock(life.folder / ".journal.lock"):  # a process that was left behind may still be dying
        journal = life.journal()
        for stage, record in journal["stages"].items():
            for name in record["writes"] if record["state"] == "done" else []:
                entry = journal["artifacts"][name]
                content = (life.artifacts / entry["file"]).read_bytes()
                assert sha256(content).hexdigest() == entry["sha256"], f"{name} of {stage}"
    for path in life.folder.glob("notebooks/[!.]*.ipynb"):
        nbformat.validate(nbformat.read(path, as_version=4))
    for path in life.folder.glob("report.html"):
        assert path.read_text(encoding="utf-8").rstrip().endswith("</html>")


def assert_as_undisturbed(life: Lifecycle, undisturbed: Lifecycle) -> None:
    assert list(life.done()) == STAGES
    assert life.content() == undisturbed.content()
    assert (life.folder / "report.html").exists()
    made = {"deploy", "automation"}  # folders with hidden files of their own
    left = {path.name for path in life.folder.rglob(".*") if not made.intersection(path.parts)}
    assert left <= {".run.lock", ".journal.lock", ".progress"}
    assert not life.journal().get("tracking_error")
    trials = len(pd.read_parquet(life.artifacts / "trials.parquet"))
    assert state_in_logbook(life) == ("FINISHED", trials), "one page, and each trial once"


def state_in_logbook(life: Lifecycle) -> tuple[str, int]:
    """How the run stands there, and with how many trials."""
    page = [life.journal()["mlflow"]["run_id"]]
    state = "select status from runs where run_uuid = ?"
    trials = (
        "select count(*) from runs join tags using (run_uuid) "
        "where key = 'mlflow.parentRunId' and tags.value = ? and lifecycle_stage = 'active'"
    )
    with closing(sqlite3.connect(life.folder.parent / "mlflow.db")) as book:
        return book.execute(state, page).fetchone()[0], book.execute(trials, page).fetchone()[0]


# ---------------------------------------- moments
def files(folder: Path) -> set[tuple[str, int]]:
    """The names in a run folder, hidden ones too, and when each was written."""
    found = set()
    for place in (folder, folder / "artifacts", folder / "notebooks"):
        with suppress(FileNotFoundError):
            found |= {(file.name, file.stat().st_mtime_ns) for file in os.scandir(place)}
    return found


def wait_for_changes(life: Lifecycle, count: int, over: Callable[[], bool]) -> None:
    """Until so many files have come, gone or changed."""
    seen, changes = files(life.folder), 0
    while changes < count and not over():
        now = files(life.folder)
        changes, seen = changes + len(now ^ seen), now
        time.sleep(0.0005)


def at_a_moment(life: Lifecycle, process: subprocess.Popen, phase: str, chance: random.Random) -> None:
    """Wait for a moment in a phase: by the clock before a stage begins, then by what has been written."""
    before, done = life.attempts(), life.done()
    if phase in done:
        phase = next((stage for stage in STAGES if stage not in done), "end")

    def over() -> bool:
        return process.poll() is not None

    def reached() -> bool:
        if phase == "end":
            return list(life.done()) == STAGES
        return life.attempts().get(phase) != before.get(phase)

    if phase == "start":
        until(over, chance.uniform(0, 5))
        return
    until(lambda: over() or reached())
    wait_for_changes(life, chance.randint(0, 15), over)
    time.sleep(chance.choice([0, 0, 0.001, 0.02]))


def running_kernel(life: Lifecycle, before: dict[str, str]) -> tuple[str, int] | None:
    """The stage that runs now, and the process that it runs in."""
    for stage, record in life.journal()["stages"].items():
        if record["state"] == "running" and record.get("attempt", "") != before.get(stage, ""):
            return stage, record["pid"]
    return None


def kill_run(life: Lifecycle, phase: str, chance: random.Random) -> None:
    process = life.start()
    at_a_moment(life, process, phase, chance)
    process.kill()
    assert process.wait() in (0, -signal.SIGKILL), life.err


def kill_kernel(life: Lifecycle, phase: str, chance: random.Random) -> None:
    """What the run then says must help."""
    before, process, kernel = life.attempts(), life.start(), None
    at_a_moment(life, process, phase, chance)
    while not kernel and process.poll() is None:
        kernel = running_kernel(life, before)
        with suppress(ProcessLookupError):
            if kernel:
                os.kill(kernel[1], signal.SIGKILL)
    if process.wait(timeout=300):
        assert process.returncode == 1, life.err
        [line] = life.err.splitlines()
        assert line.startswith(f"mlkit: stage '{kernel[0]}' ended because its kernel was killed by SIGKILL")
        assert "memory" in line and f"mlkit run --out {life.folder}" in line
        assert life.journal()["stages"][kernel[0]]["state"] == "failed"


def assert_all_die(life: Lifecycle) -> None:
    """What the run had started ends by itself, and before that it writes no more."""
    start, still = time.monotonic(), None
    while left := life.processes():
        seconds = time.monotonic() - start
        assert seconds < 60, left  # the warm process first comes to the end of its imports
        if seconds > 3:
            now = files(life.folder)
            assert still in (None, now), f"{left} still write"
            still = now
        time.sleep(0.1)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9 here")
@pytest.mark.parametrize("number", range(-(-KILLS // 6)))
def test_a_run_that_is_killed_again_and_again_ends_as_if_nothing_had_happened(
    undisturbed, project, tmp_path, number
):
    """Six kills, from its start to its end. For more, and others: MLKIT_KILLS and MLKIT_SEED."""
    chance = random.Random(f"{SEED} {number}")
    life, done = Lifecycle(tmp_path / "run", project), {}
    for phase in sorted(chance.choices(PHASES, k=6), key=PHASES.index):
        kill = chance.choice([kill_run, kill_run, kill_kernel if phase in STAGES else kill_run])
        kill(life, phase, chance)
        states = {stage: record["state"] for stage, record in life.journal()["stages"].items()}
        print(f"{kill.__name__} in {phase}: {states}")
        assert_intact(life)
        assert done.items() <= life.done().items(), "a finished stage was repeated"
        done = life.done()
        if chance.random() < 0.5:  # else the next run meets what is left of this one
            assert_all_die(life)
    life.run()
    assert done.items() <= life.done().items(), "a finished stage was repeated"
    assert_as_undisturbed(life, undisturbed)


# ---------------------------------------- what runs again, and what does not
def edit(project: Path, function: str, *lines: str, docstring: str | None = None) -> None:
    """Put lines at the start of a function of `mlkit.features.plan`, or give it another docstring."""
    path = project / "mlkit" / "features" / "plan.py"
    code = path.read_text(encoding="utf-8")
    [node] = [node for node in ast.parse(code).body if getattr(node, "name", "") == function]
    said, text = node.body[0], code.splitlines()
    first = text[said.lineno - 1 : said.end_lineno] if docstring is None else [f"    {docstring!r}"]
    text[said.lineno - 1 : said.end_lineno] = [*first, *(f"    {line}" for line in lines)]
    path.write_text("\n".join([*text, ""]), encoding="utf-8")


class Rerun:
    """`mlkit run` in the folder of a finished run; quick, without kernels, in this process."""

    def __init__(self, life: Lifecycle, monkeypatch: pytest.MonkeyPatch):
        self.life, self.monkeypatch, self.meanwhile = life, monkeypatch, lambda: None
        for module in (notebook, source_code):
            monkeypatch.setattr(module, "package_folder", lambda: life.project / "mlkit")
        monkeypatch.setattr(pipeline, "_execute_notebook", self.execute)
        monkeypatch.setattr(pipeline, "_start_in_background", self.beside)
        monkeypatch.setattr(pipeline.engine, "can_fork", lambda: False)

    def execute(self, folder: Path, stage: notebook.Stage, parameters: dict, engine_name: str) -> None:
        values = dict(parameters, run=str(folder), __name__="__main__")
        for cell in stage.run_cells:
            exec(compile(cell, stage.path.name, "exec"), values)
        self.meanwhile()

    def beside(self, function: Callable, folder: Path) -> threading.Thread:
        nothing = threading.Thread(target=str)
        nothing.start()
        return nothing

    def __call__(self, *arguments: str, expect: int = 0) -> list[str]:
        """The stages that ran."""
        source_code.read_module_code.cache_clear()  # a person starts a new process
        before = self.life.attempts()
        self.monkeypatch.setattr(sys, "argv", ["mlkit", "run", *self.life.asked, *arguments])
        try:
            cli.main()
            code = 0
        except SystemExit as ended:
            code = ended.code or 0
        assert code == expect
        after = self.life.attempts()
        return [stage for stage in STAGES if after.get(stage) != before.get(stage)]


@pytest.fixture
def copy(undisturbed, project, tmp_path) -> Lifecycle:
    """A finished run and its project, to be changed. It stands beside the other, and shares its logbook."""
    folder = undisturbed.folder.with_name(tmp_path.name)
    return Lifecycle(
        shutil.copytree(undisturbed.folder, folder), shutil.copytree(project, tmp_path / "project")
    )


@pytest.fixture
def rerun(copy, monkeypatch) -> Rerun:
    return Rerun(copy, monkeypatch)


def test_what_has_not_changed_is_not_done_again(rerun, undisturbed):
    assert rerun() == []
    assert rerun.life.done() == undisturbed.done()


def test_a_parameter_of_a_stage_concerns_this_stage_alone(rerun):
    assert rerun("-p", "serve.rows=21") == ["serve"]
    assert rerun("-p", "serve.rows=21") == []


def test_new_prose_runs_nothing_and_new_code_runs_all_that_uses_it(rerun):
    edit(rerun.life.project, "make_plan", "# Why it is so.", docstring="The same in other words.")
    assert rerun() == []
    edit(rerun.life.project, "make_plan", "unused = None")
    assert rerun() == STAGES[3:]


def test_code_that_is_edited_while_a_stage_runs_has_not_run(rerun):
    rerun.meanwhile = lambda: edit(rerun.life.project, "make_plan", "unused = None")
    assert rerun("prepare", "--fresh") == ["prepare"]
    rerun.meanwhile = lambda: None
    assert rerun("prepare") == ["prepare"]
    assert rerun("prepare") == []


def test_new_data_runs_all_that_follows_from_it(rerun, tmp_path):
    table = tmp_path / "wine.csv"
    load_example("wine").to_csv(table, index=False)
    rerun.life.asked += ["--data", str(table), "--target", "grower"]
    assert rerun() == [stage for stage in STAGES[1:] if stage != "train"], (
        "the same numbers: nothing to train anew"
    )
    table.touch()
    assert rerun() == []
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:-1]))
    assert rerun() == STAGES[1:]


def cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def change_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "harm, artifact, stage",
    [(cut_in_half, "table.json", "prepare"), (change_a_byte, "profile.parquet", "collect"),
     (Path.unlink, "test.parquet", "validate")],
    ids=["cut in half", "one byte changed", "deleted"],
)  # fmt: skip
def test_a_damaged_artifact_is_made_again(rerun, undisturbed, harm, artifact, stage):
    harm(rerun.life.artifacts / artifact)
    assert rerun() == [stage], "what follows from it reads the same as before"
    assert rerun.life.content() == undisturbed.content()


@pytest.mark.parametrize(
    "words, chosen",
    [(["--fresh"], STAGES), (["--fresh", "--from", "collect", "--to", "prepare"], STAGES[1:4]),
     (["evaluate", "problem", "--fresh"], ["problem", "evaluate"]), (["--from", "train"], [])],
    ids=" ".join,
)  # fmt: skip
def test_stages_are_chosen(rerun, undisturbed, words, chosen):
    assert rerun(*words) == chosen
    assert rerun.life.content() == undisturbed.content()


def test_a_run_that_ended_before_its_report_was_written_still_writes_it(rerun, monkeypatch):
    report = rerun.life.folder / "report.html"
    report.unlink()

    def end(folder: Path) -> None:
        raise SystemExit(9)

    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "write_report", end)
        assert rerun("problem", "--fresh", expect=9) == ["problem"]
    assert rerun() == []
    assert report.exists()


# ---------------------------------------- a stage that fails
def test_the_command_that_a_fault_prints_goes_on_from_there(copy, undisturbed):
    good = (copy.project / "mlkit" / "features" / "plan.py").read_bytes()
    helper = "import subprocess; subprocess.Popen(['sleep', '600'])"
    edit(copy.project, "make_plan", helper, "raise ZeroDivisionError('seven by zero')")
    assert copy.run(expect=1) == ["prepare"]
    assert_all_die(copy)  # a process that the notebook started, too
    [line] = copy.err.splitlines()
    told = re.fullmatch(
        r"mlkit: stage 'prepare' failed in cell \[\d+\]: ZeroDivisionError: seven by zero; "
        r"see (.*), then go on with: (mlkit run .*)", line)  # fmt: skip
    assert told, line
    assert "seven by zero" in Path(told[1]).read_text(encoding="utf-8")
    assert copy.journal()["stages"]["prepare"]["error"] in line
    (copy.project / "mlkit" / "features" / "plan.py").write_bytes(good)
    assert copy.run(command=[*COMMAND, *shlex.split(told[2])[1:]]) == ["prepare"]
    assert copy.content() == undisturbed.content()
