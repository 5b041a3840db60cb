"""Declarations that are not of their form: one line that says where, whatever is in them."""

import pytest

from mlkit.core.errors import DataError
from mlkit.data.table_spec import TableSpec

COLUMN = {"name": "a", "kind": "number"}


@pytest.mark.parametrize(
    "written",
    [
        "{", 7, None, [], {}, {"version": 1}, {"version": 1, "columns": [7]}, {"version": 1, "columns": {}},
        {"version": 1, "missing": [0], "columns": [COLUMN]}, {"version": 1, "missing": "x", "columns": [COLUMN]},
        {"version": 1, "missing": None, "columns": [COLUMN]}, {"version": 1, "columns": [COLUMN], "derived": 5},
        {"version": 1, "columns": [COLUMN], "derived": [5]}, {"version": 1, "columns": [COLUMN | {"missing": [1]}]},
        {"version": 1, "columns": [COLUMN | {"units": {"min": "x"}}]},
        {"version": 1, "columns": [COLUMN | {"units": {"min": None}}]},
        {"version": 1, "columns": [{"name": "a", "kind": "category", "categories": [1, None]}]},
        {"version": 1, "columns": [{"name": "a", "kind": "category", "spellings": {"x": 5}}]},
        {"version": 1, "columns": [COLUMN, COLUMN]},
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_no_declaration_is_told_in_one_line(written):
    with pytest.raises(DataError) as caught:
        TableSpec.from_dict(written)
    assert "\n" not in str(caught.value)
