"What is looked at for all columns at once finds all that looking at each column finds."

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlkit.data.schema_inference import infer_schema
from mlkit.data.type_inference import infer_table_spec
from mlkit.quality import row_leakage, schema_check
from mlkit.quality.row_leakage import neighbour_agreement, shift_within_groups
from mlkit.quality.schema_check import find_violations


def neighbour_columns(seed: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    "Columns that are the answer of the row before, more or less, and others; and the answers."
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, 120).astype(float) if classes else random.normal(size=120).round(2)
    before = np.append(truth[1:], 0.0)
    columns = []
    for wrong in (0.0, 0.02, 0.05, 0.5):
        values = np.where(random.random(120) < wrong, random.permutation(before), before)
        columns += [values, np.where(random.random(120) < 0.1, np.nan, values), 3 - 2 * values]
    columns += [random.normal(size=120), np.zeros(120), np.full(120, np.nan)]
    return np.column_stack(columns), truth


@given(st.integers(0, 10_000), st.sampled_from([0, 2, 3, 5]), st.sampled_from([1, -1, 2]))
@settings(max_examples=60, deadline=None)
def test_every_neighbour_leak_is_among_the_columns_worth_a_look(seed, classes, steps):
    values, truth = neighbour_columns(seed, classes)
    order, owner = np.arange(len(truth)), np.arange(len(truth)) // 60
    near = shift_within_groups(truth, owner, steps)
    look = (row_leakage._ClassLook if classes else row_leakage._NumberLook)(values, truth)
    found = [
        place
        for place in range(values.shape[1])
        if neighbour_agreement(values[:, place], truth, near, not classes)
    ]
    assert {*found} <= {*look.columns(order, near)}
    assert steps != -1 or found


@pytest.mark.parametrize("seed", range(4))
def test_violations_are_those_that_pandera_finds_in_all_columns(seed, monkeypatch):
    random = np.random.default_rng(seed)
    rows = (
        pd.DataFrame(
            {
                "size": random.normal(50, 5, 200).round(2).astype(str),
                "kind": random.choice(["a", "b", "c"], 200),
                "key": [f"K{number:04}" for number in range(200)],
                "begin": pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, 99, 200), "D"),
            }
        )
        .assign(end=lambda made: made.begin + pd.Timedelta(days=3))
        .astype("str")
    )
    table = infer_table_spec(rows)
    schema = infer_schema(table, rows)
    broken = rows.copy()
    for name, cell in (
        ("size", "9999"),
        ("size", "much"),
        ("kind", "z"),
        ("key", "K0001"),
        ("end", "2020-01-01"),
    ):
        broken.loc[random.choice(200, int(random.integers(0, 4)), replace=False), name] = cell
    quick = find_violations(schema, table, broken)
    monkeypatch.setattr(schema_check, "_is_suspect", lambda *_: True)
    pd.testing.assert_frame_equal(quick, find_violations(schema, table, broken))
