"""Categories are one where only their spelling differs, and apart where it means something."""

import numpy as np
import pandas as pd
import pytest

from mlkit.data.column_reader import read_column
from mlkit.data.column_spec import read_cell
from mlkit.data.type_inference import infer_column, infer_table_spec


def both(column, cells):
    "What row and frame reader make of cells, which is the same."
    one = [read_cell(column, cell) for cell in cells]
    many = [cell or None for cell in read_column(column, pd.Series(cells, dtype=object)).tolist()]
    assert one == many
    return one


def test_genotypes_stay_apart():
    for words in (["AA", "Aa", "aa"], ["AA", "Aa", "aa", "BB", "Bb", "bb"], ["a", "A"]):
        column = infer_column(pd.Series(words * 40, name="snp", dtype="str"))
        assert column.kind == "category" and set(column.categories) == set(words)
        assert both(column, words) == words


@pytest.mark.parametrize("words", [["Red", "red", "RED", "blue "], ["No internet", "no internet", "yes"]])
def test_sloppy_words_are_one_category(words):
    truth = pd.Series(np.random.default_rng(0).normal(size=40 * len(words)))
    column = infer_column(pd.Series(words * 40, name="c", dtype="str"), truth=truth)
    assert len(column.categories) == 2
    assert len(set(both(column, [*words, words[0].upper(), f" {words[0]}\u00a0"]))) == 2


def test_capitals_count_where_the_answers_say_so():
    words = pd.Series(["Gold", "gold", "silver"] * 50, dtype="str")
    truth = words.map({"Gold": "a", "gold": "b", "silver": "a"})
    table = infer_table_spec(pd.DataFrame({"c": words, "y": truth}), ignore=["y"], truth=truth)
    assert both(table["c"], ["Gold", "gold", "SILVER"]) == ["Gold", "gold", "silver"]


@pytest.mark.parametrize("train", [["106", "107", "109"], ["106.0", "107.0", "109.0"], [106.0, 107.0, None]])
def test_a_code_is_the_same_code_with_and_without_its_point(train):
    column = infer_column(pd.Series(train * 30, name="store_code"))
    assert column.kind == "category"
    for cells in (["106", "106.0", 106, 106.0, np.int64(106), " 106.00 ", "１０６"],):
        assert len(set(both(column, cells))) == 1 and both(column, cells)[0]
    assert both(column, ["0106", "106.5"]) == [None, None]
