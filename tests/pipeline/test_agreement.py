"""The lesson, the run, the report and the model card say the same of the example."""

import json
import re
from pathlib import Path

import pytest

from mlkit.explanation.counterfactual import EXAMPLE_FIXED
from mlkit.features.column_options import EXAMPLE_COLUMNS
from mlkit.pipeline.notebooks import list_stages
from mlkit.pipeline.settings import resolve_settings
from tests.conftest import Lifecycle

ROOT = Path(__file__).resolve().parents[2]
PARAMETERS = {name: stage.parameters for name, stage in list_stages().items()}


def test_the_settings_file_says_what_the_notebooks_say() -> None:
    settings = resolve_settings(PARAMETERS, ROOT / "settings.ini", {}, [])
    by_notebooks = resolve_settings(PARAMETERS, None, {}, [])
    assert settings.pop("problem") | {"metric": "auto"} == by_notebooks.pop("problem")
    assert settings == by_notebooks


def test_what_other_tables_are_forgiven_are_the_defaults_of_the_notebooks() -> None:
    assert PARAMETERS["prepare"]["columns"].default == EXAMPLE_COLUMNS
    assert PARAMETERS["explain"]["fixed"].default == EXAMPLE_FIXED


def test_another_table_knows_nothing_of_the_example() -> None:
    settings = resolve_settings(PARAMETERS, None, {}, ["collect.source=mine.csv", "problem.target=y"])
    assert settings["problem"]["goal"] is None and settings["problem"]["cost_false_negative"] == 1
    assert settings["prepare"]["columns"] == settings["explain"]["fixed"] == ""
    stated = ["problem.target=plan_next", "problem.goal=0.8", "explain.fixed=region"]
    settings = resolve_settings(PARAMETERS, None, {}, stated)
    assert settings["problem"]["goal"] == 0.8 and settings["explain"]["fixed"] == "region"
    assert settings["problem"]["decision"] == ""


@pytest.fixture(scope="module")
def customers(tmp_path_factory: pytest.TempPathFactory) -> Lifecycle:
    life = Lifecycle(tmp_path_factory.mktemp("agree") / "customers", ROOT, "example:customers")
    life.run("--to", "package")
    return life


def test_run_report_and_card_agree(customers: Lifecycle) -> None:
    def load(name: str) -> dict:
        return json.loads((customers.artifacts / f"{name}.json").read_text(encoding="utf-8"))

    problem, metrics = load("problem"), load("metrics")
    page = (customers.folder / "report.html").read_text(encoding="utf-8")
    card = (customers.artifacts / "card.md").read_text(encoding="utf-8")
    assert (problem["goal"], problem["cost_false_negative"]) == (0.8, 5)
    assert metrics["goal"] == 0.8 and metrics["threshold"] == pytest.approx(1 / 6)
    score, family = f"{metrics['score']:.3f}", load("choice")["family"]
    assert f"AUC-ROC {score}" in re.sub("<[^>]+>", "", page) and f"| AUC-ROC | {score} |" in card
    assert "1 for a false positive, 5 for a false negative" in page
    assert "A false positive costs 1, a false negative 5" in card and "probability of 0.167" in card
    assert "Goal: 0.8" in card and "goal of 0.8" in page
    assert f"of the model <b>{family}</b>" in page and f"| Model family | {family} |" in card
    told = re.findall(r"What would change that.*", page)
    assert told and not re.search(r"(>age<|>region<)", " ".join(told)), "nobody can change these"


def test_report_and_stage_give_the_same_advice(customers: Lifecycle) -> None:
    page = (customers.folder / "report.html").read_text(encoding="utf-8")
    advice = customers.load("metrics")["advice"]
    evaluated = (customers.folder / "notebooks" / "06_evaluate.ipynb").read_text(encoding="utf-8")
    top, end = page.split('id="stages"')[0], page.split('id="next"')[1]
    assert advice and "What would help:" in evaluated
    for each in advice:
        assert each in evaluated
        for part in (top, end):
            assert f"What would help: {each}" in re.sub("<[^>]+>", "", part)
    steps = re.findall(r"<li>(.*?)</li>", end, re.DOTALL)
    assert steps and all(step in top for step in steps), "the end says what the top says"


def test_the_request_in_the_readme_is_complete(customers: Lifecycle) -> None:
    from mlkit.inference.predictor import load_predictor

    (body,) = re.findall(
        r"curl localhost:8080/predict .*? -d '(.*?)'", (ROOT / "README.md").read_text(), re.DOTALL
    )
    parsed = load_predictor(customers.folder / "model").read_row(json.loads(body))
    assert parsed.violations == []
