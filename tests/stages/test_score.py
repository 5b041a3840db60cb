"A table of any length is predicted, in pieces that survive a kill, and says the same as the model does."

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet

from mlkit.core.errors import DataError, MLKitError, RunError, SettingsError
from mlkit.inference.predictor import load_predictor
from mlkit.scoring import batch_job as stage
from mlkit.scoring.batch_job import score_source
from mlkit.sources.examples import make_customers
from mlkit.sources.file_formats import ReadOptions

COMMAND = [sys.executable, "-c", "from mlkit.cli.main import main; main()", "score"]


@pytest.fixture(scope="module")
def predictor(package):
    return load_predictor(package)


@pytest.fixture
def rows():
    "New customers, as a file would have them."
    return make_customers(1_200, seed=7).drop(columns="churned")


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(stage, "MAX_CHUNK_ROWS", 1_000)


def expected(predictor, rows):
    return predictor.predict(rows)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_every_row_gets_the_answer_of_the_model(predictor, rows, tmp_path, ending):
    rows.to_parquet(tmp_path / "new.parquet")
    done = score_source(predictor, str(tmp_path / "new.parquet"), str(tmp_path / f"out.{ending}"))
    read = pd.read_csv if ending == "csv" else pd.read_parquet
    answers = read(tmp_path / f"out.{ending}").sort_values("row")
    assert done.rows == len(rows) and answers["row"].tolist() == list(range(1, len(rows) + 1))
    assert (answers["customer_id"].to_numpy() == rows["customer_id"].to_numpy()).all()
    assert np.allclose(answers[["probability.no", "probability.yes"]], expected(predictor, rows), atol=1e-6)
    assert answers["prediction"].tolist() == predictor.labels(expected(predictor, rows))
    note = json.loads((tmp_path / "out.scoring.json").read_text())
    assert (
        note["manifest_digest"] == predictor.digest
        and len(note["data_digest"]) == 64
        and note["rows"] == len(rows)
    )
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith(".")) == sorted(
        ["new.parquet", f"out.{ending}", "out.scoring.json"]
    )


@pytest.mark.parametrize(
    "write",
    [
        lambda rows, place: rows.to_csv(place / "new.csv", index=False),
        lambda rows, place: rows.to_csv(place / "new.csv", index=False, sep=";", encoding="utf-16"),
        lambda rows, place: rows.to_json(place / "new.jsonl", orient="records", lines=True),
        lambda rows, place: rows.to_excel(place / "new.xlsx", index=False),
    ],
)
def test_the_form_of_the_table_does_not_matter(predictor, rows, tmp_path, write):
    rows = rows.head(300)
    write(rows, tmp_path)
    source = next(tmp_path.iterdir())
    score_source(predictor, str(source), str(tmp_path / "out.parquet"))
    answers = pd.read_parquet(tmp_path / "out.parquet")
    assert np.allclose(answers["probability.yes"], expected(predictor, rows)[:, 1], atol=1e-6)


def test_a_folder_of_files_goes_in_and_a_folder_of_parts_comes_out(predictor, rows, tmp_path):
    (tmp_path / "new").mkdir()
    rows.head(700).to_csv(tmp_path / "new" / "a.csv", index=False)
    rows.tail(500).to_csv(tmp_path / "new" / "b.csv", index=False)
    done = score_source(predictor, str(tmp_path / "new"), str(tmp_path / "out"))
    parts = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert parts == ["_SUCCESS", "part-000000.parquet", "part-000001.parquet"]
    answers = pd.concat(pd.read_parquet(tmp_path / "out" / name) for name in parts[1:])
    assert done.rows == len(answers) == len(rows)
    assert np.allclose(answers["probability.yes"], expected(predictor, rows)[:, 1], atol=1e-6)


def test_a_database_gets_every_row_once(predictor, rows, tmp_path, monkeypatch):
    with sqlite3.connect(tmp_path / "shop.db") as shop:
        rows.astype({"customer_id": object}).to_sql("customers", shop, index=False)
    address = f"sqlite:///{tmp_path}/shop.db"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    deliver = stage.deliver_output

    def deliver_and_die(*arguments):
        deliver(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(stage, "deliver_output", deliver_and_die)
    with pytest.raises(KeyboardInterrupt):
        score_source(predictor, address, address, ReadOptions("customers"), into="answers")
    monkeypatch.setattr(stage, "deliver_output", deliver)
    score_source(predictor, address, address, ReadOptions("customers"), into="answers")
    with sqlite3.connect(tmp_path / "shop.db") as shop:
        answers = pd.read_sql("select * from answers", shop)
    assert sorted(answers["row"]) == list(range(1, len(rows) + 1))
    score_source(predictor, address, address, ReadOptions("select * from customers limit 50"), into="answers")
    with sqlite3.connect(tmp_path / "shop.db") as shop:
        assert shop.execute("select count(*) from answers").fetchone() == (len(rows) + 50,)


def test_bad_rows_are_set_aside_with_a_reason_and_the_rest_goes_on(predictor, rows, tmp_path):
    rows = rows.head(200).astype(object)
    rows.iloc[3, rows.columns.get_loc("age")] = "forty"
    rows.iloc[7, rows.columns.get_loc("plan")] = "premium"
    rows.to_csv(tmp_path / "new.csv", index=False)
    done = score_source(predictor, str(tmp_path / "new.csv"), str(tmp_path / "out.csv"))
    answers = pd.read_csv(tmp_path / "out.csv")
    refused = pd.read_csv(tmp_path / "out.rejected.csv")
    assert (done.rows, done.rejected) == (199, 1) and 4 not in answers["row"].tolist()
    assert refused["row"].tolist() == [4] and refused["reason"].tolist() == ["'age' should be a number"]
    assert refused["age"].tolist() == ["forty"] and refused["customer_id"][0] == rows["customer_id"].iloc[3]
    assert answers.loc[answers["row"] == 8, "warnings"].tolist() == ["'plan' should be a known category"]
    rows.iloc[3, rows.columns.get_loc("age")] = 40  # mended
    rows.iloc[[3]].to_csv(tmp_path / "new.csv", index=False)
    assert (
        score_source(predictor, str(tmp_path / "new.csv"), str(tmp_path / "out.csv"), overwrite=True).rejected
        == 0
    )
    assert not (tmp_path / "out.rejected.csv").exists()


def test_rows_that_are_all_bad_are_no_fault(predictor, rows, tmp_path):
    rows.head(50).astype(object).assign(age="forty").to_csv(tmp_path / "new.csv", index=False)
    done = score_source(predictor, str(tmp_path / "new.csv"), str(tmp_path / "out.csv"))
    assert (done.rows, done.rejected) == (0, 50) and pd.read_csv(tmp_path / "out.csv").empty


@pytest.mark.parametrize(
    "keep, names",
    [("auto", ["customer_id"]), ("none", []), ("region | plan", ["region", "plan"]), ("email", ["email"])],
)
def test_columns_go_along_as_asked(predictor, rows, tmp_path, keep, names):
    rows.head(20).to_csv(tmp_path / "new.csv", index=False)
    score_source(predictor, str(tmp_path / "new.csv"), str(tmp_path / "out.csv"), keep=keep)
    columns = [*pd.read_csv(tmp_path / "out.csv").columns]
    assert columns == ["row", *names, "prediction", "probability.no", "probability.yes", "warnings"]


def test_columns_that_are_called_like_answers_stay_apart(predictor, rows, tmp_path):
    rows.head(20).assign(row=5, Prediction="x").to_csv(tmp_path / "new.csv", index=False)
    score_source(predictor, str(tmp_path / "new.csv"), str(tmp_path / "out.csv"), keep="row|Prediction")
    columns = [*pd.read_csv(tmp_path / "out.csv").columns]
    assert columns[:4] == ["row", "row_", "Prediction", "prediction_"]


@pytest.mark.skipif(os.name != "posix", reason="kills processes")
def test_a_job_that_is_killed_again_and_again_ends_as_if_it_had_not_been(package, tmp_path):
    many = pd.concat([make_customers(2_000, seed=3).drop(columns="churned")] * 100, ignore_index=True)
    many.assign(age=many["age"].where(many.index % 997 > 0, 430)).to_parquet(tmp_path / "new.parquet")

    def start(output):
        command = [*COMMAND, str(package), "new.parquet", output]
        return subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def pieces():
        return len([*(tmp_path / "stormy.parquet.chunks").glob("[0-9]*.predictions.parquet")])

    assert start("calm.parquet").wait() == 0
    chance, kills = random.Random(5), 0
    for wanted in (1, 2, 3):
        job = start("stormy.parquet")
        while job.poll() is None and pieces() < wanted:
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.03))
        job.send_signal(signal.SIGKILL)
        kills += job.wait() == -signal.SIGKILL
    assert start("stormy.parquet").wait() == 0 and kills >= 2
    calm, stormy = (
        pd.read_parquet(tmp_path / f"{name}.parquet").sort_values("row", ignore_index=True)
        for name in ("calm", "stormy")
    )
    assert calm.equals(stormy) and calm["row"].is_unique and len(calm) == len(many)
    assert not list(tmp_path.glob("*.chunks"))


def test_pieces_of_other_rows_or_another_model_are_not_used(predictor, rows, tmp_path, monkeypatch):
    rows.to_parquet(tmp_path / "new.parquet")

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stage, "deliver_output", die)
        with pytest.raises(KeyboardInterrupt):
            score_source(predictor, str(tmp_path / "new.parquet"), str(tmp_path / "out.parquet"))
    assert list((tmp_path / "out.parquet.chunks").glob("*.predictions.parquet"))
    rows["age"] = 33.0
    rows.to_parquet(tmp_path / "new.parquet")
    score_source(predictor, str(tmp_path / "new.parquet"), str(tmp_path / "out.parquet"))
    answers = pd.read_parquet(tmp_path / "out.parquet")
    assert np.allclose(answers["probability.yes"], expected(predictor, rows)[:, 1], atol=1e-6)


def test_two_processes_do_not_do_the_same_job_at_once(predictor, rows, tmp_path):
    rows.to_parquet(tmp_path / "new.parquet")
    from filelock import FileLock

    with FileLock(tmp_path / ".out.parquet.chunks.lock"), pytest.raises(RunError, match="another process"):
        score_source(predictor, str(tmp_path / "new.parquet"), str(tmp_path / "out.parquet"))


@pytest.mark.parametrize(
    "source, output, said",
    [
        ("nowhere.csv", "out.csv", "no such file: nowhere.csv"),
        ("new.csv", "out.xlsx", "should end in .csv or .parquet"),
        ("new.csv", "new.csv", "new.csv is there already; choose another name, or set overwrite"),
        ("new.csv", "https://example.com/out.csv", "cannot be written to"),
        ("new.csv", "nonsense://user@host/out", "the database does not take the predictions"),
        ("new.csv", "missing/out.csv", ""),
        ("postgresql://me:secret@host/db", "out.csv", "has a password"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(predictor, rows, tmp_path, monkeypatch, source, output, said):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    rows.head(30).to_csv("new.csv", index=False)
    if not said:
        assert score_source(predictor, source, output).rows == 30
        return
    with pytest.raises(MLKitError) as caught:
        score_source(predictor, source, output)
    assert said in str(caught.value) and "\n" not in str(caught.value) and "secret@" not in str(caught.value)
    assert not [*tmp_path.glob("out*")] and len(pd.read_csv("new.csv")) == 30


def test_a_column_that_is_not_there_is_named(predictor, rows, tmp_path):
    rows.head(30).drop(columns="age").to_csv(tmp_path / "new.csv", index=False)
    done = score_source(predictor, str(tmp_path / "new.csv"), str(tmp_path / "out.csv"))
    assert done.warnings["'age' is not there"] == 30
    with pytest.raises(SettingsError, match="keep names 'regoin', which is no column; did you mean 'region'"):
        score_source(predictor, str(tmp_path / "new.csv"), str(tmp_path / "other.csv"), keep="regoin")


@pytest.mark.skipif(os.name != "posix", reason="looks at file descriptors")
def test_memory_does_not_grow_with_the_table(package, tmp_path):
    code = (
        "import resource, sys\nfrom mlkit.cli.main import main\ntry: main()\nfinally: "
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, file=sys.stderr)"
    )
    some, peaks = make_customers(2_000, seed=3).drop(columns="churned"), []
    for times in (100, 300):
        many = pd.concat([some] * times, ignore_index=True)
        many.to_parquet(tmp_path / f"{times}.parquet", row_group_size=20_000)
        asked = [str(package), f"{times}.parquet", f"out{times}.parquet"]
        command = [sys.executable, "-c", code, "score", *asked]
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        peaks.append(int(ran.stderr.split()[-1]))
    assert parquet.read_metadata(tmp_path / "out300.parquet").num_rows == 600_000
    assert peaks[1] < 1.2 * peaks[0], peaks


def test_an_object_store_takes_and_gives(predictor, rows, store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bucket = "s3://sales"
    rows.head(300).to_parquet(f"{bucket}/new.parquet")
    done = score_source(predictor, f"{bucket}/new.parquet", f"{bucket}/answers/out.csv")
    answers = pd.read_csv(f"{bucket}/answers/out.csv")
    assert done.rows == len(answers) == 300
    with pytest.raises(DataError, match="no such bucket|not there"):
        score_source(predictor, f"{bucket}/new.parquet", "s3://slaes/out.csv")


# ---------------------------------------- a cluster
def test_a_cluster_gives_the_same_answers(predictor, rows, tmp_path, cluster):
    rows.to_parquet(tmp_path / "new.parquet")
    for name, where in (("here", ""), ("there", cluster.scheduler_address)):
        done = score_source(
            predictor, str(tmp_path / "new.parquet"), str(tmp_path / f"{name}.csv"), cluster=where
        )
        assert not done.cluster_error
    assert (tmp_path / "here.csv").read_bytes() == (tmp_path / "there.csv").read_bytes()


def test_a_cluster_that_dies_in_the_middle_costs_no_row(predictor, rows, tmp_path):
    distributed = pytest.importorskip("distributed", reason="no Dask: the cluster was not tried")
    made = distributed.LocalCluster(
        n_workers=1,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    pd.concat([rows] * 5).to_parquet(tmp_path / "new.parquet")

    def end_it(count, seconds):
        if made.status.name == "running":
            made.close()

    done = score_source(
        predictor,
        str(tmp_path / "new.parquet"),
        str(tmp_path / "out.csv"),
        cluster=made.scheduler_address,
        on_rows=end_it,
    )
    assert "this machine went on" in done.cluster_error
    assert pd.read_csv(tmp_path / "out.csv")["row"].tolist() == list(range(1, 5 * len(rows) + 1))


# ---------------------------------------- nobody else's files, and never the source
OTHERS = ["out.csv.chunks/mine.txt", "out.csv.chunks/000000.predictions.parquet", ".out.csv.chunks.lock",
          "out.rejected.csv", "out.scoring.json", "out.csv.chunks"]  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("bad", [False, True])
def test_files_that_a_job_has_not_made_stay(predictor, rows, tmp_path, name, bad):
    rows = rows.head(30).astype(object)
    rows.loc[rows.index[:1], "age"] = "forty" if bad else 40
    rows.to_csv(tmp_path / "new.csv", index=False)
    own = tmp_path / name
    own.parent.mkdir(exist_ok=True)
    own.write_text("[1, 2]")
    try:
        done = score_source(predictor, str(tmp_path / "new.csv"), str(tmp_path / "out.csv"), overwrite=True)
        assert done.rows == 30 - bad and bool(done.rejected_file) is bad
        assert not bad or len(pd.read_csv(done.rejected_file)) == 1
    except RunError as error:
        assert "was not made by mlkit score; move it away" in str(error)
    assert own.read_text() == "[1, 2]"


def test_rejected_rows_that_were_mended_in_place_stay(predictor, rows, tmp_path):
    rows.head(30).astype(object).assign(age=["forty"] + [40] * 29).to_csv(tmp_path / "new.csv", index=False)
    for _ in range(2):  # the job's own are replaced
        score_source(predictor, str(tmp_path / "new.csv"), str(tmp_path / "out.csv"), overwrite=True)
    mended = (tmp_path / "out.rejected.csv").read_text().replace("forty", "40")
    (tmp_path / "out.rejected.csv").write_text(mended)
    score_source(predictor, str(tmp_path / "new.csv"), str(tmp_path / "out.csv"), overwrite=True)
    assert (tmp_path / "out.rejected.csv").read_text() == mended
    assert len(pd.read_csv(tmp_path / "out.csv.rejected.csv")) == 1


def test_two_outputs_of_one_stem_have_a_summary_each(predictor, rows, tmp_path):
    rows.head(30).to_csv(tmp_path / "new.csv", index=False)
    for name in ("out.csv", "out.parquet", "out.csv"):
        score_source(predictor, str(tmp_path / "new.csv"), str(tmp_path / name), overwrite=True)
    notes = [json.loads((tmp_path / f"{name}.scoring.json").read_text()) for name in ("out", "out.parquet")]
    assert [os.path.basename(note["output"]) for note in notes] == ["out.csv", "out.parquet"]


SAME = [
    ("new.csv", "new.csv"), ("new.csv", "./sub/../new.csv"), ("new.csv", "link.csv"), ("link.csv", "new.csv"),
    ("new.csv", "hard.csv"), ("new.csv", "linked/new.csv"), ("linked/*.csv", "scores.csv"), ("*.csv", "scores.csv"),
    (".", "scores.csv"), (".", "scores.parquet"), ("linked", "scores.csv"), ("**/*.csv", "sub/scores.csv"),
    ("*.parquet", "scores.parquet"), ("file://{here}/new.csv", "new.csv"), ("parts", "parts"),
    ("parts/part-000000.parquet", "parts"), (".", "folder_of_parts"), ("*.csv", "scores.parquet"),
]  # fmt: skip


@pytest.mark.skipif(os.name != "posix", reason="links")
@pytest.mark.parametrize(("source", "output"), SAME)
def test_an_output_that_is_its_source_or_part_of_it_is_refused(
    predictor, rows, tmp_path, monkeypatch, source, output
):
    monkeypatch.chdir(tmp_path)
    rows.head(30).to_csv("new.csv", index=False)
    rows.head(30).to_parquet("new.parquet")
    for folder in ("sub", "parts"):
        os.mkdir(folder)
    rows.head(30).to_parquet("parts/part-000000.parquet")
    os.symlink("new.csv", "link.csv")
    os.symlink(".", "linked")
    os.link("new.csv", "hard.csv")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(
        SettingsError, match="is read as the source|holds 'part-000000.parquet', which is no prediction"
    ):
        score_source(predictor, source.format(here=tmp_path), output, overwrite=True)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(("query", "into"), [
    ("customers", "customers"), ("select * from customers", "customers"),
    ('SELECT * FROM "customers" WHERE 1', "Customers"), ("select a.* from main.customers a", "customers"),
])  # fmt: skip
def test_a_database_table_that_is_source_and_target_is_refused(
    predictor, rows, tmp_path, monkeypatch, query, into
):
    monkeypatch.chdir(tmp_path)
    with sqlite3.connect("shop.db") as shop:
        rows.head(20).to_sql("customers", shop, index=False)
    how = ReadOptions(query)
    with pytest.raises(SettingsError, match=f"table {into} of .* is read as the source"):
        score_source(predictor, "sqlite:///shop.db", f"sqlite:///{tmp_path}/shop.db", how, into=into)
    assert score_source(predictor, "sqlite:///shop.db", "sqlite:///shop.db", how, into="answers").rows == 20
    with sqlite3.connect("shop.db") as shop:
        assert shop.execute("select count(*) from customers").fetchone() == (20,)


@pytest.mark.parametrize(("output", "there", "said"), [
    ("out.csv", "out.csv/", "is a folder, and the predictions need a file"),
    ("out", "out", "is a file, and the predictions need a folder"),
    ("out", "out/notes.csv", "holds 'notes.csv', which is no prediction of mlkit"),
    ("/", "", "is no name for an output"), (".", "", "holds 'new.tsv', which is no prediction"),
    ("out.csv.gz", "", "should end in .csv or .parquet"), ("out.jsonl", "", "should end in .csv or .parquet"),
    ("/proc/1/no/out.csv", "", "cannot write into"), ("/proc/out.csv", "", "cannot write into"),
    ("new.tsv/out.csv", "", "cannot write into"),
])  # fmt: skip
def test_a_place_that_cannot_take_predictions_is_named(
    predictor, rows, tmp_path, monkeypatch, output, there, said
):
    monkeypatch.chdir(tmp_path)
    rows.head(20).to_csv("new.tsv", index=False, sep="\t")
    if there.endswith("/"):
        os.mkdir(there)
    elif there:
        os.makedirs(os.path.dirname(there) or ".", exist_ok=True)
        open(there, "w").close()
    with pytest.raises(MLKitError, match=said) as caught:
        score_source(predictor, "new.tsv", output, overwrite=True)
    assert "\n" not in str(caught.value)


def test_a_folder_of_predictions_may_be_replaced_by_a_shorter_one(predictor, rows, tmp_path):
    for number in (1_200, 50):
        rows.head(number).to_csv(tmp_path / "new.csv", index=False)
        score_source(predictor, str(tmp_path / "new.csv"), str(tmp_path / "out"), overwrite=True)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["_SUCCESS", "part-000000.parquet"]


def test_a_warning_stands_beside_each_row_that_it_concerns(predictor, rows, tmp_path):
    rows.head(30).drop(columns="age").to_csv(tmp_path / "new.csv", index=False)
    score_source(predictor, str(tmp_path / "new.csv"), str(tmp_path / "out.csv"))
    assert pd.read_csv(tmp_path / "out.csv")["warnings"].str.contains("'age' is not there").all()
    assert json.loads((tmp_path / "out.scoring.json").read_text())["warnings"]["'age' is not there"] == 30


FORMULAS = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "＝1+1"]
HARMLESS = ["-5", "+4930123456", "-1.5e-3", "a=b", "-", "x", "12%"]


@pytest.mark.parametrize("formulas", ["neutralise", "keep"])
def test_formulas_do_not_run_in_a_spreadsheet(predictor, rows, tmp_path, formulas):
    cells = FORMULAS + HARMLESS
    rows = rows.head(2 * len(cells)).assign(**{"=note": cells * 2})
    rows["age"] = ["40"] * len(cells) + ["=forty"] * len(cells)
    rows.to_parquet(tmp_path / "new.parquet")
    for name in ("out.csv", "out.parquet"):
        score_source(
            predictor, str(tmp_path / "new.parquet"), str(tmp_path / name), keep="=note", formulas=formulas
        )
    mark = "'" if formulas == "neutralise" else ""
    expected = [f"{mark}{cell}" for cell in FORMULAS] + HARMLESS
    for name in ("out.csv", "out.rejected.csv"):
        read = pd.read_csv(tmp_path / name, dtype=str, keep_default_na=False, lineterminator="\n")
        assert read[f"{mark}=note"].tolist() == expected
    assert pd.read_parquet(tmp_path / "out.parquet")["=note"].tolist() == cells
    with pytest.raises(SettingsError, match="formulas is 'drop', which cannot be; choose neutralise or keep"):
        score_source(predictor, str(tmp_path / "new.parquet"), str(tmp_path / "x.csv"), formulas="drop")
