"""Whatever stops a run, and whenever: nothing is lost, nothing half-written is read, and it goes on."""

import os
import random
import signal
import sqlite3
import sys
import time
from pathlib import Path

import nbformat
import pytest
from conftest import STAGES, Lifecycle, until
from filelock import FileLock

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9 here")
KILLS = int(os.environ.get("MLKIT_KILLS", 12))
SEED = int(os.environ.get("MLKIT_SEED", 1))


# ---------------------------------------- what must hold at any moment
def assert_intact(life: Lifecycle) -> None:
    """What says that it is done is whole, and whatever has its final name can be read."""
    if not life.folder.exists():
        return
    with FileLock(life.folder / ".journal.lock"):
        journal = life.journal()
        for stage, record in journal["stages"].items():
            for name in record["writes"] if record["state"] == "done" else []:
                entry = journal["artifacts"][name]
                assert digest(life.artifacts / entry["file"]) == entry["sha256"], f"{name} of {stage}"
    for path in life.folder.glob("notebooks/[!.]*.ipynb"):
        nbformat.validate(nbformat.read(path, as_version=4))
    for path in life.folder.glob("report.html"):
        assert path.read_text(encoding="utf-8").rstrip().endswith("</html>")


def digest(path: Path) -> str:
    from hashlib import sha256

    return sha256(path.read_bytes()).hexdigest()


def assert_as_undisturbed(life: Lifecycle, undisturbed: Lifecycle) -> None:
    assert list(life.done()) == STAGES
    assert life.content() == undisturbed.content()
    assert (life.folder / "report.html").exists()
    left = {path.name for path in life.folder.rglob(".*")}
    assert left <= {".run.lock", ".journal.lock", ".telling"}
    assert "logbook" not in life.journal()
    assert trials_in_logbook(life) == 3


def trials_in_logbook(life: Lifecycle) -> int:
    with sqlite3.connect(life.folder.parent / "mlflow.db") as book:
        return book.execute(
            "select count(*) from runs join tags using (run_uuid) where lifecycle_stage = 'active' "
            "and key = 'mlflow.parentRunId' and tags.value = ?", [life.journal()["mlflow"]["run_id"]],
        ).fetchone()[0]  # fmt: skip


# ---------------------------------------- moments
def files(folder: Path) -> set[tuple[str, int]]:
    """The names in a run folder, hidden ones too, and when each was written."""
    found = set()
    for place in (folder, folder / "artifacts", folder / "notebooks"):
        try:
            found |= {(file.name, file.stat().st_mtime_ns) for file in os.scandir(place)}
        except FileNotFoundError:
            continue
    return found


def wait_for_changes(life: Lifecycle, count: int, over) -> None:
    """Until so many files have come, gone or changed."""
    seen, changes = files(life.folder), 0
    while changes < count and not over():
        now = files(life.folder)
        changes, seen = changes + len(now ^ seen), now
        time.sleep(0.0005)


def running_kernel(life: Lifecycle, before: dict[str, str]) -> tuple[str, int] | None:
    """The stage that runs in this life, and the process that it runs in."""
    for stage, record in life.journal()["stages"].items():
        if record["state"] == "running" and record.get("attempt", "") != before.get(stage, ""):
            return stage, record["pid"]
    return None


def kill_run(life: Lifecycle, chance: random.Random) -> bool:
    """Start the run and kill it, at a moment by the clock or by what it wrote; True when it was alive."""
    process = life.start()
    if chance.random() < 0.25:
        until(lambda: process.poll() is not None, chance.uniform(0, 4))
    else:
        wait_for_changes(life, chance.randint(1, 60), lambda: process.poll() is not None)
        time.sleep(chance.choice([0, 0.001, 0.02, 0.2]))
    process.kill()
    return process.wait() != 0


def kill_kernel(life: Lifecycle, chance: random.Random) -> bool:
    """Start the run and kill the kernel of a stage; True when there was one to kill."""
    before, process = life.attempts(), life.start()
    wait_for_changes(life, chance.randint(0, 40), lambda: process.poll() is not None)
    until(lambda: running_kernel(life, before) or process.poll() is not None)
    time.sleep(chance.choice([0, 0.001, 0.02, 0.2]))
    if kernel := running_kernel(life, before):
        os.kill(kernel[1], signal.SIGKILL)
    code = process.wait(timeout=300)
    if code == 0:
        return False
    assert code == 1, life.err
    assert kernel and f"'{kernel[0]}'" in life.err and "SIGKILL" in life.err and " MB" in life.err
    assert life.journal()["stages"][kernel[0]]["state"] == "failed"
    return True


def let_run(life: Lifecycle, chance: random.Random) -> bool:
    """Let the run come to its end; nothing is killed."""
    life.run()
    return False


def test_a_killed_run_goes_on_as_if_nothing_had_happened(undisturbed, project, tmp_path):
    chance, number, kills = random.Random(SEED), 0, 0
    life = Lifecycle(tmp_path / "life-0", project)
    while kills < KILLS or life.done():
        kill = chance.choices([kill_run, kill_kernel], [3, 1])[0] if kills < KILLS else let_run
        done = life.done()
        alive = kill(life, chance)
        kills += alive
        moment = f"kill {kills} of {KILLS} (seed {SEED}, {kill.__name__}), done before: {list(done)}"
        print(moment, alive, list(life.done()), life.err, flush=True)
        assert_intact(life)
        assert done.items() <= life.done().items(), moment
        if chance.random() < 0.5:
            started = time.monotonic()
            gone = until(lambda life=life: not life.processes(), 20)
            print("gone after", time.monotonic() - started, flush=True)
            assert gone, (moment, life.processes())
        if not alive:
            assert_as_undisturbed(life, undisturbed)
            number += 1
            life = Lifecycle(tmp_path / f"life-{number}", project)
