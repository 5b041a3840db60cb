"A table, or a request, that cannot be meant for the model is refused as a whole, by the file and by the server alike."

import json
from contextlib import closing

import pandas as pd
import pytest
from pyarrow import parquet

from mlkit.core.errors import DataError
from mlkit.inference.example_package import make_parcel_package
from mlkit.inference.predictor import load_predictor
from mlkit.scoring.batch_job import score_source
from mlkit.serving.client import running_server


@pytest.fixture(scope="module")
def package(own_key, tmp_path_factory):
    return make_parcel_package(tmp_path_factory.mktemp("packages") / "parcels")


@pytest.fixture(scope="module")
def client(package):
    with running_server(package, log="none") as server, closing(server.client()) as client:
        yield client


def refused(package, rows, folder) -> str:
    (folder / "new.jsonl").write_text("\n".join(map(json.dumps, rows)))
    try:
        score_source(
            load_predictor(package), str(folder / "new.jsonl"), str(folder / "out.parquet"), overwrite=True
        )
    except DataError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("rows, said", [
    ([{"colour": "red", "size": 3}], "no column of the {} is known; the model reads distance, service, weight"),
    ([{"weight": "2,5", "distance": "8,75"}, {"weight": 3, "distance": "7,25"}],
     "'distance' is written with a decimal comma (row 1)"),
    ([{"weight": "2,5", "distance": 80}], "'weight' is written with a decimal comma (row 1)"),
    ([{"weight": "2,5", "distance": 80.5}, {"weight": 1.5, "distance": 80.5}], ""),
])  # fmt: skip
def test_a_request_is_held_to_what_a_file_is_held_to(package, client, tmp_path, rows, said):
    told, heard = refused(package, rows, tmp_path), client.request("POST", "/predict", rows)
    assert told.startswith(said.format("table")) and bool(told) == bool(said)
    if said:
        assert heard.status == 422 and heard.value["error"].startswith(said.format("request"))
        for path, body in (
            ("/invocations", {"dataframe_records": rows}), ("/explain", rows[0]),
        ):  # fmt: skip
            assert client.request("POST", path, body).status == 422
    else:
        assert said in heard.value.get("error", "")


def test_the_library_refuses_a_table_of_another_kind(package):
    with pytest.raises(DataError, match="no column of the table is known"):
        load_predictor(package).predict(pd.DataFrame({"colour": ["red"], "size": [3]}))


def test_columns_of_several_types_go_along_as_text(package, tmp_path):
    rows = [
        {"sender": 5, "weight": 1, "tags": ["a"]},
        {"sender": "x", "weight": [2], "tags": {}},
        {"sender": True, "weight": 3, "distance": True, "way": 2},
    ]
    (tmp_path / "new.jsonl").write_text("\n".join(map(json.dumps, rows)))
    done = score_source(
        load_predictor(package), str(tmp_path / "new.jsonl"), str(tmp_path / "out.parquet"), keep="all"
    )
    answers = parquet.read_table(tmp_path / "out.parquet").to_pydict()
    assert answers["way"] == [None, 2.0]
    assert answers["sender"] == ["5", "True"] and answers["tags"] == ['["a"]', None] and done.rejected == 1
    lost = pd.read_csv(tmp_path / "out.rejected.csv")
    assert lost.loc[0, "sender"] == "x" and lost.loc[0, "weight"] == "[2]"
