"""The audit on tables with the traits of real ones: no honest column is dropped, and each kind of leak is found.

`make bench` measures both rates on more than a hundred tables each (tests/bench/leaks.py); this is a sample of it.
"""

import numpy as np
import pandas as pd
import pytest

from mlkit.data.type_inference import infer_table_spec
from mlkit.quality.column_leakage import find_missingness_leaks
from mlkit.quality.formula_search import find_formulas
from mlkit.quality.leakage_evidence import make_audit_data
from mlkit.quality.profile import profile_columns
from mlkit.task.problem import Problem
from mlkit.task.task_inference import make_task
from tests.bench.leaks import HONEST, PLANTS, audited, census, credit, false_finding


@pytest.mark.parametrize("name", HONEST)
@pytest.mark.parametrize("seed", [1, 6])
def test_no_honest_column_of_a_table_like_a_real_one_is_dropped(name, seed):
    assert false_finding(audited(*HONEST[name](seed))) == ""


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__)
def test_each_kind_of_leak_is_found_in_a_small_table(plant):
    frame, target = PLANTS[plant][-1](1001)
    if plant.__name__ != "alias_with_slips":  # a slip among 60 rows of a class may be an honest column's
        frame = frame.head(320).copy()
    columns = plant(frame, target)
    assert audited(frame, target).leaking_columns == columns


def test_a_finding_needs_weight():
    """Thirty empty cells, all of one class, explain next to nothing: chance or a code, and no reason to drop."""
    frame, target = census(3)
    rich = frame.index[frame[target] == ">50K"][:30]
    frame = frame.assign(hours=frame["hours"].astype(float).where(~frame.index.isin(rich)))
    assert len(frame) > 1500 and not audited(frame, target).leaking_columns
    few = pd.DataFrame({"x": [n % 37 / 7 for n in range(400)], "y": ["a", "b"] * 200})
    few["when"] = few["x"].where(few["y"] == "a").astype(float)
    data = make_audit_data(infer_table_spec(few, ignore=["y"]), few, make_task(Problem("y"), few["y"]))
    assert [leak.columns for leak in find_missingness_leaks(data)] == [["when"]]


def test_a_number_read_as_not_known_was_filled_all_the_same():
    frame, target = credit(5)
    frame["reserve"] = (
        frame["limit"].where(frame[target] == "no", 99999.0).where(frame.index % 3 > 0, frame["age"])
    )
    assert "reserve" not in {
        name for leak in audited(frame, target).leaks if leak.kind == "filled" for name in leak.columns
    }


def test_an_empty_table_has_a_profile():
    assert len(profile_columns(pd.DataFrame({"a": [], "b": pd.Series([], dtype="str")}))) == 2


def area_of(width, depth, where, otherwise):
    "A product of two columns in some of the rows, another thing in the rest."
    return np.where(where, width * depth**2, otherwise)


@pytest.mark.parametrize(
    "kind", ["positive rows only", "negative widths", "zeros", "true", "true with zeros"]
)
def test_a_power_law_is_counted_over_all_rows(kind):
    random = np.random.default_rng(4)
    rows = 800
    width, depth = random.lognormal(0, 1, rows), random.lognormal(0, 0.7, rows)
    if kind == "negative widths":
        width = np.where(random.random(rows) < 0.3, -width, width)
    if kind == "true with zeros":
        width = np.where(random.random(rows) < 0.2, 0, width)
    law = {"positive rows only": random.random(rows) < 0.7, "zeros": random.random(rows) < 0.7}.get(kind)
    law = np.ones(rows, bool) if law is None else law
    other = 0.0 if kind == "zeros" else np.nan
    y = area_of(width, depth, law, other)
    if kind == "positive rows only":  # elsewhere the answer is 0, whatever the two say
        y = np.where(law, y, 0.0)
    if kind == "negative widths":  # only the size follows the law
        y = np.abs(y)
    numbers = np.column_stack([width, depth, random.normal(size=rows)])
    found = [*find_formulas(y, numbers, ["width", "depth", "other"])]
    if kind.startswith(("true", "negative")):
        (formula,) = found
        assert ("|'width'|" in formula.text) == (kind == "negative widths"), formula.text
        assert formula.columns == (0, 1) and formula.share > 0.97
    else:
        assert found == [], found
