"""What stage 13 promises: a subject is said once, the papers say what the run says, and no text of a person leaves."""

import json
import re
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlkit.cli.main import collect_parameters
from mlkit.core.errors import SettingsError
from mlkit.core.run_folder import RunFolder
from mlkit.features.plan import infer_feature_specs
from mlkit.privacy.papers import PAPERS, check_papers, write_papers
from mlkit.privacy.records import STATED_PARTS
from mlkit.quality.splitting import split_train_test
from mlkit.sources.examples import make_customers
from mlkit.task.problem import Problem
from mlkit.task.task_inference import make_task
from tests.conftest import Lifecycle


def test_a_subject_is_said_once_and_handed_to_every_stage_that_knows_it():
    said = collect_parameters(None, "example:customers", None, ["protect.subject=customer_id"])
    assert {stage for stage in said if said[stage].get("subject") == "customer_id"} == {
        "collect", "validate", "prepare", "package", "protect",
    }  # fmt: skip
    with pytest.raises(SettingsError, match=re.escape("write protect.subject")):
        collect_parameters(None, "example:customers", None, ["package.subject=customer_id"])


def test_rows_of_one_subject_stay_together_and_her_number_feeds_no_model():
    once = make_customers(300, seed=3).dropna(subset="churned").drop_duplicates("customer_id")
    once["reference"] = once["customer_id"].map(lambda text: zlib.crc32(text.encode()) % 97_003)
    rows = pd.concat([once, once.assign(logins=once["logins"] + 1)], ignore_index=True)
    task = make_task(Problem("churned"), rows["churned"], rows)
    train, test, way = split_train_test(rows, task, subject="reference")
    assert way.method == "group" and not {*train["reference"]} & {*test["reference"]}
    for wish, is_used in (("", False), ("reference: use=yes", True)):
        table = infer_feature_specs(once, task, columns=wish, subject="reference")
        assert next(each.use for each in table.columns if each.name == "reference") is is_used


FACTS = {
    "protect": {
        "subject": "customer_id", "stated": {"controller": "Shop <b>Ltd</b>", "lawful_basis": "open"},
        "columns": [{"name": "email", "kind": "e-mail", "use": "not used: personal", "feeds_model": False}],
        "free_text": [], "places": [], "open": [],
    },
    "snapshot": {"source": "customers.csv", "rows": 2000, "columns": 15, "data_hash": "ab" * 32},
}  # fmt: skip


def run_with(folder: Path) -> RunFolder:
    run = RunFolder(folder, "protect")
    for name, facts in FACTS.items():
        run.save(name, facts)
    write_papers(run)
    return run


def test_papers_say_what_the_run_says_and_ask_for_the_rest(tmp_path):
    run = run_with(tmp_path)
    assert check_papers(run) == []
    for name in PAPERS:
        text = (tmp_path / "papers" / f"{name}.md").read_text(encoding="utf-8")
        lines = [line for line in text.splitlines() if line.startswith("- ")]
        assert lines and all("*(from " in line or line.startswith("- **Open:**") for line in lines), name
        assert "<b>" not in (tmp_path / "papers" / f"{name}.html").read_text(encoding="utf-8")
    assert "Open:** lawful basis" in (tmp_path / "papers" / "processing_record.md").read_text(
        encoding="utf-8"
    )


def test_every_sentence_that_differs_from_the_facts_is_named_and_own_text_stays(tmp_path):
    run = run_with(tmp_path)
    path = tmp_path / "papers" / "processing_record.md"
    text = path.read_text(encoding="utf-8").replace(
        "own text: Security -->\n", "own text: Security -->\nLocked.\n"
    )
    path.write_text(text, encoding="utf-8")
    assert check_papers(run) == []  # what people add is no difference, also before the page has it
    path.write_text(text.replace("2,000 rows", "20 rows"), encoding="utf-8")
    assert any("20 rows" in line and "2,000 rows" in line for line in check_papers(run))
    run.save("protect", json.loads(json.dumps(FACTS["protect"] | {"subject": ""})))
    assert any("`customer_id`" in line for line in check_papers(run))
    write_papers(run)
    assert check_papers(run) == [] and "Locked." in path.read_text(encoding="utf-8")


PLANTED = {
    "subject": rb"(?i)SUBJ-\d{5}-q", "note": rb"(?i)zorblax\d|vexolomew", "telephone": rb"03-1\d{4}-\d{4}|090-\d{4}-",
    "e-mail": rb"(?i)user\d+@mail\d|\w+@example", "nickname": rb"zed\d{5}q", "rare": rb"(?i)xyloburgh|zzuniqueregion",
}  # fmt: skip


def plant(rows: int = 240) -> pd.DataFrame:
    """Customers with cells that nobody else has: names, telephones and e-mails in notes, a town of one row."""
    data, chance = make_customers(rows, seed=5), np.random.default_rng(0)
    whose, matter = chance.integers(0, rows * 2 // 3, rows), chance.choice(["price", "delay", "router"], rows)
    whose[:12] = 7
    data["customer_id"] = [f"SUBJ-{number:05d}-q" for number in whose]
    data["mobile"] = [f"090-{number:04d}-{7 * number % 10_000:04d}" for number in range(rows)]
    data["note"] = [
        f"Spoke to Mr Zorblax{at} about the {what}, call 03-1{at:04d}-{at:04d}, happy"
        for at, what in enumerate(matter)
    ]
    data.loc[:11, "note"] = "Spoke to Mr Vexolomew about the price, happy"  # often, and always one person's
    data["remark"] = [
        f"reply to user{at}@mail{at % 7}.example about {what}" if at % 3 else f"asked about {what} and waits"
        for at, what in enumerate(matter)
    ]
    data["nick"] = [f"zed{at:05d}q" for at in range(rows)]
    data["town"] = chance.choice(["Alba", "Borro", "Cerva"], rows)
    data.loc[[20, 21], "town"] = ["Xyloburgh-Solitary", "Xyloburgh-Alone"]
    data.loc[22, "region"] = "ZZuniqueRegion11"
    return data


def texts_of(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix == ".joblib" and content[:1] == b"\x78":
        return zlib.decompressobj().decompress(content)
    if path.suffix == ".parquet":
        return pd.read_parquet(path).to_csv().encode()
    return content


def test_nobody_is_told_by_what_is_shown_or_leaves_the_run(project, tmp_path):
    data = tmp_path / "planted.csv"
    plant().to_csv(data, index=False)
    life = Lifecycle(tmp_path / "run", project, str(data), "churned")
    small = ("train.models=linear", "train.trials=1", "package.register=true", "protect.max_leak=1")
    life.run("-p", "protect.subject=customer_id", *(word for each in small for word in ("-p", each)))
    rows = {f"run/artifacts/{name}.parquet" for name in ("data", "train", "test", "features")}
    rows |= {"run/predictions.parquet", "planted.csv"}  # what a run learns from, and answers
    found, looked = {}, 0
    for path in tmp_path.rglob("*"):
        name = path.relative_to(tmp_path).as_posix()
        if path.is_file() and name not in rows:
            looked, content = looked + 1, texts_of(path)
            found |= {(name, what): 1 for what, form in PLANTED.items() if re.search(form, content)}
    assert not found and looked > 60
    assert {"run/report.html", "run/model/table.json"} <= {
        path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")
    }
    words = json.dumps(life.load("table"))
    assert "vexolomew" not in words.lower()


def test_papers_of_a_later_run_say_what_that_run_says(tmp_path):
    run = run_with(tmp_path)
    path = tmp_path / "papers" / "impact_assessment.md"
    before = path.read_text(encoding="utf-8").replace("text: Measures -->\n", "text: Measures -->\nWe ask.\n")
    path.write_text(before, encoding="utf-8")
    run.save("snapshot", FACTS["snapshot"] | {"rows": 2_345, "data_hash": "cd" * 32})
    run.save("membership", {"words": "Membership inference finds **2.9%** of the training rows."})
    told = check_papers(run)
    assert any("2,000 rows" in line and "2,345 rows" in line for line in told)
    assert any("2.9%" in line for line in told)
    write_papers(run)
    after = path.read_text(encoding="utf-8")
    assert check_papers(run) == [] and "2,345 rows" in after and "2,000 rows" not in after
    assert "cd" * 8 in after and "2.9%" in after and "We ask." in after
    assert "2,345 rows" in path.with_suffix(".html").read_text(encoding="utf-8")


def test_every_sentence_about_the_law_names_a_dated_source(tmp_path):
    run_with(tmp_path)
    about = re.compile(r"Article|Annex|GDPR|AI Act|Omnibus|Regulation")
    dated = re.compile(r"\*\(from .*\b\d{1,2} [A-Z][a-z]+ 20\d\d.*\)\*")
    claims = 0
    for name in PAPERS:
        for line in (tmp_path / "papers" / f"{name}.md").read_text(encoding="utf-8").splitlines():
            if line.startswith("- ") and not line.startswith("- **Open:**") and about.search(line):
                claims += 1
                assert dated.search(line), line
    assert claims >= 6


def test_what_only_people_can_write_is_asked_of_somebody(tmp_path):
    run_with(tmp_path)
    for name in PAPERS:
        text = (tmp_path / "papers" / f"{name}.md").read_text(encoding="utf-8")
        asked = [line for line in text.splitlines() if line.startswith("- **Open:**")]
        assert asked and all("Who: " in line and "Write it in " in line for line in asked), name
    stated = FACTS["protect"] | {"stated": dict.fromkeys(STATED_PARTS, "x") | {"retention_days": 30}}
    run = RunFolder(tmp_path, "protect")
    run.save("protect", stated)
    write_papers(run)
    for name in PAPERS:
        text = (tmp_path / "papers" / f"{name}.md").read_text(encoding="utf-8")
        left = [line for line in text.splitlines() if line.startswith("- **Open:**")]
        assert not any(f"[protect] {part}" in line for line in left for part in STATED_PARTS), name
