"""What a base install does, and what it says where an extra is missing: for a real one, and for one that plays it."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from mlkit import MLKitClassifier

RNG = np.random.default_rng(0)
TABLE = pd.DataFrame({"size": RNG.normal(size=120), "colour": RNG.choice(["red", "blue"], 120)})
KIND = np.where(TABLE["size"] + RNG.normal(size=120) > 0, "big", "small")
EXACT = {"budget": 0, "trials": 1, "models": "linear", "jobs": 1}

PROGRAM = f"""
import json, sys, urllib.request
from sklearn.model_selection import cross_val_score
import mlkit, pandas as pd

def says(extras, function, *arguments):
    try:
        function(*arguments)
    except mlkit.MLKitError as error:
        assert isinstance(error, ImportError) and f"mlkit-notebooks[{{extras}}]" in str(error), error
    else:
        raise AssertionError(extras)

def ask(server, path):
    row, head = json.dumps({{"size": 1.0, "colour": "red"}}).encode(), {{"Content-Type": "application/json"}}
    return json.load(urllib.request.urlopen(urllib.request.Request(server.url + path, row, head)))

def main(exact, package):
    learned = pd.read_csv("learned.csv")
    table, kind = learned.drop(columns="kind"), learned["kind"]
    model = mlkit.MLKitClassifier(**exact).fit(table, kind)
    assert cross_val_score(mlkit.MLKitClassifier(**exact), table, kind, cv=2).mean() > 0.6
    assert len(model.predict(table)) == 120 and "AUC" in repr(model.model_)
    assert model.explain(table.head(3)).contributions.shape == (3, 2)
    assert mlkit.fit(learned, "kind", **exact)._repr_html_()
    number = mlkit.MLKitRegressor(**exact).fit(learned[["colour", "kind"]], learned["size"])
    assert number.predict_interval(learned.head(2)).shape == (2, 2)
    says("deploy,explain,notebook", model.save, "package")
    says("deploy,explain,notebook", model.serve)
    says("explain,notebook", model.report)
    says("notebook", lambda: mlkit.compare(model, model, learned))
    says("track", mlkit.load, "kinds@champion")
    saved = mlkit.load(package)
    assert len(saved.predict(table)) == 120 and saved.predict_set(table).shape == (120, 2)
    assert saved.explain(table.head(3)).contributions.shape == (3, 2) and saved.report()
    with saved.serve(port=0) as server:
        assert ask(server, "/predict")["prediction"] == "big"
        assert len(ask(server, "/explain")["contributions"]) == 2

if __name__ == "__main__":
    main({EXACT!r}, sys.argv[1])
"""
COMMANDS = {  # what a person types -> which extra is named
    "run example:customers": "all",
    "improve kinds": "all",
    "compare runs/a runs/b": "notebook",
    "history kinds": "track",
    "serve kinds@champion": "track",
    "deploy kubernetes PACKAGE out": "deploy",
}


def make_package(folder: Path) -> Path:
    """A package as an install with all extras makes it."""
    MLKitClassifier(**EXACT).fit(TABLE, KIND).save(folder)
    return folder


def check_base_install(
    run: Callable[..., subprocess.CompletedProcess[str]],  # python or mlkit, with what follows
    package: Path,
    folder: Path,  # where `run` runs
) -> None:
    TABLE.to_csv(folder / "new.csv", index=False)
    TABLE.assign(kind=KIND).to_csv(folder / "learned.csv", index=False)
    (folder / "program.py").write_text(PROGRAM, encoding="utf-8")
    done = run("python", "program.py", str(package))
    assert done.returncode == 0 and not done.stdout, done.stderr
    done = run("mlkit", "score", str(package), "new.csv", "answers.csv")
    assert done.returncode == 0 and len(pd.read_csv(folder / "answers.csv")) == 120, done.stderr
    done = run("mlkit", "doctor")
    assert done.returncode == 0 and "pip install 'mlkit-notebooks[all]'" in " ".join(done.stdout.split())
    assert run("mlkit", "--help").returncode == run("mlkit", "new", "claims").returncode == 0
    for command, extra in COMMANDS.items():
        done = run("mlkit", *command.replace("PACKAGE", str(package)).split())
        assert done.returncode == 2 and done.stderr.count("\n") == 1, (command, done.stderr)
        assert re.search(rf"this needs .*pip install 'mlkit-notebooks\[{extra}\]'", done.stderr), done.stderr
