"""What people get wrong, through the command line: one clear line, exit code 2, and nothing is lost."""

import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import pytest

from mlkit.cli.main import collect_parameters, precheck_source
from mlkit.core.errors import MLKitError, RunError
from mlkit.core.run_folder import RunFolder, read_journal
from mlkit.pipeline.notebooks import list_stages, reason_to_run, run_in_process
from mlkit.registry.tracking import TrialLogger, check_tracking_server, hide_password, make_mlflow_client
from tests.conftest import COMMAND, until

ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
LINUX = sys.platform == "linux"
PICTURE = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256))


# ---------------------------------------- what is used by all
def table(rows: int = 60, answers: Sequence[str] = ("no", "yes", "yes"), seed: int = 0) -> str:
    """A small table in CSV: a number, a category and the target `left`."""
    chance = random.Random(seed)
    ages, plans = chance.choices(range(20_000, 60_000), k=rows), chance.choices("abc", k=rows)
    lines = (
        f"{age / 1000},{plan},{answers[row % len(answers)]}"
        for row, (age, plan) in enumerate(zip(ages, plans, strict=True))
    )
    return "\n".join(["age,plan,left", *lines, ""])


class Said(NamedTuple):
    """What a command said and did."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def message(self) -> str:
        """The one line of a refusal."""
        assert self.code == 2, f"exit {self.code}:\n{self.out}\n{self.err}"
        assert self.err.startswith("mlkit: ") and self.err.endswith("\n"), self.err
        assert "Traceback" not in self.out + self.err
        return self.err.removeprefix("mlkit: ").removesuffix("\n")


class Shell:
    """A person in a folder."""

    def __init__(self, folder: Path, project: Path):
        self.folder, self.project = folder, project

    def start(
        self, *arguments: str, command: Sequence[str] = COMMAND, limit: int = 0, **environment: str
    ) -> subprocess.Popen:
        strange = ("MLKIT_", "MLFLOW_")
        own = {name: value for name, value in os.environ.items() if not name.startswith(strange)}
        own |= {"PYTHONPATH": str(self.project), "MLFLOW_DISABLE_TELEMETRY": "true"} | environment

        def bound() -> None:
            import resource

            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        return subprocess.Popen(
            [*command, *arguments], cwd=self.folder, env=own, text=True, encoding="utf-8",
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=bound if limit else None)  # fmt: skip

    def run(self, *arguments: str, **more) -> Said:
        started = time.monotonic()
        process = self.start("run", *arguments, **more)
        out, err = process.communicate(timeout=300)
        return Said(process.returncode, out, err, time.monotonic() - started)

    def files(self) -> dict[str, bytes]:
        """Everything that is there, byte for byte."""
        found = (path for path in sorted(self.folder.rglob("*")) if path.is_file())
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in found}


@pytest.fixture
def shell(project, tmp_path) -> Shell:
    return Shell(tmp_path, project)


# ---------------------------------------- found before anything starts
HEAVY = {"pandas", "numpy", "sklearn", "mlflow", "papermill"}
WATCHED = [sys.executable, "-c", f"""
import atexit, sys
atexit.register(lambda: print("heavy:", *sorted({HEAVY} & set(sys.modules))))
from mlkit.cli.main import main
main()"""]  # fmt: skip
FILES: dict[str, str | bytes] = {
    "table.csv": table(), "empty.csv": "", "picture.csv": PICTURE, "sub/other.doc": table(),
    "month/1.csv": table(), "month/2.csv": "age,kind\n1,2\n",
    "wide.csv": ",".join(f"c{n}" for n in range(500)) + "\n" + ",".join("1" * 500) + "\n",
    "latin.csv": "größe;preis\n".encode("cp1252") + b"1;2\n" * 30,
    "broken.ini": "[train]\ntrials 30\n", "picture.ini": PICTURE,
    "twice.ini": "[train]\ntrials = 3\ntrials = 4\n",
    "wrong.ini": "[trian]\ntrials = 3\n[collect]\nsorce = x.csv\n[train]\nbudget = long\n",
    "damaged/run.json": '{"stages": {', "damaged/artifacts/model.joblib": "dear",
    "strange/run.json": '{"stages": {"collect": 5}}',
}  # fmt: skip
TABLE = ["--data", "table.csv", "--target", "left"]

AT_ONCE = {  # these are answered without loading anything heavy
    "no target": (["--data", "table.csv"], "which column shall be predicted? Name it: --target COLUMN"),
    "an empty target": (
        ["--data", "table.csv", "--target", ""],
        "--target is empty; name the column to predict",
    ),
    "an unknown engine": ([*TABLE, "--engine", "nonsense"], "--engine is mlkit or papermill, not 'nonsense'"),
    "an unknown stage": (["trian"], "there is no stage 'trian'; did you mean 'train'?"),
    "a stage like no other": (
        ["--to", "zzz"],
        "there is no stage 'zzz'; the stages are " + " ".join(list_stages()),
    ),
    "stages in the wrong order": (
        ["--from", "train", "--to", "collect"],
        f"no stage is left between --from train and --to collect; the order is: {' '.join(list_stages())}",
    ),
    "an unknown option": (
        ["--dta", "table.csv"],
        "no such option: --dta (Possible options: --data, --target, --to) "
        "(mlkit run --help shows what there is)",
    ),
    "settings of all kinds": (
        [*TABLE, "-p", "train.trails=3", "-p", "train.trials=many", "-p", "trian.trials=3", "-p", "trials"],
        "-p trials: write -p stage.parameter=value, such as -p train.trials=30\n"
        "-p train.trails: unknown parameter 'trails'; did you mean 'trials'?\n"
        "-p train.trials: must be a whole number in digits, such as 30, not 'many'\n"
        "-p trian.trials: unknown stage 'trian'; did you mean 'train'?",
    ),
    "numbers out of range": (
        [*TABLE, "-p", "train.seed=-1", "-p", "evaluate.seed=4294967296", "-p", "train.jobs=-2"],
        "-p train.seed: must be from 0 to 4294967295, not '-1'\n"
        "-p evaluate.seed: must be from 0 to 4294967295, not '4294967296'\n"
        "-p train.jobs: must be from 0 (no limit) to 1024, not '-2'",
    ),
    "no settings file": (["-s", "setings.ini"], "no settings file setings.ini; check the path after -s"),
    "a damaged settings file": (
        ["-s", "broken.ini"],
        "broken.ini line 2: 'trials 30' is no [section], key = value or # comment",
    ),
    "a settings file that is none": (
        ["-s", "picture.ini"],
        "picture.ini: is not UTF-8 text; save it with the encoding UTF-8",
    ),
    "a settings file that contradicts itself": (
        ["-s", "twice.ini"],
        "twice.ini line 3: [train] sets 'trials' twice; keep one",
    ),
    "a settings file with slips": (
        ["-s", "wrong.ini"],
        "wrong.ini [trian]: unknown stage 'trian'; did you mean 'train'?\n"
        "wrong.ini [collect] sorce: unknown parameter 'sorce'; did you mean 'source'?\n"
        "wrong.ini [train] budget: must be a number, such as 0.5, not 'long'",
    ),
    "a wrong encoding": (
        [*TABLE, "-p", "collect.encoding=utf8x"],
        "-p collect.encoding: must be auto, or the name of an encoding, not 'utf8x'",
    ),
    "a damaged journal": (
        [*TABLE, "--out", "damaged"],
        "damaged/run.json is damaged (Expecting property name enclosed in double quotes: line 1 column 13 "
        "(char 12)); delete it, and the stages run again",
    ),
    "a journal of something else": (
        [*TABLE, "--out", "strange"],
        "strange/run.json is damaged (it is no journal); delete it, and the stages run again",
    ),
}
BEFORE_KERNELS = {  # these need a look at a file, a folder or a server
    "no such file": (
        ["--data", "tabel.csv", "--target", "left"],
        "no such file: tabel.csv; did you mean 'table.csv'?",
    ),
    "a slip in the target": (
        ["--data", "table.csv", "--target", "Lefd"],
        "no column 'Lefd' in the table; did you mean 'left'?",
    ),
    "an unknown example": (
        ["--data", "example:custmers"],
        "no example 'custmers': the examples are customers, customers_plan, customers_spend, breast_cancer, "
        "diabetes, wine, digits; did you mean 'customers'?",
    ),
    "a folder below a file": (
        [*TABLE, "--out", "table.csv/run"],
        "cannot write into table.csv/run/artifacts: Not a directory; choose another --out",
    ),
    "a password in an address": (
        ["--data", "postgresql://ada:secret@host/sales", "--target", "left"],
        "collect.source has a password or signature in it, and parameters are kept and shown; "
        "put the address into an environment variable, such as SALES, and write env:SALES",
    ),
    "a table to join that is not there": (
        [*TABLE, "-p", "collect.join=tabel.csv on age"],
        "no such file: tabel.csv; did you mean 'table.csv'?",
    ),
    "a join without a key": (
        [*TABLE, "-p", "collect.join=table.csv"],
        "collect.join: 'table.csv' does not say its key; write SOURCE on KEY, "
        "such as contracts.csv on customer_id",
    ),
    "a logbook that is not there": (
        [*TABLE, "--out", "run"],
        "MLflow at http://127.0.0.1:9 does not answer (Connection refused); start it, "
        "or unset MLFLOW_TRACKING_URI",
    ),
}


@pytest.fixture(scope="module")
def desk(project, tmp_path_factory) -> Shell:
    """A folder with files of many kinds, in which no refused command may leave a trace."""
    shell = Shell(tmp_path_factory.mktemp("desk"), project)
    for name, content in FILES.items():
        (shell.folder / name).parent.mkdir(exist_ok=True)
        (shell.folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return shell


@pytest.mark.parametrize("case", [*AT_ONCE, *BEFORE_KERNELS])
def test_a_mistake_is_told_before_anything_starts(desk, case):
    arguments, message = (AT_ONCE | BEFORE_KERNELS)[case]
    before = desk.files()
    more = {"MLFLOW_TRACKING_URI": "http://ada:secret@127.0.0.1:9"} if "logbook" in case else {}
    said = desk.run(*arguments, command=WATCHED, **more)
    assert said.message == message
    heavy = said.out.splitlines()[-1].removeprefix("heavy:").split()
    assert not heavy if case in AT_ONCE else "mlflow" not in heavy
    assert "starts" not in said.out
    assert desk.files() == before


def test_a_wrong_command_is_told(desk):
    process = desk.start("rnu")
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (
        2,
        "mlkit: no such command 'rnu'. Did you mean 'run'? (mlkit --help shows what there is)\n",
    )


@pytest.mark.parametrize("data, target, message", [
    ("nowhere/x.csv", "left", "no such file: nowhere/x.csv (there is no folder nowhere)"),
    ("sub", "left", "sub is a folder without tables (.csv .tsv .txt .tab ...); name one of its files, "
     "or a pattern such as sub/**/*.csv"),
    ("sub/*.csv", "left", "no file matches sub/*.csv; check the pattern"),
    ("env:NOT_SET_HERE", "left", "collect.source: the environment variable NOT_SET_HERE is not set"),
    ("sqlite:///shop.db", "left", "no such file: sqlite:///shop.db; check the path"),
    ("", "left", "collect.source is empty; give a file, or example:customers"),
    ("empty.csv", "left", "empty.csv: the file is empty; export the table once more"),
    ("picture.csv", "left", "picture.csv: this is a picture, not text; give the file its right ending"),
    ("latin.csv", "umsatz", "no column 'umsatz' in the table; it has größe, preis"),
    ("wide.csv", "zzz",
     f"no column 'zzz' in the table; it has {', '.join(f'c{n}' for n in range(20))} and 480 more"),
])  # fmt: skip
def test_a_look_ahead_finds_what_cannot_be(desk, monkeypatch, data, target, message):
    monkeypatch.chdir(desk.folder)
    with pytest.raises(MLKitError) as caught:
        precheck_source(collect_parameters(None, data, target, []))
    assert (caught.value.exit_code, str(caught.value)) == (2, message)


def test_a_target_that_a_glance_cannot_find_is_no_mistake(tmp_path):
    """Names in quotes, in another encoding, below a blank line, or in a file that is not text."""
    import pandas as pd

    frame = pd.DataFrame({'a "b"': range(30), "size, cm": range(30), "客": range(30)})
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_excel(tmp_path / "t.xlsx", index=False)
    frame.to_json(tmp_path / "t.jsonl", orient="records", lines=True)
    text = frame.to_csv(index=False)
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "cp932"):
        (tmp_path / f"{encoding}.csv").write_bytes(text.encode(encoding))
    (tmp_path / "blank.csv").write_text("\n\n" + text, encoding="utf-8")
    for path in sorted(tmp_path.iterdir()):
        for target in frame:
            precheck_source(collect_parameters(None, str(path), target, []))


# ---------------------------------------- found by a stage
def stopped(
    folder: Path, content: str | bytes, target: str, *overrides: str, name: str = "table.csv"
) -> tuple[str, str]:
    """The stage that refuses this table, and its message; what the earlier stages made is whole and stays."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    parameters, run = collect_parameters(None, str(path), target, list(overrides)), folder / "run"
    for stage in list_stages().values():
        if stage.name == "train":
            break
        try:
            run_in_process(run, stage, parameters[stage.name])
        except MLKitError as error:
            assert error.exit_code == 2 and "\n" not in str(error)
            earlier = list(list_stages().values())[: list(list_stages()).index(stage.name)]
            assert not [why for done in earlier if (why := reason_to_run(run, done, parameters[done.name]))]
            return stage.name, str(error)
    return "", ""


def parquet(part: float = 1.0) -> bytes:
    import io

    import pandas as pd

    whole = io.BytesIO()
    pd.read_csv(io.StringIO(table())).to_parquet(whole)
    return whole.getvalue()[: int(part * len(whole.getbuffer()))]


MEND = "mend the file, or quote cells that contain the delimiter"
BY_A_STAGE = {
    "no rows": (
        ["age,left\n", "left"],
        "collect", "table.csv: there is a header but no row; export the table with its rows",
    ),
    "one column": (
        ["left\n1\n2\n", "left"],
        "collect", "table.csv: there is one column only, 'left'; if there are more, "
        "say what is between them: -p collect.delimiter=...",
    ),
    "two columns of one name": (
        ["age,age,left\n" + "1,2,3\n" * 30, "left"],
        "collect", "table.csv: two columns have the same name: 'age'; rename one of them",
    ),
    "a row with too many fields": (
        [table() + "31,a,yes,5,6\n", "left"],
        "collect", f"table.csv: line 62 has 5 fields where the header has 3; {MEND}",
    ),
    "a row with too few fields": (
        [table() + "31\n" + table(5), "left"],
        "collect", f"table.csv: line 62 has 1 field where the header has 3; {MEND}",
    ),
    "an open quote": (
        [table() + '31,"a,yes\n', "left"],
        "collect", "table.csv: a quote is opened after line 61 and never closed; mend the file",
    ),
    "a picture with a good name": (
        [b"left\n" + PICTURE, "left"],
        "collect", "table.csv: this is not text: it has bytes that no text has; export the table as CSV",
    ),
    "two encodings": (
        [(table() + "31,köln,yes\n" * 9).encode() + "31,Münster,yes\n".encode("cp1252"), "left"],
        "collect", "table.csv: line 71 is not UTF-8 while 9 other lines are: the file mixes encodings; "
        "save all of it in one, or set collect.encoding",
    ),
    "a byte of value zero": (
        [(table() + "31,\0,yes\n").encode(), "left"],
        "collect", "table.csv: line 62 has a byte of value zero (NUL), which no text has; "
        "remove it, or export the table once more",
    ),
    "a join that multiplies rows": (
        [table(), "left", "collect.join=example:customers on age = customer_id"],
        "collect", "example:customers: 20 rows of 2,000 repeat a key in 'customer_id' and would multiply "
        "rows; make it the first source, or aggregate it",
    ),
    "a target that is constant": (
        [table(answers=["yes"]), "left"],
        "validate", "'left' has one value only, 'yes'; choose another target",
    ),
    "a target that is missing": (
        [table(answers=["", "NA"]), "left"],
        "validate", "the target 'left' is missing in all 60 rows; choose another target or fill it in",
    ),
    "a target that is an identifier": (
        ["id,age,plan\n" + "".join(f"C{i:04},{i % 7},{i % 3}\n" for i in range(60)), "id"],
        "validate", "'id' has 60 different values in 60 rows, like an identifier; choose another target",
    ),
    "a class with one row": (
        [table(59) + "31,a,perhaps\n", "left"],
        "validate", "'left' has one row only of class 'perhaps', too few to learn and to test; "
        "add rows or merge classes",
    ),
    "a tiny table": (
        [table(8), "left"],
        "validate", "8 usable rows of 8 are too few to learn from and to test on; at least 20 are needed",
    ),
    "a table of the same row": (
        ["age,plan,left\n" + "31,a,yes\n31,a,no\n" * 30 + "32,b,\n", "left"],
        "prepare", "no column is left that says anything about the target; check prepare.leave_out, and the table",
    ),
    "a sample that is too small": (
        [table(), "left", "collect.rows=5"],
        "validate", "5 usable rows of 5 are too few to learn from and to test on; at least 20 are needed",
    ),
    "no such column of time": (
        [table(), "left", "validate.time_column=day"],
        "validate", "no column 'day' in the table; it has age, plan, left",
    ),
    "no such schema file": (
        [table(), "left", "validate.schema=shema.json"],
        "validate", "validate.schema: shema.json cannot be read (No such file or directory); check the path",
    ),
    "a split without its column": (
        [table(), "left", "validate.split=group"],
        "validate", "validate.split = group needs validate.group_column: the name of a column",
    ),
    "a slip in what is known": (
        [table(), "left", "validate.known=aged"],
        "validate", "validate.known names no column of the table: 'aged'; did you mean 'age'?",
    ),
    "a metric that does not fit": (
        [table(), "left", "problem.metric=rmse"],
        "validate", "metric = rmse is not for 'left', which is binary; choose roc_auc, average_precision, "
        "accuracy, balanced_accuracy, precision, recall, f1, expected_cost, recall_at_1_percent, recall_at_5_percent, "
        "recall_at_10_percent, recall_at_20_percent, log_loss, brier",
    ),
    "a goal in per cent": (
        [table(), "left", "problem.goal=80"],
        "validate", "goal = 80 is not possible: roc_auc lies between 0 and 1; write 0.8",
    ),
    "more folds than rows": (
        [table(), "left", "prepare.folds=500"],
        "prepare", "prepare.folds is from 2 to 24 for 48 training rows, not 500",
    ),
    "many folds for a small table": (
        [table(25), "left", "prepare.folds=15"],
        "prepare", "prepare.folds is from 2 to 10 for 20 training rows, not 15",
    ),
    "nothing to learn from": (
        [table(), "left", "prepare.leave_out=age | plan"],
        "prepare", "no column is left that says anything about the target; "
        "check prepare.leave_out, and the table",
    ),
    "a wish for a column that there is not": (
        [table(), "left", "prepare.columns=aeg: impute=mean"],
        "prepare", "prepare.columns: 'aeg': there is no such column; did you mean 'age'?",
    ),
    "a combination with a category": (
        [table(), "left", "prepare.combine=age / plan"],
        "prepare", "prepare.combine: 'age / plan': there is no number called 'plan'; the numbers are age",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BY_A_STAGE)
def test_a_stage_refuses_what_it_cannot_work_with(tmp_path, case):
    arguments, *expected = BY_A_STAGE[case]
    assert list(stopped(tmp_path, *arguments)) == expected


def test_files_that_differ_are_told_by_the_command_and_nothing_is_lost(desk):
    """What only reading can find out comes from the stage, through the real command."""
    said = desk.run("--data", "month", "--target", "left", "--out", "month-run", "--to", "collect")
    assert said.message == (
        "2.csv lacks 'plan', 'left' and has 'kind' more, unlike 1.csv; "
        "files that make one table need the same columns"
    )
    states = {name: one["state"] for name, one in read_journal(desk.folder / "month-run")["stages"].items()}
    assert states == {"problem": "done", "collect": "failed"}


@pytest.mark.parametrize(
    "content", [b"nothing of the kind", parquet(0.7), b"PAR1"], ids=["other", "half", "tiny"]
)
def test_a_broken_parquet_file_is_refused(tmp_path, content):
    said = stopped(tmp_path, content, "left", name="table.parquet")
    assert said == (
        "collect",
        "table.parquet: this is no Parquet file, or only a part of one; make it once more",
    )


@pytest.mark.parametrize("rows, folds", [(20, 5), (20, 8), (25, 10)])
def test_a_small_table_is_no_mistake(tmp_path, rows, folds):
    assert stopped(tmp_path, table(rows), "left", f"prepare.folds={folds}") == ("", "")


def test_a_stage_before_its_time_is_told_which_way_to_go(tmp_path):
    with pytest.raises(RunError) as caught:
        run_in_process(tmp_path / "run", list_stages()["validate"], {})
    way = f"run the stage that makes it: mlkit run --out {tmp_path / 'run'}"
    assert str(caught.value) == f"{tmp_path / 'run'} has no artifact 'problem' yet; {way}"


# ---------------------------------------- a whole run, and the way on
class Stranger(BaseHTTPRequestHandler):
    """A server that is no MLflow."""

    def do_GET(self) -> None:
        self.send_error(404)

    do_POST = do_GET

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def stranger() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stranger)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_bad_table_and_then_a_damaged_artifact_are_mended_by_the_way_that_is_told(shell, stranger):
    """The way leads past a server that answers and is no MLflow: the run ends by saying so."""
    (shell.folder / "table.csv").write_text(table() + "31,a,yes,5\n", encoding="utf-8")
    said = shell.run(*TABLE, "--out", "monday", "--to", "validate")
    assert said.message == f"table.csv: line 62 has 4 fields where the header has 3; {MEND}"
    run = shell.folder / "monday"
    record = read_journal(run)["stages"]
    assert {name: mine["state"] for name, mine in record.items()} == {"problem": "done", "collect": "failed"}
    assert record["collect"]["error"] == said.message
    assert (run / "notebooks" / "02_collect.ipynb").is_file()

    (shell.folder / "table.csv").write_text(table(), encoding="utf-8")
    whole = (run / "artifacts" / "problem.json").read_bytes()
    (run / "artifacts" / "problem.json").write_bytes(whole.replace(b"left", b"age"))
    with pytest.raises(RunError) as caught:
        RunFolder(run).load("problem")
    assert str(caught.value).endswith(
        f"is not what the stage 'problem' wrote; mend it: mlkit run --out {run}"
    )

    again = shell.run("--out", "monday", "--to", "validate", MLFLOW_TRACKING_URI=stranger)
    assert again.code == 0, again.err
    assert (
        "01_problem   starts (problem is damaged, or of another machine)" in again.out
        and "✓ 03_validate" in again.out
    )
    assert (run / "artifacts" / "problem.json").read_bytes() == whole
    [line] = [line for line in again.out.splitlines() if line.startswith("!")]
    assert line.startswith(f"! the tracking store could not be written: MLflow cannot use {stranger} (")
    assert line.endswith("); check MLFLOW_TRACKING_URI")
    assert "Traceback" not in again.out + again.err


def test_a_second_run_in_the_same_folder_is_turned_away(shell):
    (shell.folder / "table.csv").write_text(table(), encoding="utf-8")
    asked = ["run", *TABLE, "--out", "monday", "--to", "validate"]
    first = shell.start(*asked)
    assert until(lambda: (shell.folder / "monday" / "run.json").exists())
    second = shell.run(*asked[1:])
    assert first.poll() is None, "the first run was over too soon"
    assert second.message == "another run is working in monday; wait for it, or choose another --out"
    _, err = first.communicate(timeout=300)
    assert (first.returncode, err) == (0, "")
    states = {
        name: record["state"] for name, record in read_journal(shell.folder / "monday")["stages"].items()
    }
    assert states == dict.fromkeys(["problem", "collect", "validate"], "done")


@pytest.mark.parametrize(
    "content", ["", "null", "[1]", '{"stages": []}', '{"artifacts": {"data": 1}}', "\0\0"]
)
def test_a_damaged_journal_is_refused(tmp_path, content):
    (tmp_path / "run.json").write_text(content, encoding="utf-8")
    with pytest.raises(RunError, match=r"run\.json is damaged \(.+\); delete it, and the stages run again$"):
        RunFolder(tmp_path)
    assert (tmp_path / "run.json").read_text(encoding="utf-8") == content


# ---------------------------------------- folders that cannot be written to
def mount(place: Path, options: str) -> bool:
    place.mkdir(exist_ok=True)
    order = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    return (
        ROOT
        and LINUX
        and shutil.which("mount") is not None
        and not subprocess.run(order, capture_output=True).returncode
    )


@pytest.fixture
def disk(tmp_path) -> Iterator[Path]:
    """A place for a small disk; whatever was mounted there is taken away."""
    yield tmp_path / "disk"
    while os.path.ismount(tmp_path / "disk"):
        subprocess.run(["umount", "--lazy", str(tmp_path / "disk")], check=True)


def test_a_folder_on_a_read_only_disk_is_refused(shell, disk):
    if not mount(disk, "ro"):
        pytest.skip("a disk can be mounted by root on Linux only")
    (shell.folder / "table.csv").write_text(table(), encoding="utf-8")
    said = shell.run(*TABLE, "--out", str(disk / "run"))
    assert (
        said.message == f"cannot write into {disk}/run/artifacts: Read-only file system; choose another --out"
    )


@pytest.mark.skipif(not LINUX, reason="there is no /proc here")
def test_a_folder_where_nothing_can_be_made_is_refused(shell):
    (shell.folder / "table.csv").write_text(table(), encoding="utf-8")
    said = shell.run(*TABLE, "--out", "/proc/mlkit")
    assert (
        said.message
        == "cannot write into /proc/mlkit/artifacts: No such file or directory; choose another --out"
    )


@pytest.mark.skipif(ROOT or not hasattr(os, "geteuid"), reason="permissions stop neither root nor Windows")
def test_a_folder_of_somebody_else_is_refused(shell):
    (shell.folder / "table.csv").write_text(table(), encoding="utf-8")
    (shell.folder / "theirs").mkdir(mode=0o555)
    said = shell.run(*TABLE, "--out", "theirs/run")
    assert said.message == "cannot write into theirs/run/artifacts: Permission denied; choose another --out"


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="neither a mount nor a limit for files on Windows")
def test_a_full_disk_stops_the_run(shell, disk):
    """A disk of 150 kB, or where none can be mounted, files of at most 150 kB."""
    (shell.folder / "table.csv").write_text(table(30_000), encoding="utf-8")
    mounted, book = mount(disk, "size=150k"), f"sqlite:///{shell.folder / 'mlflow.db'}"
    limit = 0 if mounted else 150_000
    said = shell.run(*TABLE, "--out", "disk/run", "--to", "collect", limit=limit, MLFLOW_TRACKING_URI=book)
    why = "No space left on device" if mounted else "File too large"
    file = f"{disk}/run/artifacts/data.parquet"
    assert said.message == f"cannot write {file}: {why}; free space or choose another --out"
    assert [path.name for path in (disk / "run" / "artifacts").iterdir()] == ["problem.json"]
    states = {name: record["state"] for name, record in read_journal(disk / "run")["stages"].items()}
    assert states == {"problem": "done", "collect": "failed"}


# ---------------------------------------- the logbook
def test_a_server_that_never_answers_is_found_in_time(tmp_path, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        server = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
        with pytest.raises(RunError) as caught:
            check_tracking_server(tmp_path / "run", patience=0.3)
    assert (
        str(caught.value)
        == f"MLflow at {server} does not answer (timed out); start it, or unset MLFLOW_TRACKING_URI"
    )


def test_training_outlives_its_logbook(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ada:secret@127.0.0.1:9")
    started = time.monotonic()
    with TrialLogger(tmp_path / "run") as log:
        for trial in range(50):
            log.add(f"trial {trial}", {"depth": trial}, {"validation": 0.5})
    trouble = read_journal(tmp_path / "run")["tracking_error"]
    assert trouble.startswith("MLflow cannot use http://127.0.0.1:9 (")
    assert trouble.endswith("); check MLFLOW_TRACKING_URI")
    assert time.monotonic() - started < 60
    assert "secret" not in (tmp_path / "run" / "run.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("uri, shown", [
    ("http://ada:secret@host:5000/x", "http://host:5000/x"),
    ("postgresql+psycopg2://ada:p@ss@host/book", "postgresql+psycopg2://host/book"),
    ("sqlite:////srv/a@b/mlflow.db", "sqlite:////srv/a@b/mlflow.db"),
    ("databricks", "databricks"),
])  # fmt: skip
def test_a_password_is_not_shown(uri, shown):
    assert hide_password(uri) == shown


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # inside MLflow
def test_a_logbook_that_is_none_is_refused(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "mlflow.db").write_bytes(PICTURE * 100)
    with pytest.raises(RunError) as caught:
        make_mlflow_client(tmp_path / "run")
    assert str(caught.value).startswith(f"MLflow cannot use sqlite:///{tmp_path}/mlflow.db (")
    assert str(caught.value).endswith("file is not a database); move that file away, and a new one is begun")
    assert (tmp_path / "mlflow.db").read_bytes() == PICTURE * 100


def test_a_logbook_is_there_as_a_whole_or_not_at_all(tmp_path, monkeypatch):
    """MLflow gives up on a SQLite file in which some of its tables are missing."""
    import mlflow

    class Killed(BaseException): ...

    class Client:
        def __init__(self, uri: str):
            self.file = Path(uri.removeprefix("sqlite:///"))

        def search_experiments(self, max_results: int) -> None:
            before = self.file.read_bytes() if self.file.exists() else b""
            self.file.write_bytes(before + b"half")
            if killed.pop():
                self.file.with_name(f"{self.file.name}-journal").touch()
                raise Killed

    killed = [False, False, True]
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(mlflow, "MlflowClient", Client)
    monkeypatch.setenv(
        "XDG_CACHE_HOME", str(tmp_path / "cache")
    )  # where no empty logbook is kept: it is made
    with pytest.raises(Killed):
        make_mlflow_client(tmp_path / "run")
    assert not (tmp_path / "mlflow.db").exists()
    make_mlflow_client(tmp_path / "run")
    assert {path.name for path in tmp_path.iterdir()} <= {"cache", "mlflow.db", ".mlflow.lock"}
    assert (tmp_path / "mlflow.db").read_bytes() == b"halfhalf"


def test_a_stage_may_be_called_as_a_run_tells_it():
    from mlkit.cli.main import choose_stages

    assert choose_stages(["08_package", "05_train.ipynb"], None, None) == ["train", "package"]
    assert choose_stages([], "03_validate", "04_prepare") == ["validate", "prepare"]
