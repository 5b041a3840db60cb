"""Messages speak the words of whoever asked: arguments of `fit`, options of `mlkit score`, parameters of stages."""

import ast
import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import mlkit
from mlkit import fit
from mlkit.cli.main import app
from mlkit.core.errors import MLKitError
from mlkit.core.wording import reword
from mlkit.inference.example_package import make_parcel_package
from mlkit.pipeline import fit as fit_module
from mlkit.pipeline.notebooks import list_stages

STAGES = "|".join(list_stages())
OF_STAGES = re.compile(rf"\b(?:{STAGES})\.[a-z_]+\b|(?<![\w-])-p |settings\.ini|\[(?:{STAGES})\]|mlkit run")
QUICK = {"models": "linear", "trials": 1, "budget": 0}


def frame(rows: int = 200) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    age = rng.integers(18, 90, rows)
    return pd.DataFrame({
        "age": age, "shop": rng.integers(0, 20, rows).astype(str),
        "day": pd.date_range("2026-01-01", periods=rows), "bought": np.where(age > 50, "yes", "no"),
    })  # fmt: skip


WRONG: dict[str, tuple[dict, str]] = {
    "trials": ({"trials": 0}, "trials is at least 1, not 0"),
    "budget": ({"budget": -1}, "budget must be 0 (no limit) or more, not -1"),
    "jobs": ({"jobs": -1}, "jobs must be 0 (no limit) or more, not -1"),
    "models": ({"models": "boostin"}, "models names 'boostin', which is no family; did you mean 'boosting'?"),
    "no models": ({"models": " "}, "models is empty; name at least one of linear tree boosting forest neural"),
    "an import path": ({"models": "no.where"}, "models names 'no.where', but there is no module 'no'"),
    "choose": ({"choose": "bst"}, "choose is 'bst', which is no rule; did you mean 'best'?"),
    "test_size": ({"test_size": 20}, "test_size is a share between 0 and 1, not 20; write 0.2"),
    "seed": ({"seed": -1}, "seed is from 0 to 4294967295, not -1"),
    "known": ({"known": "aeg"}, "known names no column of the table: 'aeg'; did you mean 'age'?"),
    "metric": ({"metric": "r2"}, "metric = r2 is not for"),
    "no metric": ({"metric": "rmsee"}, "metric = rmsee is unknown"),
    "on_leak": ({"on_leak": "drp"}, "on_leak is one of drop, warn, fail, not 'drp'; did you mean 'drop'?"),
    "split": ({"split": "tme"}, "split is one of auto, chance, time, group, not 'tme'; did you mean 'time'?"),
    "a time without a column": ({"split": "group"}, "split = group needs group_column: the name of a column"),
    "time_column": ({"time_column": "dya"}, "no column 'dya' in the table; did you mean 'day'?"),
    "task": ({"task": "binry"}, "task = binry is unknown; known are"),
    "another task": ({"task": "regression"}, "'bought' holds words such as 'yes'"),
    "nothing to learn from": ({"frame": frame()[["bought"]].assign(x=1)}, "no column is left that says anything "
                              "about the target; check the frame"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_fit_speaks_of_its_arguments(case):
    given, said = WRONG[case]
    with pytest.raises(MLKitError) as caught, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit(**{"frame": frame(), "target": "bought"} | QUICK | given)
    assert str(caught.value).startswith(said) and not OF_STAGES.search(str(caught.value))


def test_its_warnings_and_metrics_do_so_too():
    rows = frame(400)
    rows["client"] = np.repeat(np.arange(100), 4).astype(str)
    rows["bought"] = np.repeat(np.where(np.arange(100) % 3 == 0, "yes", "no"), 4)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model = fit(rows, "bought", split="chance", on_leak="warn", **QUICK)
    told = "\n".join([*(str(each.message) for each in said), repr(model.metrics)])
    assert "group_column" in told and not OF_STAGES.search(told)


def test_fit_follows_its_own_advice():
    rows = frame(400)
    rows["client"] = np.repeat(np.arange(100), 4).astype(str)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert fit(rows, "bought", group_column="client", **QUICK).metrics["rows"]["test"] % 4 == 0
        latest = fit(rows, "bought", time_column="day", **QUICK)
        count = fit(rows.assign(bought=np.arange(400) % 4), "bought", task="regression", **QUICK)
    assert latest.metrics["rows"]["test"] == 80 and count.metrics["task"] == "regression"


def test_what_its_rooms_say_is_put_into_its_words():
    """Every text in a room that `fit` uses: what still names a stage is about a parameter that it never sets."""
    never_set = re.compile(r"prepare\.(leave_out|columns|combine|folds)|evaluate\.(sensitive|champion)|validate\."
                           r"(schema|on_invalid)|train\.cluster")  # fmt: skip
    left = set()
    for room in ("data", "task", "quality", "features", "models", "evaluation"):
        for path in sorted(Path(mlkit.__file__).parent.joinpath(room).glob("*.py")):
            tree = ast.parse(path.read_text("utf-8"))
            texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
            texts = [reword(text, fit_module._ARGUMENTS) for text in texts if isinstance(text, str)]
            left |= {(path.stem, text) for text in texts if OF_STAGES.search(never_set.sub("", text))}
    # these are of the command line and of the card: no function of `fit` says them
    assert {name for name, _ in left} <= {
        "column_options",
        "score_summary",
        "membership",
        "own_features",
        "own_metric",
        "own_transformers",
    }, left


def test_score_speaks_of_its_options(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    make_parcel_package(tmp_path / "model")
    (tmp_path / "new.csv").write_text("a;b\n1;2\n", encoding="utf-8")
    (tmp_path / "old.csv").write_text("mine\n", encoding="utf-8")
    for more, said in (
        (["new.csv", "out.csv", "--delimiter", "ab"], "--delimiter must be auto, tab or one character"),
        (["new.csv", "out.csv", "--encoding", "utf9"], "--encoding: there is no encoding 'utf9'"),
        (["new.csv", "old.csv"], "old.csv is there already; choose another name, or say --overwrite"),
        (["", "out.csv"], "INPUT is empty"),
        (["new.csv", "out.csv", "--formulas", "drop"], "--formulas is 'drop'"),
    ):
        error = CliRunner().invoke(app, ["score", "model", *more]).exception
        assert said in str(error) and not OF_STAGES.search(str(error))
