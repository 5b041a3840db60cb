"""The server, asked as others ask it: over HTTP, in processes of its own."""

import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mlkit.core.errors import MLKitError, SettingsError
from mlkit.inference.example_package import delay_probability, make_parcel_package
from mlkit.inference.signing import sign_package
from mlkit.security.api_keys import add_key, remove_key
from mlkit.serving.client import ServerClient, ServerProcess, free_port, is_ready, running_server
from mlkit.serving.server import run_server
from mlkit.serving.server_settings import read_serve_settings

pytestmark = pytest.mark.usefixtures("own_key")
ROW = {"weight": 20, "distance": 400, "service": "standard"}
SECRET = "geheim-4711"  # stands for data: no answer to a mistake may repeat it
SECONDS = float(os.environ.get("MLKIT_LOAD_SECONDS", "3"))  # of mixed load; by hand, a minute


def rows(count: int, seed: int = 0) -> list[dict]:
    draw = random.Random(seed)
    return [
        {"weight": round(draw.uniform(0, 60), 2), "distance": draw.randrange(2000),
         "service": draw.choice(["standard", "express"])} for _ in range(count)
    ]  # fmt: skip


def chance(row: dict, offset: float = -3.0) -> float:
    return delay_probability(row["weight"], row["distance"], row["service"], offset)


def logged(database: Path, table: str = "predictions") -> list[dict]:
    with closing(sqlite3.connect(database)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]


def changed(package: Path, name: str, **parts: object) -> Path:
    """A package in which one of its JSON files says something else, sealed anew."""
    path = package / f"{name}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | parts))
    manifest = json.loads((package / "manifest.json").read_text())
    sign_package(package, {fact: manifest[fact] for fact in ("name", "data", "model")})
    return package


@pytest.fixture(scope="module")
def package(own_key, tmp_path_factory) -> Path:
    """A package. To be served, or copied; never to be changed."""
    return make_parcel_package(tmp_path_factory.mktemp("packages") / "parcels")


@pytest.fixture(scope="module")
def server(package, tmp_path_factory) -> Iterator[ServerProcess]:
    """One that everybody is welcome at. Tests may ask it anything, and leave it as it was."""
    with running_server(
        package, log=str(tmp_path_factory.mktemp("log") / "log.db"), max_bytes=300_000
    ) as server:
        yield server


@pytest.fixture
def client(server) -> Iterator[ServerClient]:
    with closing(server.client()) as client:
        yield client


# ---------------------------------------- answers
def test_one_row_and_many_are_answered_as_the_model_says(client):
    asked = rows(300)
    many = client.predict(asked)
    single = [client.predict(row) for row in asked[:50]]
    for row, answer in zip(asked + asked[:50], many["predictions"] + single, strict=True):
        assert answer["probabilities"]["yes"] == pytest.approx(chance(row), abs=1e-6)
        assert answer["prediction"] == ("yes" if answer["probabilities"]["yes"] >= 0.5 else "no")
        assert answer["warnings"] == []
    assert {*single[0]} == {"id", "prediction", "probabilities", "version", "warnings"}
    assert {*many} == {"predictions", "version"} and "version" not in many["predictions"][0]
    assert len({answer["id"] for answer in many["predictions"] + single}) == 350


def test_cells_are_read_as_they_stand_in_a_file(client):
    answer = client.predict({"weight": "20 kg", "distance": "1,200", "service": " EXPRESS "})
    assert answer["probabilities"]["yes"] == pytest.approx(delay_probability(20, 1200, "express"), abs=1e-6)
    assert answer["warnings"] == []


VIOLATIONS = {
    "unknown_column": ROW | {"colour": SECRET},
    "missing_column": {"weight": 20, "service": "standard"},
    "missing_value": ROW | {"service": ""},
    "kind": ROW | {"weight": SECRET},
    "range": ROW | {"weight": 4711},
    "category": ROW | {"service": SECRET},
}


@pytest.mark.parametrize("action", ["error", "warn", "default"])
def test_a_violation_means_what_the_package_says(action, package, tmp_path):
    serving_so = dict.fromkeys(VIOLATIONS, action)
    own = changed(shutil.copytree(package, tmp_path / "own"), "schema", serving=serving_so)
    with running_server(own, log="none") as server, closing(server.client()) as client:
        for check, row in VIOLATIONS.items():
            heard = client.request("POST", "/predict", row)
            told = heard.value.get("error") or str(heard.value["warnings"])
            assert SECRET not in heard.body.decode() and "4711" not in told, check
            if action == "error":
                assert heard.status == 422 and "\n" not in heard.value["error"], check
                column = {
                    "unknown_column": "colour",
                    "missing_column": "distance",
                    "kind": "weight",
                    "range": "weight",
                }
                assert f"'{column.get(check, 'service')}'" in heard.value["error"]
                assert heard.value["request_id"] == heard.headers["x-request-id"]
                in_batch = client.request("POST", "/predict", [ROW, ROW, row]).value["error"]
                assert in_batch.startswith("row 3: ")
            else:
                assert heard.status == 200, check
                assert len(heard.value["warnings"]) == (action == "warn"), check
                assert ("warning" in heard.headers) == (action == "warn")
        counted = client.request("GET", "/metrics").body.decode()
        for check in VIOLATIONS:
            assert f'mlkit_schema_violations_total{{check="{check}"}}' in counted


BODIES = {
    "nothing": (b"", 400),
    "no JSON": (b"{weight: 2}", 400),
    "half": (b'{"weight": 2', 400),
    "NaN": (b'{"weight": NaN}', 400),
    "Infinity": (b'{"weight": -Infinity}', 400),
    "a number without end": (b'{"weight": 1e999}', 422),
    "a name twice": (b'{"weight": 1, "weight": 2}', 400),
    "a name twice, escaped": (b'{"weight": 1, "\\u0077eight": 2}', 400),
    "a name twice, in a list": (b'[{"weight": 1}, {"weight": 1, "weight": 2}]', 400),
    "broken UTF-8": (b'{"service": "\xff\xfe"}', 400),
    "half a character": (b'{"service": "\\ud800"}', 400),
    "deep": (b"[" * 100_000 + b"]" * 100_000, 400),
    "deep and escaped": (b'{"a\\"":' * 900 + b"1" + b"}" * 900, 422),
    "a text": (b'"geheim-4711"', 422),
    "a number": (b"7", 422),
    "null": (b"null", 422),
    "no rows": (b"[]", 422),
    "a list of lists": (b"[[20, 400]]", 422),
    "a list in a cell": (b'{"weight": [20]}', 422),
    "an object in a cell": (b'{"weight": {"geheim-4711": 1}}', 422),
    "very many columns": (json.dumps({f"c{i}": 1 for i in range(5_000)}).encode(), 422),
    "very many rows": (b"[" + b"{}," * 11_000 + b"{}]", 413),
    "very many bytes": (b'{"service": "' + b"x" * 400_000 + b'"}', 413),
}


@pytest.mark.parametrize("path", ["/predict", "/feedback", "/invocations", "/v2/models/parcels/infer"])
@pytest.mark.parametrize("what", BODIES)
def test_a_bad_body_gets_one_line_and_never_the_data(what, path, client):
    body, status = BODIES[what]
    heard = client.request("POST", path, body)
    assert heard.status == status if path == "/predict" else 400 <= heard.status < 500
    assert {*heard.value} == {"error", "request_id"} and "\n" not in heard.value["error"]
    assert SECRET not in heard.body.decode()
    assert len(heard.value["error"]) < 250


def test_other_types_methods_and_addresses_are_refused(client):
    body = json.dumps(ROW).encode()
    assert client.request("POST", "/predict", body, Content_Type="text/plain").status == 415
    assert client.request("POST", "/predict", body, Content_Encoding="gzip").status == 415
    assert client.request("POST", "/invocations", body, Content_Type="text/plain").status == 415
    assert client.request("GET", "/predict").headers["allow"] == "POST"
    assert client.request("PUT", "/predict", body).status == 405
    assert client.request("GET", f"/{SECRET}").status == 404
    assert client.request("HEAD", "/health/live").status == 200
    assert (
        client.request("POST", "/predict", body, Content_Type="application/json; charset=utf-8").status == 200
    )
    assert client.request("GET", "/nothing", X_Request_ID="abc-1").headers["x-request-id"] == "abc-1"
    assert client.request("GET", "/nothing", X_Request_ID="a b\tc").headers["x-request-id"] != "a b\tc"
    assert SECRET not in client.request("GET", "/metrics").body.decode()


def test_a_body_that_does_not_come_is_not_waited_for(package):
    with running_server(package, log="none", timeout=0.5) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as slow:
            slow.sendall(
                b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Content-Length: 50\r\n\r\n{"
            )
            said = slow.recv(4096)
        assert said.startswith(b"HTTP/1.1 408")


def test_a_body_in_pieces_is_measured_as_it_comes(server):
    with closing(http.client.HTTPConnection("127.0.0.1", server.port)) as connection:
        pieces = (b"x" * 100_000 for _ in range(4))
        connection.request("POST", "/predict", body=pieces, encode_chunked=True,
                           headers={"Transfer-Encoding": "chunked", "Content-Type": "application/json"})  # fmt: skip
        assert connection.getresponse().status == 413


# ---------------------------------------- keys
def test_a_key_opens_what_its_roles_say(package, tmp_path):
    file = tmp_path / "keys.json"
    words = {role: add_key(file, role, [role]) for role in ("predict", "explain", "feedback", "admin")}
    doors = {"/predict": (ROW, "predict"), "/explain": (ROW, "explain"), "/invocations": ([ROW], "predict"),
             "/feedback": ({"id": "0123456789", "truth": "no"}, "feedback")}  # fmt: skip
    with running_server(package, log=str(tmp_path / "log.db"), keys=str(file)) as server:
        with closing(server.client()) as nobody:
            for path, (body, _) in doors.items():
                heard = nobody.request("POST", path, body)
                assert heard.status == 401 and heard.headers["www-authenticate"] == "Bearer"
                assert nobody.request("POST", path, body, Authorization="Bearer mlk_guess").status == 401
            for path in ("/model", "/openapi.json", "/v2/models/parcels"):
                assert nobody.request("GET", path).status == 401
                assert nobody.request("GET", path, X_API_Key=words["feedback"]).status == 200
            for path in ("/health/live", "/health/ready", "/metrics", "/ping", "/v2/health/ready"):
                assert nobody.request("GET", path).status == 200
        for role, word in words.items():
            with closing(server.client(word)) as caller:
                for path, (body, needed) in doors.items():
                    allowed = role in (needed, "admin")
                    assert (caller.request("POST", path, body).status == 403) != allowed, (role, path)
        remove_key(file, "predict")
        time.sleep(1.1)
        with closing(server.client(words["predict"])) as caller:
            assert caller.request("POST", "/predict", ROW).status == 401
        file.unlink()  # no file, no keys: nobody is welcome
        time.sleep(1.1)
        with closing(server.client(words["admin"])) as caller:
            assert caller.request("POST", "/predict", ROW).status == 401
        assert not any(word in server.output for word in words.values())


def test_a_server_that_others_can_reach_does_not_start_without_keys(package):
    with pytest.raises(SettingsError, match="make one: mlkit keys add NAME"):
        run_server(package, host="0.0.0.0")
    with pytest.raises(SettingsError, match="MLKIT_SERVE_KEYS is not set"):
        read_serve_settings({"MLKIT_SERVE_MODEL": str(package)})
    with pytest.raises(SettingsError, match="cannot be read"):
        run_server(package, keys="nowhere.json")


def test_everything_that_is_wrong_with_settings_is_said_at_once():
    with pytest.raises(SettingsError) as error:
        read_serve_settings({"MLKIT_SERVE_MODLE": "m", "MLKIT_SERVE_MAX_ROWS": "0", "MLKIT_SERVE_LOG_SHARE": "2",
                     "MLKIT_SERVE_KEYS": "off", "MLKIT_SERVE_TIMEOUT": "soon"})  # fmt: skip
    lines = str(error.value).splitlines()
    assert len(lines) == 5 and "MLKIT_SERVE_MODLE; did you mean 'MLKIT_SERVE_MODEL'?" in lines[0]


def test_it_answers_over_tls(package, tmp_path):
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
               "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
               "-keyout", "tls.key", "-out", "tls.crt"]  # fmt: skip
    if not shutil.which("openssl"):
        pytest.skip("there is no openssl to make a certificate with")
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    how = {"model": str(package), "port": free_port(), "log": "none",
           "tls_cert": str(tmp_path / "tls.crt"), "tls_key": str(tmp_path / "tls.key")}  # fmt: skip
    start = (
        "import json, sys; from mlkit.serving.server import run_server; run_server(**json.loads(sys.argv[1]))"
    )
    process = subprocess.Popen([sys.executable, "-c", start, json.dumps(how)], stderr=subprocess.DEVNULL)
    try:
        context = ssl.create_default_context(cafile=str(tmp_path / "tls.crt"))
        for _ in range(200):
            time.sleep(0.05)
            try:
                connection = http.client.HTTPSConnection("127.0.0.1", how["port"], context=context)
                connection.request("POST", "/predict", json.dumps(ROW), {"Content-Type": "application/json"})
                break
            except ConnectionError:
                continue
        assert json.loads(connection.getresponse().read())["prediction"] == "yes"
        connection.close()
    finally:
        process.terminate()
        process.wait(20)


# ---------------------------------------- the log
def test_the_log_has_what_the_model_needs_and_no_personal_column(package, tmp_path):
    own = changed(shutil.copytree(package, tmp_path / "own"), "problem", personal=["sender", "distance"])
    with running_server(own, log=str(tmp_path / "log.db")) as server, closing(server.client()) as client:
        answer = client.predict(ROW | {"sender": "ann@example.com", "colour": "red"})
        said = client.request("POST", "/feedback", [{"id": answer["id"], "truth": "NO"}])
        assert said.value == {"accepted": 1}
        for truth in (SECRET, None, [1], 3):
            heard = client.request("POST", "/feedback", {"id": answer["id"], "truth": truth})
            assert heard.status == 422 and SECRET not in heard.body.decode()
        assert client.request("POST", "/feedback", {"id": "'; --", "truth": "no"}).status == 422
    (row,) = logged(tmp_path / "log.db")
    assert json.loads(row["input"]) == {"weight": 20, "service": "standard"}
    assert json.loads(row["output"]) == {key: answer[key] for key in ("prediction", "probabilities")}
    assert (row["id"], row["version"], row["model"]) == (answer["id"], answer["version"], "parcels")
    assert abs(row["time"] - time.time()) < 60 and 0 < row["seconds"] < 5
    (truth,) = logged(tmp_path / "log.db", "feedback")
    assert (truth["id"], truth["truth"]) == (answer["id"], '"no"')


def test_the_access_log_has_a_line_a_request_and_no_data(package):
    with running_server(package, log="none", access=True) as server, closing(server.client()) as client:
        answer = client.predict(ROW | {"weight": 17.25})
        client.request("GET", f"/{SECRET}?weight=17.25")
        lines = [line for line in server.output.splitlines() if " bytes " in line]
    assert sum("POST /predict 200 " in line for line in lines) == 1 and answer["id"] in server_id(lines)
    assert SECRET not in str(lines) and "17.25" not in str(lines)


def server_id(lines: list[str]) -> set[str]:
    return {line.rpartition("id=")[2] for line in lines}


def test_a_share_of_the_predictions_can_be_logged(package, tmp_path):
    with running_server(package, log=str(tmp_path / "log.db"), log_share=0.25) as server:
        with closing(server.client()) as client:
            client.predict(rows(4_000))
    assert 800 < len(logged(tmp_path / "log.db")) < 1_200


def test_a_full_log_refuses_rather_than_loses(package, tmp_path):
    database = tmp_path / "log.db"
    with running_server(package, log=str(database), timeout=1) as server, closing(server.client()) as client:
        with closing(sqlite3.connect(database, isolation_level=None)) as greedy:
            greedy.execute("BEGIN EXCLUSIVE")  # nobody else can write now
            accepted = 0
            while (heard := client.request("POST", "/predict", rows(5_000))).status == 200:
                accepted += 5_000
            assert heard.status == 503 and heard.headers["retry-after"] == "1" and accepted >= 20_000
            end = time.monotonic() + 20
            while client.request("GET", "/health/ready").status == 200 and time.monotonic() < end:
                time.sleep(0.1)
            assert client.request("GET", "/health/ready").status == 503
            assert client.request("GET", "/health/live").status == 200
            greedy.execute("ROLLBACK")
        end = time.monotonic() + 20
        while client.request("GET", "/health/ready").status != 200 and time.monotonic() < end:
            time.sleep(0.1)
        client.predict(ROW)
    assert len(logged(database)) == accepted + 1


def test_several_processes_count_and_log_together(package, tmp_path):
    with running_server(package, log=str(tmp_path / "log.db"), workers=2) as server:
        accepted = threading.Semaphore(0)

        def ask() -> None:
            for row in rows(50):
                with closing(server.client()) as client:  # a new connection, perhaps to the other process
                    client.predict(row)
                accepted.release()

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with closing(server.client()) as client:
            for _ in range(3):  # whoever is asked
                page = client.request("GET", "/metrics").body.decode()
                assert re.search(r"^mlkit_predictions_total{version=.*} 200.0$", page, re.M)
                assert re.search(
                    r'^mlkit_http_requests_total{route="/predict",status="200"} 200.0$', page, re.M
                )
                assert page.count("mlkit_process_resident_memory_bytes ") == 3  # help, type, and one value
    assert len(logged(tmp_path / "log.db")) == 200


def test_the_figures_are_as_prometheus_wants_them(client):
    client.predict(ROW)
    page = client.request("GET", "/metrics")
    assert page.headers["content-type"].startswith("text/plain")
    names = {re.split("[{ ]", line)[0] for line in page.body.decode().splitlines() if line[0] != "#"}
    assert all(name.startswith("mlkit_") for name in names)
    assert 'mlkit_model_info{name="parcels",task="binary",version="' in page.body.decode()
    if not shutil.which("promtool"):
        pytest.skip("there is no promtool")
    said = subprocess.run(["promtool", "check", "metrics"], input=page.body, capture_output=True)
    assert said.returncode == 0, said.stdout + said.stderr


# ---------------------------------------- a new model, and the end
def test_a_new_model_takes_over_and_a_damaged_one_does_not(package, tmp_path):
    make_parcel_package(tmp_path / "two", offset=-1.0)
    damaged = shutil.copytree(tmp_path / "two", tmp_path / "three")
    (damaged / "model.onnx").write_bytes(b"x" + (damaged / "model.onnx").read_bytes()[1:])

    def point(folder: Path | str, version: str) -> None:
        (tmp_path / "new.json").write_text(json.dumps({"folder": str(folder), "version": version}))
        os.replace(tmp_path / "new.json", tmp_path / "current.json")

    point(package, "1")
    with running_server(tmp_path, log="none", reload=0.1) as server, closing(server.client()) as client:
        assert client.predict(ROW)["version"] == "1"
        point("two", "2")
        end = time.monotonic() + 20
        while (answer := client.predict(ROW))["version"] == "1" and time.monotonic() < end:
            assert answer["probabilities"]["yes"] == pytest.approx(chance(ROW), abs=1e-6)
        assert answer["version"] == "2"
        assert answer["probabilities"]["yes"] == pytest.approx(chance(ROW, -1.0), abs=1e-6)
        point("three", "3")
        refused = 'mlkit_model_reloads_total{result="failure"} 1.0'
        while refused not in client.request("GET", "/metrics").body.decode() and time.monotonic() < end:
            assert client.predict(ROW)["version"] == "2"
        assert refused in client.request("GET", "/metrics").body.decode()
        assert client.predict(ROW)["version"] == "2"
        assert "'model.onnx' is not what was signed" in server.output


def test_under_mixed_load_nothing_is_lost_across_a_new_model_and_the_end(package, tmp_path):
    """Callers of all kinds, new models, and SIGTERM in the middle of it. Every answer that arrived is in the
    log, no request failed while the model changed, and neither memory nor files grow."""
    import psutil

    make_parcel_package(tmp_path / "two", offset=-1.0)
    (tmp_path / "current.json").write_text(json.dumps({"folder": str(package), "version": "1"}))
    accepted: list[str] = []
    failed: list[object] = []
    stopping = threading.Event()

    def ask(server: ServerProcess, seed: int) -> None:
        draw = random.Random(seed)
        asked = rows(2_000, seed)
        client = server.client()
        try:
            while True:
                what = draw.random()
                if what < 0.05:
                    client.request("POST", "/predict", b'{"weight": ')
                elif what < 0.1:
                    client.request(
                        "GET", draw.choice(["/model", "/metrics", "/health/ready", "/openapi.json"])
                    )
                elif what < 0.15:
                    answers = client.predict(draw.sample(asked, 200))["predictions"]
                    accepted.extend(answer["id"] for answer in answers)
                elif what < 0.2 and accepted:
                    client.request("POST", "/feedback", {"id": accepted[-1], "truth": "no"})
                elif what < 0.22:
                    client.close()
                    client = server.client()
                else:
                    accepted.append(client.predict(draw.choice(asked))["id"])
        except (OSError, http.client.HTTPException) as error:
            if not stopping.is_set():
                failed.append(error)
        except Exception as error:
            failed.append(error)

    with running_server(tmp_path, log=str(tmp_path / "log.db"), reload=0.1) as server:
        threads = [threading.Thread(target=ask, args=(server, seed)) for seed in range(6)]
        for thread in threads:
            thread.start()
        process, sizes = psutil.Process(server.process.pid), []
        for turn in range(6):
            time.sleep(SECONDS / 6)
            folder, version = (tmp_path / "two", "2") if turn % 2 == 0 else (package, "1")
            (tmp_path / "new.json").write_text(json.dumps({"folder": str(folder), "version": version}))
            os.replace(tmp_path / "new.json", tmp_path / "current.json")
            sizes.append((process.memory_info().rss / 1e6, process.num_fds()))
        with closing(server.client()) as client:
            page = client.request("GET", "/metrics").body.decode()
            reloads = re.search(r'reloads_total{result="success"} (\d+)', page)
        stopping.set()
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(30)
        for thread in threads:
            thread.join(30)
        assert "Traceback" not in server.output and "ERROR" not in server.output, server.output[-2000:]
    assert failed == []
    assert reloads and int(reloads[1]) >= 2
    known = {row["id"] for row in logged(tmp_path / "log.db")}
    assert accepted and [id for id in accepted if id not in known] == []
    assert {row["version"] for row in logged(tmp_path / "log.db")} == {"1", "2"}
    (first, files), (last, files_now) = sizes[2], sizes[-1]
    print(f"{len(accepted)} accepted; MB and files: {sizes}")
    assert last - first < 40 and files_now - files < 15


def test_a_damaged_package_is_not_served(package, tmp_path):
    own = shutil.copytree(package, tmp_path / "own")
    (own / "schema.json").write_text("{}")
    with pytest.raises(MLKitError, match="schema.json"):
        run_server(own, log="none")


# ---------------------------------------- real clients
def test_mlflows_own_client_gets_right_answers(server):
    import numpy as np
    import pandas as pd
    from mlflow.pyfunc.scoring_server.client import ScoringServerClient

    client, asked = ScoringServerClient("127.0.0.1", server.port), rows(20)
    client.ping()
    assert client.get_version()
    frame = pd.DataFrame(asked)
    told = client.invoke(frame).get_predictions()
    assert told.prediction.tolist() == ["yes" if chance(row) >= 0.5 else "no" for row in asked]
    assert np.allclose(told["probability.yes"], [chance(row) for row in asked], atol=1e-6)
    with pytest.raises(Exception, match="should be a number"):
        client.invoke(frame.assign(weight=SECRET))


def test_mlflows_ways_to_write_a_table_mean_the_same(client):
    asked = rows(5)
    names = [*asked[0]]
    cells = [[*row.values()] for row in asked]
    text = "\n".join([",".join(names), *(",".join(map(str, row)) for row in cells)]).encode()
    said = [{"dataframe_split": {"columns": names, "data": cells}}, {"dataframe_records": asked},
            {"instances": asked}, {"instances": cells}, {"inputs": asked},
            {"inputs": {name: [row[name] for row in asked] for name in names}}]  # fmt: skip
    answers = [client.request("POST", "/invocations", each) for each in said]
    answers.append(client.request("POST", "/invocations", text, Content_Type="text/csv"))
    for heard in answers:
        assert [row["probability.yes"] for row in heard.value["predictions"]] == pytest.approx(
            [chance(row) for row in asked], abs=1e-6)  # fmt: skip
    assert len({*answers[0].value["ids"]}) == 5


@pytest.mark.parametrize("binary", [True, False])
def test_a_client_of_the_open_inference_protocol_gets_right_answers(binary, server):
    http_client = pytest.importorskip("tritonclient.http")
    import numpy as np

    asked = rows(10)
    with closing(http_client.InferenceServerClient(f"127.0.0.1:{server.port}")) as client:
        assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("parcels")
        told = client.get_model_metadata("parcels")
        assert client.is_model_ready("parcels", told["versions"][0]) and not client.is_model_ready("other")
        assert [each["datatype"] for each in told["inputs"]] == ["FP64", "FP64", "BYTES"]
        inputs = []
        for each in told["inputs"]:
            kind = object if each["datatype"] == "BYTES" else np.float64
            values = np.array([row[each["name"]] for row in asked], dtype=kind)
            tensor = http_client.InferInput(each["name"], [len(asked)], each["datatype"])
            tensor.set_data_from_numpy(values, binary_data=binary)
            inputs.append(tensor)
        outputs = [http_client.InferRequestedOutput(name, binary_data=binary)
                   for name in ("prediction", "probabilities")]  # fmt: skip
        for wanted in (outputs, None):
            result = client.infer("parcels", inputs, outputs=wanted, request_id="7")
            labels = result.as_numpy("prediction")
            expected = ["yes" if chance(row) >= 0.5 else "no" for row in asked]
            assert [each if isinstance(each, str) else each.decode() for each in labels] == expected
            probabilities = result.as_numpy("probabilities")
            assert probabilities.shape == (10, 2)
            assert np.allclose(probabilities[:, 1], [chance(row) for row in asked], atol=1e-6)
            assert result.get_response()["id"] == "7"
        with pytest.raises(Exception, match="no such model"):
            client.infer("other", inputs)


def test_tensors_that_are_none_are_refused(client):
    def tensor(**parts: object) -> dict:
        return {"inputs": [{"name": "weight", "shape": [1], "datatype": "FP64", "data": [1.0]} | parts]}

    for said in (
        {}, {"inputs": []}, {"inputs": 7}, tensor(shape=[2]), tensor(shape=[1, 2]), tensor(shape=[-1]),
        tensor(datatype={}), tensor(datatype="STRING"), tensor(name=7), tensor(data=None), tensor(shape=[]),
        tensor(data=[[1, 2]]), tensor(parameters={"binary_data_size": 8}), tensor(parameters=7),
        tensor() | {"outputs": [{"name": "other"}]}, tensor() | {"outputs": [{"name": []}]},
    ):  # fmt: skip
        heard = client.request("POST", "/v2/models/parcels/infer", said)
        assert heard.status in (400, 422) and "error" in heard.value, said
    for length in ("-1", "999", "x"):
        headers = {"Inference_Header_Content_Length": length}
        assert client.request("POST", "/v2/models/parcels/infer", tensor(), **headers).status == 400


def test_curl_gets_an_answer(server):
    if not shutil.which("curl"):
        pytest.skip("there is no curl")
    url = f"http://127.0.0.1:{server.port}/predict"
    command = ["curl", "-s", url, "-H", "Content-Type: application/json", "-d", json.dumps(ROW)]
    assert json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["prediction"] == "yes"


# ---------------------------------------- what it says about itself
def test_the_model_is_described_for_people(client):
    told = client.request("GET", "/model").value
    assert (told["classes"], told["metric"], told["interval"]) == (["no", "yes"], "roc_auc", [0.78, 0.84])
    by_name = {column["name"]: column for column in told["columns"]}
    assert [*by_name] == ["weight", "distance", "service"]
    assert by_name["weight"]["high"] == 70 and by_name["weight"]["unit"] == "kg"
    assert by_name["service"] == {"name": "service", "kind": "category",
                                  "categories": ["standard", "express"], "may_be_empty": False,
                                  "example": "standard"}  # fmt: skip
    example = {name: column["example"] for name, column in by_name.items()}
    assert client.predict(example)["warnings"] == []


def test_the_document_is_valid_and_names_no_other_host(client):
    from jsonschema import Draft202012Validator

    document = client.request("GET", "/openapi.json").value
    assert document["openapi"].startswith("3.1")
    assert "http://" not in json.dumps(document) and "https://" not in json.dumps(document)
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


# Who has stopped a server is told so by all its endpoints: what stops is asked last, and alone.
@pytest.mark.parametrize("chosen", [["--exclude-path", "/stop"], ["--include-path", "/stop", "--include-path", "/start"]],
                         ids=["while-it-runs", "stop-and-start"])  # fmt: skip
def test_schemathesis_finds_no_fault_and_no_answer_that_is_not_declared(package, tmp_path, chosen):
    command = Path(sys.executable).with_name("schemathesis")
    if not command.exists():
        pytest.skip("there is no schemathesis")
    key = add_key(tmp_path / "keys.json", "tester", ["admin"])
    with running_server(package, log=str(tmp_path / "log.db"), keys=str(tmp_path / "keys.json")) as server:
        said = subprocess.run(
            [str(command), "run", f"http://127.0.0.1:{server.port}/openapi.json", "--no-color", "--seed", "1",
             "--max-examples", os.environ.get("MLKIT_FUZZ_EXAMPLES", "3"),
             "-H", f"Authorization: Bearer {key}", "--phases", "examples,coverage,fuzzing",
             "--exclude-checks", "negative_data_rejection,positive_data_acceptance", *chosen],
            capture_output=True, text=True, cwd=tmp_path, timeout=600)  # fmt: skip
        assert said.returncode == 0, said.stdout[-4000:] + server.output[-1000:]


def test_it_is_light(package, tmp_path):
    """What the image holds must be enough, so nothing else may be imported: by the whole server, with keys,
    log, metrics and explanations."""
    key = add_key(tmp_path / "keys.json", "all", ["admin"])
    code = """
import asyncio, json, sys
from mlkit.serving.server_settings import ServeSettings
from mlkit.serving.app import create_app
package, key, folder = sys.argv[1:]
app = create_app(ServeSettings(package, folder + "/keys.json", log=folder + "/log.db", access=True))
bodies = {
    "/predict": {"weight": 2}, "/explain": {"weight": 2}, "/feedback": {"id": "0123456789", "truth": "no"},
    "/invocations": {"instances": [{"weight": 2}]}, "/openapi.json": None, "/model": None, "/metrics": None,
    "/health/ready": None, "/": None,
}
async def send(message): assert message.get("status", 200) == 200, message
for path, body in bodies.items():
    async def receive(): return {"type": "http.request", "body": json.dumps(body).encode()}
    scope = {"type": "http", "path": path, "method": "GET" if body is None else "POST"}
    headers = [(b"x-api-key", key.encode()), (b"content-type", b"application/json")]
    asyncio.run(app(scope | {"headers": headers}, receive, send))
heavy = {"pandas", "sklearn", "scipy", "mlflow", "pydantic", "fastapi", "matplotlib", "IPython", "onnx",
         "joblib", "requests", "pyarrow", "typer", "model_signing"}
print(json.dumps(sorted(heavy & sys.modules.keys())))
"""
    command = [sys.executable, "-c", code, str(package), key, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


# ---------------------------------------- Postgres
@pytest.fixture
def postgres(tmp_path) -> Iterator[str]:
    """A database server of its own; Postgres does not run as root."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin")) or [Path(shutil.which("initdb") or "x").parent]
    if not (found[-1] / "initdb").exists():
        pytest.skip("there is no Postgres")
    as_other = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    if as_other and not shutil.which("setpriv"):
        pytest.skip("Postgres does not run as root, and there is no setpriv")
    place = Path(subprocess.run([*as_other, "mktemp", "-d"], capture_output=True, text=True).stdout.strip())
    port = free_port()
    subprocess.run([*as_other, found[-1] / "initdb", "-D", place / "data", "-U", "mlkit", "-A", "trust"],
                   check=True, capture_output=True, cwd="/")  # fmt: skip
    process = subprocess.Popen(
        [*as_other, found[-1] / "postgres", "-D", place / "data", "-p", str(port), "-k", str(place), "-h",
         "127.0.0.1", "-c", "fsync=off"], stderr=subprocess.DEVNULL, cwd="/")  # fmt: skip
    try:
        import psycopg

        for _ in range(200):
            try:
                psycopg.connect(f"postgresql://mlkit@127.0.0.1:{port}/postgres").close()
                break
            except psycopg.OperationalError:
                time.sleep(0.05)
        yield f"postgresql://mlkit@127.0.0.1:{port}/postgres"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)
        shutil.rmtree(place, ignore_errors=True)


def test_the_log_can_be_in_postgres(postgres, package, monkeypatch):
    import psycopg

    monkeypatch.setenv("TEST_LOG", postgres)
    with running_server(package, log="env:TEST_LOG", workers=2) as server, closing(server.client()) as client:
        odd = [row | {"service": "nul\x00 café 宅配便"} for row in rows(500)]
        answers = client.predict(odd)["predictions"]
        client.request("POST", "/feedback", {"id": answers[0]["id"], "truth": "yes"})
        assert is_ready(server.port)
    with psycopg.connect(postgres) as connection:
        found = connection.execute("SELECT id, input::json->>'weight' FROM predictions").fetchall()
        assert {id for id, _ in found} == {answer["id"] for answer in answers}
        assert connection.execute("SELECT truth FROM feedback").fetchall() == [('"yes"',)]
