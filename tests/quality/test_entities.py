"""Who is whom: persons group the split under any name; what only looks like a number of somebody does not."""

import numpy as np
import pandas as pd
import pytest

from mlkit import fit
from mlkit.quality.split_strategy import choose_split_strategy, find_entity_columns
from mlkit.quality.splitting import split_train_test
from mlkit.task.problem import Problem
from mlkit.task.task_inference import make_task


def persons(seed=0, count=80, visits=8):
    """Measurements that hardly change with a person, and a diagnosis that nobody can see in them."""
    random = np.random.default_rng(seed)
    who = np.repeat(np.arange(count), visits)
    frame = pd.DataFrame(
        {
            f"m{place}": random.normal(size=count)[who] + 0.1 * random.normal(size=len(who))
            for place in range(5)
        }
    )
    return frame.round(3).assign(sick=np.where((random.random(count) < 0.5)[who], "yes", "no")), who, random


LETTERS = "abcdefghijklmnopqrstuvwxyz"
IDS = {
    "pid": lambda who, random: 7000 + who, "uid": lambda who, random: random.permutation(10**6)[who],
    "custid": lambda who, random: who + 1, "userno": lambda who, random: who.astype(float),
    "subj": lambda who, random: 300 - who, "mrn": lambda who, random: (10**8 + 37 * who).astype(str),
    "who": lambda who, random: 7 * who, "Fall": lambda who, random: random.permutation(5000)[who],
    "e_mail": lambda who, random: [f"a{n}.b@example.org" for n in who],
    "phone": lambda who, random: [f"03-{1000 + n}-{2000 + n}" for n in who],
    "name": lambda who, random: [f"{'Anna Bert'.split()[n % 2]} {LETTERS[n % 26]}{LETTERS[n // 8]}son" for n in who],
}  # fmt: skip


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize("seed", range(2))
def test_rows_of_one_person_stay_together_under_any_name(name, seed):
    frame, who, random = persons(seed)
    frame.insert(0, name, IDS[name](who, random))
    frame = frame.sample(frac=1, random_state=seed, ignore_index=True)
    train, test, way = split_train_test(frame, make_task(Problem("sick"), frame["sick"]))
    assert (way.method, way.column) == ("group", name) and not set(train[name]) & set(test[name])
    assert abs((train["sick"] == "yes").mean() - (test["sick"] == "yes").mean()) < 0.1


def test_what_is_nobody_groups_nothing():
    frame, who, random = persons()
    rows = len(frame)
    frame = frame[["m0"]].assign(
        row=range(rows), age=random.integers(18, 90, rows), visits=random.poisson(30, rows),
        paid=random.integers(0, 50, rows),
        year=random.integers(1960, 2020, rows), cents=random.integers(0, 5000, rows), zip=random.integers(1000, 1080, rows),
        score=random.normal(50, 9, rows).round(), first_name=random.choice([f"N{chr(97 + n)}" for n in range(25)], rows),
        city=random.choice([f"City {n}" for n in range(40)], rows), hour=random.integers(0, 24, rows),
        store=random.integers(0, 60, rows), amount=random.normal(size=rows).round(1), sick=frame["sick"])  # fmt: skip
    assert find_entity_columns(frame, ["sick"]) == []
    frame["sick"] = np.where(frame["age"] > 50, "yes", "no")
    frame["dose"], frame["risk"] = frame["age"] * 2.5, frame["age"] // 5
    assert choose_split_strategy(frame, "sick", (frame["sick"] == "yes").to_numpy()).method == "chance"


@pytest.mark.parametrize("name", ["loan", "LOAN", "emp", "visit", "trip"])
def test_an_amount_under_the_name_of_a_thing_is_used(name):
    rng = np.random.default_rng(20)
    amount = rng.integers(1, 500, 1000)
    frame = pd.DataFrame({"a": rng.normal(size=1000), name: amount})
    frame["y"] = frame["a"] + amount / 100 + rng.normal(0, 0.3, 1000)
    assert fit(frame, "y", budget=0, trials=1, models="linear").metrics["score"] > 0.9


@pytest.mark.parametrize("name", ["loan", "emp", "visit"])
def test_an_id_under_such_a_name_still_groups(name):
    rng = np.random.default_rng(0)
    who = rng.permutation(np.repeat(np.arange(100), 8))
    frame = pd.DataFrame(rng.normal(size=(100, 3))[who] + rng.normal(0, 0.05, (800, 3)), columns=list("abc"))
    frame[name], frame["ill"] = 1000 + who, rng.integers(0, 2, 100)[who]
    assert [entity.column for entity in find_entity_columns(frame, ["ill"])] == [name]
