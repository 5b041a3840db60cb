"""The leakage audit: what is planted is found with its columns, and honest tables raise no alarm."""

import numpy as np
import pandas as pd
import pytest

from mlkit.data.type_inference import infer_table_spec
from mlkit.quality.findings import handle_leaks
from mlkit.quality.formula_search import find_formulas
from mlkit.quality.leakage import audit_leakage
from mlkit.quality.row_filters import drop_unusable_rows
from mlkit.quality.split_strategy import SplitStrategy, choose_split_strategy, find_entity_columns
from mlkit.sources.examples import load_example
from mlkit.task.problem import Problem
from mlkit.task.task_inference import make_task


def audited(frame, target="y", task="auto", way=None, known=""):
    """What the audit says of a split by chance."""
    settled = make_task(Problem(target, task=task), frame[target])
    test = np.random.default_rng(0).random(len(frame)) < 0.2
    table = infer_table_spec(frame[~test], ignore=[target])
    return audit_leakage(table, frame[~test], frame[test], settled, way or SplitStrategy("chance"), known)


# ---------------------------------------- honest tables
def a_target(random, kind, rows):
    """The answers, and the same as a standardised number."""
    if kind == "number":
        hidden = random.normal(size=rows)
        return (hidden * 10 + 50).round(3), hidden
    if kind == "count":
        answer = random.poisson(4, rows).astype(float)
        return answer, (answer - answer.mean()) / answer.std()
    share = [0.5, 0.5] if kind == "binary" else [0.93, 0.07] if kind == "rare" else [0.3, 0.3, 0.2, 0.2]
    codes = random.choice(len(share), rows, p=share)
    return np.array(list("abcd"))[codes], (codes - codes.mean()) / codes.std()


def honest_table(seed):
    """Features of all kinds with correlations up to 0.95, some nearly collinear, some with gaps."""
    random = np.random.default_rng(seed)
    kind = ["binary", "number", "classes", "count", "rare"][seed % 5]
    rows = int(random.integers(200, 600 if seed % 10 else 5000))
    columns = int(random.integers(5, 12 if seed % 9 else 41))
    answer, hidden = a_target(random, kind, rows)
    table, before = {}, random.normal(size=rows)
    for place in range(columns):
        strength = 0.95 if place == 0 else random.uniform(-0.95, 0.95)
        signal = strength * hidden + np.sqrt(1 - strength**2) * random.normal(size=rows)
        noisy = signal + random.normal(size=rows)
        value = [
            signal, random.normal(size=rows), before + 0.01 * random.normal(size=rows), np.round(noisy * 2),
            np.array(["low", "mid", "high"])[np.digitize(noisy, [-1, 1])], (noisy > 0).astype(int),
            np.round(np.exp(signal), 2), pd.Timestamp("2024-01-01")
            + pd.to_timedelta(np.round(noisy * 30), unit="D"),
        ][0 if place == 0 else int(random.integers(8))]  # fmt: skip
        if place % 8 in (0, 1):
            before = signal
        table[f"x{place}"] = pd.Series(value).mask(random.random(rows) < (0.1 if place % 5 == 4 else 0))
    return pd.DataFrame(table).assign(y=answer), "regression" if kind in ("number", "count") else "auto"


@pytest.mark.parametrize("seed", range(50))
def test_an_honest_table_raises_no_alarm(seed):
    frame, task = honest_table(seed)
    assert not audited(frame, task=task).leaks


@pytest.mark.parametrize("name, target", [
    ("customers", "churned"), ("customers_plan", "plan_next"), ("customers_spend", "spend_next"),
    ("breast_cancer", None), ("wine", None), ("diabetes", None)])  # fmt: skip
def test_the_built_in_examples_are_honest(name, target):
    frame = load_example(name)
    target = target or str(frame.columns[-1])
    assert not audited(drop_unusable_rows(frame, target)[0].reset_index(drop=True), target).leaks


# ---------------------------------------- planted leaks
def base_table(seed, kind):
    random = np.random.default_rng(100 + seed)
    rows = int(random.integers(300, 700))
    frame = pd.DataFrame({f"h{place}": random.normal(size=rows) for place in range(3)})
    frame["word"], frame["digit"] = random.choice(list("abc"), rows), random.integers(0, 9, rows)
    hidden = frame["h0"] + frame["h1"] + random.normal(size=rows)
    if kind == "binary":
        frame["y"] = np.where(hidden > 0, "yes", "no")
    elif kind == "classes":
        frame["y"] = np.array(["lo", "mi", "hi"])[np.digitize(hidden, [-1, 1])]
    else:
        frame["y"] = (hidden * 10 + 100).round(2)
    return frame, random


def disguised(answer, seed):
    """The answer under another name and coding."""
    if answer.dtype.kind == "f":
        return [
            lambda: answer * 1.8 + 32, lambda: (answer / 5).round() * 5, lambda: np.exp(answer / 30),
            lambda: -(answer**3),
            lambda: pd.Series(np.array(list("vwxyz"))[np.digitize(answer, [85, 95, 105, 115])]),
        ][seed % 5]()  # fmt: skip
    names = sorted(answer.unique())
    codes = [range(3), ["c1", "c7", "c3"], [100, 103, 90], ["no go", "go", "gone"]][seed % 4]
    return answer.map(dict(zip(names, codes, strict=False)))


KINDS = ["binary", "classes", "number"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(7))
def test_the_target_under_another_name_is_found(kind, seed):
    frame, random = base_table(seed, kind)
    copy = disguised(frame["y"], seed)
    if seed % 3 == 1:  # a few slips
        copy = copy.where(random.random(len(copy)) > 0.004, copy.sample(frac=1, random_state=seed).to_numpy())
    if seed % 3 == 2:
        copy = copy.mask(random.random(len(copy)) < 0.1)
    frame = frame.assign(alias=copy)[random.permutation([*frame, "alias"])]
    assert audited(frame).leaking_columns == ["alias"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(8))
def test_a_neighbours_answer_is_found(kind, seed):
    frame, random = base_table(seed, kind)
    if seed % 2:
        frame["patient"] = [f"P{number:03}" for number in random.integers(0, len(frame) // 8, len(frame))]
        frame["last"] = frame.groupby("patient")["y"].shift(1)
    else:
        frame["at"] = (pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(len(frame)), unit="h")).astype(
            str
        )
        frame["last"] = frame["y"].shift([1, -1, 2][seed % 3])
        if seed % 4:
            frame = frame.sample(frac=1, random_state=seed, ignore_index=True)
    assert audited(frame).leaking_columns == ["last"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(7))
def test_what_is_filled_in_afterwards_is_found(kind, seed):
    frame, random = base_table(seed, kind)
    if kind == "number":
        filled = frame["y"] > [95, 105, 100][seed % 3]
    else:
        filled = frame["y"] == sorted(frame["y"].unique())[seed % 2]
        if seed % 3 == 1:
            filled &= random.random(len(frame)) < 0.5
    value = pd.Series(random.normal(size=len(frame)) if seed % 2 else random.choice(["a", "b"], len(frame)))
    assert audited(frame.assign(when=value.where(filled))).leaking_columns == ["when"]


FORMULAS = {
    "sum": lambda a, b, c: a + b, "difference": lambda a, b, c: a - b, "product": lambda a, b, c: a * b,
    "quotient": lambda a, b, c: a / b, "three": lambda a, b, c: a + b + c, "bill": lambda a, b, c: a * b + c,
    "weights": lambda a, b, c: 2 * a + 0.5 * b - c + 10, "long product": lambda a, b, c: 1.19 * a * b / c,
}  # fmt: skip


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("seed", range(4))
def test_the_target_in_parts_is_found(formula, seed):
    """Exact, rounded, with one row in a hundred wrong, with gaps; among features that say nothing of it."""
    random = np.random.default_rng(seed)
    rows, places = int(random.integers(250, 1500)), sorted(random.permutation(8)[:3].tolist())
    numbers = random.normal(size=(rows, 8))
    numbers[:, places] = np.exp(0.5 * random.normal(size=(rows, 3)) + 2)
    answer = FORMULAS[formula](*(numbers[:, place] for place in places))
    wanted = tuple(places if formula in ("three", "bill", "weights", "long product") else places[:2])
    if seed == 1:
        answer = answer.round(2)
    if seed == 2:
        answer = np.where(random.random(rows) < 0.01, 3 * random.permutation(answer), answer)
    if seed == 3:
        numbers[random.random((rows, 8)) < 0.05] = np.nan
    found = find_formulas(answer, numbers, list("abcdefgh"))
    assert [tuple(sorted(formula.columns)) for formula in found] == [wanted]


def test_parts_of_a_count_leave_and_known_ones_stay():
    random = np.random.default_rng(0)
    bikes = pd.DataFrame({"hour": random.integers(0, 24, 600), "casual": random.poisson(30, 600),
                          "registered": random.poisson(120, 600)})  # fmt: skip
    bikes["y"] = bikes["casual"] + bikes["registered"]
    found = audited(bikes)
    assert (
        found.leaking_columns == ["casual", "registered"]
        and "'casual' + 'registered'" in found.leaks[0].reason
    )
    train, test, left = handle_leaks(found, bikes, bikes[: len(found.is_copied_test_row)])
    assert list(train) == ["hour", "y"] == list(test) and left == found.leaking_columns
    assert audited(bikes, known="casual|registered").leaking_columns == []


# ---------------------------------------- rows on both sides, and splits that tell
@pytest.mark.parametrize("seed", range(7))
def test_copied_rows_are_found_and_chance_meetings_are_not(seed):
    frame, random = base_table(seed, "binary")
    double = pd.concat([frame, frame.sample(len(frame) // 20, random_state=seed)]).assign(
        id=lambda rows: range(len(rows))
    )
    double = double.sample(frac=1, random_state=seed, ignore_index=True)
    found = audited(double)
    assert [leak.kind for leak in found.leaks] == ["copies"] and found.is_copied_test_row.sum() >= 1
    few = pd.DataFrame(random.choice(list("abc"), (600, 4)), columns=list("pqrs")).assign(
        y=random.choice(["n", "y"], 600)
    )
    assert not audited(few).leaks


def test_a_customer_on_both_sides_is_told_with_the_setting():
    random = np.random.default_rng(0)
    orders = pd.DataFrame({"customer_id": np.repeat(np.arange(100), 6), "size": random.normal(size=600),
                           "y": random.choice(["no", "yes"], 600)})  # fmt: skip
    [leak] = audited(orders).leaks
    assert leak.kind == "entity" and "validate.group_column = customer_id" in leak.reason
    assert not audited(orders, way=SplitStrategy("group", "customer_id")).leaks
    assert choose_split_strategy(orders, "y", (orders["y"] == "yes").to_numpy()).column == "customer_id"


def test_columns_that_only_sound_like_somebody_are_none():
    random = np.random.default_rng(0)
    names = ["unit_cost", "customer_age", "product_id", "zip", "order_total", "member_months"]
    frame = pd.DataFrame({name: random.integers(100, 140, 400).astype(str) for name in names})
    assert find_entity_columns(frame) == []


def test_time_that_runs_backwards_is_told():
    random = np.random.default_rng(0)
    year = np.sort(random.choice([2024, 2025, 2026], 900))
    bank = pd.DataFrame({"year": year, "age": random.normal(40, 9, 900),
                         "y": np.where(random.random(900) < (year - 2023) / 5, "yes", "no")})  # fmt: skip
    [leak] = audited(bank).leaks
    assert leak.kind == "time" and "validate.time_column = year" in leak.reason
    assert not audited(bank.sample(frac=1, random_state=0, ignore_index=True)).leaks


def test_rows_that_only_a_leaking_column_makes_alike_are_no_copies():
    """Once the cost that gives the price away is gone, equal categories at one price are nobody's copies."""
    random = np.random.default_rng(0)
    kind = random.integers(0, 40, 4000)
    price = (kind % 7 + 1) * 10 + random.integers(0, 25, 4000)
    frame = pd.DataFrame({"kind": [f"kind {k}" for k in kind], "part": [f"part {k % 5}" for k in kind],
                          "cost": np.round(price * 0.75, 1), "price": price})  # fmt: skip
    found = audited(frame, "price")
    assert [leak.columns for leak in found.leaks] == [["cost"]] and not found.is_copied_test_row.any()
