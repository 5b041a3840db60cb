"""Whatever is sent to an endpoint: an answer or a mistake of the sender, in one line, and never a fault."""

import json
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlkit.inference.example_package import make_parcel_package
from mlkit.serving.client import ServerClient, ServerProcess, running_server

pytestmark = pytest.mark.usefixtures("own_key")
NAMES = st.sampled_from(["weight", "distance", "service", "late", "id", "truth", "colour", ""]) | st.text(
    max_size=8
)
CELLS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(
        ["20 kg", "1,200", "¥5", "NaN", "-", "1e999", "９", "2026-01-01", "express", "\x00", "\ud800"]
    )
)
ROWS = st.dictionaries(NAMES, CELLS, max_size=5)
ANY = st.recursive(
    CELLS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4)
)
TENSORS = st.fixed_dictionaries(
    {"name": NAMES | CELLS, "shape": st.lists(st.integers(-2, 3), max_size=3) | CELLS,
     "datatype": st.sampled_from(["FP64", "BYTES", "BOOL", "INT64", "UINT64", "FP16", "STRING"]) | CELLS,
     "data": st.lists(CELLS, max_size=3) | ANY},
    optional={"parameters": ANY | st.fixed_dictionaries({"binary_data_size": st.integers(-1, 20) | CELLS})},
)  # fmt: skip
BODIES = {
    "/predict": ROWS | st.lists(ROWS, max_size=4) | ANY,
    "/explain": ROWS | ANY,
    "/feedback": ANY | st.lists(st.fixed_dictionaries({"id": CELLS | st.just("0" * 32), "truth": ANY}), max_size=3),
    "/invocations": st.dictionaries(
        st.sampled_from(["dataframe_split", "dataframe_records", "instances", "inputs"]),
        ANY | st.lists(ROWS, max_size=3) | st.fixed_dictionaries({"columns": ANY, "data": ANY}), max_size=2),
    "/v2/models/parcels/infer": st.fixed_dictionaries(
        {"inputs": st.lists(TENSORS, max_size=3) | ANY}, optional={"outputs": ANY, "id": ANY, "parameters": ANY}),
}  # fmt: skip
FUZZ = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def server(own_key, tmp_path_factory) -> Iterator[ServerProcess]:
    package = make_parcel_package(tmp_path_factory.mktemp("packages") / "parcels")
    with running_server(package, log=str(tmp_path_factory.mktemp("log") / "log.db")) as server:
        yield server


@pytest.fixture(scope="module")
def client(server) -> Iterator[ServerClient]:
    with closing(server.client()) as client:
        yield client


def check(heard, server: ServerProcess) -> None:
    assert heard.status in (200, 400, 404, 405, 408, 413, 415, 421, 422), (
        heard.status,
        heard.body,
        server.output[-900:],
    )
    if heard.status != 200:
        assert {*heard.value} == {"error", "request_id"} and "\n" not in heard.value["error"]
        assert "Traceback" not in heard.value["error"]


@pytest.mark.parametrize("path", BODIES)
def test_json_of_any_shape_is_no_fault(path, client, server):
    @FUZZ
    @given(body=BODIES[path])
    def attempt(body) -> None:
        check(client.request("POST", path, body), server)
        check(
            client.request(
                "POST", path, json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")
            ),
            server,
        )

    attempt()
    assert "Traceback" not in server.output and " ERROR " not in server.output, server.output[-2000:]


@pytest.mark.parametrize("path", [*BODIES, "/model"])
def test_bytes_of_any_kind_are_no_fault(path, client, server):
    kinds = st.sampled_from(["application/json", "text/csv", "application/json; charset=utf-16", "x", ""])
    lengths = st.none() | st.integers(-2, 40).map(str) | st.text("0123456789ax+ ", max_size=6)

    @FUZZ
    @given(body=st.binary(max_size=60) | st.text('[]{}",:\\u0d8\n\r;eE-+.1', max_size=40).map(str.encode),
           kind=kinds, length=lengths)  # fmt: skip
    def attempt(body, kind, length) -> None:
        more = {} if length is None else {"Inference_Header_Content_Length": length}
        check(client.request("POST", path, body, Content_Type=kind, **more), server)

    attempt()
    assert "Traceback" not in server.output and " ERROR " not in server.output, server.output[-2000:]


def test_one_row_and_many_are_answered_alike(client, server):
    @FUZZ
    @given(rows=st.lists(ROWS, min_size=1, max_size=4))
    def attempt(rows) -> None:
        single = [client.request("POST", "/predict", row) for row in rows]
        many = client.request("POST", "/predict", rows)
        if all(heard.status == 200 for heard in single):
            told = [
                {name: heard.value.get(name) for name in ("prediction", "probabilities")} for heard in single
            ]
            same = [{name: each.get(name) for name in ("prediction", "probabilities")}
                    for each in many.value["predictions"]]  # fmt: skip
            assert [each["prediction"] for each in told] == [each["prediction"] for each in same]
            for one, other in zip(told, same, strict=True):
                assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-6)

    attempt()


def test_paths_and_headers_of_any_kind_are_no_fault(client, server):
    plain = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30)

    @FUZZ
    @given(path=plain, value=plain, method=st.sampled_from(["GET", "POST", "PUT", "HEAD", "OPTIONS", "TRACE"]),
           name=st.sampled_from(["X_Request_ID", "Content_Type", "Accept", "Cookie", "X_Forwarded_For"]))  # fmt: skip
    def attempt(path, value, method, name) -> None:
        heard = client.request(method, f"/{path}", **{name: value})
        assert heard.status < 500 and heard.headers["x-request-id"].isascii(), server.output[-900:]

    attempt()
    assert "Traceback" not in server.output, server.output[-2000:]
