"""How a server starts, what it says when it cannot, who may take over, and that nothing outlives it."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import closing
from functools import partial
from pathlib import Path

import psutil
import pytest

from mlkit.core.errors import MLKitError, SettingsError
from mlkit.inference.example_package import make_parcel_package
from mlkit.inference.signing import sign_package
from mlkit.security.api_keys import add_key
from mlkit.serving.client import free_port, is_ready, running_server
from mlkit.serving.server import run_server
from tests import conftest

until = partial(conftest.until, seconds=30, pause=0.05)

pytestmark = pytest.mark.usefixtures("own_key")
ROW = {"weight": 20, "distance": 400, "service": "standard"}
MLKIT = [sys.executable, "-c", "from mlkit.cli.main import main; main()"]


@pytest.fixture(scope="module")
def package(own_key, tmp_path_factory) -> Path:
    """A package. To be served, or copied; never to be changed."""
    return make_parcel_package(tmp_path_factory.mktemp("packages") / "parcels")


# ---------------------------------------- it does not start
@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Files that are of no use."""
    place = tmp_path_factory.mktemp("place")
    (place / "text.pem").write_text("this is no certificate\n")
    (place / "keys.json").write_text('{"keys": [{"name": "a\\nb"}]}')
    (place / "no.db").write_bytes(b"this is no database" * 100)
    (place / "folder").mkdir()
    add_key(place / "good.json", "shop")
    if shutil.which("openssl"):
        for name, more in (("one", ["-nodes"]), ("two", ["-nodes"]), ("locked", ["-passout", "pass:geheim"])):
            command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", *more,
                       "-days", "2", "-subj", "/CN=localhost", "-keyout", f"{name}.key", "-out", f"{name}.crt"]  # fmt: skip
            subprocess.run(command, cwd=place, check=True, capture_output=True)
    return place


WRONG = {
    "no worker": "--workers 0", "a worker less": "--workers -1", "too many workers": "--workers 100000",
    "a port too high": "--port 99999", "a port below": "--port -1", "a host that is none": "--host no.such.host.invalid",
    "another one's host": "--host 192.0.2.1 --keys good.json", "a host of words": "--host a..b",
    "everybody, without keys": "--host 0.0.0.0", "everybody, keys off": "--host 0.0.0.0 --keys off",
    "half a certificate": "--tls-cert one.crt", "no such certificate": "--tls-cert a.crt --tls-key a.key",
    "no certificate": "--tls-cert text.pem --tls-key text.pem", "a folder": "--tls-cert folder --tls-key folder",
    "another key": "--tls-cert one.crt --tls-key two.key", "a locked key": "--tls-cert locked.crt --tls-key locked.key",
    "keys that are none": "--keys keys.json", "keys that are a folder": "--keys folder", "no keys": "--keys a.json",
    "a log that is none": "--log no.db", "a log that is a folder": "--log folder",
    "a log in a file": "--log text.pem/log.db", "a log that is no address": "--log nosuch://x/y", "rows": "--max-rows 0",
    "a share": "--log-share 7", "a variable that is not set": "--log env:NO_SUCH_NAME",
}  # fmt: skip
if not shutil.which("openssl"):
    WRONG = {name: how for name, how in WRONG.items() if ".crt" not in how}


def started(package: Path, how: str, place: Path, **variables: str) -> subprocess.CompletedProcess:
    command = [*MLKIT, "serve", str(package), "--log", "none", "--port", str(free_port()), *how.split()]
    environment = {**os.environ, **variables}
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL)  # fmt: skip


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_started_is_one_line(what, workers, package, place, monkeypatch):
    monkeypatch.chdir(place)
    words = WRONG[what].split()
    told = {
        name.removeprefix("--").replace("-", "_"): value
        for name, value in zip(words[::2], words[1::2], strict=True)
    }
    numbers = {"workers": int, "port": int, "max_rows": int, "log_share": float}
    settings = {name: numbers.get(name, str)(value) for name, value in told.items()}
    with pytest.raises(MLKitError) as error:
        run_server(package, **{"log": "none", "port": 0, "workers": workers, **settings})
    assert "\n" not in str(error.value) and error.value.exit_code == 2


@pytest.mark.parametrize("what", ["no worker", "another key", "a log that is none"])
def test_the_command_line_says_it_in_one_line_with_exit_2(what, package, place):
    done = started(package, WRONG[what], place)
    assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1, (done.returncode, done.stderr)


def test_a_busy_port_is_one_line(package):
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        for workers in (1, 2):
            with pytest.raises(SettingsError, match="choose another --port"):
                run_server(package, port=busy.getsockname()[1], workers=workers, log="none")


def test_limits_can_be_set_in_the_environment(package, monkeypatch):
    monkeypatch.setenv("MLKIT_SERVE_MAX_CELL", "much")
    monkeypatch.setenv("MLKIT_SERVE_HEAD_TIMEOT", "3")
    with pytest.raises(SettingsError) as error:
        run_server(package, log="none", port=0)
    assert "MLKIT_SERVE_MAX_CELL = much is no whole number" in str(error.value)
    assert "did you mean 'MLKIT_SERVE_HEAD_TIMEOUT'?" in str(error.value)


# ---------------------------------------- it ends
FOLLOWED = """
import sys, time
from pathlib import Path
from tempfile import mkdtemp
from mlkit.serving.follower import Follower
from mlkit.serving.server import run_server

if __name__ == "__main__":
    package, port, workers, place = sys.argv[1:]
    follower = Follower("parcels@champion", time.sleep, 600, folder=Path(place))
    try:
        run_server(package, port=int(port), workers=int(workers), log="none")
    finally:
        follower.close()
"""


ENDS = [("SIGKILL", "1"), ("SIGTERM", "1"), ("SIGHUP", "1"), ("SIGKILL", "2"), ("SIGHUP", "2")]


@pytest.mark.parametrize(("end", "workers"), ENDS)
def test_nothing_outlives_a_server(end, workers, package, tmp_path):
    port, program = free_port(), tmp_path / "followed.py"
    program.write_text(FOLLOWED)
    (tmp_path / "pointer").mkdir()
    command = [sys.executable, str(program), str(package), str(port), workers, str(tmp_path / "pointer")]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert until(lambda: is_ready(port))
        family = psutil.Process(server.pid).children(recursive=True)
        assert len(family) >= int(workers)
        os.kill(server.pid, getattr(signal, end))
        code = server.wait(30)
        assert code == (0 if end in ("SIGTERM", "SIGHUP") else -getattr(signal, end))
        gone, alive = psutil.wait_procs(family, 20)
        assert alive == []
        if end == "SIGKILL":
            assert until(lambda: not (tmp_path / "pointer").exists())
        with socket.socket() as free:
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free.bind(("127.0.0.1", port))
    finally:
        server.kill()


def test_a_follower_that_is_lost_is_told_and_started_again(package, tmp_path):
    port, program, words = free_port(), tmp_path / "followed.py", tmp_path / "words"
    program.write_text(FOLLOWED)
    command = [sys.executable, str(program), str(package), str(port), "1", str(tmp_path / "pointer")]
    with open(words, "wb") as told:
        server = subprocess.Popen(command, stdout=told, stderr=told)
    try:
        assert until(lambda: is_ready(port))

        def followers() -> list[psutil.Process]:
            family = psutil.Process(server.pid).children()
            return [each for each in family if "spawn_main" in " ".join(each.cmdline())]

        (first,) = followers()
        first.kill()
        assert until(lambda: [each.pid for each in followers()] not in ([], [first.pid]))
        assert until(lambda: "the follower of parcels@champion is back" in words.read_text())
        assert "has ended (exit code -9): new versions are not seen" in words.read_text() and is_ready(port)
    finally:
        server.terminate()
        server.wait(30)


# ---------------------------------------- who takes over
def changed(package: Path, facts: dict | None = None, **problem: object) -> Path:
    """A package that is somebody else's, signed by the same key."""
    manifest = json.loads((package / "manifest.json").read_text())
    kept = {fact: manifest[fact] for fact in ("name", "data", "model")} | (facts or {})
    if problem:
        content = json.loads((package / "problem.json").read_text())
        content["task"] |= problem
        (package / "problem.json").write_text(json.dumps(content))
    sign_package(package, kept)
    return package


def test_only_a_successor_takes_over(package, tmp_path):
    """Another name, target or an older package in the same place is rejected; promote and rollback may go back."""
    new = make_parcel_package(tmp_path / "new", offset=-1.0)
    candidates = {
        "name": changed(shutil.copytree(new, tmp_path / "name"), {"name": "customers"}),
        "target": changed(shutil.copytree(new, tmp_path / "target"), target="lost"),
        "older": changed(shutil.copytree(new, tmp_path / "older"), {"created": "2020-01-01T00:00:00+00:00"}),
        "newer": changed(shutil.copytree(new, tmp_path / "newer"), {"created": "2099-01-01T00:00:00+00:00"}),
    }
    served = tmp_path / "served"
    shutil.copytree(package, served)
    with running_server(served, log="none", reload=0.1) as server, closing(server.client()) as client:
        before = client.predict(ROW)["version"]
        for number, what in enumerate(("name", "target", "older"), 1):
            shutil.rmtree(served)
            shutil.copytree(candidates[what], served)
            rejected = f'mlkit_model_reloads_total{{result="failure"}} {number}.0'
            assert until(lambda text=rejected: text in client.request("GET", "/metrics").body.decode()), what
            assert client.predict(ROW)["version"] == before
        assert server.output.count("the new model was rejected") == 3
        shutil.rmtree(served)
        shutil.copytree(candidates["newer"], served)
        assert until(lambda: client.predict(ROW)["version"] != before)

    def point(what: str, version: str) -> None:
        (tmp_path / "next.json").write_text(json.dumps({"folder": str(candidates[what]), "version": version}))
        os.replace(tmp_path / "next.json", tmp_path / "current.json")

    point("newer", "2")
    with running_server(tmp_path, log="none", reload=0.1) as server, closing(server.client()) as client:
        point("older", "1")
        assert until(lambda: client.predict(ROW)["version"] == "1")
        point("name", "3")
        assert until(lambda: "is of another name" in server.output)
        assert client.predict(ROW)["version"] == "1"


def test_nothing_of_a_package_is_read_after_it_was_checked(package, tmp_path):
    served = shutil.copytree(package, tmp_path / "served")
    with running_server(served, log="none", reload=0) as server, closing(server.client()) as client:
        for path in served.iterdir():
            path.write_text('{"columns": {"service": ["planted"]}, "metric": "planted"}')
        for method, path, body in (("POST", "/predict", ROW), ("POST", "/explain", ROW), ("GET", "/model", None),
                                   ("GET", "/openapi.json", None), ("GET", "/v2/models/parcels", None),
                                   ("GET", "/metrics", None), ("GET", "/", None)):  # fmt: skip
            heard = client.request(method, path, body)
            assert heard.status == 200 and b"planted" not in heard.body, path
