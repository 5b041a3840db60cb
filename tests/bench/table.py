"""What a large table costs: read, validated, cleaned and encoded by mlkit, by pandas and by pandera alone.

`make bench`. A table of 30 mixed columns is made; then the ways take turns, each in a process of its own.
mlkit goes through the file in batches, and through a quarter of it too, which shows that memory does not grow
with the rows. Read the ratios, not the seconds: those differ from machine to machine and from hour to hour.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

ROWS = int(os.environ.get("BENCH_ROWS", "1000000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
BATCH = 50_000  # rows that mlkit has in hand at a time
LEARN = 100_000  # rows that it learns from


# ---------------------------------------- the table
def texts(values: np.ndarray, form: str, missing: float, rng: np.random.Generator) -> list[str]:
    """Numbers as people write them, some of them missing."""
    gone = rng.random(len(values)) < missing
    return ["" if empty else form.format(value) for value, empty in zip(values.tolist(), gone, strict=True)]


def made_up(rows: int, seed: int) -> pd.DataFrame:
    """Thirty columns of the kinds that business tables have, and whether the customer stayed."""
    rng = np.random.default_rng(seed)
    words = np.array(
        "order late again thanks invoice wrong please call delivery fine broken return soon price".split()
    )
    columns: dict[str, object] = {"customer_id": [f"C-{seed:03}-{number:07}" for number in range(rows)]}
    for place in range(6):
        columns[f"measure_{place}"] = texts(rng.normal(50, 10 + place, rows), "{:.4f}", 0.02 * place, rng)
    for place in range(4):
        columns[f"count_{place}"] = texts(rng.poisson(3 + 20 * place, rows), "{:d}", 0.01 * place, rng)
    for place in range(3):
        columns[f"amount_{place}"] = texts(rng.lognormal(7, 1, rows), "${:,.2f}", 0.03, rng)
    for place in range(2):
        columns[f"share_{place}"] = texts(rng.random(rows) * 100, "{:.1f}%", 0.02, rng)
    for place, form in enumerate(("%Y-%m-%d", "%d/%m/%Y", "%Y-%m-%d %H:%M:%S")):
        seconds = pd.to_timedelta(rng.integers(0, 150_000_000, rows), unit="s")
        columns[f"day_{place}"] = (pd.Timestamp("2020-01-01") + seconds).strftime(form)
    for place, levels in enumerate((3, 7, 12, 50, 400)):
        columns[f"group_{place}"] = np.char.add("level ", rng.integers(0, levels, rows).astype(str))
    spelled = np.array(["North", "north", "SOUTH", "South ", "East", "west", "unknown"])
    columns["region"] = spelled[rng.integers(0, len(spelled), rows)]
    for place, pair in enumerate((("yes", "no"), ("0", "1"), ("Y", "N"))):
        columns[f"flag_{place}"] = np.array(pair)[rng.integers(0, 2, rows)]
    columns["note"] = [" ".join(line) for line in words[rng.integers(0, len(words), (rows, 5))]]
    columns["stayed"] = np.where(rng.random(rows) < 0.7, "yes", "no")
    return pd.DataFrame(columns)


def write_table(path: Path, rows: int) -> None:
    """In pieces, so that making the table takes little memory too."""
    for number, begin in enumerate(range(0, rows, 100_000)):
        piece = made_up(min(100_000, rows - begin), number)
        piece.to_csv(path, mode="a" if begin else "w", header=not begin, index=False)


# ---------------------------------------- the ways
def by_mlkit(path: str) -> Iterator[str]:
    """Learn from a sample, then go through the file in batches: what the model gets is thrown away."""
    from mlkit.data.schema_inference import infer_schema
    from mlkit.features.encoders import make_encoder
    from mlkit.features.plan import infer_feature_specs, make_plan
    from mlkit.quality.schema_check import find_violations
    from mlkit.sources.collection import read_source
    from mlkit.sources.readers import read_batches
    from mlkit.task.problem import state_problem
    from mlkit.task.task import encode_target, target_values
    from mlkit.task.task_inference import make_task

    sample = read_source(path, rows=LEARN)
    task = make_task(state_problem("stayed"), sample["stayed"])
    table = infer_feature_specs(sample, task)
    schema = infer_schema(table, sample)
    inputs = table.inputs(sample)
    truth = encode_target(task, target_values(task, sample["stayed"]))
    encoder = make_encoder(make_plan(table, inputs), "scaled", task).fit(inputs, truth)
    yield "learn"
    for batch in read_batches(path, rows_per_batch=BATCH):
        yield "read"
        find_violations(schema, table, batch)
        yield "validate"
        inputs = table.inputs(batch)
        yield "clean"
        encoder.transform(inputs)
        yield "encode"


def by_pandas(path: str) -> Iterator[str]:
    """What a careful person writes by hand: the same checks, the same cleaning, dummies and scaling."""
    rows = pd.read_csv(path, na_values=["unknown"], keep_default_na=True)
    yield "read"
    numbers = [name for name in rows if name.startswith(("measure", "count"))]
    for name in numbers:
        assert rows[name].dropna().between(-1e9, 1e9).all()
    for name in [name for name in rows if name.startswith(("group", "region", "flag"))]:
        assert rows[name].dropna().isin(rows[name].dropna().unique()).all()
    assert rows["customer_id"].str.fullmatch(r"C-\d{3}-\d{7}").all()
    yield "validate"
    for name in [name for name in rows if name.startswith("amount")]:
        rows[name] = rows[name].str.replace("[$,]", "", regex=True).astype("float64")
    for name in [name for name in rows if name.startswith("share")]:
        rows[name] = rows[name].str.rstrip("%").astype("float64")
    for name, form in (("day_0", "%Y-%m-%d"), ("day_1", "%d/%m/%Y"), ("day_2", "%Y-%m-%d %H:%M:%S")):
        day = pd.to_datetime(rows.pop(name), format=form)
        for part in ("year", "month", "day", "dayofweek"):
            rows[f"{name}.{part}"] = getattr(day.dt, part if part != "dayofweek" else "day_of_week")
    rows["region"] = rows["region"].str.strip().str.lower()
    for name in [name for name in rows if name.startswith("flag")]:
        rows[name] = rows[name].isin(["yes", "Y", 1])
    note = rows.pop("note")
    rows["note.characters"], rows["note.words"] = note.str.len(), note.str.count(" ") + 1
    rows = rows.drop(columns=["customer_id", "stayed"])
    yield "clean"
    numbers = [name for name in rows if rows[name].dtype.kind in "iufb"]
    values = rows[numbers].astype("float32")
    values = (values.fillna(values.median()) - values.mean()) / values.std()
    words = rows.drop(columns=numbers)
    few = [name for name in words if words[name].nunique() <= 20]
    values.join(pd.get_dummies(words[few], dtype="float32"))
    yield "encode"


def by_pandera(path: str) -> Iterator[str]:
    """pandas reads, pandera checks every column."""
    import pandera.pandas as pa

    rows = pd.read_csv(path)
    yield "read"
    columns = {}
    for name in rows:
        if rows[name].dtype.kind in "iuf":
            checks = [pa.Check.ge(-1e9), pa.Check.le(1e9)]
        elif name.startswith(("group", "region", "flag", "stayed")):
            checks = [pa.Check.isin(rows[name].dropna().unique().tolist())]
        else:
            checks = [pa.Check.str_matches(r".+")]
        columns[name] = pa.Column(checks=checks, nullable=True)
    pa.DataFrameSchema(columns).validate(rows, lazy=True)
    yield "validate"


WAYS = {"mlkit": by_mlkit, "pandas": by_pandas, "pandera": by_pandera}


# ---------------------------------------- the measuring
def walk(way: str, path: str) -> None:
    """Go one way; print the seconds of each part, and the peak of memory in MB."""
    import psutil

    parts: dict[str, float] = {}
    steps = WAYS[way](path)
    before = time.monotonic()
    for part in steps:
        parts[part] = parts.get(part, 0.0) + time.monotonic() - before
        before = time.monotonic()
    memory = psutil.Process().memory_info()
    peak = getattr(memory, "peak_wset", 0)  # Windows
    if not peak:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(json.dumps({"parts": parts, "memory": peak / 2**20}))


def measured(way: str, path: Path) -> dict:
    done = subprocess.run([sys.executable, __file__, way, path], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{way} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    if len(sys.argv) == 3:
        return walk(*sys.argv[1:])
    taken: dict[str, list[dict]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        whole, quarter = Path(folder, "whole.csv"), Path(folder, "quarter.csv")
        for path, rows in ((whole, ROWS), (quarter, ROWS // 4)):
            write_table(path, rows)
            print(f"{rows:,} rows x 30 columns, {path.stat().st_size / 2**20:,.0f} MB", flush=True)
        small = measured("mlkit", quarter)
        for number in range(ROUNDS):
            for way in WAYS:
                taken[way].append(measured(way, whole))
                parts = taken[way][-1]["parts"]
                told = ", ".join(f"{part} {seconds:.1f} s" for part, seconds in parts.items())
                print(f"round {number + 1} of {ROUNDS}: {way:<8} {told}", flush=True)
    base = [sum(one["parts"].values()) for one in taken["pandas"]]
    print(f"\n{'':<10} {'rows a second':>14} {'time against pandas':>28} {'peak memory':>12}")
    for way, ones in taken.items():
        totals = [sum(one["parts"].values()) for one in ones]
        ratios = [total / pandas for total, pandas in zip(totals, base, strict=True)]
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        rate, memory = ROWS / statistics.median(totals), max(one["memory"] for one in ones)
        print(f"{way:<10} {rate:14,.0f} {spread:>28} {memory:9,.0f} MB")
    print(f"{'mlkit, a quarter of the rows':<54} {small['memory']:9,.0f} MB")


if __name__ == "__main__":
    main()
