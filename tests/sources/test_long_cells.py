"A cell of any length is read, wherever it stands; a header of any width too, in a time that grows with it."

import time
from contextlib import closing

import pandas as pd
import pytest

from mlkit.core.errors import DataError
from mlkit.inference.example_package import make_parcel_package
from mlkit.inference.predictor import load_predictor
from mlkit.scoring.batch_job import score_source
from mlkit.serving.client import running_server
from mlkit.sources.readers import read_batches

ROW = "3,80,standard\n"


@pytest.mark.parametrize("size", [10_000, 140_000, 1_100_000, 10_000_000])
@pytest.mark.parametrize("rows", [0, 5])
@pytest.mark.parametrize("form", ["{}", '"{}"'])
def test_a_long_cell_in_the_first_row(tmp_path, size, rows, form):
    path = tmp_path / "long.csv"
    path.write_text("weight,distance,service\n3,80," + form.format("x " * (size // 2)) + "\n" + ROW * rows)
    frame = pd.concat(read_batches(str(path)))
    assert len(frame) == 1 + rows and len(frame["service"].iloc[0].strip()) >= size - 1


def test_a_long_cell_is_scored_and_refused_by_the_server_with_its_length(own_key, tmp_path):
    package = make_parcel_package(tmp_path / "parcels")
    long = f"weight,distance,service\n3,80,{'x' * 140_000}\n{ROW}"
    (tmp_path / "long.csv").write_text(long)
    done = score_source(load_predictor(package), str(tmp_path / "long.csv"), str(tmp_path / "out.csv"))
    assert (done.rows, done.rejected) == (2, 0)
    with running_server(package, log="none") as server, closing(server.client()) as client:
        heard = client.request("POST", "/invocations", long.encode(), Content_Type="text/csv")
        assert heard.status == 422 and "140,000 characters; 100,000 are the most" in heard.value["error"]


def seconds(columns: int, folder, predictor) -> float:
    path = folder / "wide.csv"
    names = [f"c{number}" for number in range(columns)]
    path.write_text("\n".join([",".join(names), *[",".join("1" for _ in names)] * 3]))
    began = time.perf_counter()
    with pytest.raises(DataError, match="no column of the table is known"):
        score_source(predictor, str(path), str(folder / "wide.parquet"))
    wide = next(read_batches(str(path)))
    assert wide.shape == (3, columns)
    predictor.reader.read(dict.fromkeys(names, "1"))
    predictor.read_frame(wide)
    return time.perf_counter() - began


def test_a_header_of_many_columns_takes_a_time_that_grows_with_it(own_key, tmp_path):
    predictor = load_predictor(make_parcel_package(tmp_path / "parcels"))
    small, large = (
        min(seconds(1_000, tmp_path, predictor) for _ in range(2)),
        seconds(8_000, tmp_path, predictor),
    )
    assert large < 24 * small + 1
