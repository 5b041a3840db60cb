"""How fast are single predictions served? mlkit against other servers, all of the same model.

`make bench`. Each server gets one worker, pinned to one core, and 8 connections that always have a request
under way, from wrk (Debian: `apt-get install wrk`) or else from a client of our own, on another core. Every
request is a row of its own. mlkit has everything on: validation, key, figures and the prediction log. Before
a server is measured, its answers are compared with the model's. MLServer and BentoML get environments of
their own below ~/.cache/mlkit-bench; where one cannot be installed, that is printed. Servers take turns, and
each figure is of the best round. Read the ratios: rates differ from machine to machine and from hour to hour.
On a machine that others use, too, read the processor's time for a request (CPU us).

BENCH_RUN names a finished run with its package; else one is made of the built-in example.
BENCH_ONLY=mlkit measures mlkit alone: without a log, with a plain one, and with a protected one. Their ratios
are told by the processor's time, of each server's best round.

Last come mlkit's own ratios: to an empty ASGI callable on the same stack, requests of 1,000 rows to requests of
100, and two workers to one at 64 connections. Workers are pinned nowhere, and wrk shares their cores: with two
cores the processor's time for a request tells whether the server or the machine is the limit.
"""

import asyncio
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil

from mlkit.core.master_key import make_master_key
from mlkit.core.run_folder import RunFolder
from mlkit.security.api_keys import add_key
from mlkit.serving.client import ServerClient, free_port, to_request_rows

ROOT = Path(__file__).parents[2]
CACHE = Path("~/.cache/mlkit-bench").expanduser()
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
SECONDS = int(os.environ.get("BENCH_SECONDS", "10"))
ROWS = 5_000  # different ones; they come in turn
CONNECTIONS = 8
PROTECTED = "mlkit, protected log"
WRK = """
local bodies, at = {}, 0
function init(arguments)
  for line in io.lines(arguments[1]) do bodies[#bodies + 1] = line end
end
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
function request()
  at = at % #bodies + 1
  return wrk.format(nil, nil, nil, bodies[at])
end
"""


# ---------------------------------------- the model and the rows
def finished_run() -> Path:
    """A run with its package, made once."""
    if "BENCH_RUN" in os.environ:
        return Path(os.environ["BENCH_RUN"])
    folder = CACHE / "serving" / "run"
    how = ["--data", "example:customers", "--target", "churned", "--out", str(folder), "--to", "package",
           "-p", "train.models=boosting", "-p", "train.ensemble=no", "-p", "train.trials=5"]  # fmt: skip
    command = [sys.executable, "-c", "from mlkit.cli.main import main; main()", "run", *how]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
    return folder


def some_rows(run: RunFolder) -> list[dict[str, Any]]:
    """Rows that nobody has asked about yet: each cell from another test row, numbers a little off."""
    model, draw = run.load("final"), random.Random(1)
    names = [column.name for column in model.table.used]
    known = to_request_rows(run.load("test")[names])

    def cell(name: str) -> Any:
        value = draw.choice(known)[name]
        return value * (1 + draw.random() / 100) if isinstance(value, float) else value

    return [{name: cell(name) for name in names} | {"customer_id": f"C-{at:05d}"} for at in range(ROWS)]


# ---------------------------------------- the servers
class Competitor(NamedTuple):
    command: list[str]
    path: str  # where rows are sent to
    body: Callable[[dict[str, Any]], Any]  # of a row
    read: Callable[[Any], float] | None  # the last probability, or the number, in an answer
    headers: dict[str, str] = {}
    environment: dict[str, str] = {}


MODEL = """
import os, joblib, pandas as pd
from pathlib import Path
model = joblib.load(os.environ["BENCH_MODEL"])
names = [column.name for column in model.table.used]
def answer(row):
    output = model.output(pd.DataFrame([row], columns=names))[0]
    return float(output[-1] if model.task.classes else output)
"""
FASTAPI = (
    MODEL
    + """
from fastapi import FastAPI
app = FastAPI()
@app.post("/predict")
def predict(row: dict): return {"output": answer(row)}
"""
)
EMPTY = """
import orjson
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
async def predict(request):
    orjson.loads(await request.body())
    return Response(orjson.dumps({"output": 0.5}), media_type="application/json")
app = Starlette(routes=[Route("/predict", predict, methods=["POST"])])
"""
BARE = """
import orjson
async def app(scope, receive, send):
    if scope["type"] != "http": return
    orjson.loads((await receive())["body"])
    body = orjson.dumps({"output": 0.5})
    await send({"type": "http.response.start", "status": 200, "headers": [
        (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})
"""
MLSERVER = (
    MODEL
    + """
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceResponse
class Bench(MLModel):
    async def load(self): return True
    async def predict(self, payload):
        row = {each.name: StringCodec.decode_input(each)[0] if each.datatype == "BYTES"
               else NumpyCodec.decode_input(each).item() for each in payload.inputs}
        output = NumpyCodec.encode_output("output", pd.Series([answer(row)]).to_numpy())
        return InferenceResponse(model_name=self.name, outputs=[output])
"""
)
BENTOML = (
    MODEL
    + """
import bentoml
@bentoml.service(workers=1)
class Bench:
    @bentoml.api
    def predict(self, row: dict) -> dict: return {"output": answer(row)}
"""
)


def tensors(row: dict[str, Any]) -> dict[str, Any]:
    """A row for the Open Inference Protocol; what is missing is left out."""
    kinds = {str: "BYTES", bool: "BOOL", int: "INT64", float: "FP64"}
    return {"inputs": [{"name": name, "shape": [1], "datatype": kinds[type(cell)], "data": [cell]}
                       for name, cell in row.items() if cell is not None]}  # fmt: skip


def environment_of(name: str, packages: list[str]) -> Path | None:  # its Python
    """An environment of its own; what it lacks (scikit-learn, mlkit) it takes from ours."""
    folder = CACHE / name
    python, ready = folder / "bin" / "python", folder / "ready"
    if not ready.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        command = [python, "-m", "pip", "install", "--quiet", *packages]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or [""])[-1]
            print(f"{name} cannot be installed on Python {sys.version.split()[0]}: {last[:150]}")
            return None
        ready.touch()
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own = Path(subprocess.check_output([python, "-c", code], text=True).strip())
    (own / "ours.pth").write_text(f"{Path(np.__path__[0]).parent}\n")
    return python


def uvicorn(module: str, port: int) -> list[str]:
    return [sys.executable, "-m", "uvicorn", f"{module}:app", "--port", str(port), "--no-access-log",
            "--log-level", "warning"]  # fmt: skip


def competitors(run: Path, place: Path, port: int) -> Iterator[tuple[str, Competitor]]:
    """Everybody who can be started here."""
    key = add_key(place / "keys.json", "bench", ["predict"])
    start = (
        "import json, sys; from mlkit.serving.server import run_server; run_server(**json.loads(sys.argv[1]))"
    )
    told = {"model": str(run / "model"), "port": port, "log": str(place / "log.db"),
            "keys": str(place / "keys.json")}  # fmt: skip

    def last(answer: Any) -> float:
        return [*answer.get("probabilities", {0: answer["prediction"]}).values()][-1]

    yield "mlkit", Competitor([sys.executable, "-c", start, json.dumps(told)], "/predict", dict, last,
                              {"Authorization": f"Bearer {key}"})  # fmt: skip
    make_master_key(place / "master.key")
    others = {"mlkit, no log": {"log": "none"},
              PROTECTED: {"log": str(place / "sealed.db"), "subject": "customer_id",
                                       "protect": str(place / "master.key")}}  # fmt: skip
    for name, more in others.items():
        yield name, Competitor([sys.executable, "-c", start, json.dumps(told | more)], "/predict", dict, last,
                               {"Authorization": f"Bearer {key}"})  # fmt: skip
    if os.environ.get("BENCH_ONLY") == "mlkit":
        return
    for name, code in ("empty", EMPTY), ("bare", BARE), ("fastapi", FASTAPI):
        (place / f"{name}_server.py").write_text(code)
    model = {"BENCH_MODEL": str(run / "artifacts" / "final.joblib")}
    yield "empty Starlette handler", Competitor(uvicorn("empty_server", port), "/predict", dict, None)
    yield "empty ASGI callable", Competitor(uvicorn("bare_server", port), "/predict", dict, None)
    yield (
        "FastAPI + scikit-learn",
        Competitor(uvicorn("fastapi_server", port), "/predict", dict, lambda told: told["output"], {}, model),
    )
    from mlkit.registry.mlflow_flavor import save_model

    save_model(run / "model", place / "mlflow")
    command = [str(Path(sys.executable).with_name("mlflow")), "models", "serve", "-m", str(place / "mlflow"),
               "--env-manager", "local", "-p", str(port)]  # fmt: skip
    yield "MLflow", Competitor(command, "/invocations", lambda row: {"dataframe_records": [row]},
                               lambda told: [*told["predictions"][0].values()][-1])  # fmt: skip
    if python := environment_of("mlserver", ["mlserver"]):
        folder = place / "mlserver"
        folder.mkdir()
        (folder / "bench_runtime.py").write_text(MLSERVER)
        settings = {"host": "127.0.0.1", "http_port": port, "grpc_port": free_port(), "parallel_workers": 0,
                    "metrics_port": free_port(), "debug": False}  # fmt: skip
        (folder / "settings.json").write_text(json.dumps(settings))
        said = {"name": "bench", "implementation": "bench_runtime.Bench"}
        (folder / "model-settings.json").write_text(json.dumps(said))
        yield "MLServer", Competitor(
            [str(python.with_name("mlserver")), "start", str(folder)], "/v2/models/bench/infer", tensors,
            lambda told: told["outputs"][0]["data"][0], {},
            {**model, "PYTHONPATH": f"{ROOT}:{folder}"})  # fmt: skip
    if python := environment_of("bentoml", ["bentoml"]):
        (place / "bench_bento.py").write_text(BENTOML)
        yield "BentoML", Competitor(
            [str(python), "-m", "bentoml", "serve", "bench_bento:Bench", "--port", str(port),
             "--host", "127.0.0.1"], "/predict", lambda row: {"row": row}, lambda told: told["output"], {},
            {**model, "BENTOML_DO_NOT_TRACK": "True"})  # fmt: skip


# ---------------------------------------- measure one
@contextmanager
def started(
    competitor: Competitor, place: Path, cores: list[str] | None = None
) -> Iterator[subprocess.Popen]:
    """The server on its core, and gone afterwards; `cores`: what pins it to others, if anything."""
    paths = [str(Path(sys.executable).parent), os.environ["PATH"]]
    whole = {**os.environ, "PYTHONPATH": f"{ROOT}:{place}", "MLFLOW_DISABLE_TELEMETRY": "true",
             "OMP_NUM_THREADS": "1", "PATH": os.pathsep.join(paths), **competitor.environment}  # fmt: skip
    place_of = pinned(0) if cores is None else cores
    with open(place / "words", "wb") as words:
        process = subprocess.Popen([*place_of, *competitor.command], env=whole, cwd=place, stdout=words,
                                   stderr=words, start_new_session=True)  # fmt: skip
        try:
            yield process
        finally:
            family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            for each in family:
                try:
                    each.terminate()
                except psutil.Error:
                    continue
            for each in psutil.wait_procs(family, 20)[1]:
                each.kill()
            process.wait(20)


def pinned(core: int) -> list[str]:
    many = len(os.sched_getaffinity(0)) > 1 if hasattr(os, "sched_getaffinity") else False
    return ["taskset", "-c", str(core)] if many and shutil.which("taskset") else []


def first_answer(process: subprocess.Popen, competitor: Competitor, port: int, row: dict[str, Any]) -> Any:
    """What it says first, as soon as it says anything."""
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        client = ServerClient(port)
        client.headers = competitor.headers
        try:
            heard = client.request("POST", competitor.path, competitor.body(row))
            if heard.status == 200:
                return heard.value
            if heard.status not in (404, 500, 502, 503):
                raise RuntimeError(f"{competitor.path} says {heard.status}: {heard.body[:300]!r}")
        except OSError:
            pass
        finally:
            client.close()
        time.sleep(0.02)
    raise RuntimeError("it does not answer")


class Load(NamedTuple):
    rate: float  # requests a second
    p50: float  # milliseconds
    p99: float
    errors: int


def in_milliseconds(text: str) -> float:
    units = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}
    unit = next(unit for unit in units if text.endswith(unit))
    return float(text.removesuffix(unit)) * units[unit]


def load(
    port: int, competitor: Competitor, bodies: Path, seconds: int, connections: int = CONNECTIONS
) -> Load:
    """All connections busy for some seconds."""
    if not shutil.which("wrk"):
        lines = bodies.read_bytes().splitlines()
        return asyncio.run(own_load(port, competitor, lines, seconds, connections))
    (bodies.parent / "load.lua").write_text(WRK)
    headers = [part for name, value in competitor.headers.items() for part in ("-H", f"{name}: {value}")]
    said = subprocess.check_output(
        [*pinned(1), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s", "--latency",
         *headers, "-s", str(bodies.parent / "load.lua"), f"http://127.0.0.1:{port}{competitor.path}", "--",
         str(bodies)], text=True)  # fmt: skip
    words = said.split()
    wrong = words[words.index("responses:") + 1] if "responses:" in words else "0"
    half, most = (in_milliseconds(words[words.index(share) + 1]) for share in ("50%", "99%"))
    return Load(float(words[words.index("Requests/sec:") + 1]), half, most, int(wrong))


async def own_load(
    port: int, competitor: Competitor, bodies: list[bytes], seconds: int, connections: int
) -> Load:
    """The same without wrk; slower, so that the fastest servers are not seen at their best."""
    took: list[float] = []
    errors, end = 0, time.monotonic() + seconds
    more = "".join(f"{name}: {value}\r\n" for name, value in competitor.headers.items())

    async def ask(at: int) -> None:
        nonlocal errors
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.monotonic() < end:
            at += connections
            body, began = bodies[at % len(bodies)], time.perf_counter()
            head = (f"POST {competitor.path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
                    f"{more}Content-Type: application/json\r\n\r\n")  # fmt: skip
            writer.write(head.encode() + body)
            answer = (await reader.readuntil(b"\r\n\r\n")).lower()
            await reader.readexactly(int(answer.split(b"content-length:")[1].split(b"\r\n")[0]))
            took.append(time.perf_counter() - began)
            errors += b" 200 " not in answer[:15]
        writer.close()

    await asyncio.gather(*map(ask, range(connections)))
    p50, p99 = np.quantile(took, [0.5, 0.99]) * 1000
    return Load(len(took) / seconds, float(p50), float(p99), errors)


class Measured(NamedTuple):
    load: Load
    memory: float  # MB, of all its processes
    cold: float  # seconds from its start to its first answer
    cpu: float  # microseconds that the processor works for a request, whatever else the machine does


def measured(
    competitor: Competitor, port: int, place: Path, rows: list[dict], expected: np.ndarray
) -> Measured:
    bodies = place / "bodies"
    bodies.write_text("\n".join(json.dumps(competitor.body(row)) for row in rows))
    began = time.perf_counter()
    with started(competitor, place) as process:
        for place_of, row in enumerate(rows[:20]):
            answer = first_answer(process, competitor, port, row)
            if place_of == 0:
                cold = time.perf_counter() - began
            if competitor.read is not None:
                apart = abs(competitor.read(answer) - expected[place_of])
                assert apart <= 1e-5 * max(1, abs(expected[place_of])), f"a wrong answer, {apart:.2g} off"
        asked = 0.0
        for _ in range(5):  # warm, and each row's subject is known
            asked += 2 * load(port, competitor, bodies, 2).rate
            if asked >= ROWS:
                break
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        before = sum(sum(each.cpu_times()[:2]) for each in family)
        got = load(port, competitor, bodies, SECONDS)
        worked = sum(sum(each.cpu_times()[:2]) for each in family) - before
        memory = sum(each.memory_info().rss for each in family) / 1e6
    return Measured(got, memory, cold, worked / (got.rate * SECONDS) * 1e6)


# ---------------------------------------- mlkit alone: many rows in a request, and two workers
def worked(process: subprocess.Popen) -> float:
    """Seconds that the processor has worked for a server."""
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    return sum(sum(each.cpu_times()[:2]) for each in family)


def own_ratios(run: Path, rows: list[dict]) -> None:
    """Print what mlkit reaches, of itself."""
    many: dict[int, list[float]] = {100: [], 1_000: []}
    alone: dict[int, list[tuple[float, float]]] = {1: [], 2: []}
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as named:
            port, place = free_port(), Path(named)
            competitor = next(competitors(run, place, port))[1]
            with started(competitor, place) as process:
                first_answer(process, competitor, port, rows[0])
                for size, rates in many.items():
                    groups = [rows[at : at + size] for at in range(0, len(rows), size)]
                    (place / "bodies").write_text("\n".join(map(json.dumps, groups)))
                    load(port, competitor, place / "bodies", 2)
                    rates.append(size * load(port, competitor, place / "bodies", SECONDS).rate)
            (place / "bodies").write_text("\n".join(map(json.dumps, rows)))
            for workers, results in alone.items():
                told = json.dumps(json.loads(competitor.command[-1]) | {"workers": workers})
                several = competitor._replace(command=[*competitor.command[:-1], told])
                with started(several, place, []) as process:
                    first_answer(process, several, port, rows[0])
                    load(port, several, place / "bodies", 3, 64)
                    before = worked(process)
                    rate = load(port, several, place / "bodies", SECONDS, 64).rate
                    results.append((rate, (worked(process) - before) / (rate * SECONDS) * 1e6))
    few, large = (max(rates) for rates in many.values())
    print(f"rows/s in requests of 100: {few:,.0f}; of 1,000: {large:,.0f}, {large / few:.2f} times as many")
    (one, cost), (two, costs) = (max(results) for results in alone.values())
    print(f"64 connections: one worker {one:,.0f}/s ({cost:.0f} CPU us), two {two:,.0f}/s ({costs:.0f} CPU us), "
          f"{two / one:.2f} times")  # fmt: skip


def main() -> None:
    folder = finished_run()
    run = RunFolder(folder)
    rows = some_rows(run)
    model = run.load("final")
    import pandas as pd

    output = model.output(pd.DataFrame(rows[:20]).drop(columns="customer_id"))
    expected, results = output[:, -1] if output.ndim == 2 else output, {}
    loader = "wrk" if shutil.which("wrk") else "our own client"
    print(f"{model.task.type}, {len(rows[0])} columns, {run.load('metrics')['model']}; {CONNECTIONS} "
          f"connections, {ROUNDS} rounds of {SECONDS} s, load from {loader}")  # fmt: skip
    for turn in range(ROUNDS):
        with tempfile.TemporaryDirectory() as named:
            port, place = free_port(), Path(named)
            for name, competitor in competitors(folder, place, port):
                try:
                    result = measured(competitor, port, place, rows, expected)
                    results.setdefault(name, []).append(result)
                except (RuntimeError, AssertionError, OSError) as error:
                    words = (place / "words").read_text(errors="replace").strip().splitlines()[-3:]
                    print(f"{name} is not measured: {error}; {' / '.join(words)[:400]}")
        print(f"round {turn + 1} is done", file=sys.stderr)
    heads = ("requests/s", "p50 ms", "p99 ms", "CPU us", "MB", "cold start s", "errors")
    print(f"\n{'server':26}" + "".join(f"{head:>14}" for head in heads))
    best = {name: max(turns, key=lambda turn: turn.load.rate) for name, turns in results.items()}
    for name, (got, memory, cold, cpu) in sorted(best.items(), key=lambda item: -item[1].load.rate):
        print(f"{name:26}{got.rate:14,.0f}{got.p50:14.2f}{got.p99:14.2f}{cpu:14,.0f}{memory:14.0f}{cold:14.1f}"
              f"{got.errors:14}")  # fmt: skip
    cpu = {name: min(turn.cpu for turn in turns) for name, turns in results.items()}
    bare = "empty ASGI callable"
    for name, other in (
        ("mlkit", bare),
        ("mlkit", "mlkit, no log"),
        (PROTECTED, "mlkit, no log"),
        (PROTECTED, "mlkit"),
    ):
        if {name, other} <= cpu.keys():
            print(f"{name}: {cpu[other] / cpu[name]:.2f} of the speed of {other}, by the processor's time")
    for name in best.keys() - {"mlkit"} if "mlkit" in best else ():
        print(f"mlkit has {best['mlkit'].load.rate / best[name].load.rate:.2f} times the rate of {name}")
    own_ratios(folder, rows)


if __name__ == "__main__":
    main()
