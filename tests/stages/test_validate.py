"""Schema, split and rows set aside: what is promised to those who hold a table to something."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlkit import fit
from mlkit.core.errors import DataError, SettingsError
from mlkit.data.constraints import is_satisfied, parse_constraint, violation_mask
from mlkit.data.schema import load_schema, make_schema
from mlkit.data.schema_inference import infer_range, infer_schema
from mlkit.data.type_inference import infer_table_spec
from mlkit.quality.row_filters import exclude_rows
from mlkit.quality.schema_check import check_schema, find_violations, handle_invalid_rows, row_violations
from mlkit.quality.shifted_rows import find_shifted_rows
from mlkit.quality.splitting import describe_test_classes, split_train_test
from mlkit.task.problem import Problem
from mlkit.task.task_inference import make_task


def loans(rows=300, seed=0):
    random = np.random.default_rng(seed)
    start = pd.Timestamp("2025-01-01") + pd.to_timedelta(random.integers(0, 300, rows), unit="D")
    net = random.integers(100, 900, rows)
    return pd.DataFrame({
        "loan": [f"L{number:05}" for number in range(rows)], "net": net, "tax": net // 10, "gross": net
        + net // 10,
        "start": start.astype(str),
        "end": (start + pd.to_timedelta(random.integers(0, 90, rows), unit="D")).astype(str),
        "plan": random.choice(["basic", "plus"], rows),
        "paid": random.choice(["yes", "no"], rows)})  # fmt: skip


# ---------------------------------------- one row and all rows
CELLS = st.one_of(
    st.sampled_from(["", "n/a", "12", "-3", "1,250", "x", "yes", "No", "basic", "BASIC", "gold", "2025-03-01",
                     "31/12/2024", "L00012", "l12", "1e9", "１２"]),
    st.floats(-1e6, 1e6).map(lambda number: f"{number:.2f}"), st.text(max_size=5))  # fmt: skip
RULES = {"columns": {
    "loan": {"pattern": "L[0-9]{5}", "missing": 0}, "net": {"kind": "number", "low": 0, "high": 1000},
    "gross": {"kind": "number", "missing": 0},
    "start": {"kind": "date", "low": "2024-06-01", "high": "2026-06-01"},
    "plan": {"kind": "category", "categories": ["basic", "plus"]}, "paid": {"kind": "boolean"}},
    "constraints": ["net + tax = gross", "start <= end", "net / tax > 2"]}  # fmt: skip


@settings(max_examples=25)
@given(st.lists(st.fixed_dictionaries(dict.fromkeys(loans(1), CELLS)), min_size=1, max_size=8))
def test_a_row_alone_breaks_what_it_breaks_among_others(rows):
    schema, table = make_schema(RULES), infer_table_spec(loans(60))
    frame = pd.DataFrame(rows, dtype="str")
    found = find_violations(schema, table, frame)
    together = sorted((place, row.column, row.rule) for row in found.itertuples() for place in row.where)
    alone = sorted(
        (place, *broken) for place, row in enumerate(rows) for broken in row_violations(schema, table, row)
    )
    assert together == alone


@settings(max_examples=60)
@given(st.sampled_from(["a + b = c", "a / b < c", "-(a - 2) * b >= c / a", "a != b"]),
       st.lists(st.tuples(*[st.one_of(st.just(float("nan")), st.sampled_from([0.0, 1.0, -2.5, 0.1, 0.2, 0.3]),
                                      st.floats(-1e300, 1e300))] * 3), min_size=1, max_size=5))  # fmt: skip
def test_a_relation_is_the_same_for_one_row_and_for_all(text, rows):
    constraint = parse_constraint(text)
    columns = {name: np.array([row[place] for row in rows]) for place, name in enumerate("abc")}
    alone = [not is_satisfied(constraint, dict(zip("abc", row, strict=True))) for row in rows]
    assert violation_mask(constraint, columns).tolist() == alone


@pytest.mark.parametrize("text",
    ["", "a", "a <", "a < b < c", "a ** 2 < b", "f(a) < 1", "a.b < 1", "a < 'x'", "1 < 2",
                                  "2025-02-30 < a", "(a < b", "__import__('os')"])  # fmt: skip
def test_what_is_no_relation_is_refused(text):
    with pytest.raises(ValueError, match="."):
        parse_constraint(text)


# ---------------------------------------- the file
def test_a_schema_goes_to_a_file_and_back(tmp_path):
    frame = loans()
    schema = infer_schema(infer_table_spec(frame), frame)
    said = schema.to_dict()
    assert list(said["columns"]) == list(frame) and said["constraints"] == ["start <= end"]
    assert said["columns"]["loan"]["pattern"] == "L00[0-9]{3}" or said["columns"]["loan"]["unique"]
    assert said["columns"]["plan"]["categories"] == ["basic", "plus"]
    (tmp_path / "schema.json").write_text(json.dumps(said), encoding="utf-8")
    assert load_schema(tmp_path / "schema.json", frame) == schema
    assert find_violations(schema, infer_table_spec(frame), frame).empty


def test_everything_wrong_with_a_schema_file_is_told_at_once(tmp_path):
    path = tmp_path / "schema.json"
    path.write_text(json.dumps({"colums": {}, "columns": {
        "startt": {}, "net": {"kind": "nmber", "lo": 3, "missing": 7}, "tax": {"low": 9, "high": 1},
        "loan": {"pattern": "(["}}, "constraints": ["net < ", "start <= ende"]}), encoding="utf-8")  # fmt: skip
    with pytest.raises(SettingsError) as caught:
        load_schema(path, loans(1))
    told = str(caught.value)
    for part in ("'colums'; did you mean 'columns'?", "'startt'; did you mean 'start'?",
                 "did you mean 'number'?", "no rule 'lo'", "missing is",
                 "low = 9 is above high = 1", "pattern is a regular expression", "constraint 'net < '",
                 "no column 'ende'; did you mean 'end'?"):  # fmt: skip
        assert part in told
    assert all(line.startswith("schema.json: ") for line in told.splitlines())


@pytest.mark.parametrize("content", ["", "[1]", "{", '{"columns": {"net": {}, "net": {}}}', '{"columns": 3}'])
def test_a_file_that_is_no_schema_is_refused(tmp_path, content):
    (tmp_path / "s.json").write_text(content, encoding="utf-8")
    with pytest.raises(SettingsError, match="^s.json"):
        load_schema(tmp_path / "s.json")


def test_a_given_schema_holds_for_all_rows_and_tells_strange_columns(tmp_path):
    frame = loans()
    frame.loc[3, "net"], frame.loc[250, "gross"] = 99_999, 5
    rules = {
        "columns": {"net": {"kind": "number", "high": 1000}, "branch": {}},
        "constraints": ["net + tax = gross"],
    }
    (tmp_path / "s.json").write_text(json.dumps(rules), encoding="utf-8")
    checked = check_schema(frame[:200], frame[200:], str(tmp_path / "s.json"))
    told = {(row.column, row.rule): row.rows for row in checked.violations.itertuples()}
    assert told["net", "at most 1,000"] == 1 and told["net, tax, gross", "net + tax = gross"] == 2
    assert ("branch", "a column of the table") in told and ("plan", "in the schema") in told
    with pytest.raises(DataError, match="at most 1,000 in 1 row .*on_invalid = quarantine") as caught:
        handle_invalid_rows(checked, "fail")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 2000
    kept, aside = exclude_rows(frame, handle_invalid_rows(checked, "quarantine"))
    assert aside["row"].tolist() == [4, 251] and len(kept) == 298
    assert aside["reason"].str.contains("not net \\+ tax = gross").all()


def test_cells_about_persons_are_never_shown(tmp_path):
    frame = loans().assign(email=[f"ada{number}@example.org" for number in range(300)])
    rules = {"columns": {"email": {"pattern": "[a-z]+"}}}
    (tmp_path / "s.json").write_text(json.dumps(rules), encoding="utf-8")
    checked = check_schema(frame[:200], frame[200:], str(tmp_path / "s.json"))
    with pytest.raises(DataError) as caught:
        handle_invalid_rows(checked, "fail")
    assert "•••" in str(caught.value) and "ada1" not in str(caught.value)


@pytest.mark.parametrize("mad", [9_999.0, -1e6, 1e300])
def test_one_mad_value_does_not_open_the_range(mad):
    ages = np.random.default_rng(0).integers(0, 90, 400).astype(float)
    assert infer_range(np.append(ages, mad)) == infer_range(ages)


# ---------------------------------------- rows that slipped
@pytest.mark.parametrize("seed", range(8))
def test_a_slipped_row_is_found_and_honest_rows_stay(seed):
    frame = loans(200, seed).astype("str").assign(note=[f"n{n % 7} text" for n in range(200)])
    assert find_shifted_rows(frame).empty
    row, start, cells = 17 + seed, 1 + seed % 3, frame.iloc[17 + seed].tolist()
    moved = (
        [*cells[:start], *cells[start + 1 :], None] if seed % 2 else [*cells[:start], None, *cells[start:-1]]
    )
    frame.loc[row] = moved
    assert find_shifted_rows(frame).index.tolist() == [row]


# ---------------------------------------- the split
def task_of(frame, target="paid"):
    return make_task(Problem(target), frame[target])


def test_rows_in_time_are_split_by_time_and_others_by_chance():
    frame = loans().sort_values("start", ignore_index=True).drop(columns="end")
    train, test, way = split_train_test(frame, task_of(frame))
    assert (way.method, way.column) == ("time", "start") and train["start"].max() < test["start"].min()
    way = split_train_test(loans(), task_of(frame))[2]
    assert way.method == "chance" and way.to_dict().keys() == {"how", "column", "why"}
    assert split_train_test(frame, task_of(frame), split="chance")[2].reason == "it was stated"


def test_rows_of_one_customer_stay_together():
    frame = loans().assign(customer_id=np.random.default_rng(0).integers(0, 60, 300))
    train, test, way = split_train_test(frame, task_of(frame))
    assert way.method == "group" and not set(train["customer_id"]) & set(test["customer_id"])


def test_a_class_that_would_be_missing_from_training_falls_back_to_chance():
    frame = loans().sort_values("start", ignore_index=True).drop(columns="end")
    frame["paid"] = np.where(frame.index >= 260, "late", frame["paid"])
    train, _, way = split_train_test(frame, task_of(frame))
    assert way.method == "chance" and "class 'late'" in way.reason and "late" in set(train["paid"])


def test_a_number_keeps_its_shares_on_both_sides():
    frame = loans(1000).assign(value=np.exp(2 * np.random.default_rng(0).normal(size=1000)))[
        ["net", "plan", "value"]
    ]
    train, test, _ = split_train_test(frame, task_of(frame, "value"))
    for share in (0.1, 0.5, 0.9):
        assert abs((test["value"] <= train["value"].quantile(share)).mean() - share) < 0.011


def test_an_entity_whose_rows_agree_groups_the_rows_and_feeds_no_model():
    """A patient's number gives the answer away, and is no leak: it parts the rows, and no model gets it."""
    patients = np.repeat(np.arange(300), 4)
    random = np.random.default_rng(0)
    ill = (random.random(300) < 0.3)[patients]
    frame = pd.DataFrame({"patient_id": patients, "dose": random.normal(ill, 2), "ill": ill})
    model = fit(frame, "ill", budget=0, trials=1, models="linear")
    column = model.table["patient_id"]
    assert not column.use and "whose row" in column.unused_reason


def test_a_rare_class_gets_test_rows_and_a_lack_is_said():
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"x": random.normal(size=3000), "paid": ["yes"] * 6 + ["no"] * 2994})
    train, test, _ = split_train_test(frame, task_of(frame))
    assert (test["paid"] == "yes").sum() == 2 and (train["paid"] == "yes").sum() == 4
    codes = (test["paid"] == "yes").to_numpy().astype(int)
    assert "2 of class 'yes'" in describe_test_classes(task_of(frame), codes)
    assert "none of the test rows are of class 'yes'" in describe_test_classes(task_of(frame), codes * 0)
    assert describe_test_classes(task_of(frame), np.arange(100) % 2) == ""


def test_groups_are_chosen_so_that_no_class_is_lost():
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"customer_id": np.repeat(np.arange(60), 5), "x": random.normal(size=300)})
    frame["paid"] = np.where(frame["customer_id"] % 12 == 0, "no", "yes")
    for seed in range(5):
        train, test, way = split_train_test(frame, task_of(frame), seed=seed)
        assert way.method == "group" and set(train["paid"]) == set(test["paid"]) == {"yes", "no"}
