"""A file without a header: its first row may be a person's data, so no message quotes it."""

import numpy as np
import pandas as pd
import pytest

from mlkit import fit
from mlkit.cli.main import collect_parameters, precheck_source
from mlkit.core.errors import DataError, MLKitError
from mlkit.core.formatting import find_cell_among_names, hint_at_columns
from mlkit.sources.file_formats import make_column_names

FIRST = ["Mina Okada", "mina@example.com", "41", "5.25", "2024-03-09", "yes"]


def people(first, rows=120):
    "Rows of persons below a first row that should have been a header."
    random = np.random.default_rng(0)
    table = pd.DataFrame({place: random.integers(0, 90, rows).astype(str) for place in range(len(first))})
    table.iloc[:, -1] = random.choice(["yes", "no"], rows)
    return table.set_axis(first, axis=1)


def says_nothing(text):
    return not any(cell in text for cell in (*FIRST[:2], FIRST[3], FIRST[4]))


@pytest.mark.parametrize(
    "target, settings",
    [
        ("churn", []),
        ("yes", ["prepare.leave_out=fee"]),
        ("yes", ["evaluate.sensitive=sex"]),
        ("yes", ["prepare.columns=fee: scale=power"]),
        ("yes", ["prepare.combine=fee / age"]),
        ("yes", ["validate.group_column=who"]),
        ("yes", ["collect.join={}/more.csv on who"]),
    ],
)
def test_a_column_that_is_not_there(tmp_path, target, settings):
    people(FIRST).to_csv(tmp_path / "people.csv", index=False)
    pd.DataFrame({"who": [1, 2], "area": [3, 4]}).to_csv(tmp_path / "more.csv", index=False)
    more = [each.format(tmp_path) for each in settings]
    with pytest.raises(MLKitError) as caught:
        precheck_source(collect_parameters(None, str(tmp_path / "people.csv"), target, more))
    assert says_nothing(str(caught.value))
    assert "column 2 has a cell where its name should be" in str(caught.value)


def test_two_columns_with_one_name():
    with pytest.raises(DataError) as caught:
        make_column_names(["Mina Okada", "41", "5.25", "5.25", "yes"])
    assert says_nothing(str(caught.value)) and "columns 3 and 4 have the same name" in str(caught.value)


def test_fit_on_such_a_frame():
    with pytest.raises(MLKitError) as caught:
        fit(people(FIRST), "churn")
    assert says_nothing(str(caught.value)) and "column 2" in str(caught.value)


@pytest.mark.parametrize(
    "names",
    [
        ["country", "2019", "2020"], ["0", "1", "2"], ["1", "2", "3", "y"], ["q1", "c.2", "x-3", "90 %"],
        ["y"], [], ["age", "2021-Q1"], ["平均気温(℃)", "最高気温"],
    ],
)  # fmt: skip
def test_names_stay_names(names):
    assert find_cell_among_names(names) == 0
    assert all(name in hint_at_columns("", names) for name in names)
