"""Whole numbers keep every digit, also beside a gap."""

import json

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from mlkit.sources.file_formats import ReadOptions, ReadReport
from mlkit.sources.readers import stream_source

IDS = [1152921504608111618, 1152921504609457724, 9007199254740993, -9223372036854775807]


@pytest.mark.parametrize("ids", [IDS, [*IDS, 2**80 + 1]], ids=["64 bits", "more"])
@pytest.mark.parametrize("gap", [True, False])
@pytest.mark.parametrize("form", ["jsonl", "json", "csv", "parquet"])
def test_large_integers_keep_every_digit(tmp_path, ids, gap, form):
    cells = [*ids, None] if gap else ids
    path = tmp_path / f"new.{form}"
    records = [{"id": cell, "x": 0.5, "few": 1 if cell else None, "ok": True} for cell in cells]
    if form == "jsonl":
        path.write_text("\n".join(map(json.dumps, records)))
    elif form == "json":
        path.write_text(json.dumps(records))
    elif form == "csv":
        path.write_text("id,x\n" + "\n".join(f"{'' if cell is None else cell},0.5" for cell in cells))
    elif len(ids) == len(IDS):
        parquet.write_table(pa.table({"id": pa.array(cells, pa.int64()), "x": [0.5] * len(cells)}), path)
    else:
        pytest.skip("no such type in Parquet")
    frame = pd.concat(stream_source(str(path), ReadOptions(), ReadReport(), "source"))
    written = pa.Array.from_pandas(frame["id"]).to_pylist()
    assert [str(cell) for cell in written if cell not in (None, "")] == list(map(str, ids))
    if "few" in frame:
        assert frame["few"].dtype.kind in "fi" and frame["ok"].dtype == bool
