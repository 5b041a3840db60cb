"""A header of many names costs as much as its names, and not as much as their square."""

import time
from pathlib import Path

import pytest

from mlkit.core.errors import DataError
from mlkit.data.table_spec import require_known
from mlkit.sources.collection import read_source
from mlkit.sources.headers import glance_at_names, read_names


def write(folder: Path, columns: int) -> str:
    path = folder / f"{columns}.csv"
    names = ",".join(f"column_{place}" for place in range(columns))
    path.write_text(f"{names}\n" + ",".join("7" * columns) + "\n", encoding="utf-8")
    return str(path)


def seconds(work, *arguments) -> float:
    started = time.process_time()
    work(*arguments)
    return time.process_time() - started


def test_reading_takes_time_in_proportion_to_the_columns(tmp_path):
    few, many = write(tmp_path, 2_000), write(tmp_path, 16_000)
    assert read_source(few).shape == (1, 2_000)
    assert seconds(read_names, many, {}) < 2.5 * 8 * max(0.2, seconds(read_names, few, {}))


def test_a_glance_at_a_header_of_50_000_names_takes_no_time(tmp_path):
    source = write(tmp_path, 50_000)
    assert "column_49999" in glance_at_names(source, {})
    assert seconds(glance_at_names, source, {}) < 2


def test_looking_up_50_000_names_does_neither():
    names = [f"column_{place}" for place in range(50_000)]
    assert seconds(require_known, names, names, "there is no") < 1
    with pytest.raises(DataError, match="there is no 'column_5000x'; did you mean 'column_5000'"):
        require_known(["column_5000x"], names, "there is no")
