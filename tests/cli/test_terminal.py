"""What a person sees in a terminal, and what a program reads from a pipe."""

import os
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import pytest

from tests.conftest import COMMAND


def mlkit(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], cwd=cwd, capture_output=True, text=True)


def on_terminal(*arguments: str, cwd: Path, columns: int, errors: TextIO | None = None) -> list[str]:
    "The lines that a command leaves on a real pseudo-terminal of this width."
    pty = pytest.importorskip("pty", reason="no pseudo-terminals on this system")
    master, slave = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns)}
    with subprocess.Popen(
        [*COMMAND, *arguments], cwd=cwd, stdin=slave, stdout=slave, stderr=errors or slave, env=environment
    ):
        os.close(slave)
        text = b""
        with suppress(OSError):  # the other end was closed
            while piece := os.read(master, 65536):
                text += piece
    os.close(master)
    return text.decode().replace("\r", "").splitlines()


def test_doctor_says_one_line_when_all_is_well(tmp_path: Path) -> None:
    brief, whole = mlkit("doctor", cwd=tmp_path), mlkit("doctor", "-v", cwd=tmp_path)
    if brief.returncode:
        pytest.skip("something is missing on this machine: " + brief.stdout)
    assert brief.stdout.startswith("All is well") and brief.stdout.count("\n") == 1
    assert "✓ Python" in whole.stdout and whole.stdout.endswith(brief.stdout)


@pytest.mark.parametrize("columns", [60, 80])
def test_a_long_message_is_broken_between_words_and_set_in(tmp_path: Path, columns: int) -> None:
    lines = on_terminal("run", "--data", "no such folder/no_such_table_of_customers.csv", "--target", "y",
                        cwd=tmp_path, columns=columns)  # fmt: skip
    assert len(lines) > 1 and all(len(line) <= columns for line in lines), lines
    assert lines[0].startswith("mlkit: ") and all(line.startswith(" " * 7) for line in lines[1:])
    piped = mlkit(
        "run", "--data", "no such folder/no_such_table_of_customers.csv", "--target", "y", cwd=tmp_path
    )
    assert piped.stderr.count("\n") == 1, "a log gets one line"
    assert " ".join(piped.stderr.split()) == " ".join(" ".join(lines).split())


def test_errors_that_go_to_a_log_stay_one_line_each(tmp_path: Path) -> None:
    log = tmp_path / "log"
    missing = "a folder that is not there/" + 6 * "and deeper/"
    with log.open("w") as errors:
        on_terminal("show", missing, cwd=tmp_path, columns=60, errors=errors)
    assert log.read_text().count("\n") == 1 and len(log.read_text()) > 120


def test_a_report_is_written_when_it_is_asked_for(tmp_path: Path) -> None:
    from mlkit.core.run_folder import RunFolder

    RunFolder(tmp_path / "runs" / "lesson", "problem").set_summary("predict y")
    shown = mlkit("show", "runs/lesson", cwd=tmp_path)
    assert shown.returncode == 0 and (tmp_path / shown.stdout.strip()).is_file()
    assert "no run in nowhere" in mlkit("show", "nowhere", cwd=tmp_path).stderr


@pytest.mark.parametrize("command", [
    ("run", "--data", "LONG", "--target", "y"), ("run", "-s", "LONG"), ("show", "LONG"), ("new", "LONG"),
    ("score", "LONG", "table.csv", "out.csv"), ("ci", "summary", "LONG"), ("compare", "loop", "run"),
    ("dvc", "init", "loop"),
], ids=" ".join)  # fmt: skip
def test_a_path_that_no_system_takes_is_the_callers_to_mend(tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "loop").symlink_to("loop")
    told = mlkit(*[word.replace("LONG", 300 * "x") for word in command], cwd=tmp_path)
    assert told.returncode == 2 and told.stderr.count("\n") == 1, told.stderr
    said = (
        "lead back to themselves; name a file or a folder"
        if "loop" in command
        else "too long; choose a shorter"
    )
    assert said in told.stderr and "fault" not in told.stderr


def test_a_link_that_leads_nowhere_is_told_as_that(tmp_path: Path) -> None:
    (tmp_path / "table.csv").symlink_to("moved.csv")
    told = mlkit("run", "--data", "table.csv", "--target", "y", cwd=tmp_path)
    assert told.stderr == "mlkit: no such file: table.csv, a link to moved.csv\n"
