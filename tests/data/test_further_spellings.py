"Numbers, days and durations in the spellings of other programs carry what they mean."

import numpy as np
import pandas as pd
import pytest

from mlkit import fit

RNG = np.random.default_rng(6)
SIZES = RNG.integers(0, 100_000, 500) / 100
DAYS = [pd.Timestamp("1950-01-01") + pd.Timedelta(days=int(size * 20)) for size in SIZES]
SPELLINGS = {
    "minus behind": [f"{abs(size - 500):,.2f}{'-' if size < 500 else ''}" for size in SIZES],
    "minus behind, decimal comma": [
        f"{abs(size - 500):.2f}{'-' if size < 500 else ''}".replace(".", ",") for size in SIZES
    ],
    "quarter": [f"{day.year}Q{day.quarter}" for day in DAYS],
    "quarter first": [f"Q{day.quarter} {day.year}" for day in DAYS],
    "四半期": [f"{day.year}年第{day.quarter}四半期" for day in DAYS],
    "week": [f"{day.isocalendar().year}-W{day.isocalendar().week:02d}" for day in DAYS],
    "day of a week": ["{}-W{:02d}-{}".format(*day.isocalendar()) for day in DAYS],
    "duration": [f"PT{int(size) // 60}H{int(size) % 60}M" for size in SIZES],
    "long duration": [f"P{int(size) // 24}DT{int(size) % 24}H" for size in SIZES],
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_spellings_carry_what_they_mean(name):
    answer = (SIZES / SIZES.std() + np.random.default_rng(8).normal(0, 0.2, 500)).round(3)
    frame = pd.DataFrame({"x": SPELLINGS[name], "b": RNG.normal(size=500), "y": answer})
    model = fit(frame, "y", budget=0, trials=2, models="linear", split="chance")
    assert model.metrics["score"] > 0.9, (model.metrics["score"], model.table.columns[0])
