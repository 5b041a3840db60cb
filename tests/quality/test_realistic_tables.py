"""Tables with the traits of real ones: no honest column is taken for a leak, and no honest row for a copy."""

import numpy as np
import pandas as pd
import pytest

from mlkit.data.type_inference import infer_table_spec
from mlkit.quality.leakage import audit_leakage
from mlkit.quality.row_filters import describe_near_copies, drop_unusable_rows
from mlkit.quality.splitting import split_train_test
from mlkit.task.problem import Problem
from mlkit.task.task_inference import make_task

NAMES = "Ann Bo Cleo Dai Eva Finn Gus Hana Ivo Jun Kai Lea Mio Noa Ola Pia".split()


def chance(scores, share, random):
    "Yes for about this share of the rows, rather where the score is high."
    return random.random(len(scores)) < 1 / (1 + np.exp(-(scores - np.quantile(scores, 1 - share))))


def people(random, rows=1800):
    "A census: a code beside its word, a top code which only the rich reach, question marks, a weight, occupations."
    level = random.integers(1, 17, rows)
    age, hours = (
        random.integers(17, 91, rows),
        np.where(random.random(rows) < 0.5, 40, random.integers(5, 99, rows)),
    )
    rich = chance(0.4 * level + 0.05 * age + 0.03 * hours + random.logistic(size=rows), 0.24, random)
    gain = np.where(random.random(rows) < np.where(rich, 0.2, 0.04), random.integers(1, 200, rows) * 137, 0)
    gain = np.where(rich & (random.random(rows) < 0.06), 99999, gain)
    spouse = chance(2 * rich + random.normal(size=rows), 0.45, random)
    sex = random.choice(["Female", "Male"], rows)
    kin = np.where(
        spouse, np.where(sex == "Male", "Husband", "Wife"), random.choice(["Own-child", "Unmarried"], rows)
    )
    work = random.choice(["?", "Private", "Gov", "Self-emp"], rows, p=[0.06, 0.7, 0.12, 0.12])
    return pd.DataFrame({
        "age": age, "workclass": work, "fnlwgt": random.integers(12_000, 900_000, rows),
        "education": [f"grade {each}" for each in level], "education_num": level,
        "marital": np.where(spouse, "Married", "Not-married"), "occupation": np.where(work == "?", "?",
            random.choice(["Sales", "Tech", "Clerk", "Farm", "Exec"], rows)), "relationship": kin, "sex": sex,
        "capital_gain": gain, "capital_loss": np.where(random.random(rows) < 0.03, 1902, 0), "hours": hours,
        "country": random.choice(["US", "MX", "?"], rows, p=[0.9, 0.08, 0.02]),
        "income": np.where(rich, ">50K", "<=50K")})  # fmt: skip


def stays(random, rows=1800):
    "Hotel bookings: groups that book alike, agents as codes, free text, no company for most, dates before the stay."
    group = np.repeat(np.arange(rows), random.geometric(0.6, rows))[:rows]
    lead = random.gamma(0.9, 90, rows).round().astype(int)[group]
    arrival = pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, 700, rows)[group], unit="D")
    gone = chance(0.015 * lead + random.normal(size=rows)[group], 0.37, random)
    words = "late arrival please quiet room high floor extra bed allergy parking view baby cot".split()
    notes = [
        " ".join(random.choice(words, random.integers(3, 8))) if random.random() < 0.4 else ""
        for _ in range(rows)
    ]
    return pd.DataFrame({
        "hotel": random.choice(["City", "Resort"], rows)[group], "lead_time": lead,
        "booked_on": (arrival - pd.to_timedelta(lead, unit="D")).strftime("%Y-%m-%d"),
        "arrival": arrival.strftime("%Y-%m-%d"), "nights": random.poisson(2.5, rows)[group] + 1,
        "adults": random.choice([1, 2, 2, 2, 3], rows), "children": random.choice(["0", "0", "0", "1", "NA"], rows),
        "agent": [f"A{each:03}" for each in random.zipf(1.6, rows)[group] % 300],
        "company": np.where(random.random(rows) < 0.06, random.integers(10, 400, rows).astype(str), "NULL"),
        "deposit": np.where(gone & (random.random(rows) < 0.3), "Non Refund", "No Deposit"),
        "parking": np.where(~gone & (random.random(rows) < 0.08), 1, 0),
        "rate": np.where(random.random(rows) < 0.02, 0, random.gamma(6, 17, rows).round(2)[group]),
        "guest_notes": notes, "canceled": gone.astype(int)})  # fmt: skip


def loans(random, rows=1800):
    "Credit: sentinels for no trouble, bills that are nearly one, scores that end at a top, codes of branches."
    risk = random.normal(size=rows)
    limit = (random.lognormal(11.5, 0.7, rows) // 10_000 + 1) * 10_000
    bills = (
        limit[:, None]
        * random.beta(1.2, 2.5, rows)[:, None]
        * np.exp(np.cumsum(random.normal(0, 0.1, (rows, 3)), 1))
    )
    bad = chance(2 * risk, 0.2, random)
    trouble = random.random(rows) < 0.15 + 0.4 * bad
    opened = pd.Timestamp("2018-01-01") + pd.to_timedelta(random.integers(0, 2000, rows), unit="D")
    first, last = random.choice(NAMES, (2, rows))
    return pd.DataFrame({
        "applicant": np.char.add(np.char.add(first, " "), last), "limit": limit,
        "bill_1": bills[:, 0].round(), "bill_2": bills[:, 1].round(), "bill_3": bills[:, 2].round(),
        "months_since_trouble": np.where(trouble, random.integers(0, 80, rows), 999),
        "behind": np.where(risk + random.normal(size=rows) > 1.2, random.geometric(0.6, rows), 0),
        "score": np.minimum(850, (700 - 50 * risk + random.normal(0, 40, rows)).round()).astype(int),
        "branch": [f"{each:05}" for each in random.integers(0, 120, rows) * 37],
        "opened": opened.strftime("%d.%m.%Y"), "income": np.where(random.random(rows) < 0.1, "", random.lognormal(
            10, 0.5, rows).round(-2).astype(int).astype(str)), "default": np.where(bad, "yes", "no")})  # fmt: skip


TABLES = {"people": (people, "income"), "stays": (stays, "canceled"), "loans": (loans, "default")}


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", TABLES)
def test_no_honest_column_leaves_and_no_honest_row(name, seed):
    make, target = TABLES[name]
    frame = make(np.random.default_rng(seed))
    rows, gone = drop_unusable_rows(frame, target)
    assert gone["without target"] == 0 and len(rows) >= 0.98 * len(frame)
    task = make_task(Problem(target), rows[target])
    train, test, way = split_train_test(rows, task)
    found = audit_leakage(infer_table_spec(train, ignore=[target]), train, test, task, way)
    assert [leak.reason for leak in found.leaks if leak.columns] == []
    assert not found.is_copied_test_row.any() and describe_near_copies(rows, target) == ""
