"""Does an honest caller get its answers while others attack, and does nothing grow?

`make bench`, or by hand `python tests/bench/siege.py SECONDS` (default 60). A server with keys, a log and all its
usual limits. Honest callers send rows, many rows, explanations and truths, and look at health and metrics; beside
them connections that keep silent or trickle, heads and bodies that are too long, deep or broken, keys that are
guessed, pages of other sites, answers that nobody reads. At the end: how many honest requests failed (there should
be none), how long they took, and what memory, files and log were at the beginning and at the end.
"""

import json
import os
import random
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil

from mlkit.inference.example_package import delay_probability, make_parcel_package
from mlkit.security.api_keys import add_key
from mlkit.serving.client import ServerProcess, running_server

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
LOG_BYTES = 20_000_000
ROW = {"weight": 20, "distance": 400, "service": "standard"}


class Siege:
    """What happens around one server."""

    def __init__(self, server: ServerProcess, key: str):
        self.server, self.key, self.end = server, key, time.monotonic() + SECONDS
        self.failed: list[str] = []
        self.took: list[float] = []
        self.attacks: Counter[str] = Counter()

    def honest(self, seed: int) -> None:
        """One caller with a key, who does nothing wrong."""
        draw, ids = random.Random(seed), ["0" * 32]
        with closing(self.server.client(self.key)) as client:
            while time.monotonic() < self.end:
                row = {"weight": draw.randrange(60), "distance": draw.randrange(2000), "service": "standard"}
                body: Any = row
                method, path = "POST", "/predict"
                what = draw.random()
                if what < 0.1:
                    path = "/explain"
                elif what < 0.2:
                    body = [row] * draw.choice([10, 200])
                elif what < 0.3:
                    path, body = "/feedback", {"id": ids[-1], "truth": "no"}
                elif what < 0.35:
                    path, body = "/invocations", {"instances": [row]}
                elif what < 0.4:
                    method, path, body = (
                        "GET",
                        draw.choice(["/health/ready", "/health/live", "/metrics", "/model"]),
                        None,
                    )
                began = time.perf_counter()
                try:
                    heard = client.request(method, path, body)
                except OSError as error:
                    self.failed.append(f"{path}: {type(error).__name__}")
                    client.close()
                    continue
                self.took.append(time.perf_counter() - began)
                if heard.status != 200:
                    self.failed.append(f"{path}: {heard.status} {heard.body[:100]!r}")
                elif path == "/predict" and body is row:
                    ids.append(heard.value["id"])
                    if abs(heard.value["probabilities"]["yes"] - delay_probability(**row)) > 1e-5:
                        self.failed.append("a wrong answer")
                time.sleep(draw.random() / 100)

    def hostile(self, seed: int) -> None:
        """One who does nothing else."""
        draw, held = random.Random(seed), list[socket.socket]()
        while time.monotonic() < self.end:
            what = draw.choice(ATTACKS)
            self.attacks[what] += 1
            try:
                connection = socket.create_connection(("127.0.0.1", self.server.port), timeout=0.5)
                connection.sendall(attack(what, draw, self.key))
                if what in ("silent", "half a head", "half a body", "does not read"):
                    held.append(connection)
                else:
                    connection.recv(65_536)
                    connection.close()
            except OSError:
                pass  # it was refused
            while len(held) > 300:
                held.pop(draw.randrange(len(held))).close()
            time.sleep(draw.random() / 50)
        for connection in held:
            connection.close()


ATTACKS = ["silent", "half a head", "half a body", "does not read", "long head", "long address", "deep", "broken",
           "large", "many rows", "guess", "page", "rebinding", "long cell", "no HTTP", "no column"]  # fmt: skip


def attack(what: str, draw: random.Random, key: str) -> bytes:
    """What is sent."""
    if what == "silent":
        return b""
    if what == "no HTTP":
        return draw.randbytes(200)
    if what == "long head":
        return b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: " + b"a" * 200_000
    if what == "long address":
        return b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
    if what == "half a head":
        return b"POST /predict HTTP/1.1\r\nHost: localhost\r\nX-A: b\r\n"
    body = {
        "deep": b"[" * 900 + b"]" * 900,
        "broken": b'{"weight": \xff',
        "large": b'{"weight": "' + b"1" * 2_000_000 + b'"}',
        "many rows": b"[" + b'{"weight": 1},' * 10_500 + b"{}]",
        "long cell": json.dumps(ROW | {"service": "９" * 15_000}).encode(),
        "no column": b'[{"a": 1}, {"b": 2}]',
        "does not read": json.dumps([ROW] * 3_000).encode(),
    }.get(what, json.dumps(ROW).encode())
    key = "mlk_guess" if what == "guess" else key
    host, more = ("evil.example" if what == "rebinding" else "localhost"), ""
    if what == "page":
        more = "Origin: https://evil.example\r\n"
    head = (f"POST /predict HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n{more}"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n")  # fmt: skip
    return head.encode() + (body[:5] if what == "half a body" else body)


def sizes(process: psutil.Process, log: Path) -> dict[str, float]:
    """What could grow."""
    return {"MB": process.memory_info().rss / 1e6, "files": process.num_fds(), "threads": process.num_threads(),
            "log MB": sum(path.stat().st_size for path in log.parent.glob(f"{log.name}*")) / 1e6}  # fmt: skip


def main() -> None:
    with tempfile.TemporaryDirectory() as named:
        place = Path(named)
        os.environ["MLKIT_SIGNING_KEY"] = str(place / "signing" / "signing.key")
        from mlkit.inference.signing import make_signing_key

        make_signing_key(place / "signing" / "signing.key")
        key, log = add_key(place / "keys.json", "honest", ["admin"]), place / "log.db"
        package = make_parcel_package(place / "parcels")
        with running_server(
            package, log=str(log), keys=str(place / "keys.json"), log_bytes=LOG_BYTES
        ) as server:
            siege, process = Siege(server, key), psutil.Process(server.process.pid)
            threads = [threading.Thread(target=siege.honest, args=(seed,)) for seed in range(4)]
            threads += [threading.Thread(target=siege.hostile, args=(seed,)) for seed in range(4)]
            for thread in threads:
                thread.start()
            time.sleep(SECONDS / 3)  # everything has been asked for once
            early = sizes(process, log)
            for thread in threads:
                thread.join()
            late, words = sizes(process, log), len(server.output)
            with closing(server.client(key)) as client:
                page = client.request("GET", "/metrics").body.decode()
            time.sleep(11)  # until the last that are silent are closed
            rest = sizes(process, log)
    took, faults = sorted(siege.took), page.count('status="500"')
    print(f"{SECONDS:g} s: {len(took):,} honest requests, {len(siege.failed)} failed; p50 {took[len(took) // 2]:.4f} s, "
          f"p99 {took[int(len(took) * 0.99)]:.3f} s, longest {took[-1]:.2f} s")  # fmt: skip
    print(f"{sum(siege.attacks.values()):,} attacks of {len(siege.attacks)} kinds")
    for name, found in (("after a third", early), ("at the end", late), ("11 s later", rest)):
        print(f"{name:14}" + "".join(f"{what} {size:8.1f}  " for what, size in found.items()))
    print(f"the server has written {words:,} characters; faults (500): {faults}")
    for problem, many in Counter(siege.failed).most_common(8):
        print(f"failed {many} times: {problem}")
    calm = (
        late["MB"] - early["MB"] < 60
        and rest["files"] <= early["files"]
        and late["log MB"] < 3 * LOG_BYTES / 1e6
    )
    sys.exit(0 if not siege.failed and calm and not faults else 1)


if __name__ == "__main__":
    main()
