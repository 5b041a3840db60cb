"""What is told of a model in service: rules, alerts and dashboards, each in the real tool."""

import http.server
import json
import re
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import jsonschema
import pytest
import yaml

from mlkit.core.errors import SettingsError
from mlkit.deployment.alerts import LATENCY_BOUNDS, AlertSettings, make_alert_rules, make_alertmanager_config
from mlkit.deployment.dashboard import MODEL_PANELS, SERVICE_PANELS, make_dashboards
from mlkit.deployment.targets import write_deployment
from mlkit.inference.example_package import make_parcel_package
from mlkit.inference.predictor import load_predictor
from mlkit.monitoring.exposition import METRICS_FILE
from mlkit.monitoring.page import monitor_model
from mlkit.monitoring.sketch import make_reference
from mlkit.packaging.customer_package import make_customer_package
from mlkit.serving.client import ServerClient, free_port
from mlkit.serving.telemetry import PROBE_ROUTES, ServerMetrics, render_metrics
from tests.conftest import COMMAND, checked, tool, until
from tests.monitoring.test_monitor import write_log

pytestmark = pytest.mark.usefixtures("own_key")
ROW = {"weight": 20, "distance": 400, "service": "standard"}
HOOK = "https://pager.example/mlkit"


@pytest.fixture(scope="module")
def package(own_key, tmp_path_factory) -> Path:
    return make_parcel_package(tmp_path_factory.mktemp("shop") / "model")


@pytest.fixture(scope="module")
def made(package, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("deploy")
    for target in ("compose", "kubernetes"):
        write_deployment(target, package, folder / target, alerts=AlertSettings(webhook=HOOK))
    return folder


# ------------------------------------ rules
def test_prometheus_takes_the_rules_and_what_names_them(made):
    checked(tool("promtool"), "check", "config", str(made / "compose/prometheus/prometheus.yml"))
    said = checked(tool("promtool"), "check", "rules", str(made / "compose/prometheus/rules.yml"))
    assert "27 rules found" in said


def played(tmp_path: Path, series: dict[str, str], at: str, expected: set[str], every: str = "1m") -> None:
    """Play made-up series through the rules: at that moment the expected alerts fire, and no others."""
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(make_alert_rules("shop")))
    alerts = make_alert_rules("shop")["groups"][1]["rules"]
    inputs = [{"series": name, "values": values} for name, values in series.items()]
    queries = [
        {
            "expr": f'count(ALERTS{{alertname="{alert["alert"]}", alertstate="firing"}}) or vector(0)',
            "eval_time": at,
            "exp_samples": [{"labels": "{}", "value": int(alert["alert"] in expected)}],
        }
        for alert in alerts
    ]
    test = {"interval": every, "input_series": inputs, "promql_expr_test": queries}
    plan = {"rule_files": ["rules.yml"], "evaluation_interval": every, "tests": [test]}
    (tmp_path / "plan.yml").write_text(yaml.safe_dump(plan))
    checked(tool("promtool"), "test", "rules", str(tmp_path / "plan.yml"))


def traffic(ok: int, failed: int, slow: int, steps: int, minutes: int = 1) -> dict[str, str]:
    """Requests a step to /predict; `slow` of them take longer than a quarter of a second."""
    here, every = 'model="shop", route="/predict"', ok + failed
    return {
        f'mlkit_http_requests_total{{{here}, status="200"}}': f"0+{ok}x{steps}",
        f'mlkit_http_requests_total{{{here}, status="503"}}': f"0+{failed}x{steps}",
        f'mlkit_http_request_duration_seconds_bucket{{{here}, le="0.25"}}': f"0+{every - slow}x{steps}",
        f"mlkit_http_request_duration_seconds_count{{{here}}}": f"0+{every}x{steps}",
        'up{model="shop"}': f"1+0x{steps}",
        'mlkit_monitor_last_run_timestamp_seconds{model="shop"}': f"0+{60 * minutes}x{steps}",
    }


@pytest.mark.parametrize(
    "requests, at, expected",
    [
        ((999, 1, 5), "2h", set()),
        ((980, 20, 0), "2h", {"MlkitErrorBudgetFast", "MlkitErrorBudgetSteady", "MlkitErrorBudgetSlow"}),
        ((1000, 0, 200), "2h", {"MlkitLatencyBudgetFast", "MlkitLatencyBudgetSteady", "MlkitLatencyBudgetSlow"}),
        ((992, 8, 0), "10h", {"MlkitErrorBudgetSteady", "MlkitErrorBudgetSlow"}),
        ((998, 2, 0), "4d", {"MlkitErrorBudgetSlow"}),
    ],
    ids=["as promised", "2 % fail", "a fifth is slow", "0.8 % fail", "0.2 % fail for days"],
)  # fmt: skip
def test_an_alert_fires_by_how_quickly_the_budget_is_burnt(tmp_path, requests, at, expected):
    every = 2 if at.endswith("d") else 1
    played(tmp_path, traffic(*requests, 3000, every), at, expected, f"{every}m")


def test_an_alert_ends_soon_after_the_trouble(tmp_path):
    series = traffic(1000, 0, 0, 300)
    [failed] = [name for name in series if "503" in name]
    series[failed] = "0+200x60 12000+0x240"
    played(
        tmp_path, series, "59m", {"MlkitErrorBudgetFast", "MlkitErrorBudgetSteady", "MlkitErrorBudgetSlow"}
    )
    played(tmp_path, series, "1h40m", {"MlkitErrorBudgetSlow"})


PROBES = ("/metrics", "/ping", "/health/live", "/health/ready", "/v2/health/live", "/v2/health/ready",
          "/v2/models/{name}/ready", "/v2/models/{name}/versions/{version}/ready")  # fmt: skip


def test_a_server_and_its_alerts_count_the_same_requests_as_those_of_callers():
    metrics = ServerMetrics()
    for route in (*PROBES, "/predict", "/v2/models/{name}/infer", "/healthy", "/"):
        metrics.count_response(route, 503, 0.01)
    assert (metrics.asked, metrics.failed) == (4, 4)
    rules = make_alert_rules("shop")["groups"][0]["rules"]
    assert all(f'route!~"{PROBE_ROUTES}"' in rule["expr"] for rule in rules)


@pytest.mark.parametrize(
    "series, expected",
    [
        ({'up{model="shop"}': "0+0x300"}, {"MlkitServerDown"}),
        ({'up{model="shop"}': "_x300", 'up{model="other"}': "1+0x300"}, {"MlkitServerDown"}),
        ({'mlkit_monitor_alarm{model="shop", kind="harmed"}': "1+0x300"}, {"MlkitModelHarmed"}),
        ({'mlkit_monitor_alarm{model="shop", kind="at_risk"}': "1+0x300"}, {"MlkitModelAtRisk"}),
        ({'mlkit_monitor_alarm{model="shop", kind="changed"}': "1+0x300"}, set()),
        ({'mlkit_prediction_log_rows_total{model="shop", result="dropped"}': "0+1x300"}, {"MlkitPredictionsUnlogged"}),
        ({'mlkit_model_reloads_total{model="shop", result="failure"}': "0+1x300"}, {"MlkitModelNotLoaded"}),
        ({'mlkit_refused_keys_total{model="shop", reason="unknown"}': "0+600x300"}, {"MlkitKeysRefused"}),
        ({'mlkit_model_info{model="shop", version="a"}': "1+0x300",
          'mlkit_model_info{model="shop", version="b"}': "1+0x300"}, {"MlkitVersionsDiffer"}),
        ({'mlkit_monitor_alarm{model="other", kind="harmed"}': "1+0x300"}, set()),
        ({f'mlkit_http_requests_total{{model="shop", route="{route}", status="503"}}': "0+900x300"
          for route in PROBES}, set()),
    ],
)  # fmt: skip
def test_what_is_wrong_besides(tmp_path, series, expected):
    played(tmp_path, traffic(1000, 0, 0, 300) | series, "2h", expected)


def test_a_silent_monitor_is_told(tmp_path):
    series = traffic(1000, 0, 0, 200, 10) | {
        'mlkit_monitor_last_run_timestamp_seconds{model="shop"}': "3600+0x200"
    }
    played(tmp_path, series, "26h", set(), "10m")
    played(tmp_path, series, "28h", {"MlkitMonitorSilent"}, "10m")


def test_a_monitor_that_never_ran_is_silent(tmp_path):
    series = traffic(1000, 0, 0, 200, 10)
    del series['mlkit_monitor_last_run_timestamp_seconds{model="shop"}']
    played(tmp_path, series, "25h", set(), "10m")
    played(tmp_path, series, "27h", {"MlkitMonitorSilent"}, "10m")


def test_the_bounds_of_latency_are_those_that_the_server_measures():
    metrics = ServerMetrics()
    metrics.count_response("/predict", 200, 0.01)
    said = render_metrics(metrics, {"name": "shop", "version": "1", "task": "binary"}).decode()
    assert tuple(float(bound) for bound in re.findall(r'le="([\d.e-]+)"', said)) == LATENCY_BOUNDS
    assert f'le="{AlertSettings().latency:g}"' in said


@pytest.mark.parametrize(
    "settings, words",
    [
        (AlertSettings(availability=1.0), "deploy.availability: must be from 0.95 to 0.99999, not 1"),
        (AlertSettings(latency=0.3), "deploy.latency: must be one of the measured bounds (0.0005, "),
        (AlertSettings(monitor_hours=0), "deploy.monitor_hours: must be at least 0.1, not 0"),
        (AlertSettings(webhook="pager"), "deploy.webhook: must be an address such as https://host/path, not 'pager'"),
        (AlertSettings(webhook="https://a b"), "deploy.webhook: must be an address"),
    ],
)  # fmt: skip
def test_what_cannot_be_promised_is_refused_before_anything_is_written(package, tmp_path, settings, words):
    with pytest.raises(SettingsError, match=re.escape(words)):
        write_deployment("compose", package, tmp_path / "new", alerts=settings)
    assert not (tmp_path / "new").exists()


# ------------------------------------ Alertmanager
def test_alertmanager_takes_its_settings(made, tmp_path):
    checked(tool("amtool"), "check-config", str(made / "compose/alertmanager/alertmanager.yml"))
    (tmp_path / "plain.yml").write_text(yaml.safe_dump(make_alertmanager_config()))
    checked(tool("amtool"), "check-config", str(tmp_path / "plain.yml"))


# ------------------------------------ Kubernetes


TEXT, TEXTS = {"type": "string"}, {"type": "object", "additionalProperties": {"type": "string"}}


def strict(required: str, **parts: dict) -> dict:
    """An object with these parts and no others."""
    return {
        "type": "object",
        "properties": parts,
        "required": required.split(),
        "additionalProperties": False,
    }


def items(part: dict) -> dict:
    return {"type": "array", "items": part, "minItems": 1}


RULE = strict("expr", record=TEXT, alert=TEXT, expr=TEXT, labels=TEXTS, annotations=TEXTS, **{"for": TEXT})
MATCHER = strict("name value", name=TEXT, value=TEXT, matchType={"enum": ["=", "!=", "=~", "!~"]})
SECRET = strict("name key", name=TEXT, key=TEXT)
ACCESS = strict("authorization", authorization=strict("credentials", type=TEXT, credentials=SECRET))
HOOKS = strict("url", url=TEXT, sendResolved={"type": "boolean"}, httpConfig=ACCESS)
ROUTE = strict("receiver", receiver=TEXT, groupBy=items(TEXT), groupWait=TEXT, groupInterval=TEXT,
               repeatInterval=TEXT, matchers=items(MATCHER))  # fmt: skip
ENDPOINT = strict("port", port=TEXT, path=TEXT, interval=TEXT,
                  relabelings=items(strict("targetLabel replacement", targetLabel=TEXT, replacement=TEXT)))  # fmt: skip
OPERATOR = {  # what the Prometheus operator knows of what is written here
    "ServiceMonitor": strict("selector endpoints", endpoints=items(ENDPOINT),
                             selector=strict("matchLabels", matchLabels=TEXTS)),
    "PrometheusRule": strict("groups", groups=items(strict("name rules", name=TEXT, rules=items(RULE)))),
    "AlertmanagerConfig": strict("route receivers", route=ROUTE,
                                 receivers=items(strict("name", name=TEXT, webhookConfigs=items(HOOKS)))),
}  # fmt: skip


def test_the_operator_knows_every_word(made):
    found = {}
    for path in sorted((made / "kubernetes/monitoring").glob("*.yaml")):
        part = yaml.safe_load(path.read_text())
        if part["kind"] == "Kustomization":
            continue
        meta = strict("name labels", name={"type": "string", "pattern": "^[a-z0-9-]+$"}, labels=TEXTS)
        whole = strict(
            "apiVersion kind metadata spec",
            apiVersion=TEXT,
            kind=TEXT,
            metadata=meta,
            spec=OPERATOR[part["kind"]],
        )
        jsonschema.validate(part, whole)
        found[part["kind"]] = part
    assert {*found} == {*OPERATOR}
    assert all(part["apiVersion"].startswith("monitoring.coreos.com/v1") for part in found.values())
    service = yaml.safe_load((made / "kubernetes/service.yaml").read_text())
    monitor = found["ServiceMonitor"]["spec"]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["endpoints"][0]["port"] in [port["name"] for port in service["spec"]["ports"]]


def test_prometheus_takes_the_rules_of_the_cluster(made, tmp_path):
    rule = yaml.safe_load((made / "kubernetes/monitoring/rules.yaml").read_text())
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(rule["spec"]))
    checked(tool("promtool"), "check", "rules", str(tmp_path / "rules.yml"))


def test_without_a_webhook_nobody_is_named(package, tmp_path):
    write_deployment("kubernetes", package, tmp_path)
    assert not (tmp_path / "monitoring/alertmanagerconfig.yaml").exists()
    assert "alertmanagerconfig" not in (tmp_path / "monitoring/kustomization.yaml").read_text()


# ------------------------------------ dashboards, in a real Prometheus that scrapes a real server
def get(url: str) -> dict:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


@pytest.fixture(scope="module")
def prometheus(package, tmp_path_factory) -> Iterator[str]:
    """The address of a Prometheus that has scraped a server under load for some seconds."""
    program, folder, processes = tool("prometheus"), tmp_path_factory.mktemp("prometheus"), []
    server, port = free_port(), free_port()
    watched = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(MetricsFile, folder / "monitor"))
    threading.Thread(target=watched.serve_forever, daemon=True).start()
    customers = load_predictor(make_customer_package(folder / "customers", make_reference))
    log = write_log(folder / "customers.db", customers, 400)
    monitor_model(customers, str(log), folder / "monitor")
    (folder / "rules.yml").write_text(yaml.safe_dump(make_alert_rules("parcels")))
    targets = [{"targets": [f"127.0.0.1:{server}"], "labels": {"model": "parcels"}}]
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yml"],
        "scrape_configs": [
            {"job_name": "mlkit", "static_configs": targets},
            {"job_name": "monitor", "static_configs": [{"targets": [f"127.0.0.1:{watched.server_port}"]}]},
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    try:
        serve = [*COMMAND, "serve", str(package), "--port", str(server), "--log", str(folder / "log.db")]
        processes.append(subprocess.Popen(serve, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        options = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
        address = f"--web.listen-address=127.0.0.1:{port}"
        processes.append(subprocess.Popen([program, *options, address], stderr=subprocess.DEVNULL))
        load = threading.Thread(target=ask_for_a_while, args=(server,), daemon=True)
        until(lambda: answers(f"http://127.0.0.1:{server}/health/ready"))
        until(lambda: answers(f"http://127.0.0.1:{port}/-/ready"))
        load.start()
        load.join()
        yield f"http://127.0.0.1:{port}"
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(20)
        watched.shutdown()


class MetricsFile(http.server.BaseHTTPRequestHandler):
    """Answers with what the monitor has written, as the node exporter does."""

    def __init__(self, folder: Path, *parts: object) -> None:
        self.folder = folder
        super().__init__(*parts)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        path = self.folder / METRICS_FILE
        self.send_response(200 if path.exists() else 404)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(path.read_bytes() if path.exists() else b"")

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def ask_for_a_while(port: int, seconds: float = 8) -> None:
    """Predictions, feedback, rows that break the schema, and requests that are refused."""
    client, end = ServerClient(port), time.monotonic() + seconds
    while time.monotonic() < end:
        answer = client.request("POST", "/predict", [ROW, ROW | {"weight": -1}])
        if answer.status == 200:
            client.request("POST", "/feedback", [{"id": answer.value["predictions"][0]["id"], "truth": "no"}])
        client.request("POST", "/predict", [{}])
        time.sleep(0.02)


def results(address: str, query: str) -> list:
    asked = urllib.parse.urlencode({"query": query.replace("$__rate_interval", "10s")})
    return get(f"{address}/api/v1/query?{asked}")["data"]["result"]


@pytest.mark.parametrize("panel", (*SERVICE_PANELS, *MODEL_PANELS), ids=lambda panel: panel.title)
def test_every_panel_shows_something(prometheus, panel):
    watched = "mlkit_monitor_" in panel.query  # by the monitor, which has another model than the server
    dashboards = make_dashboards("customers" if watched else "parcels").values()
    queries = [
        each["targets"][0]["expr"]
        for board in dashboards
        for each in board["panels"]
        if each["title"] == panel.title
    ]
    assert queries
    for query in queries:
        found = results(prometheus, query)
        assert any(one["value"][1] != "NaN" for one in found), query


def test_the_recorded_shares_are_there(prometheus):
    for share in ("failed", "slow"):
        [one] = results(prometheus, f'mlkit:requests_{share}:ratio_rate5m{{model="parcels"}}')
        assert 0 <= float(one["value"][1]) < 1


def test_prometheus_of_compose_hears_the_monitor_and_counts_it_as_no_server(made, tmp_path):
    """The written settings, with the addresses of this machine: nothing else is needed for a monitor to be heard."""
    exporter, program = tool("prometheus-node-exporter"), tool("prometheus")
    customers = load_predictor(make_customer_package(tmp_path / "customers", make_reference))
    monitor_model(customers, str(write_log(tmp_path / "log.db", customers, 60)), tmp_path / "monitor")
    services = yaml.safe_load((made / "compose/compose.yaml").read_text())["services"]
    port, other = free_port(), free_port()
    words = [word.replace("=/monitor", f"={tmp_path}/monitor") for word in services["monitor"]["command"]]
    text = (made / "compose/prometheus/prometheus.yml").read_text().replace("15s", "1s")
    (tmp_path / "rules.yml").write_text((made / "compose/prometheus/rules.yml").read_text())
    (tmp_path / "prometheus.yml").write_text(text.replace("monitor:9100", f"127.0.0.1:{port}"))
    options = [f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data"]
    processes = [
        subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{door}"], stderr=subprocess.DEVNULL)
        for command, door in (([exporter, *words], port), ([program, *options], other))
    ]
    try:
        address, name = f"http://127.0.0.1:{other}", "mlkit_monitor_last_run_timestamp_seconds"
        assert until(lambda: answers(f"{address}/-/ready"))
        assert until(lambda: bool(results(address, f'{name}{{model="parcels"}}')), 30, 0.2)
        assert results(address, f'absent({name}{{model="parcels"}})') == []
        assert results(address, 'sum(up{model="parcels"}) == 1') == []
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(20)


class Receiver(http.server.BaseHTTPRequestHandler):
    """Keeps what Alertmanager sends."""

    heard: list[tuple[str, dict]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.heard.append((self.headers["Authorization"], body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def has_failed(metrics: str) -> bool:
    """Whether a call to a webhook was tried in vain."""
    with urllib.request.urlopen(metrics, timeout=10) as page:
        lines = page.read().decode().splitlines()
    failed = "alertmanager_notification_requests_failed_total{"
    return any(x.startswith(failed) and "webhook" in x and float(x.split()[-1]) > 0 for x in lines)


def test_an_alert_reaches_the_webhook_with_its_token_though_it_was_down_at_first(tmp_path):
    program, folder, port, place = tool("prometheus-alertmanager"), tmp_path, free_port(), free_port()
    (folder / "token").write_text("a-token")
    settings = AlertSettings(webhook=f"http://127.0.0.1:{place}/alerts")
    config = make_alertmanager_config(settings, str(folder / "token"))
    config["route"]["routes"][0]["group_wait"] = "1s"
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(config))
    options = [f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/data"]
    address = [f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="]
    process = subprocess.Popen([program, *options, *address], stderr=subprocess.DEVNULL)
    try:
        assert until(lambda: answers(f"http://127.0.0.1:{port}/-/ready"))
        alert = {"labels": {"alertname": "MlkitModelHarmed", "severity": "page", "model": "shop"}}
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/api/v2/alerts",
            json.dumps([alert]).encode(),
            {"Content-Type": "application/json"},
        )
        urllib.request.urlopen(request, timeout=10).close()
        failures = f"http://127.0.0.1:{port}/metrics"
        assert until(lambda: has_failed(failures)), "nobody was there, and Alertmanager has not noticed"
        hook = http.server.HTTPServer(("127.0.0.1", place), Receiver)
        threading.Thread(target=hook.serve_forever, daemon=True).start()
        assert until(lambda: bool(Receiver.heard), 60)
        hook.shutdown()
    finally:
        process.terminate()
        process.wait(20)
    token, body = Receiver.heard[0]
    assert token == "Bearer a-token"
    assert [each["labels"]["alertname"] for each in body["alerts"]] == ["MlkitModelHarmed"]
