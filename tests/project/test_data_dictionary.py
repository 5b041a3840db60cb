"""docs/data_dictionary.md has a line for each column of the built-in example, and tells of each known fault."""

import re

from mlkit.sources.examples import FAULT_RATES, make_customers
from tools.library import ROOT

TEXT = (ROOT / "docs" / "data_dictionary.md").read_text(encoding="utf-8")
LINES = [
    [cell.strip() for cell in line.split("|")[1:-1]] for line in TEXT.splitlines() if line.startswith("| `")
]


def test_each_column_has_its_line_in_the_order_of_the_table():
    assert [line[0].strip("`") for line in LINES] == list(make_customers(200, leak=True))


def test_each_line_says_meaning_unit_and_what_may_be_wrong():
    assert all(len(line) == 4 and all(line) for line in LINES)


def test_each_fault_stands_in_the_line_of_its_column_with_its_rate():
    wrong = {line[0].strip("`"): line[3] for line in LINES}
    for fault, rate in FAULT_RATES.items():
        column, words = fault.split(" ", 1)
        text = wrong["customer_id" if column == "whole" else column]
        assert f"({100 * rate:g} %)" in text, fault
        assert re.search(words.split()[-1 if column == "whole" else 0], text), fault


def test_the_numbers_that_are_told_are_those_of_the_table():
    table = make_customers(20_000, leak=True)
    wrong = table[~table["age"].dropna().between(18, 95).reindex(table.index, fill_value=True)]
    assert set(wrong["age"]) == {999, -1, 0}
    assert 0.37 < table["note"].isna().mean() < 0.43
    assert {"NORTH", " South"} <= set(table["region"].dropna())
