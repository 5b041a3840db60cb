"""What an explanation costs: one row of a table of 30 columns, by SHAP and by LIME, for every family.

`make bench`. Read the ratios to one prediction of the same model, not the milliseconds: those differ from
machine to machine and from hour to hour. The first explanation of a process also loads the libraries.
"""

import os
import statistics
import time

import numpy as np
import pandas as pd

from mlkit.data.type_inference import infer_table_spec
from mlkit.explanation.local_attributions import lime_values, shap_values
from mlkit.explanation.row_explanation import make_training_pool
from mlkit.features.plan import make_plan
from mlkit.models.cross_validation import fit_estimator
from mlkit.models.families import FAMILIES, make_estimator
from mlkit.models.model import Model
from mlkit.task.problem import state_problem
from mlkit.task.task import encode_target, target_values
from mlkit.task.task_inference import make_task

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "7"))


def thirty_columns(rows: int) -> pd.DataFrame:
    """18 numbers, 8 short and 2 long lists of categories, 2 dates, and a target."""
    rng = np.random.default_rng(0)
    day = pd.Timestamp("2020-01-01")
    columns = {f"number {place}": rng.normal(size=rows).round(3) for place in range(18)}
    columns |= {f"category {place}": rng.choice(list("abcdef"), rows) for place in range(8)}
    columns |= {f"code {place}": rng.choice([f"v{code}" for code in range(60)], rows) for place in range(2)}
    columns |= {f"date {place}": day + pd.to_timedelta(rng.integers(0, 900, rows), "D") for place in range(2)}
    frame = pd.DataFrame(columns)
    score = frame["number 0"] + frame["number 1"] * frame["number 2"] + 2 * (frame["category 0"] == "a")
    return frame.assign(answer=np.where(rng.random(rows) < 1 / (1 + np.exp(-score)), "yes", "no"))


def learned(frame: pd.DataFrame, family: str) -> Model:
    task, table = (
        make_task(state_problem("answer"), frame["answer"]),
        infer_table_spec(frame, ignore=["answer"]),
    )
    inputs, truth = table.inputs(frame), encode_target(task, target_values(task, frame["answer"]))
    start = FAMILIES[family].start
    estimator = make_estimator(family, start, make_plan(table, inputs), task, jobs=os.cpu_count() or 1)
    return Model(task, table, fit_estimator(estimator, inputs, truth), family, start)


def milliseconds(work) -> float:
    """The median; the first time does not count."""
    taken = []
    for _ in range(ROUNDS + 1):
        started = time.perf_counter()
        work()
        taken.append(1000 * (time.perf_counter() - started))
    return statistics.median(taken[1:])


def main() -> None:
    frame = thirty_columns(4000)
    row = frame.tail(1)
    print(f"{'':<10} {'one prediction':>15} {'read the row':>14} {'SHAP':>9} {'LIME':>9} {'ratios':>16}")
    for family in FAMILIES:
        model = learned(frame, family)
        pool = make_training_pool(model, frame)
        larger = pool.with_rows(row)
        one = milliseconds(lambda model=model: model.output(row))
        read = milliseconds(lambda pool=pool: pool.with_rows(row))
        shap = milliseconds(lambda pool=larger: shap_values(pool, pool.known))
        lime = milliseconds(lambda pool=larger: lime_values(pool, pool.known))
        ratios = f"{(read + shap) / one:.1f} and {(read + lime) / one:.1f}"
        print(
            f"{family:<10} {one:12.0f} ms {read:11.0f} ms {shap:6.0f} ms {lime:6.0f} ms {ratios:>16}",
            flush=True,
        )


if __name__ == "__main__":
    main()
