"""No file of a package holds what a row says of a person: no value of a personal column, no text of a row."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import joblib
import numpy as np
import pandas as pd
import pytest

from mlkit.data.personal import has_luhn_digit, has_my_number_digit, personal_columns
from mlkit.data.schema_inference import infer_schema
from mlkit.data.type_inference import infer_table_spec
from mlkit.packaging.package_writer import package_declarations
from mlkit.packaging.usual_cells import anonymise_cells, deal_words
from mlkit.pipeline.notebooks import list_stages, run_in_process

ROWS = 240


def checked(start: str, size: int, right) -> list[str]:
    """Numbers with the right check digit, all different."""
    bodies = (
        f"{start}{at * 7919 % 10 ** (size - len(start) - 1):0{size - len(start) - 1}d}"
        for at in range(1, ROWS + 1)
    )
    return [next(f"{body}{last}" for last in range(10) if right(f"{body}{last}")) for body in bodies]


@pytest.fixture(scope="module")
def people() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    usual = "the customer called again about a late order and was not happy with our answer".split()
    age = rng.integers(18, 90, ROWS)
    return pd.DataFrame({
        "顧客ID": np.arange(ROWS) // 2 + 730_001, "マイナンバー": checked("41", 12, has_my_number_digit),
        "card": [int(text) for text in checked("4539", 16, has_luhn_digit)],
        "address": [f"{at + 3} Quince Lane, Leeds" for at in range(ROWS)],
        "ip": [f"203.0.113.{at}" for at in range(ROWS)],
        "social_security": [f"{at * 104729 % 900000000 + 100000000}" for at in range(ROWS)],
        "date_of_birth": pd.Timestamp("1950-01-01") + pd.to_timedelta(rng.integers(0, 20000, ROWS), "D"),
        "note": [f"{' '.join(rng.permutation(usual)[:9])} zq{at}x" for at in range(ROWS)],
        "city": [f"Zcity{at}" if at % 12 == 5 else ["Leeds", "York", "Hull"][at % 3] for at in range(ROWS)],
        "depot": [9_990_000 + at if at % 15 == 4 else at % 4 + 1 for at in range(ROWS)],
        "branch": [f"Zbranch{at % 6}" for at in rng.permutation(ROWS)],
        "age": age, "spend": rng.normal(100, 20, ROWS).round(2),
        "left": np.where(age + rng.normal(0, 15, ROWS) > 55, "yes", "no"),
    })  # fmt: skip


@pytest.fixture(scope="module")
def model_folder(own_key, people, tmp_path_factory) -> Path:
    desk = tmp_path_factory.mktemp("nobody")
    people.to_parquet(desk / "people.parquet")
    small = {
        "problem": {"target": "left"}, "collect": {"source": str(desk / "people.parquet")}, "validate": {},
        "prepare": {"leave_out": "branch", "columns": "depot: kind category"},
        "train": {"models": "tree", "trials": 1, "budget": 0.0, "jobs": 1},
        "evaluate": {"resamples": 100, "curve_points": 0},
        "explain": {"samples": 10, "background": 20, "rows": "1", "fixed": ""}, "package": {"register": False},
    }  # fmt: skip
    for name, parameters in small.items():
        run_in_process(desk / "run", list_stages()[name], parameters)
    return desk / "run" / "model"


def words_of(path: Path) -> str:
    """All that a file says."""
    if path.suffix == ".parquet":
        return pd.read_parquet(path).to_csv()
    if path.suffix == ".joblib":
        import pickle

        return pickle.dumps(joblib.load(path)).decode("latin-1")
    return path.read_bytes().decode("utf-8", "replace")


def test_no_file_holds_a_personal_value_or_the_text_of_a_row(model_folder, people):
    assert json.loads((model_folder / "problem.json").read_text())["personal"]
    whole = {path.name: words_of(path) for path in model_folder.iterdir()}
    columns = ["マイナンバー", "card", "address", "ip", "social_security", "note"]
    cells = {str(cell) for name in columns for cell in people[name]} | {f"zq{at}x" for at in range(ROWS)}
    days = {f"{day:%Y-%m-%d}" for day in people["date_of_birth"]}
    for name, text in whole.items():
        assert [cell for cell in cells if cell in text][:3] == [], name
        if name == "background.json":
            assert len([day for day in days if day in text]) <= 5
    assert not any(str(number) in whole["background.json"] for number in people["顧客ID"])


def test_no_file_holds_a_rare_category_or_what_was_learned_of_a_column_that_is_left_out(model_folder, people):
    whole = {path.name: words_of(path) for path in model_folder.iterdir()}
    cells = {city for city in people["city"] if city.startswith("Z")} | {*people["branch"]}
    cells |= {str(depot) for depot in people["depot"] if depot > 10}
    for name, text in whole.items():
        assert [cell for cell in cells if cell in text][:3] == [], name
    columns = json.loads((model_folder / "reference.json").read_text("utf-8"))["columns"]
    usual = {column["name"]: {*column["groups"]} for column in columns}
    assert usual["city"] == {"Leeds", "York", "Hull", "(other)"}
    assert usual["depot"] == {"1", "2", "3", "4", "(other)"}


def test_a_package_does_not_say_why_a_column_is_read_as_it_is(model_folder, people):
    """Reasons quote cells, and lowest and highest values."""
    shipped = {path.name: joblib.load(path).table for path in (model_folder / "model.joblib",)}
    shipped |= {"model.pkl": pd.read_pickle(model_folder / "model.pkl").table}
    for name, table in shipped.items():
        assert not any(column.kind_reason or column.unused_reason for column in table.columns), name
        assert table.to_dict() == json.loads((model_folder / "table.json").read_text("utf-8")), name
    assert str(people["spend"].max()) not in words_of(model_folder / "model.joblib")


def test_a_package_made_again_has_the_same_bytes(model_folder, own_key, project):
    import os
    import subprocess
    import sys

    before = {path.name: path.read_bytes() for path in model_folder.iterdir()}
    again = (
        "import sys; from pathlib import Path; from mlkit.pipeline.notebooks import *\n"
        "from mlkit.core.run_folder import edit_journal\n"
        "run = Path(sys.argv[1])\n"
        "with edit_journal(run) as journal: journal['stages'].pop('package')\n"
        "run_in_process(run, list_stages()['package'], {'register': False})"
    )
    for seed in ("1", "2"):
        subprocess.run([sys.executable, "-c", again, model_folder.parent], check=True, timeout=300,
                       env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(project)})  # fmt: skip
        assert {path.name: path.read_bytes() for path in model_folder.iterdir()} == before


def test_what_is_personal_is_found_and_what_is_honest_is_not(people):
    found = personal_columns(people)
    assert found == {
        "顧客ID": "person number", "マイナンバー": "My Number", "card": "card number", "address": "address",
        "ip": "IP address", "social_security": "social security number", "date_of_birth": "birth date",
    }  # fmt: skip


@pytest.mark.parametrize(("name", "cells", "kind"), [
    ("number", checked("52", 16, has_luhn_digit), "card number"),
    ("x", [f"{int(text):,}".replace(",", "-") for text in checked("37", 15, has_luhn_digit)], "card number"),
    ("個人番号", [int(text) for text in checked("88", 12, has_my_number_digit)], "My Number"),
    ("client", [f"2001:db8::{at:x}" for at in range(ROWS)], "IP address"),
    ("x", [f"{at % 600 + 100:03d}-{at % 90 + 10}-{at + 1000}" for at in range(ROWS)], "social security number"),
    ("現住所", [f"神奈川県横浜市西区{at}-1" for at in range(ROWS)], "address"),
    ("residence", [f"Hauptstraße {at}, 10115 Berlin" for at in range(ROWS)], "address"),
    ("birthDate", [f"{at % 28 + 1}.{at % 12 + 1}.19{at % 60 + 30}" for at in range(ROWS)], "birth date"),
    ("生年月日", [f"昭和{at % 60 + 1}年{at % 12 + 1}月{at % 28 + 1}日" for at in range(ROWS)], "birth date"),
    ("account", ["GB82WEST12345698765432", "DE89370400440532013000"] * 9, "bank account"),
    ("会員番号", [*range(ROWS)], "person number"),
    ("birth_weight", [*range(2500, 2500 + ROWS)], ""), ("birth_year", [*range(1900, 1900 + ROWS)], ""),
    ("moment", [1_600_000_000_000 + 86_400_123 * at for at in range(ROWS)], ""),
    ("barcode", [4_900_000_000_000 + 7 * at for at in range(ROWS)], ""),
    ("population", [100_000_000 + 1_234_567 * at for at in range(ROWS)], ""),
    ("number_of_customers", [*range(ROWS)], ""), ("version", [f"1.{at}.0.2" for at in range(90)], ""),
    ("street_type", ["Road", "Lane"] * 9, ""), ("product_id", [*range(ROWS)], ""), ("amount", [0.5, 1.25] * 9, ""),
    ("note", [f"asked on 12 May for order {at}" for at in range(ROWS)], ""),
    ("serial", [10**15 + 982_451_653 * at for at in range(ROWS)], ""),
    ("signed_up", [f"2024-0{at % 9 + 1}-11" for at in range(ROWS)], ""),
])  # fmt: skip
def test_columns_are_known_by_form_check_digit_and_name(name, cells, kind):
    assert personal_columns(pd.DataFrame({name: cells})).get(name, "") == kind


def test_dealt_texts_hold_no_word_of_few_rows_and_no_text_of_a_row():
    rows = pd.Series([f"late order again number{at}" for at in range(40)] + [None] * 4)
    made = deal_words(rows, rows)
    assert made.isna().tolist() == rows.isna().tolist()
    assert {word for text in made.dropna() for word in text.split()} == {"late", "order", "again"}


def test_ordinary_cells_stay_as_they_are(people):
    from mlkit.data.type_inference import infer_table_spec

    table = infer_table_spec(people, ignore=["left"])
    names = [column.name for column in table.used]
    assert anonymise_cells(people[names], people, table)["age"].equals(people["age"])


def test_what_is_declared_says_nothing_that_few_rows_hold(own_key, tmp_path):
    rng = np.random.default_rng(5)
    age = rng.integers(18, 90, ROWS)
    frame = pd.DataFrame({
        "name": [f"Planted{chr(97 + at % 26)}{'x' * (at // 26)} Unique" for at in range(ROWS)],
        "customer_id": np.arange(ROWS) * 7 + 7_654_321,
        "date_of_birth": pd.Timestamp("1951-07-13") + pd.to_timedelta(rng.integers(0, 20000, ROWS), "D"),
        "note": [f"late order again {'plantednote' if at == 3 else 'usual'} word{at}" for at in range(ROWS)],
        "age": age, "left": np.where(age + rng.normal(0, 15, ROWS) > 55, "yes", "no"),
    })  # fmt: skip
    table = infer_table_spec(frame, ignore=["left"])
    model = SimpleNamespace(
        table=table, threshold=0.5, labels=None, conformal=None, task=SimpleNamespace(to_dict=dict)
    )
    schema, personal = infer_schema(table, frame), personal_columns(frame, doubtful=True)
    said = package_declarations(model, schema, personal)
    text = json.dumps(said, ensure_ascii=False)
    days = {f"{day:%Y-%m-%d}" for day in frame["date_of_birth"]}
    ids = {*map(str, frame["customer_id"])}
    assert [cell for cell in {*frame["name"], "plantednote", *ids, *days} if cell in text] == []
    rules = said["schema"]["columns"] if "columns" in said["schema"] else said["schema"]
    for name in personal.keys() & rules.keys():
        assert not {"categories", "pattern"} & rules[name].keys()
    given = replace(schema, source="schema.json")
    assert (
        package_declarations(model, given, personal)["schema"]
        == given.only(column.name for column in table.used).to_dict()
    )
