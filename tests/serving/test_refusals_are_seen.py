"A caller that sends too much sees the answer, whatever client it uses; and a server says where it is once it answers."

import http.client
import json
import shutil
import socket
import subprocess
import sys
import time
from contextlib import closing

import pytest

from mlkit.inference.example_package import make_parcel_package
from mlkit.serving.client import running_server
from mlkit.serving.prediction_log import open_log_database, resolve_log_url

SERVE = [sys.executable, "-c", "from mlkit.cli.main import main; main()", "serve"]


@pytest.fixture(scope="module")
def package(own_key, tmp_path_factory):
    return make_parcel_package(tmp_path_factory.mktemp("packages") / "parcels")


@pytest.fixture(scope="module")
def server(package):
    with running_server(package, log="none", max_bytes=100_000) as server:
        yield server


def by_http_client(server, body: bytes) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)) as connection:
        connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert "larger than" in json.loads(answer.read())["error"]
        return answer.status


def by_requests(server, body: bytes) -> int:
    requests = pytest.importorskip("requests")
    kind = {"Content-Type": "application/json"}
    answer = requests.post(f"http://127.0.0.1:{server.port}/predict", body, headers=kind, timeout=20)
    assert "larger than" in answer.json()["error"]
    return answer.status_code


def by_curl(server, body: bytes) -> int:
    if not shutil.which("curl"):
        pytest.skip("no curl here")
    words = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--data-binary", "@-", "-H", "Expect:", "-H",
             "Content-Type: application/json", f"http://127.0.0.1:{server.port}/predict"]  # fmt: skip
    return int(subprocess.run(words, input=body, capture_output=True, check=True, timeout=30).stdout)


@pytest.mark.parametrize("size", [100_001, 3_000_000, 40_000_000])
@pytest.mark.parametrize("send", [by_http_client, by_requests, by_curl])
def test_a_body_that_is_too_large_is_answered_and_not_reset(server, send, size):
    for _ in range(3):
        assert send(server, b"[" + b" " * size) == 413


def test_a_body_in_pieces_that_is_too_large_is_answered(server):
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)) as connection:
        pieces = (b" " * 65_536 for _ in range(200))
        connection.request(
            "POST", "/predict", pieces, {"Content-Type": "application/json"}, encode_chunked=True
        )
        assert connection.getresponse().status == 413


def test_a_caller_that_never_stops_sending_is_let_go(package):
    with running_server(package, log="none", max_bytes=1_000, head_timeout=1.0) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
            head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            connection.sendall(head + b"Content-Length: 999999999\r\n\r\n")
            began = time.monotonic()
            with pytest.raises(OSError):
                while time.monotonic() - began < 15:
                    connection.sendall(b" " * 1_000)
                    time.sleep(0.02)
            assert time.monotonic() - began < 10


@pytest.mark.parametrize("host", [b"", b"Host:\r\n", b"Host: evil.example\r\n"])
def test_a_request_that_does_not_say_whom_it_means_is_refused(server, host):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(b"GET /model HTTP/1.1\r\n" + host + b"Connection: close\r\n\r\n")
        assert connection.recv(100).split()[1] in (b"421", b"400")


def test_an_address_is_told_once_the_server_answers(package):
    words = [*SERVE, str(package), "--log", "none", "--port", "0"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        said = process.stdout.readline()
        port = int(said.partition("127.0.0.1:")[2].partition(";")[0])
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
            connection.request("GET", "/health/live")
            assert connection.getresponse().status == 200
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_no_address_is_told_where_none_answers(package, server, tmp_path, workers):
    (tmp_path / "bad.pem").write_text("no certificate")
    bad = ["--tls-cert", str(tmp_path / "bad.pem"), "--tls-key", str(tmp_path / "bad.pem")]
    lost = ["--log", str(tmp_path / "bad.pem" / "log.db")]
    for more in (["--port", str(server.port)], ["--port", "0", *bad], ["--port", "0", *lost]):
        words = [*SERVE, str(package), "--workers", workers, "--log", "none", *more]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60)
        assert done.returncode == 2 and not done.stdout, done
        assert done.stderr.startswith("mlkit: ") and "Traceback" not in done.stderr


def test_the_folder_of_a_log_is_made_and_the_help_says_so(tmp_path):
    open_log_database(resolve_log_url(str(tmp_path / "a" / "log.db"))).dispose()
    assert (tmp_path / "a" / "log.db").is_file()
    done = subprocess.run([*SERVE, "--help"], capture_output=True, text=True, timeout=60)
    assert "its folder is made" in " ".join(done.stdout.replace("│", " ").split())
