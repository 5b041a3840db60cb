"""What a server bears before it believes anything: connections, heads, bodies, keys, browsers."""

import asyncio
import json
import resource
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import pytest
import uvicorn
from uvicorn.server import ServerState

from mlkit.core.errors import SettingsError
from mlkit.inference.example_package import make_parcel_package
from mlkit.security.api_keys import add_key, list_keys
from mlkit.serving.client import ServerClient, ServerProcess, is_ready, running_server
from mlkit.serving.connections import GuardedProtocol
from tests import conftest

until = partial(conftest.until, seconds=20, pause=0.02)

pytestmark = pytest.mark.usefixtures("own_key")
ROW = {"weight": 20, "distance": 400, "service": "standard"}


@pytest.fixture(scope="module")
def package(own_key, tmp_path_factory) -> Path:
    """A package. To be served; never to be changed."""
    return make_parcel_package(tmp_path_factory.mktemp("packages") / "parcels")


@pytest.fixture(scope="module")
def server(package) -> Iterator[ServerProcess]:
    """One that everybody is welcome at, and that has little patience."""
    with running_server(package, log="none", head_timeout=1.0, max_cell=1_000) as server:
        yield server


@pytest.fixture
def client(server) -> Iterator[ServerClient]:
    with closing(server.client()) as client:
        yield client


def said_to(port: int, *pieces: bytes) -> bytes:
    """What the server says to bytes, until it closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        for piece in pieces:
            try:
                connection.sendall(piece)
            except ConnectionError:
                break  # it has heard enough
        heard = b""
        try:
            while piece := connection.recv(65_536):
                heard += piece
        except ConnectionError:
            pass
        return heard


def status_of(heard: bytes) -> int:
    return int(heard.split(b" ", 2)[1]) if heard else 0


# ---------------------------------------- connections
@pytest.mark.parametrize("limits", [{}, {"max_connections": 100}, {"max_address_connections": 50}])
def test_silent_connections_keep_nobody_out(limits, package):
    """As many as there are, and more than the system has files for."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)
    before = [sys.executable, "-c", "import os, resource, sys; "
              f"resource.setrlimit(resource.RLIMIT_NOFILE, (256, {300 if not limits else files[1]})); "
              "os.execvp(sys.argv[1], sys.argv[1:])"]  # fmt: skip
    with running_server(package, log="none", before=before, **limits) as server, ExitStack() as stack:
        for _ in range(400):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=20))
        for _ in range(3):
            assert is_ready(server.port)
        with closing(server.client()) as client:
            assert client.predict(ROW)["prediction"]
            page = client.request("GET", "/metrics").body.decode()
        assert 'mlkit_closed_connections_total{reason="too_many"}' in page


def test_a_request_under_way_is_not_closed_for_another(package):
    with running_server(package, log="none", max_connections=2) as server, ExitStack() as stack:
        head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n"
        busy = []
        for _ in range(2):
            busy.append(stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=20)))
            busy[-1].sendall(head)
        time.sleep(0.2)
        assert status_of(said_to(server.port, b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")) == 503
        for connection in busy:
            connection.sendall(b"[]")
            assert status_of(connection.recv(4096)) == 422


HALVES = {
    "no byte": (b"", 0),
    "half a line": (b"GET /hea", 408),
    "half a head": (b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nX-A: b\r\n", 408),
    "the head of a second request": (
        b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\nGET /health/live HTTP/1.1\r\nHost: lo", 200),
    "a body after its answer": (
        b"PUT /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{", 405),
}  # fmt: skip


@pytest.mark.parametrize("what", HALVES)
def test_a_head_that_does_not_come_is_not_waited_for(what, server):
    sent, status = HALVES[what]
    assert status_of(said_to(server.port, sent)) == status  # and the connection is closed


def test_a_head_that_trickles_is_not_waited_for(server):
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\n")
        with pytest.raises(ConnectionError):
            while time.monotonic() < began + 9:
                connection.sendall(b"X-A: b\r\n")
                time.sleep(0.05)


HEADS = {
    "long headers": (b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n" + b"X-A: " + b"a" * 100_000 + b"\r\n\r\n", 431),
    "many headers": (b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n" + b"X-A: b\r\n" * 20_000 + b"\r\n", 431),
    "headers without end": (b"GET /health/live HTTP/1.1\r\nX-A: " + b"a" * 3_000_000, 431),
    "a long address": (b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
    "a long query": (b"GET /health/live?" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
    "no HTTP": (b"\x16\x03\x01 hello\r\n\r\n", 400),
    "two lengths": (b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n[]", 400),
    "a huge length": (b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + b"9" * 5_000 + b"\r\n\r\n", 400),
}  # fmt: skip


@pytest.mark.parametrize("what", HEADS)
def test_a_bad_head_gets_one_line(what, server):
    sent, status = HEADS[what]
    heard = said_to(server.port, sent)
    assert status_of(heard) == status
    assert {*json.loads(heard.partition(b"\r\n\r\n")[2])} == {"error", "request_id"}
    assert is_ready(server.port)


def test_usual_heads_are_well_within_the_bounds(client):
    more = {"Cookie": "a=" + "b" * 4_000, "Authorization": "Bearer " + "x" * 8_000, "X_Trace": "t" * 2_000}
    assert client.request("GET", "/health/live?" + "q" * 2_000, **more).status == 200


# ---------------------------------------- JSON
DEEP = {
    "lists": b"[" * 980 + b"]" * 980,
    "objects": b'{"a":' * 980 + b"1" + b"}" * 980,
    "in a cell": b'{"weight":' + b"[" * 500 + b"]" * 500 + b"}",
    "both": b'[{"a":' * 300 + b"1" + b"}]" * 300,
    "escaped": b'{"\\u0061":' * 700 + b"1" + b"}" * 700,
    "beside others": b'[{"weight": 1}, ' + b"[" * 980 + b"]" * 980 + b"]",
    "a number of 5,000 digits": b'{"weight": ' + b"1" * 5_000 + b"}",
    "the same, escaped": b'{"w\\u0065ight": ' + b"1" * 5_000 + b"}",
    "a list of 5 million": b"[" + b"1," * 4_900_000 + b"1]",
    "a long cell": b'{"service": "' + b"x" * 2_000 + b'"}',
    "surrogates": b'{"service": "\\udc00\\ud800"}',
    "half a character": b'{"service": "\xc3"}',
}  # fmt: skip


@pytest.mark.parametrize(
    "path", ["/predict", "/explain", "/feedback", "/invocations", "/v2/models/parcels/infer"]
)
@pytest.mark.parametrize("what", DEEP)
def test_deep_huge_and_broken_json_is_a_mistake_of_the_sender(what, path, client):
    heard = client.request("POST", path, DEEP[what])
    assert heard.status in (400, 413, 422, 501) and "\n" not in heard.value["error"], heard.body[:300]


def test_a_long_cell_is_named(client):
    heard = client.request("POST", "/predict", [ROW, ROW | {"service": "y" * 1_001}])
    assert heard.status == 422 and "row 2: the cell of 'service' has 1,001 characters" in heard.value["error"]


@pytest.mark.parametrize("row", [{}, {"colour": "red"}, {"Weight": 1, "": 2}, {"late": "yes"}])
def test_a_request_in_which_no_column_is_known_is_refused(row, client):
    ways = {
        "/predict": [row, [row, row]],
        "/invocations": [{"dataframe_records": [row]}, {"instances": [row]}],
        "/v2/models/parcels/infer": [
            {
                "inputs": [
                    {"name": name or "x", "shape": [1], "datatype": "BYTES", "data": ["a"]} for name in row
                ]
            }
        ],
    }
    for path, bodies in ways.items():
        for body in bodies:
            heard = client.request("POST", path, body)
            assert heard.status == 422, (path, heard.body)
            if row and "inputs" not in body:
                assert "the model reads distance, service, weight" in heard.value["error"]
    assert client.request("POST", "/predict", [ROW, {}]).status == 200  # a client that leaves nulls out


def test_every_protocol_says_which_version_answered(client):
    version = client.predict(ROW)["version"]
    tensors = [
        {"name": name, "shape": [1], "datatype": "BYTES", "data": [str(cell)]} for name, cell in ROW.items()
    ]
    binary = {"inputs": tensors, "parameters": {"binary_data_output": True}}
    asked = [("/predict", ROW), ("/predict", [ROW]), ("/explain", ROW), ("/invocations", {"instances": [ROW]}),
             ("/v2/models/parcels/infer", {"inputs": tensors}), ("/v2/models/parcels/infer", binary)]  # fmt: skip
    for path, body in asked:
        heard = client.request("POST", path, body)
        assert heard.status == 200 and heard.headers["x-model-version"] == version, path


def test_nulls_that_clients_write_for_what_is_not_there_are_accepted(client):
    """As pydantic writes a request of MLServer's client: every field, null or not."""
    tensors = [{"name": name, "shape": [2, 1], "datatype": "BYTES", "parameters": None, "data": [str(cell), None]}
               for name, cell in ROW.items()]  # fmt: skip
    body = {"id": None, "parameters": None, "inputs": tensors, "outputs": None}
    heard = client.request("POST", "/v2/models/parcels/infer", body)
    assert heard.status == 200 and "id" not in heard.value, heard.body
    body["outputs"] = [{"name": "prediction", "parameters": None}]
    heard = client.request("POST", "/v2/models/parcels/infer", body | {"id": "7"})
    assert heard.value["id"] == "7" and [each["name"] for each in heard.value["outputs"]] == ["prediction"]


# ---------------------------------------- browsers
def test_a_page_of_another_site_gets_no_answer(server, client):
    own = f"127.0.0.1:{server.port}"
    body = json.dumps(ROW).encode()
    for origin in ("https://evil.example", "null", f"http://localhost.evil.example:{server.port}", "file://", "x",
                   f"http://127.0.0.1:{server.port + 1}", f"http://{own}.evil.example"):  # fmt: skip
        for method, path, sent in (
            ("POST", "/predict", body),
            ("GET", "/metrics", None),
            ("GET", "/model", None),
        ):
            assert client.request(method, path, sent, Origin=origin).status == 403, origin
    for origin in (f"http://{own}", f"HTTP://{own}"):
        assert client.request("POST", "/predict", body, Origin=origin).status == 200, origin


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "x", "localhost.evil.example", "192.0.2.1", "[::2]",
                                  "127.0.0.1.evil.example", "a@localhost", "localhost:80:80"])  # fmt: skip
def test_a_loopback_server_answers_to_its_own_names(host, client):
    assert client.request("GET", "/health/ready", Host=host).status == 421
    assert client.request("POST", "/predict", ROW, Host=host).status == 421


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "127.0.0.1:80", "127.0.0.2", "[::1]:8080", "localhost."]
)
def test_its_own_names_are_many(host, client):
    assert client.request("GET", "/health/ready", Host=host).status == 200


def test_a_form_cannot_send_rows(client):
    body = json.dumps(ROW).encode()
    for kind in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/json",
        "",
    ):
        for path in ("/predict", "/explain", "/feedback", "/invocations", "/v2/models/parcels/infer"):
            assert client.request("POST", path, body, Content_Type=kind).status == 415, (kind, path)


# ---------------------------------------- keys
def test_keys_that_are_not_known_are_counted_logged_and_slowed_down(package, tmp_path):
    word = add_key(tmp_path / "keys.json", "shop", ["predict"])
    with running_server(package, log="none", keys=str(tmp_path / "keys.json")) as server:
        with closing(server.client()) as guesser, closing(server.client(word)) as shop:
            heard = [guesser.request("POST", "/predict", ROW, X_API_Key=f"guess-{n}") for n in range(60)]
            statuses = [each.status for each in heard]
            assert (
                statuses[:10] == [401] * 10
                and statuses[-1] == 429
                and int(heard[-1].headers["retry-after"]) >= 1
            )
            assert shop.predict(ROW)["prediction"]  # from the same address
            assert guesser.request("POST", "/predict", ROW).status == 401
            page = shop.request("GET", "/metrics").body.decode()
            assert 'mlkit_refused_keys_total{reason="unknown"} 60.0' in page
            assert 'mlkit_refused_keys_total{reason="missing"} 1.0' in page
        assert 10 <= server.output.count("a key that is not known came from 127.0.0.1") <= 30
        assert "guess-" not in server.output and word not in server.output


@pytest.mark.parametrize("by", ["key", "address"])
def test_a_caller_who_comes_too_often_is_told_when_to_come_back(by, package, tmp_path):
    words = [add_key(tmp_path / "keys.json", name, ["predict"]) for name in ("one", "two")]
    how = {"keys": str(tmp_path / "keys.json"), "key_rate": 5.0} if by == "key" else {"address_rate": 5.0}
    with running_server(package, log="none", **how) as server, closing(server.client(words[0])) as caller:
        heard = [caller.request("POST", "/predict", ROW) for _ in range(80)]
        refused = [each for each in heard if each.status == 429]
        assert {each.status for each in heard} == {200, 429} and len(refused) >= 15
        assert int(refused[0].headers["retry-after"]) >= 1
        assert caller.request("GET", "/health/ready").status == 200
        with closing(server.client(words[1])) as other:
            assert other.request("POST", "/predict", ROW).status == (200 if by == "key" else 429)


ENTRY = {"name": "a", "roles": ["admin"], "prefix": "mlk_x", "sha256": "0" * 64, "created": "2026-01-01"}
BROKEN = {
    "a name of two lines": ENTRY | {"name": "a\nb"}, "no name": ENTRY | {"name": " "}, "a number": 7, "null": None,
    "a name that is none": ENTRY | {"name": 7}, "roles as text": ENTRY | {"roles": "admin"},
    "a role that is none": ENTRY | {"roles": ["root"]}, "no role": ENTRY | {"roles": []},
    "no digest": ENTRY | {"sha256": ""}, "a digest of nothing": ENTRY | {"sha256": None},
    "a digest that is a list": ENTRY | {"sha256": ["0" * 64]}, "more": ENTRY | {"more": 1}, "less": {"name": "a"},
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_entry_is_an_error_of_the_whole_file(what, tmp_path):
    add_key(tmp_path / "keys.json", "shop")
    good = json.loads((tmp_path / "keys.json").read_text())["keys"]
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [*good, BROKEN[what]]}))
    with pytest.raises(SettingsError, match="has an entry that is no key") as error:
        list_keys(tmp_path / "keys.json")
    assert "\n" not in str(error.value)


def test_a_file_of_keys_that_breaks_lets_nobody_in_until_it_is_mended(package, tmp_path):
    file = tmp_path / "keys.json"
    word = add_key(file, "shop", ["predict"])
    good = file.read_text()
    with running_server(package, log="none", keys=str(file)) as server, closing(server.client(word)) as shop:
        assert shop.request("POST", "/predict", ROW).status == 200
        for broken in ("{", json.dumps({"keys": [*json.loads(good)["keys"], {"name": "b"}]})):
            file.write_text(broken)
            assert until(lambda: shop.request("POST", "/predict", ROW).status == 401)
            assert "damaged" in shop.request("POST", "/predict", ROW).value["error"]
            file.write_text(good)
            assert until(lambda: shop.request("POST", "/predict", ROW).status == 200)
        assert "nobody is let in, because" in server.output


@pytest.mark.parametrize("name", ["a\nb", "a\rb", "a\x00b", "a\x1b[2J", " ", "a" * 101, "a\u2028b"])
def test_the_name_of_a_key_is_one_line(name, tmp_path):
    with pytest.raises(SettingsError):
        add_key(tmp_path / "keys.json", name)
    assert not (tmp_path / "keys.json").exists()


def test_a_response_in_two_parts_does_not_wait_for_the_first_to_be_acknowledged():
    async def delays() -> list[int]:
        config = uvicorn.Config(lambda *asked: None)
        config.load()
        seen, done = [], asyncio.Event()

        class Watched(GuardedProtocol):
            def connection_made(self, transport):
                super().connection_made(transport)
                of_server = transport.get_extra_info("socket")
                seen.append(of_server.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
                done.set()

        def protocol():
            return Watched(config=config, server_state=ServerState(), app_state={})

        with socket.create_server(("127.0.0.1", 0)) as listener:
            server = await asyncio.get_running_loop().create_server(protocol, sock=listener)
            with socket.create_connection(listener.getsockname()):
                await asyncio.wait_for(done.wait(), 20)
            server.close()
        return seen

    assert all(asyncio.run(delays())), "TCP_NODELAY is off"
