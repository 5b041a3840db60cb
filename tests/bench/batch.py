"""How many rows a second a batch job predicts: mlkit, scikit-learn, MLflow, and the graph alone.

`make bench`, or `python tests/bench/batch.py`. BENCH_ROWS is the size of the large table (10,000,000), the
small one has a tenth of it; 30 columns, of which 20 numbers, 8 categories, a date and a yes or no. All on the
same package, and on all cores. The ceiling is onnxruntime on arrays in memory, with nothing to read or write;
of a CSV file, that and pyarrow's parser one after the other.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import joblib
import numpy as np
import onnxruntime
import pandas as pd
import pyarrow as pa
from pyarrow import csv, parquet

from mlkit.inference.predictor import load_predictor

ROWS = int(os.environ.get("BENCH_ROWS", "10_000_000"))
PIECE = 100_000
COMMAND = "from mlkit.cli.main import main; main()"


def made_up(rows: int, seed: int) -> pd.DataFrame:
    "A table with a target `y`."
    rng = np.random.default_rng(seed)
    columns = {f"n{place}": rng.normal(size=rows) for place in range(20)}
    columns |= {f"c{place}": rng.choice(["red", "green", "blue", "black"], rows) for place in range(8)}
    columns["day"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 600, rows), "D")
    columns["flag"] = rng.choice(["yes", "no"], rows)
    level = columns["n0"] + columns["n1"] * columns["n2"] + (columns["c0"] == "red") + rng.logistic(size=rows)
    return pd.DataFrame(columns).assign(y=np.where(level > 0, "a", "b"))


def make_package(place: Path, models: str) -> Path:
    "A package, made by a run as a user would make it."
    made_up(20_000, 0).to_parquet(place / "learn.parquet")
    settings = ["train.budget=30", f"train.models={models}", "evaluate.curve_points=0", "explain.samples=10",
                "package.register=false"]  # fmt: skip
    asked = ["--data", "learn.parquet", "--target", "y", "--out", models, "--to", "package"]
    more = [word for setting in settings for word in ("-p", setting)]
    command = [sys.executable, "-c", COMMAND, "run", *asked, *more]
    subprocess.run(command, cwd=place, check=True, capture_output=True)
    return place / models / "model"


def write_rows(path: Path, rows: int) -> None:
    "A table of many rows; its pieces repeat."
    table = pa.Table.from_pandas(made_up(PIECE, 1).drop(columns="y"), preserve_index=False)
    writer = (csv.CSVWriter if path.suffix == ".csv" else parquet.ParquetWriter)(str(path), table.schema)
    for _ in range(rows // PIECE):
        writer.write_table(table)
    writer.close()


# ---------------------------------------- contestants: rows a second, and MB at the peak
def mlkit(package: Path, source: Path) -> tuple[float, float]:
    output = source.with_name(f"out-{source.name}").with_suffix(".parquet")
    code = ("import resource\nfrom mlkit.cli.main import main\ntry: main()\n"
            "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)")  # fmt: skip
    command = [sys.executable, "-c", code, "score", str(package), str(source), str(output), "--overwrite"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    note = json.loads(output.with_suffix(".scoring.json").read_text())
    assert note["rejected"] == 0
    return note["rows"] / note["seconds"], float(said.split()[-1])


def scikit_learn(package: Path, source: Path) -> tuple[float, float]:
    "The model of the package, over pandas chunks."
    model, rows, started = joblib.load(package / "model.joblib"), 0, time.monotonic()
    for batch in parquet.ParquetFile(source).iter_batches(50_000):
        model.predict_proba(batch.to_pandas())
        rows += batch.num_rows
        if rows >= 300_000:
            break
    return rows / (time.monotonic() - started), float("nan")


def mlflow(package: Path, source: Path) -> tuple[float, float]:
    "`mlflow models predict` of the same estimator, as MLflow saves it; without its start."
    import mlflow.sklearn

    model, place = joblib.load(package / "model.joblib"), source.parent
    rows = next(parquet.ParquetFile(source).iter_batches(100_000)).to_pandas()
    inputs = model.table.inputs(rows)
    if not (place / "mlflow").exists():
        mlflow.sklearn.save_model(model.estimator, str(place / "mlflow"), serialization_format="cloudpickle",
                                  pip_requirements=[])  # fmt: skip
    seconds = []
    for count in (1_000, 100_000):
        inputs.head(count).to_csv(place / "mlflow.csv", index=False)
        started = time.monotonic()
        command = [sys.executable, "-m", "mlflow", "models", "predict", "-m", str(place / "mlflow"), "-i",
                   str(place / "mlflow.csv"), "-t", "csv", "-o", str(place / "mlflow.json"),
                   "--env-manager", "local"]  # fmt: skip
        environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        subprocess.run(command, check=True, capture_output=True, env=environment)
        seconds.append(time.monotonic() - started)
    return 99_000 / (seconds[1] - seconds[0]), float("nan")


def ceiling(package: Path, source: Path) -> tuple[float, float]:
    "onnxruntime on arrays in memory, all cores."
    predictor = load_predictor(package)
    frame = next(parquet.ParquetFile(source).iter_batches(PIECE)).to_pandas()
    batch = predictor.read_frame(frame)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = os.cpu_count() or 1
    session = onnxruntime.InferenceSession(str(package / "model.onnx"), options)
    feed = {each.name: getattr(batch, each.name) for each in session.get_inputs()}
    session.run(["output"], feed)
    started, rows = time.monotonic(), 0
    while time.monotonic() - started < 8:
        session.run(["output"], feed)
        rows += len(frame)
    return rows / (time.monotonic() - started), float("nan")


def csv_alone(source: Path) -> float:
    "pyarrow's parser on all cores; nothing is done with what it reads."
    best = 0.0
    for _ in range(3):
        started = time.monotonic()
        rows = csv.read_csv(source).num_rows
        best = max(best, rows / (time.monotonic() - started))
    return best


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        small, large, text = place / "small.parquet", place / "large.parquet", place / "small.csv"
        write_rows(small, ROWS // 10)
        write_rows(large, ROWS)
        write_rows(text, ROWS // 10)
        for models in os.environ.get("BENCH_MODELS", "linear boosting").split():
            package = make_package(place, models)
            found = {"onnxruntime alone": ceiling(package, small),
                     "scikit-learn, chunks": scikit_learn(package, small),
                     "mlflow models predict": mlflow(package, small),
                     f"mlkit, Parquet, {ROWS // 10:,} rows": mlkit(package, small),
                     f"mlkit, CSV, {ROWS // 10:,} rows": mlkit(package, text),
                     f"mlkit, Parquet, {ROWS:,} rows": mlkit(package, large)}  # fmt: skip
            (place / "mlflow").rename(place / f"mlflow-{models}")
            top, own = found["onnxruntime alone"][0], found["scikit-learn, chunks"][0]
            both = 1 / (1 / top + 1 / csv_alone(text))
            print(f"\n{models} ({joblib.load(package / 'model.joblib').family})")
            for name, (rate, peak) in found.items():
                memory = "" if peak != peak else f", peak {peak:,.0f} MB"
                print(
                    f"  {name:<32} {rate:>10,.0f} rows/s  {rate / top:6.1%} of the ceiling  "
                    f"{rate / own:5.1f} x scikit-learn{memory}",
                    flush=True,
                )
            share = found[f"mlkit, CSV, {ROWS // 10:,} rows"][0] / both
            print(f"  CSV: {share:.1%} of pyarrow.csv and onnxruntime ({both:,.0f} rows/s)")


if __name__ == "__main__":
    main()
