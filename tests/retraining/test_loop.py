"""The whole loop with real processes: harm, an alarm, a webhook, a challenger, its way into service, and the way back.

A server under load, Prometheus, Alertmanager, the receiver of its webhook, and a clock that checks. Nobody touches
anything: the world turns round, a better model takes over; then a bad one is promoted by hand, and is undone.
"""

import json
import os
import sqlite3
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from pathlib import Path

import pytest
import yaml

from mlkit.deployment.alerts import AlertSettings, make_alert_rules, make_alertmanager_config
from mlkit.registry.history import load_history
from mlkit.retraining.retraining_journal import load_retraining_journal
from mlkit.serving.client import ServerClient, free_port
from mlkit.sources.examples import make_customers
from tests.conftest import COMMAND, tool, until
from tests.retraining.working_life import QUICK

pytestmark = pytest.mark.skipif(os.name != "posix", reason="starts and stops many processes")
IMPROVE = ["--rows", "150", "--gate-rows", "200", "--probation", "300", "--share", "0.5", "--subject", "age"]


class World:
    """Customers who ask, and what becomes of them; turned: the opposite of what used to become of them."""

    def __init__(self, port: int):
        self.port, self.turned, self.busy, self.failed, self.answers = port, False, True, list[str](), 0
        self.thread = threading.Thread(target=self.live, daemon=True)
        self.thread.start()

    def live(self) -> None:
        client = ServerClient(self.port)
        table = make_customers(20_000, seed=77).query("churned in ('yes', 'no')")
        truths = table.pop("churned").tolist()
        rows = [{key: cell for key, cell in row.items() if cell == cell} for row in table.to_dict("records")]
        for row, truth in cycle(zip(rows, truths, strict=True)):
            if not self.busy:
                break
            answer = client.request("POST", "/predict", row)
            if answer.status != 200:
                self.failed.append(f"{answer.status} {answer.body[:200]!r}")
                continue
            self.answers += 1
            told = {"yes": "no", "no": "yes"}[truth] if self.turned else truth
            feedback = client.request("POST", "/feedback", {"id": answer.value["id"], "truth": told})
            if feedback.status != 200:
                self.failed.append(f"feedback: {feedback.status}")
            time.sleep(0.005)
        client.close()


class Checks:
    """What a clock does: mlkit monitor, again and again."""

    def __init__(self, start, folder: Path):
        self.start, self.folder, self.busy, self.harmed_at = start, folder, True, list[float]()
        self.thread = threading.Thread(target=self.live, daemon=True)
        self.thread.start()

    def live(self) -> None:
        while self.busy:
            process = self.start("monitor", "churn@champion", "predictions.db", "--out", str(self.folder))
            process.wait(120)
            assert process.returncode in (0, 3), (self.folder / "said.log").read_text()
            if process.returncode == 3:
                self.harmed_at.append(time.monotonic())
            time.sleep(1)


@contextmanager
def shop(folder: Path) -> Iterator[tuple[World, Checks]]:
    """All the processes of a model at work."""
    said, processes = (folder / "said.log").open("a"), list[subprocess.Popen]()

    def start(*words: str, program: list[str] = COMMAND) -> subprocess.Popen:
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "HOOK_TOKEN": "a-token"}
        process = subprocess.Popen([*program, *words], cwd=folder, env=environment, stdout=said, stderr=said)
        processes.append(process)
        return process

    order = ("run", "--data", "example:customers", "--to", "package", *QUICK, "-p", "package.name=churn")
    assert start(*order).wait(600) == 0, (folder / "said.log").read_text()
    server, hook, metrics, prometheus, alertmanager = (free_port() for _ in range(5))
    (folder / "token").write_text("a-token")
    (folder / "rules.yml").write_text(yaml.safe_dump(make_alert_rules("churn")))
    config = make_alertmanager_config(
        AlertSettings(webhook=f"http://127.0.0.1:{hook}/"), str(folder / "token")
    )
    config["route"] |= {"group_interval": "1s"}
    config["route"]["routes"][0] |= {"group_wait": "1s", "repeat_interval": "5s"}
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(config))
    jobs = {"server": ("/metrics", server), "monitor": ("/monitor.prom", metrics)}
    scrape = [
        {
            "job_name": job,
            "metrics_path": path,
            "static_configs": [{"targets": [f"127.0.0.1:{port}"], "labels": {"model": "churn"}}],
            "honor_labels": True,
        }
        for job, (path, port) in jobs.items()
    ]
    alerting = {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{alertmanager}"]}]}]}
    every = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    whole = {"global": every, "rule_files": ["rules.yml"], "scrape_configs": scrape, "alerting": alerting}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(whole))
    watched = folder / "monitor" / "churn"
    watched.mkdir(parents=True)
    files = ThreadingHTTPServer(("127.0.0.1", metrics), partial(Quiet, directory=str(watched)))
    threading.Thread(target=files.serve_forever, daemon=True).start()
    try:
        start("serve", "churn@champion", "--port", str(server), "--log", "predictions.db")
        start("improve", "churn", *IMPROVE, "--listen", f"127.0.0.1:{hook}", "--token", "env:HOOK_TOKEN")
        start(
            f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/am",
            f"--web.listen-address=127.0.0.1:{alertmanager}", "--cluster.listen-address=",
            program=[tool("prometheus-alertmanager")],
        )  # fmt: skip
        start(
            f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb",
            f"--web.listen-address=127.0.0.1:{prometheus}", program=[tool("prometheus")],
        )  # fmt: skip
        for address in (
            f"{server}/health/ready", f"{prometheus}/-/ready", f"{alertmanager}/-/ready", f"{hook}/health"
        ):  # fmt: skip
            assert until(lambda address=address: is_up(address), 120, 0.2), address
        world, checks = World(server), Checks(start, watched)
        yield world, checks
        world.busy = checks.busy = False
        world.thread.join(60)
        checks.thread.join(120)
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            process.wait(60)
        files.shutdown()
        said.close()


class Quiet(SimpleHTTPRequestHandler):
    extensions_map = {".prom": "text/plain; version=0.0.4"}

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def is_up(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{address}", timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def served_version(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=5) as answer:
        return json.load(answer)["version"]


def logged(folder: Path) -> int:
    with sqlite3.connect(folder / "predictions.db") as log:
        return log.execute("SELECT count(*) FROM predictions").fetchone()[0]


@pytest.mark.timeout(1200)
def test_harm_leads_to_a_better_model_and_a_bad_one_is_undone(own_home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with shop(tmp_path) as (world, checks):
        words = lambda: (tmp_path / "said.log").read_text()[-3000:]  # noqa: E731
        assert until(lambda: world.answers > 600, 120, 0.2), words()
        assert load_history("churn").champion.number == "1" and not checks.harmed_at
        world.turned = True

        # Harm is found, Prometheus fires, Alertmanager calls, and a challenger makes its way. On a machine that is
        # busy with other things one may be stopped for being slow; then the next one tries.
        journal = partial(load_retraining_journal, tmp_path / "improve" / "churn", "churn")
        champion = lambda: load_history("churn").champion.number  # noqa: E731
        assert until(lambda: bool(checks.harmed_at), 180, 0.2), words()
        alarm = checks.harmed_at[0]
        assert until(lambda: champion() != "1", 600, 0.5), words()
        promoted, better = time.monotonic() - alarm, champion()
        assert until(lambda: served_version(world.port) == better, 30, 0.05), words()
        retraining = journal().retrainings[-1]
        assert retraining.trigger == "harmed"
        assert {"snapshot", "challenger", "verification", "shadow", "canary"} <= {*retraining.steps}

        # It passes its probation. Then somebody promotes the bad one by hand.
        assert until(lambda: journal().retrainings[-1].outcome == "promoted", 240, 0.5), words()
        count = len(journal().retrainings)
        forced = subprocess.run(
            [*COMMAND, "promote", "churn", "1", "--why", "a hunch"], env=os.environ, capture_output=True
        )
        assert forced.returncode == 0, forced
        began = time.monotonic()
        assert until(lambda: served_version(world.port) == "1", 30, 0.05), words()
        assert until(lambda: champion() == better, 300, 0.1), words()
        undone, back = time.monotonic() - began, time.monotonic()
        assert until(lambda: served_version(world.port) == better, 30, 0.02), words()
        switched = time.monotonic() - back
        assert len(journal().retrainings) == count and journal().cooldown_until > time.time()
        assert "a hunch" in str(load_history("churn"))
    assert world.failed == []
    assert until(lambda: logged(tmp_path) == world.answers, 30, 0.2), (logged(tmp_path), world.answers)
    print(
        f"\nalarm to promoted {promoted:.0f} s, bad model to rollback {undone:.0f} s, "
        f"rollback to served {switched:.1f} s, {world.answers:,} requests, none failed"
    )
