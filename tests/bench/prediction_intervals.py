"""Do prediction intervals hold as many truths as they promise, and how wide are they?

`make bench`, or `python tests/bench/prediction_intervals.py`. 20 made-up tables a task, of 500 to 4,000 rows, with
errors that are equal, skewed, heavy-tailed, or grow with the prediction; each model is asked about 20,000 new rows.
Widths are told as a ratio to the usual recipe: the prediction, give or take the quantile of all absolute
out-of-fold errors. That one is as wide everywhere, so what it holds of the tenth of the largest predictions is told
as well. For classes: how many a set has, on average.
"""

import warnings

import numpy as np
import pandas as pd

from mlkit.pipeline.fit import learn

TABLES, NEW, LEVELS = 20, 20_000, (0.8, 0.9, 0.95)
MODELS = ("linear", "boosting", "forest", "tree")


def a_table(number: int, task: str) -> tuple[pd.DataFrame, int]:
    """Rows to learn from, then new ones, and how many the first are."""
    rng = np.random.default_rng(number)
    rows = int(rng.choice([500, 1_000, 2_000, 4_000]))
    cells = rng.normal(size=(rows + NEW, 5))
    size = 2 * cells[:, 0] + np.sin(2 * cells[:, 1]) + cells[:, 2] * cells[:, 3] * (number % 2)
    errors = {
        0: lambda: rng.normal(size=len(size)),
        1: lambda: rng.exponential(1.5, size=len(size)),
        2: lambda: rng.standard_t(3, size=len(size)),
        3: lambda: rng.normal(size=len(size)) * np.exp(size / 4),
    }[number % 4]()
    answer = size + errors
    frame = pd.DataFrame(cells, columns=[*"abcde"])
    if task == "regression":
        frame["answer"] = answer
    else:
        cuts = [0.5] if task == "binary" else [0.2, 0.6, 0.9]
        names = np.array(["low", "middle", "high", "top"])
        frame["answer"] = names[np.digitize(answer, np.quantile(answer, cuts))]
    return frame, rows


def main() -> None:
    warnings.simplefilter("ignore")
    how = {
        "trials": 3,
        "budget": 0,
        "ensemble": False,
        "test_size": 0.0,
        "split": "chance",
        "on_leak": "warn",
    }
    for task in ("regression", "binary", "multiclass"):
        found: dict[float, list[tuple[float, float, float, float]]] = {level: [] for level in LEVELS}
        for number in range(TABLES):
            frame, rows = a_table(number, task)
            result = learn(frame.head(rows), "answer", _settings(how | {"models": MODELS[number % 4]}))
            model, new = result.model, frame.iloc[rows:].reset_index(drop=True)
            for level in LEVELS:
                found[level].append(_judge(result, model, new, level, task))
        for level, values in found.items():
            held, size, usual, large = np.array(values).T
            within = int((np.abs(held - level) <= 0.02).sum())
            few = int((held < level - 0.02).sum())
            print(
                f"{task:11} {level:.0%}: held {held.mean():.3f} on average ({held.min():.3f} to {held.max():.3f}), "
                f"within 2 points {within} of {TABLES}, more than 2 points too few {few}",
                end="; ",
            )
            if task == "regression":
                ratio = np.mean(size / usual)
                print(
                    f"width {ratio:.2f} of the usual recipe's, which holds {large.mean():.3f} of the largest tenth"
                )
            else:
                print(f"{size.mean():.2f} classes a set")


def _settings(given: dict) -> dict:
    import inspect

    from mlkit import fit

    usual = {name: each.default for name, each in inspect.signature(fit).parameters.items()}
    return {name: value for name, value in (usual | given).items() if name not in ("frame", "target")}


def _judge(result, model, new: pd.DataFrame, level: float, task: str) -> tuple[float, float, float, float]:
    if task != "regression":
        sets, labels = model.predict_set(new, level), [*model.classes_]
        place = new["answer"].map({label: at for at, label in enumerate(labels)}).to_numpy()
        return float(sets[np.arange(len(new)), place].mean()), float(sets.sum(axis=1).mean()), 1.0, 0.0
    low, high = model.predict_interval(new, level).to_numpy().T
    truth, said = new["answer"].to_numpy(), model.predict(new)
    held = result.chosen.output
    errors = np.abs(result.prepared.data.truth - held)
    usual = float(np.quantile(errors[np.isfinite(errors)], level))
    largest = said > np.quantile(said, 0.9)
    of_usual = float((np.abs(truth - said) <= usual)[largest].mean())
    return float(((low <= truth) & (truth <= high)).mean()), float((high - low).mean()), 2 * usual, of_usual


if __name__ == "__main__":
    main()
