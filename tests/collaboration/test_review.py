"""The review of a model: what the run answers, what it points at, and what it leaves to people."""

import pandas as pd
import pytest

from mlkit.collaboration.review import format_review, review_facts

GOOD = {
    "snapshot": {"source": "postgresql://ada:secret@shop.example/db?table=x", "rows": 2_000, "data_hash": "a" * 64},
    "metrics": {
        "metric": "roc_auc", "score": 0.84, "interval": [0.81, 0.88], "baseline": 0.5, "goal": 0.8,
        "fit": "good",
        "rows": {"train": 1_584, "test": 396}, "champion": {"verdict": "better", "words": "better by 0.02 (0.01 to 0.03)"},
    },
    "leaks": [],
    "slices": pd.DataFrame([["plan", "pro", 90, 0.8, 0.81, 0.7]],
                           columns=["column", "group", "rows", "score", "expected", "by_chance"]),
    "protect": {"columns": [{"name": "email", "feeds_model": False}], "open": [], "stated": {"contact": "dpo@shop.example"}},
    "package": {"name": "customers", "version": "3", "membership": {"verdict": "passed", "found": 0.011},
                "manifest": {"git": {"commit": "c" * 40, "dirty": False}}},
}  # fmt: skip


def changed(**parts: dict) -> dict:
    return GOOD | {name: GOOD[name] | more for name, more in parts.items()}


def test_a_run_without_fault_leaves_nothing_to_ask_and_tells_no_secret():
    items = review_facts(GOOD)
    assert {item.state for item in items} == {"fine"}, [item for item in items if item.state != "fine"]
    text = format_review("customers", items)
    assert "nothing is left to ask" in text and "- [ ]" not in text and "secret" not in text


@pytest.mark.parametrize(
    ("facts", "question", "state", "said"),
    [
        (changed(metrics={"score": 0.7, "interval": [0.6, 0.78]}), "good enough", "look", "0.8 is not reached"),
        (changed(metrics={"champion": {"verdict": "worse", "words": "worse by 0.02"}}), "one in use", "look", "worse by"),
        (changed(metrics={"champion": None}), "one in use", "open", "evaluate.champion"),
        (changed(metrics={"fit": "overfit"}), "hold what it learned", "look", "overfit"),
        (GOOD | {"leaks": [{"columns": ["cancel_code"], "why": "x"}]}, "give the answer away", "look", "cancel_code"),
        (GOOD | {"slices": GOOD["slices"].assign(by_chance=0.01)}, "For whom", "look", "plan pro: 0.800 (90 rows)"),
        (changed(protect={"columns": [{"name": "email", "feeds_model": True}]}), "Whose data", "look", "email"),
        (changed(protect={"open": [{"what": "basis", "who": "the management"}]}), "not decided", "open", "the management"),
        (changed(package={"membership": {"verdict": "failed", "found": 0.2}}), "remember", "look", "20.0%"),
        (changed(package={"membership": {"verdict": "not tried", "max_leak": 1.0}}), "remember", "open", "not attacked"),
        (changed(package={"manifest": {"git": {"commit": "c" * 40, "dirty": True}}}), "which code", "look", "in no commit"),
        (changed(package={"version": ""}), "taken back", "look", "not registered"),
        (changed(protect={"stated": {}}), "answers for it", "open", "collaborate.owner"),
    ],
    ids="score champion no-champion fit leak slice personal basis memory no-attack dirty version owner".split(),
)  # fmt: skip
def test_what_is_not_fine_is_one_question_for_a_person(facts, question, state, said):
    items = review_facts(facts)
    waiting = [item for item in items if item.state != "fine"]
    assert [(question in item.question, item.state, said in item.answer) for item in waiting] == [
        (True, state, True)
    ]
    assert format_review("x", items).count("- [ ]") == 1


def test_of_an_empty_run_nothing_is_claimed():
    items = review_facts({})
    assert "fine" not in {item.state for item in items}
    assert "0 of 10 are fine" in format_review("<b>x</b>", items) and "<b>" not in format_review(
        "<b>x</b>", items
    )
