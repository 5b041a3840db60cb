"""Dates with the day first in some rows and the month first in others are told, with a row of each."""

import warnings

import numpy as np
import pandas as pd
import pytest

from mlkit import fit
from mlkit.data.type_inference import infer_table_spec
from mlkit.quality.cell_findings import cell_notes


def sent(forms, rows=300, seed=0):
    random = np.random.default_rng(seed)
    days = pd.Timestamp("2023-01-01") + pd.to_timedelta(random.integers(0, 900, rows), unit="D")
    return pd.DataFrame({"when": [day.strftime(forms[n % len(forms)]) for n, day in enumerate(days)],
                         "x": random.normal(size=rows), "y": random.choice(["no", "yes"], rows)})  # fmt: skip


def notes(frame):
    return cell_notes(infer_table_spec(frame, ignore=["y"]), frame)


@pytest.mark.parametrize("forms", [["%d/%m/%Y", "%m/%d/%Y"], ["%d.%m.%y", "%m.%d.%y"],
                                   ["%m-%d-%Y %H:%M", "%d-%m-%Y %H:%M", "%m-%d-%Y %H:%M"]])  # fmt: skip
def test_two_orders_are_told_with_a_row_of_each(forms):
    frame = sent(forms)
    told = notes(frame)["when"]
    assert "day first" in told and "month first" in told and "2025-03-14" in told
    assert not set(frame["when"]) & set(told.split()), "no cell is quoted"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = fit(frame, "y", models="tree", trials=1, budget=0)
    assert told in model.metrics["dropped"]["cells"]["when"]
    assert any("month first" in str(each.message) for each in caught)


@pytest.mark.parametrize("forms", [["%d/%m/%Y"], ["%m/%d/%Y"], ["%Y-%m-%d"], ["%d/%m/%Y", "%Y-%m-%d"]])
def test_one_order_is_no_finding(forms):
    assert "when" not in notes(sent(forms))


def test_versions_and_scores_are_no_dates():
    frame = sent(["%d/%m/%Y"]).assign(when=[f"{n % 40}-{n % 37}-{n % 29}" for n in range(300)])
    assert "when" not in notes(frame)
