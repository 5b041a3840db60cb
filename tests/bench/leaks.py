"""How often is the leakage audit wrong? Honest tables with the traits of real ones, and tables with a leak.

`python tests/bench/leaks.py [PART]` prints the share of honest tables with a false finding (a column that would be
dropped, or a test row taken for a copy), and the share of planted leaks that are found with exactly their columns.
PART (1 by default) takes a share of the seeds, such as 0.1. Tables in MLKIT_BENCH_DATA, a folder of CSV files, are
audited as well and their findings listed: whether those are true is for a person to say.
"""

import os
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from mlkit.data.type_inference import infer_table_spec
from mlkit.quality.leakage import LeakageAudit, audit_leakage
from mlkit.quality.row_filters import drop_unreadable_targets, drop_unusable_rows
from mlkit.quality.splitting import split_train_test
from mlkit.sources.examples import load_example
from mlkit.task.problem import Problem
from mlkit.task.task_inference import make_task

Made = tuple[pd.DataFrame, str]


def audited(frame: pd.DataFrame, target: str) -> LeakageAudit:
    """What the stage validate finds."""
    rows, _ = drop_unusable_rows(frame, target)
    task = make_task(Problem(target), rows[target])
    rows = drop_unreadable_targets(rows, task)
    train, test, way = split_train_test(rows, task)
    return audit_leakage(infer_table_spec(train, ignore=[target]), train, test, task, way)


# ---------------------------------------- honest tables with real traits
def odds(values: np.ndarray, share: float) -> np.ndarray:
    """Probabilities that rise with the values and are `share` on average, nearly."""
    return 1 / (1 + np.exp(-(values - np.quantile(values, 1 - share))))


def census(seed: int) -> Made:
    """Who earns much: a code beside its word, hours that heap up at 40, gains that are zero for most and end in a
    top code which only the rich reach, and so few different values that rows are equal by chance."""
    random = np.random.default_rng(seed)
    rows = int(random.integers(800, 4000))
    level = random.choice(16, rows, p=np.array([1, 1, 1, 1, 2, 2, 2, 2, 12, 8, 3, 3, 6, 2, 1, 1]) / 48)
    age = np.clip(random.gamma(9, 4.3, rows).round(), 17, 90)
    hours = np.where(random.random(rows) < 0.47, 40, np.clip(random.normal(41, 13, rows).round(), 1, 99))
    wealth = 0.35 * level + 0.04 * age + 0.03 * hours + random.logistic(size=rows)
    rich = random.random(rows) < odds(2 * (wealth - wealth.mean()), 0.24)
    gains = random.random(rows) < np.where(rich, 0.21, 0.04)
    gain = np.where(gains, np.exp(random.normal(8.3 + 0.8 * rich, 0.7)).round(), 0)
    top = rich & (random.random(rows) < (0.1 if seed % 2 else 0.02))
    frame = pd.DataFrame({
        "age": age.astype(int), "workclass": random.choice(["Private", "Self", "Gov", "?"], rows, p=[0.7, 0.12, 0.12, 0.06]),
        "education": [f"level {n}" for n in level], "education_num": level, "sex": random.choice(["Male", "Female"], rows),
        "capital_gain": np.where(top, 99999, gain).astype(int),
        "capital_loss": np.where(random.random(rows) < 0.03 + 0.07 * rich, random.integers(15, 25, rows) * 100, 0),
        "hours": hours.astype(int), "married": np.where(random.random(rows) < 0.3 + 0.5 * rich, "yes", "no"),
        "income": np.where(rich, ">50K", "<=50K")})  # fmt: skip
    return frame, "income"


def bookings(seed: int) -> Made:
    """Who cancels a room: groups book the same stay many times, deposits that hardly anybody gets back go with
    cancelling, who needs a parking space comes, most have no company, and all dates are before the stay."""
    random = np.random.default_rng(seed)
    rows = int(random.integers(1000, 4000))
    group = np.repeat(np.arange(rows), random.geometric(0.55, rows))[:rows]
    lead = random.gamma(0.9, 110, rows).round().astype(int)[group]
    arrival = pd.Timestamp("2025-07-01") + pd.to_timedelta(random.integers(0, 700, rows)[group], unit="D")
    canceled = random.random(rows) < odds(0.012 * lead + random.normal(size=rows)[group], 0.35)
    deposit = np.where(canceled & (random.random(rows) < 0.33), "Non Refund", "No Deposit")
    deposit[(random.random(rows) < 0.002)] = "Refundable"
    agent = pd.Series(random.choice([9, 240, 1, 14, 7, 250, 241, 28], rows)[group]).astype("float")
    frame = pd.DataFrame({
        "lead_time": lead, "booked": (arrival - pd.to_timedelta(lead, unit="D")).astype(str), "arrival": arrival.astype(str),
        "nights": random.poisson(2.5, rows)[group] + 1, "adults": random.choice([1, 2, 2, 2, 3], rows),
        "agent": agent.mask(random.random(rows) < 0.14), "company": pd.Series(random.integers(9, 400, rows)).where(
            random.random(rows) < 0.06), "deposit": deposit,
        "parking": np.where(~canceled & (random.random(rows) < 0.1), 1, 0),
        "earlier_cancellations": np.where(random.random(rows) < 0.01 + 0.12 * canceled, random.integers(1, 5, rows), 0),
        "rate": np.where(random.random(rows) < 0.02, 0, random.gamma(5, 20, rows).round(1)[group]),
        "requests": random.poisson(np.where(canceled, 0.3, 0.7)), "canceled": canceled.astype(int)})  # fmt: skip
    return frame.sample(frac=1, random_state=seed, ignore_index=True), "canceled"


def credit(seed: int) -> Made:
    """Who does not pay: six bills that are nearly one, payments behind that are zero for most, months since the
    last trouble that are empty for those who had none, a limit in round thousands, scores that end at a top."""
    random = np.random.default_rng(seed)
    rows = int(random.integers(700, 4000))
    risk = random.normal(size=rows)
    limit = (np.exp(random.normal(11.5 - 0.3 * risk, 0.8)) // 10000 + 1) * 10000
    bill = limit * random.beta(1.2, 2.5, rows)
    frame = pd.DataFrame({"limit": limit, "age": random.integers(21, 75, rows)})
    for month in range(1, 5):
        bill = bill * np.exp(random.normal(0, 0.12, rows))
        frame[f"bill_{month}"] = bill.round()
        frame[f"behind_{month}"] = np.where(
            risk + random.normal(size=rows) > 1.2, random.geometric(0.6, rows), 0
        )
        frame[f"paid_{month}"] = np.where(
            random.random(rows) < 0.2, 0, (bill * random.beta(1, 9, rows)).round()
        )
    default = random.random(rows) < odds(2.2 * risk, 0.22)
    trouble = random.random(rows) < 0.15 + 0.5 * default
    frame["months_since_trouble"] = pd.Series(random.integers(0, 80, rows)).where(trouble)
    frame["score"] = np.minimum(850, (720 - 60 * risk + random.normal(0, 40, rows)).round())
    frame["opened"] = (
        pd.Timestamp("2020-01-01") + pd.to_timedelta(random.integers(0, 1500, rows), unit="D")
    ).astype(str)
    frame["known_since"] = (pd.to_datetime(frame["opened"])
                            - pd.to_timedelta(random.integers(0, 3000, rows), unit="D")).astype(str)  # fmt: skip
    return frame.assign(default=np.where(default, "yes", "no")), "default"


def prices(seed: int) -> Made:
    """What a house costs: areas that nearly add up, heaped years, a pool that few have, capped prices."""
    random = np.random.default_rng(seed)
    rows = int(random.integers(300, 2500))
    first, second = (
        random.gamma(9, 120, rows).round(),
        np.where(random.random(rows) < 0.55, 0, random.gamma(8, 90, rows).round()),
    )
    year = np.where(random.random(rows) < 0.1, 1950, random.integers(1900, 2010, rows))
    price = 100 * (first + 0.8 * second) + 800 * (year - 1900) + random.normal(0, 15000, rows)
    frame = pd.DataFrame({
        "first": first, "second": second, "living": first + second + np.where(random.random(rows) < 0.03, 80, 0),
        "year": year, "pool": np.where(random.random(rows) < 0.01, 500, 0), "rooms": ((first + second) // 350 + 1),
        "quality": np.clip((price / 40000).round() + random.integers(-1, 2, rows), 1, 10),
        "garage_year": pd.Series(year + random.integers(0, 5, rows)).mask(random.random(rows) < 0.05),
        "price": np.minimum(price, np.quantile(price, 0.97)).round(-2)})  # fmt: skip
    return frame, "price"


HONEST: dict[str, Callable[[int], Made]] = {
    "census": census,
    "bookings": bookings,
    "credit": credit,
    "prices": prices,
}
REAL = {"customers": "churned", "customers_plan": "plan_next", "customers_spend": "spend_next", "breast_cancer": "",
        "wine": "", "diabetes": "", "digits": ""}  # fmt: skip


def honest_tables(part: float = 1) -> Iterator[tuple[str, pd.DataFrame, str]]:
    for name, make in HONEST.items():
        for seed in range(max(1, round(25 * part))):
            yield name, *make(seed)
    for name, target in REAL.items():
        whole = load_example(name)
        target = target or str(whole.columns[-1])
        yield name, whole, target
        for seed in range(round(4 * part)):
            yield name, whole.sample(frac=0.5, random_state=seed, ignore_index=True), target


# ---------------------------------------- planted leaks
def two_classes(frame: pd.DataFrame, target: str) -> tuple[np.ndarray, np.random.Generator]:
    return (frame[target] == frame[target].value_counts().index[-1]).to_numpy(), np.random.default_rng(
        len(frame)
    )


def alias(frame: pd.DataFrame, target: str) -> list[str]:
    frame["state"] = frame[target].map(
        {name: f"S{place}" for place, name in enumerate(frame[target].unique())}
    )
    return ["state"]


def alias_with_slips(frame: pd.DataFrame, target: str) -> list[str]:
    yes, random = two_classes(frame, target)
    frame["flag"] = np.where(random.random(len(frame)) < 0.003, ~yes, yes).astype(int)
    return ["flag"]


def filled_after(frame: pd.DataFrame, target: str) -> list[str]:
    yes, random = two_classes(frame, target)
    frame["reason"] = pd.Series(random.choice(["price", "service", "other"], len(frame))).where(
        yes & (random.random(len(frame)) < 0.7)
    )
    return ["reason"]


def zero_until_known(frame: pd.DataFrame, target: str) -> list[str]:
    yes, random = two_classes(frame, target)
    told = yes & (random.random(len(frame)) < 0.8)
    frame["refund"] = np.where(told, random.gamma(2, 90, len(frame)).round(2), 0)
    return ["refund"]


def minus_one_until_known(frame: pd.DataFrame, target: str) -> list[str]:
    yes, random = two_classes(frame, target)
    frame["days_until"] = np.where(yes, random.integers(0, 60, len(frame)), -1)
    return ["days_until"]


def late(frame: pd.DataFrame, target: str) -> list[str]:
    yes, random = two_classes(frame, target)
    due = pd.Timestamp("2025-01-01") + pd.to_timedelta(random.integers(0, 400, len(frame)), unit="D")
    days = np.where(yes, random.integers(1, 12, len(frame)), -random.integers(0, 12, len(frame)))
    frame["due"], frame["delivered"] = due.astype(str), (due + pd.to_timedelta(days, unit="D")).astype(str)
    return ["delivered", "due"]


def spent_more_than_had(frame: pd.DataFrame, target: str) -> list[str]:
    yes, random = two_classes(frame, target)
    frame["had"] = random.gamma(6, 150, len(frame)).round(2)
    frame["spent"] = (
        frame["had"] + np.where(yes, 1, -1) * np.abs(random.normal(0, 120, len(frame))) + 0.005 * yes
    ).round(2)
    return ["had", "spent"]


def in_parts(frame: pd.DataFrame, target: str) -> list[str]:
    random = np.random.default_rng(len(frame))
    frame["base"] = (frame[target] * random.uniform(0.2, 0.8, len(frame))).round()
    frame["extra"] = frame[target] - frame["base"]
    return ["base", "extra"]


def other_unit(frame: pd.DataFrame, target: str) -> list[str]:
    frame["euro"] = (frame[target] * 0.91 + 12).round()
    return ["euro"]


def days_between(frame: pd.DataFrame, target: str) -> list[str]:
    random = np.random.default_rng(len(frame))
    start = pd.Timestamp("2025-01-01") + pd.to_timedelta(random.integers(0, 400, len(frame)), unit="D")
    frame[target] = random.gamma(3, 9, len(frame)).round()
    frame["start"], frame["end"] = (
        start.astype(str),
        (start + pd.to_timedelta(frame[target], unit="D")).astype(str),
    )
    return ["end", "start"]


PLANTS = {
    **dict.fromkeys([alias, alias_with_slips, filled_after, zero_until_known, minus_one_until_known, late,
                     spent_more_than_had], (census, bookings, credit)),
    **dict.fromkeys([in_parts, other_unit, days_between], (prices,)),
}  # fmt: skip


def planted_tables(part: float = 1) -> Iterator[tuple[str, pd.DataFrame, str, list[str]]]:
    for plant, bases in PLANTS.items():
        for make in bases:
            for seed in range(max(1, round((4 if len(bases) > 1 else 12) * part))):
                frame, target = make(1000 + seed)
                if seed % 2:  # small tables, too
                    frame = frame.head(300).copy()
                yield plant.__name__, frame, target, plant(frame, target)


def false_finding(found: LeakageAudit) -> str:
    copies = int(found.is_copied_test_row.sum())
    return "; ".join(
        [*(leak.reason for leak in found.leaks if leak.columns), *([f"{copies} copies"] if copies else [])]
    )


def main() -> None:
    warnings.filterwarnings("ignore")
    part = float(sys.argv[1]) if len(sys.argv) > 1 else 1
    wrong, honest, found, planted = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for name, frame, target in honest_tables(part):
        honest[name] += 1
        if said := false_finding(audited(frame, target)):
            wrong[name] += 1
            print(f"  false: {name}, {len(frame):,} rows: {said}", flush=True)
    for name, frame, target, columns in planted_tables(part):
        planted[name] += 1
        dropped = audited(frame, target).leaking_columns
        found[name] += dropped == columns
        if dropped != columns:
            print(f"  missed: {name}, {len(frame):,} rows: {columns}, found {dropped}", flush=True)
    for name, count in (*honest.items(), *planted.items()):
        what = f"{found[name]:3} found" if name in planted else f"{wrong[name]:3} with a false finding"
        print(f"{name:22} {count:3} tables, {what}")
    print(
        f"honest: {wrong.total()} of {honest.total()} tables with a false finding ({wrong.total() / honest.total():.1%})"
    )
    print(f"planted: {found.total()} of {planted.total()} found ({found.total() / planted.total():.1%})")
    for path in sorted(Path(os.environ.get("MLKIT_BENCH_DATA", "/nowhere")).glob("*.csv")):
        name, target = path.stem.rsplit("=", 1) if "=" in path.stem else (path.stem, "")
        frame = pd.read_csv(path, sep=None, engine="python")
        print(
            f"{name}: {false_finding(audited(frame, target or str(frame.columns[-1]))) or 'nothing'}",
            flush=True,
        )


if __name__ == "__main__":
    main()
