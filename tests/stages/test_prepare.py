"""What is done to each input: chosen by the column, told in the plan, overridden column by column."""

import json
import os
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from mlkit.core.errors import SettingsError
from mlkit.features.encoders import InputPlan, PreprocessingPlan, make_encoder
from mlkit.features.plan import (
    add_interactions,
    infer_feature_specs,
    make_plan,
    plan_number,
    plan_text,
    target_as_numbers,
)
from mlkit.features.plan_table import describe_column_plans
from mlkit.prepare import show_plan, summarise
from mlkit.task.problem import Problem
from mlkit.task.task import encode_target, target_values
from mlkit.task.task_inference import make_task

WANTS = ("scaled", "filled", "raw")
ROWS = 240


def mixed() -> pd.DataFrame:
    """Raw rows with a bit of everything, and with numbers out of all proportion."""
    chance = np.random.default_rng(0)
    topics = np.array(["pay late again", "all is well today", "no answer came yet", "well paid and glad"])
    frame = pd.DataFrame(
        {
            "even": chance.normal(50, 9, ROWS),
            "tail": chance.lognormal(3, 2, ROWS),
            "same": 7.0,
            "mad": np.where(chance.random(ROWS) < 0.1, 1e30, chance.normal(size=ROWS)),
            "rare": np.where(chance.random(ROWS) < 0.02, 5.0, 0.0),
            "flag": chance.choice(["yes", "no"], ROWS),
            "word": chance.choice(["red", "green", "blue"], ROWS),
            "many": chance.choice([f"town {k}" for k in range(25)], ROWS),
            "size": chance.choice(["small", "medium", "large"], ROWS),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(chance.integers(0, 700, ROWS), unit="D"),
            "note": [f"{chance.choice(topics)} {k % 9} {k}" for k in range(ROWS)],
            "left": chance.choice(["yes", "no"], ROWS),
        }
    )
    for name in ("even", "tail", "mad", "word", "size", "day", "note"):
        frame[name] = frame[name].mask(pd.Series(chance.random(ROWS) < 0.1))
    return frame


FRAME = mixed()
TASK = make_task(Problem("left"), FRAME["left"])
TRUTH = encode_target(TASK, target_values(TASK, FRAME["left"]))
TABLE = infer_feature_specs(FRAME, TASK)
INPUTS = TABLE.inputs(FRAME)


def encoded(
    plan: PreprocessingPlan, wants: str, rows: pd.DataFrame, inputs: pd.DataFrame = INPUTS
) -> np.ndarray:
    return make_encoder(plan, wants, TASK).fit(inputs, TRUTH[: len(inputs)]).transform(rows)


# ---------------------------------------- whatever a row holds
WORDS = ["", "never met", "1e300", "-1e39", "?", "red", "small", "2024-02-30"]
CELLS = st.floats() | st.none() | st.sampled_from(WORDS)
ENCODERS = {
    (impute, scale): make_encoder(make_plan(TABLE, INPUTS, impute, scale), "scaled", TASK).fit(INPUTS, TRUTH)
    for impute, scale in [("auto", "auto"), ("mean", "minmax"), ("model", "power"), ("constant", "standard")]
}  # fmt: skip


@settings(max_examples=60)
@given(st.lists(CELLS, min_size=FRAME.shape[1], max_size=FRAME.shape[1]), st.sampled_from([*ENCODERS]))
def test_linear_and_neural_models_get_finite_numbers_whatever_a_row_holds(cells, how):
    row = pd.DataFrame([cells], columns=FRAME.columns, dtype=object)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        numbers = ENCODERS[how].transform(TABLE.inputs(row))
    assert np.isfinite(numbers).all() and np.abs(numbers).max() < 1e6


@pytest.mark.parametrize("wants", WANTS)
@pytest.mark.parametrize("rows", [2, 12, ROWS])
def test_encoders_learn_from_few_rows_without_a_warning(rows, wants):
    plan = make_plan(TABLE, INPUTS)
    truth = np.arange(rows) % 2
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        encoder = make_encoder(plan, wants, TASK)
        if rows == 2:
            plan = PreprocessingPlan(
                {name: how for name, how in plan.inputs.items() if how.encode != "target"}
            )
            encoder = make_encoder(plan, wants, TASK)
        numbers = encoder.fit(INPUTS[:rows], truth).transform(INPUTS)
    assert np.isfinite(numbers).all() or wants == "raw"


# ---------------------------------------- numbers
@pytest.mark.parametrize("values, impute, scale", [
    ([1, 2, 3, 4, 5, None], "mean", "standard"), ([1, 1, 2, 2, 5, None], "median", "standard"),
    ([*[1, 2, 3] * 20, 900, None], "median", "power"), ([*[0] * 40, 1, None], "median", "standard"),
])  # fmt: skip
def test_the_spread_of_a_number_decides_how_it_is_filled_and_scaled(values, impute, scale):
    how = plan_number(pd.Series(values, dtype="float64"))
    assert (how.impute, how.scale, how.mark) == (impute, scale, True)
    assert "missing" in how.why and "marked" in how.why


@pytest.mark.parametrize("impute, value", [
    ("mean", 3.0), ("median", 2.0), ("most_frequent", 1.0), ("constant", -7.0), ("model", 1.0)])  # fmt: skip
def test_a_gap_is_filled_as_asked_and_marked(impute, value):
    inputs = pd.DataFrame({"a": [1, 1, 2, 3, 8, np.nan], "b": [0, 0, 1, 1, 5, 0]}, dtype="float32")
    b = InputPlan("number", impute="median")
    plan = PreprocessingPlan({"a": InputPlan("number", impute=impute, fill=-7.0, mark=True), "b": b})
    filled = make_encoder(plan, "filled", TASK).fit_transform(inputs)
    if impute == "model":  # standardised, and the mean of the five nearest: all there are
        assert filled[5, 0] == pytest.approx(0, abs=1e-6)
    else:
        assert filled[5, 0] == value
    assert filled[:, -1].tolist() == [0, 0, 0, 0, 0, 1]


def test_the_model_that_fills_gaps_looks_at_the_other_numbers():
    chance = np.random.default_rng(0)
    size = chance.normal(size=500)
    inputs = pd.DataFrame({"a": size, "b": size + chance.normal(0, 0.1, 500)}, dtype="float32")
    hidden = inputs.assign(a=inputs["a"].mask(np.arange(500) % 10 == 0))
    plan = PreprocessingPlan(
        {"a": InputPlan("number", impute="model"), "b": InputPlan("number", impute="median")}
    )
    filled = make_encoder(plan, "filled", TASK).fit_transform(hidden)[::10, 0]
    assert np.corrcoef(filled, size[::10])[0, 1] > 0.95


def test_a_constant_fills_for_boosting_too_and_other_fillings_do_not():
    inputs = pd.DataFrame({"a": [1, np.nan, 3], "b": [1, np.nan, 3]}, dtype="float32")
    constant, mean = InputPlan("number", impute="constant", fill=-1.0), InputPlan("number", impute="mean")
    plan = PreprocessingPlan({"a": constant, "b": mean})
    numbers = make_encoder(plan, "raw", TASK).fit_transform(inputs)
    assert numbers[1, 0] == -1 and np.isnan(numbers[1, 1])


# ---------------------------------------- categories, dates
@pytest.mark.parametrize("wants", WANTS)
@pytest.mark.parametrize("how", [
    "encode=onehot", "encode=target", "encode=ordinal order=red<green<blue", "impute=most_frequent",
    "impute=constant fill=green", "encode=target impute=most_frequent"])  # fmt: skip
def test_a_word_that_nobody_has_met_is_taken_by_every_encoding(how, wants):
    plan = make_plan(TABLE, INPUTS, columns=f"word: {how}")
    strange = INPUTS.head(3).assign(word=["never met", "", "green"])
    numbers = encoded(PreprocessingPlan({"word": plan.inputs["word"]}), wants, strange)
    assert np.isfinite(numbers).all() or (wants == "raw" and "ordinal" in how)
    if "impute" in how:
        assert numbers[0].tolist() == numbers[1].tolist()
        assert ("fill=green" in how) <= (numbers[0].tolist() == numbers[2].tolist())


def test_a_known_scale_goes_by_its_ranks():
    how = make_plan(TABLE, INPUTS).inputs["size"]
    assert (how.encode, how.values) == ("ordinal", ("small", "medium", "large"))
    rows = INPUTS.head(4).assign(size=["small", "medium", "large", ""])
    assert encoded(PreprocessingPlan({"size": how}), "filled", rows).tolist() == [
        [0, 0],
        [1, 0],
        [2, 0],
        [1, 1],
    ]


def test_cycles_go_to_linear_and_neural_models_and_what_runs_in_them_to_trees():
    plan = make_plan(TABLE, INPUTS)
    models = {name: how.models for name, how in plan.inputs.items() if name.startswith("day.")}
    assert models["day.month"] == models["day.weekday"] == "trees"
    assert models["day.month_sin"] == models["day.month_cos"] == "scaled"
    assert models["day.year"] == models["day.days"] == "all"


# ---------------------------------------- words
def notes(telling: bool, rows: int = 1200) -> tuple[pd.Series, np.ndarray]:
    """Notes of twelve words out of three hundred; eight of them tell who leaves, or none does."""
    chance = np.random.default_rng(3)
    shares = 1 / np.arange(5, 305)
    drawn = [chance.choice(300, 12, p=shares / shares.sum()) for _ in range(rows)]
    weight = np.zeros(300)
    if telling:
        weight[:8] = chance.choice([-2.0, 2.0], 8)
    leaning = np.array([weight[np.unique(words)].sum() for words in drawn])
    left = chance.random(rows) < 1 / (1 + np.exp(np.median(leaning) - leaning))
    return pd.Series([" ".join(f"w{word}" for word in words) for words in drawn]), left.astype(int)


def auc(plan: PreprocessingPlan, inputs: pd.DataFrame, truth: np.ndarray) -> float:
    model = make_pipeline(make_encoder(plan, "scaled", TASK), LogisticRegression(max_iter=500))
    return float(cross_val_score(model, inputs, truth, scoring="roc_auc", cv=4).mean())


def test_words_that_tell_raise_the_score_and_words_that_do_not_hardly_lower_it():
    number = plan_number(pd.Series(np.arange(9.0)))
    for telling in (True, False):
        text, left = notes(telling)
        chance = np.random.default_rng(4)
        a = left + chance.normal(0, 1.5, len(left))
        inputs = pd.DataFrame({"a": a.astype("float32"), "note.text": text})
        without = auc(PreprocessingPlan({"a": number}), inputs, left)
        words = auc(PreprocessingPlan({"a": number, "note.text": plan_text(text)}), inputs, left)
        assert words > without + 0.05 if telling else words > without - 0.03, (telling, without, words)


def test_a_text_without_common_words_is_left_out():
    how = plan_text(pd.Series([f"x{k} y{k}" for k in range(50)]))
    assert how.models == "none" and "no two words" in how.why
    plan = PreprocessingPlan({"even": make_plan(TABLE, INPUTS).inputs["even"], "note.text": how})
    assert encoded(plan, "raw", INPUTS).shape[1] == 1


def test_a_text_that_tells_nothing_is_left_out_unless_it_is_wanted():
    table, answer = TABLE, target_as_numbers(TASK, FRAME)
    silent = make_plan(table, INPUTS, answer=answer).inputs["note.text"]
    wanted = make_plan(table, INPUTS, columns="note: use=yes", answer=answer).inputs["note.text"]
    assert silent.models == "none" and "tell nothing about the target" in silent.why
    assert wanted.models == "all" and wanted.values


# ---------------------------------------- combinations
def numbers(seed: int, rows: int = 2000, names: int = 8) -> pd.DataFrame:
    """Numbers of which two nearly say the same."""
    chance = np.random.default_rng(seed)
    frame = pd.DataFrame(chance.uniform(1, 10, (rows, names)), columns=[*"abcdefgh"[:names]])
    return frame.assign(b=0.9 * frame["a"] + 0.1 * frame["b"])


def found(frame: pd.DataFrame, target: np.ndarray) -> list[str]:
    frame = frame.assign(target=target)
    task = make_task(Problem("target"), frame["target"])
    table, _ = add_interactions(infer_feature_specs(frame, task), frame, task)
    return [each.name for each in table.derived]


@pytest.mark.parametrize("seed", range(6))
def test_nothing_is_combined_where_nothing_is_to_be_won(seed):
    frame, chance = numbers(seed, rows=[400, 1000, 2000][seed % 3]), np.random.default_rng(100 + seed)
    noise = chance.normal(size=len(frame))
    assert found(frame, noise) == []
    assert found(frame, frame["a"] + 0.4 * frame["c"] - 0.2 * frame["d"] ** 2 / 10 + noise) == []
    assert found(frame, np.where(chance.random(len(frame)) < 0.2 + 0.05 * frame["c"], "yes", "no")) == []


@pytest.mark.parametrize("sign, of", [
    ("/", lambda c, d: c / d), ("-", lambda c, d: c - d), ("*", lambda c, d: c * d)])  # fmt: skip
def test_a_ratio_a_difference_and_a_product_are_found(sign, of):
    frame, chance = numbers(7), np.random.default_rng(8)
    value = of(frame["c"], frame["d"]).rank(pct=True)
    noisy = value + chance.normal(0, 0.1, len(frame))
    for target in (noisy, np.where(noisy > 0.5, "yes", "no")):
        names = found(frame, target)
        assert names and {names[0][0], names[0][-1]} == {"c", "d"} and names[0][2] == sign, names


@pytest.mark.parametrize("combine, names", [
    ("", []), ("even / tail", ["even / tail"]),
    (" `even`*tail | tail - mad", ["even * tail", "tail - mad"])])  # fmt: skip
def test_combinations_are_declared(combine, names):
    table, why = add_interactions(TABLE, FRAME, TASK, combine)
    assert [*why] == names == [each.name for each in table.derived]
    plan = make_plan(table, table.inputs(FRAME), combined=why)
    assert all(plan.inputs[name].why.startswith("as asked; ") for name in names)
    assert summarise(table, plan).endswith(f"; derived: {', '.join(names)}" if names else "1 text")


def test_a_wrong_combination_is_told():
    with pytest.raises(SettingsError) as caught:
        add_interactions(TABLE, FRAME, TASK, "even / tial | even | word * even")
    assert str(caught.value).splitlines() == [
        "prepare.combine: 'even / tial': there is no number called 'tial'; did you mean 'tail'?",
        "prepare.combine: 'even' is no combination; write `a / b`, `a - b`, `a * b` or `a + b`",
        "prepare.combine: 'word * even': there is no number called 'word'; "
        "the numbers are even, tail, mad, rare",
    ]


# ---------------------------------------- otherwise, column by column
def test_a_wish_holds_for_its_column_and_no_other():
    wish = ("even: impute=constant fill=0 scale=minmax | many: encode=onehot | note: use=no | "
            "tail: scale=none")  # fmt: skip
    table = infer_feature_specs(FRAME, TASK, columns=wish)
    plan, usual = make_plan(table, INPUTS, columns=wish), make_plan(TABLE, INPUTS)
    assert (plan.inputs["even"].impute, plan.inputs["even"].scale) == ("constant", "minmax")
    assert plan.inputs["many"].encode == "onehot" and plan.inputs["tail"].scale == ""
    assert not any(name.startswith("note.") for name in plan.inputs)
    asked = {"even", "many", "tail"}
    assert all(plan.inputs[name] == usual.inputs[name] for name in plan.inputs if name not in asked)


def test_a_wish_says_how_cells_are_read():
    many = ROWS // 4
    frame = FRAME.assign(**{"a: b=c": ["-1", "5", "7", "9"] * many, "code": [*range(10, 14)] * many})
    table = infer_feature_specs(frame, TASK, columns="a: b=c: missing=-1 missing=9 | code: kind=category")
    assert table.inputs(frame)["a: b=c"][:4].isna().tolist() == [True, False, False, True]
    assert table["code"].kind == "category"


def test_all_wrong_wishes_are_told_at_once():
    with pytest.raises(SettingsError) as caught:
        infer_feature_specs(FRAME, TASK, leave_out="tale", columns=(
            "evne: use=no | even: encode=onehot | tail: scale=powr sale=none | word: impute=mean | "
            "left: use=no | word: use=no | many | size: encode=ordinal order=small<medium<lage | "
            "flag: impute=constant fill=x | same: use=yes | rare: impute="))  # fmt: skip
    assert str(caught.value).splitlines() == [
        "prepare.leave_out names 'tale', which is no column; did you mean 'tail'?",
        "prepare.columns: 'evne': there is no such column; did you mean 'even'?",
        "prepare.columns: 'tail': scale cannot be 'powr'; did you mean 'power'?",
        "prepare.columns: 'tail': 'sale' is no option; did you mean 'scale'?",
        "prepare.columns: 'left': there is no such column; the columns are even, tail, same, mad, rare, "
        "flag, word, many, size, day, note",
        "prepare.columns: 'word': the column comes twice; write its options in one place",
        "prepare.columns: 'many': write `column: option=value`, with | between columns",
        "prepare.columns: 'rare': impute has no value; write impute=…",
        "prepare.columns: 'even': encode is for category; the column is of kind number",
        "prepare.columns: 'word': a category has no mean; use impute=most_frequent or impute=constant",
        "prepare.columns: 'size': order names 'lage', which is no value of it; did you mean 'large'?",
        "prepare.columns: 'size': order lacks 'large'",
        "prepare.columns: 'flag': fill=x is no number",
        f"prepare.columns: 'same': it cannot be used as it is: {TABLE['same'].unused_reason}; "
        "say what it is with kind=…",
    ]


@pytest.mark.parametrize(
    "name, value, rest",
    [("impute", "medain", "did you mean 'median'?"), ("scale", "log", ""), ("encode", "ordinal", "")],
)
def test_a_general_choice_that_there_is_not_is_refused(name, value, rest):
    with pytest.raises(SettingsError, match=f"^prepare.{name} is one of auto, .*, not '{value}'") as caught:
        make_plan(TABLE, INPUTS, **{name: value})
    assert str(caught.value).endswith(rest)


# ---------------------------------------- the plan
def test_a_plan_is_read_back_as_it_was_written():
    plan = make_plan(TABLE, INPUTS, columns="word: impute=most_frequent | even: impute=constant fill=2")
    assert PreprocessingPlan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan


def test_the_plan_has_a_line_for_each_column_of_the_table():
    table, why = add_interactions(infer_feature_specs(FRAME, TASK, "word"), FRAME, TASK, "even / tail")
    lines = describe_column_plans(table, make_plan(table, table.inputs(FRAME), combined=why))
    assert [line["column"] for line in lines] == [*FRAME.columns.drop("left"), "even / tail"]
    said = {line["column"]: (line["used"], line["what and why"]) for line in lines}
    assert said["word"][0] == "no" and said["word"][1].endswith("Left out, as asked.")
    assert said["same"][0] == "no" and said["even / tail"][1].startswith("Computed in every row. As asked; ")
    assert all(what for _, what in said.values())


def test_names_in_the_plan_are_text_and_not_markup():
    frame = FRAME[["even", "left"]].rename(columns={"even": "<b>even</b>"})
    table = infer_feature_specs(frame, TASK)
    html = show_plan(table, make_plan(table, table.inputs(frame))).to_html()
    assert "&lt;b&gt;even" in html and "<b>even" not in html


# ---------------------------------------- the same on any machine
PROBE = """
import hashlib, json, sys
from pathlib import Path
import mlkit.features.plan as p
from mlkit.features.encoders import make_encoder
from mlkit.sources.examples import make_customers
from mlkit.task.problem import Problem
from mlkit.task.task import encode_target, target_values
from mlkit.task.task_inference import make_task
frame = make_customers(1500, seed=1).drop(columns=["plan_next", "spend_next"])
task = make_task(Problem("churned"), frame["churned"])
table, why = p.add_interactions(p.infer_feature_specs(frame, task), frame, task)
inputs = table.inputs(frame)
plan = p.make_plan(table, inputs, combined=why, answer=p.target_as_numbers(task, frame))
inputs.to_parquet(sys.argv[1])
truth = encode_target(task, target_values(task, frame["churned"]))
made = [Path(sys.argv[1]).read_bytes(), *(json.dumps(each.to_dict()).encode() for each in (plan, table))]
for wants in ("scaled", "raw"):
    made.append(make_encoder(plan, wants, task).fit_transform(inputs, truth).tobytes())
print(*[hashlib.sha256(each).hexdigest() for each in made])
"""


def test_everything_comes_out_the_same_on_any_number_of_cores(tmp_path):
    def start(threads: int, seed: int) -> subprocess.Popen:
        own = dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"], str(threads))
        own["PYTHONHASHSEED"] = str(seed)
        command = [sys.executable, "-c", PROBE, str(tmp_path / f"features{threads}.parquet")]
        return subprocess.Popen(command, env={**os.environ, **own}, stdout=subprocess.PIPE, text=True)

    runs = [start(1, 0), start(2, 7)]
    first, second = (run.communicate(timeout=120)[0].split() for run in runs)
    assert first == second and len(set(first)) == 5


def test_a_table_of_categories_alone_is_prepared(tmp_path):
    chance = np.random.default_rng(0)
    rows = {name: chance.choice(["red", "green", "blue"], 60) for name in "abc"}
    pd.DataFrame(rows).assign(y=chance.choice(["yes", "no"], 60)).to_csv(tmp_path / "words.csv", index=False)
    command = ["mlkit", "run", "--data", "words.csv", "--target", "y", "--to", "prepare", "--out", "made"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "made" / "artifacts" / "plan.json").is_file()
