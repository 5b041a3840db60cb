"""What `mlkit deploy` writes: read by the real tool for its format, and really run."""

import ast
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import typing
import urllib.request
from collections.abc import Mapping
from enum import Enum
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mlkit.core.errors import PackageError, RunError, SettingsError
from mlkit.core.master_key import make_master_key
from mlkit.deploy import summarise
from mlkit.deployment.facts import cloud_machine_sizes, make_deployment_spec
from mlkit.deployment.image import (
    SERVER_LIBRARIES,
    pin_libraries,
    resource_name,
    server_files,
    split_image_name,
)
from mlkit.deployment.targets import DEPLOYMENT_TARGETS, write_deployment, write_deployments
from mlkit.inference.example_package import delay_probability, make_parcel_package
from mlkit.inference.predictor import load_predictor
from mlkit.inference.signing import sign_package
from mlkit.monitoring.observations import connected_log
from mlkit.security.api_keys import add_key
from mlkit.serving.client import ServerClient, free_port, is_ready
from tests.conftest import COMMAND, checked, tool, until

pytestmark = pytest.mark.usefixtures("own_key")
ROW = {"weight": 20, "distance": 400, "service": "standard"}
LATE = delay_probability(20, 400)


@pytest.fixture(scope="module")
def package(own_key, tmp_path_factory) -> Path:
    return make_parcel_package(tmp_path_factory.mktemp("shop") / "model")


@pytest.fixture(scope="module")
def made(package, tmp_path_factory) -> Path:
    """A folder for each target. To be read, never to be changed."""
    folder = tmp_path_factory.mktemp("deploy")
    for target in DEPLOYMENT_TARGETS:
        write_deployment(target, package, folder / target, "ghcr.io/acme/parcels:1")
    return folder


@pytest.fixture(scope="module")
def protected(own_key, tmp_path_factory) -> Path:
    """The same for a package whose rows say whose data they are. To be read, never to be changed."""
    folder = tmp_path_factory.mktemp("protected")
    package = make_parcel_package(folder / "model", subject="sender")
    for target in DEPLOYMENT_TARGETS:
        write_deployment(target, package, folder / target, "ghcr.io/acme/parcels:1")
    return folder


def texts(folder: Path) -> dict[str, str]:
    """What was written, without what was copied."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {
        name: path.read_text() for name, path in files.items() if not re.search("(^|/)(mlkit|model)/", name)
    }


# ------------------------------------ each read by the tool for its format
@pytest.mark.parametrize(
    "name", ["docker/Dockerfile", "compose/image/Dockerfile", "compose/mlflow/Dockerfile"]
)
def test_hadolint_finds_nothing_in_the_dockerfiles(made, name):
    checked(tool("hadolint"), "--failure-threshold", "style", str(made / name))


@pytest.mark.parametrize("kind", ["made", "protected"])
def test_compose_knows_every_word(kind, request):
    made = request.getfixturevalue(kind)
    checked(
        tool("check-jsonschema"),
        "--builtin-schema",
        "vendor.compose-spec",
        str(made / "compose/compose.yaml"),
    )


def test_prometheus_takes_its_settings(made):
    checked(tool("promtool"), "check", "config", str(made / "compose/prometheus/prometheus.yml"))


@pytest.mark.parametrize("kind", ["made", "protected"])
def test_kubernetes_knows_every_word(kind, request):
    made = request.getfixturevalue(kind)
    files = sorted((made / "kubernetes").glob("*.yaml"))
    plain = [str(path) for path in files if path.stem != "kustomization"]
    assert len(plain) == 6
    checked(tool("kubernetes-validate"), "--strict", "-k", "1.34", *plain)


def test_kustomize_makes_one_deployment_of_it(made, tmp_path):
    kubectl, folder = tool("kubectl"), tmp_path / "cluster"
    shutil.copytree(made / "kubernetes", folder)
    add_key(folder / "keys.json", "me")
    parts = list(yaml.safe_load_all(checked(kubectl, "kustomize", str(folder))))
    [pod] = [part["spec"]["template"]["spec"] for part in parts if part["kind"] == "Deployment"]
    [secret] = [part["metadata"]["name"] for part in parts if part["kind"] == "Secret"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert volumes["keys"]["secret"]["secretName"] == secret
    assert pod["containers"][0]["image"] == "ghcr.io/acme/parcels:1"


def test_cloudformation_takes_the_stack(made):
    checked(tool("cfn-lint"), str(made / "aws/service.yaml"))


def strangers(value, schema: dict, schemas: dict, where: str = "") -> list[str]:
    """What a description by Google does not know or wants otherwise."""
    schema = schemas[schema["$ref"]] if "$ref" in schema else schema
    types = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}
    wanted = types.get(schema.get("type", ""), object)
    if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
        return [f"{where}: {value!r} is no {schema['type']}"]
    if wanted is list:
        return [text for each in value for text in strangers(each, schema["items"], schemas, where)]
    if wanted is not dict:
        return []
    known, other = schema.get("properties", {}), schema.get("additionalProperties")
    named = {key: known.get(key, other) for key in value}
    return [f"{where}.{key} is not known" for key in named if named[key] is None] + [
        text
        for key in named
        if named[key]
        for text in strangers(value[key], named[key], schemas, f"{where}.{key}")
    ]


def test_cloud_run_knows_every_word(made):
    found = importlib.util.find_spec("googleapiclient")
    if not found:
        pytest.skip("google-api-python-client is not here: the file for Cloud Run was not checked")
    described = Path(found.origin).parent / "discovery_cache/documents/run.v1.json"
    schemas = json.loads(described.read_text())["schemas"]
    service = yaml.safe_load((made / "gcp/service.yaml").read_text())
    assert strangers(service, schemas["Service"], schemas) == []
    service["spec"]["template"]["spec"]["containers"][0]["startupProb"] = {}
    assert len(strangers(service, schemas["Service"], schemas)) == 1


def test_container_apps_know_every_word(made):
    models = pytest.importorskip(
        "azure.mgmt.appcontainers.models",
        reason="azure-mgmt-appcontainers is not here: the file for Azure was not checked",
    )

    def odd(value, kind, where: str = "") -> list[str]:
        args = [each for each in typing.get_args(kind) if each is not type(None)]
        names = next((each for each in args if isinstance(each, type) and issubclass(each, Enum)), None)
        if names:
            return (
                []
                if value in [each.value for each in names]
                else [f"{where}: {value!r} is no {names.__name__}"]
            )
        origin = typing.get_origin(kind)
        if origin is typing.Union:
            return odd(value, args[0], where)
        if origin is list:
            return [text for each in value for text in odd(each, args[0], where)]
        if origin is dict:
            return [text for key, each in value.items() for text in odd(each, args[1], f"{where}.{key}")]
        if not kind.__module__.startswith("azure"):
            fits = type(value) in (int, float) if kind is float else type(value) is kind
            return [] if fits else [f"{where}: {value!r} is no {kind}"]
        kind()  # which fills in its fields
        hints = typing.get_type_hints(kind, {**vars(models), "_models": models})
        known = {field._rest_name: hints[name] for name, field in kind._attr_to_rest_field.items()}
        return [f"{where}.{key} is not known" for key in value if key not in known] + [
            text for key in value if key in known for text in odd(value[key], known[key], f"{where}.{key}")
        ]

    stack = json.loads((made / "azure/containerapp.json").read_text())
    kinds = {"managedEnvironments": models.ManagedEnvironment, "containerApps": models.ContainerApp}
    for part in stack["resources"][1:]:
        body = {key: value for key, value in part.items() if key not in ("apiVersion", "dependsOn")}
        assert odd(body, kinds[part["type"].rpartition("/")[2]]) == []
    body["properties"]["template"]["scale"]["minReplicas"] = "two"
    assert len(odd(body, models.ContainerApp)) == 1


# ------------------------------------ safe by what is written
def test_nothing_runs_as_root_or_writes_where_it_should_not(made):
    pod = yaml.safe_load((made / "kubernetes/deployment.yaml").read_text())["spec"]["template"]["spec"]
    [server] = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert server["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    for name in ("docker/Dockerfile", "compose/image/Dockerfile", "compose/mlflow/Dockerfile"):
        users = re.findall(r"^USER (\S+)", (made / name).read_text(), re.MULTILINE)
        assert users == ["10001:10001"]
    services = yaml.safe_load((made / "compose/compose.yaml").read_text())["services"]
    assert services["server"]["read_only"] and services["server"]["cap_drop"] == ["ALL"]


def test_no_secret_and_no_password_is_in_any_file(made, own_key):
    private = Path(os.environ["MLKIT_SIGNING_KEY"]).read_bytes()
    for path in made.rglob("*"):
        assert not path.is_file() or private not in path.read_bytes()
    for name, text in texts(made).items():
        assert "PRIVATE KEY" not in text, name
        for said in re.findall(r"(?im)^[^#\n]*password[\"']?\s*[:=]\s*([^\s#]+)", text):
            assert said in ("{file:", "${{"), (
                f"{name}: {said}"
            )  # a secret of Compose or of GitHub is named, not written


def test_every_port_of_compose_opens_on_this_machine_only(made):
    services = yaml.safe_load((made / "compose/compose.yaml").read_text())["services"]
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports and all(port.startswith("127.0.0.1:") for port in ports)


def test_the_monitor_of_compose_reads_the_log_and_tells_prometheus_by_what_the_readme_says(made):
    services = yaml.safe_load((made / "compose/compose.yaml").read_text())["services"]
    jobs = yaml.safe_load((made / "compose/prometheus/prometheus.yml").read_text())["scrape_configs"]
    targets = {job["job_name"]: job["static_configs"][0]["targets"] for job in jobs}
    words = (made / "compose/README.md").read_text()
    assert "mkdir -p secrets predictions monitor" in words
    assert "mlkit monitor image/model predictions/predictions.db --out monitor" in words
    assert (made / "compose/image/model/manifest.json").is_file()
    assert services["server"]["volumes"] == ["./predictions:/data"]
    assert services["monitor"]["volumes"] == ["${MLKIT_MONITOR:-./monitor}:/monitor:ro"]
    assert targets == {"mlkit": ["server:8080"], "monitor": ["monitor:9100"]}
    ignored = (made / "compose/.gitignore").read_text().split()
    assert {"secrets/", "predictions/", "monitor/"} <= {*ignored}


@pytest.mark.parametrize("target", DEPLOYMENT_TARGETS)
def test_the_next_commands_name_the_image_and_files_that_are_there(made, package, target):
    words = (made / target / "README.md").read_text()
    assert "mlkit keys add" in words or target in ("schedule", "ci")  # which serve nobody
    named = re.findall(r"(?:--template-file|services replace) (\S+)", words)
    assert all((made / target / name).is_file() for name in named)
    assert {
        "docker": "docker build -t ghcr.io/acme/parcels:1",
        "kubernetes": "docker push ghcr.io/acme/parcels:1",
    }.get(target, "parcels") in words


def test_the_image_is_tagged_with_the_version_that_the_server_tells(package):
    assert make_deployment_spec(package).image == f"parcels:{load_predictor(package).version}"


# ------------------------------------ the image
ALONE = """
import importlib.metadata as metadata, json, re, sys
allowed = {line.split("==")[0] for line in open("requirements.txt") if not line.startswith("#")}
plain = lambda name: re.sub("[-_.]+", "-", name).lower()
of = metadata.packages_distributions()
forbidden = {top for top, owners in of.items() if not allowed & set(map(plain, owners))} - {"mlkit"}
class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in forbidden: raise ImportError(f"{name} is not in the image")
sys.meta_path.insert(0, Wall())
import mlkit, uvicorn
assert mlkit.__file__.startswith(sys.argv[1]), mlkit.__file__
uvicorn.run("mlkit.serving.server:app", factory=True, port=int(sys.argv[2]), log_level="warning")
"""


def start(context: Path, port: int, keys: Path, more: Mapping[str, str] | None = None) -> subprocess.Popen:
    """The server of an image, with what the image holds and nothing else."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("MLKIT_")}
    environment = own | {
        "PYTHONPATH": str(context),
        "MLKIT_SERVE_MODEL": str(context / "model"),
        "MLKIT_SERVE_KEYS": str(keys),
        "MLKIT_SERVE_LOG": str(keys.with_name("predictions.db")),
        "MLKIT_PUBLIC_KEY": str(context / "signing.pub"),
    }
    environment |= more or {}
    command = [sys.executable, "-c", ALONE, str(context), str(port)]
    return subprocess.Popen(command, cwd=context, env=environment, stderr=subprocess.PIPE, text=True)


def test_a_server_runs_with_nothing_but_what_the_image_holds(made, tmp_path):
    port, key = free_port(), add_key(tmp_path / "keys.json", "me", ("predict", "explain", "feedback"))
    server = start(made / "docker", port, tmp_path / "keys.json")
    try:
        assert until(lambda: is_ready(port) or server.poll() is not None, 30)
        assert server.poll() is None, server.stderr.read()
        client = ServerClient(port, key)
        assert client.predict(ROW)["probabilities"]["yes"] == pytest.approx(LATE, abs=1e-6)
        why = client.request("POST", "/explain", ROW)
        assert why.status == 200 and len(why.value["contributions"]) == 3
        for path in ("/", "/metrics", "/openapi.json", "/model", "/v2/health/ready"):
            assert client.request("GET", path).status == 200, path
        browser = urllib.request.Request(f"http://127.0.0.1:{port}/review", headers={"Accept": "text/html"})
        with urllib.request.urlopen(browser, timeout=10) as answer:
            assert b"Review queue" in answer.read()
        assert client.request("POST", "/feedback", {"id": why.value["id"], "truth": "yes"}).status == 200
        assert ServerClient(port).request("POST", "/predict", ROW).status == 401
    finally:
        server.terminate()
        server.wait(20)


def test_what_is_written_for_rows_with_a_subject_serves_protected(protected, tmp_path):
    """With the variables and files of Compose, Docker and Kubernetes; only the places are this test's."""
    pod = yaml.safe_load((protected / "kubernetes/deployment.yaml").read_text())["spec"]
    [container], volumes = pod["template"]["spec"]["containers"], pod["template"]["spec"]["volumes"]
    disks = {
        each["name"]: each["persistentVolumeClaim"]["claimName"]
        for each in volumes
        if "persistentVolumeClaim" in each
    }
    claims = yaml.safe_load_all((protected / "kubernetes/storage.yaml").read_text())
    assert {*disks.values()} == {each["metadata"]["name"] for each in claims}
    places = {each["mountPath"]: disks.get(each["name"]) for each in container["volumeMounts"]}
    assert places["/data"] != places["/subjects"] and None not in (places["/data"], places["/subjects"])
    assert pod["replicas"] == 1 and not (protected / "kubernetes/hpa.yaml").exists()
    told = {each["name"]: each.get("value") for each in container["env"]}
    service = yaml.safe_load((protected / "compose/compose.yaml").read_text())
    server, secrets = service["services"]["server"], service["secrets"]
    image = dict(re.findall(r"(MLKIT_\w+)=(\S+)", (protected / "docker/Dockerfile").read_text()))
    assert [each.partition(":")[2] for each in server["volumes"]] == ["/data", "/subjects"]
    assert server["environment"]["MLKIT_PROTECT"] == "/run/secrets/master_key"
    assert {"keys", "master_key"} == {*server["secrets"]} and secrets["master_key"][
        "file"
    ] == "./secrets/master.key"
    for folder in ("data", "subjects"):
        (tmp_path / folder).mkdir()
    own = {name: re.sub("^/(data|subjects)/", rf"{tmp_path}/\1/", value) for name, value in image.items()}
    keys = own | {"MLKIT_PROTECT": told["MLKIT_PROTECT"]}
    assert keys["MLKIT_SUBJECT_KEYS"].startswith(str(tmp_path)) and keys["MLKIT_PROTECT"] == "env:MASTER_KEY"
    make_master_key(tmp_path / "master.key")
    keys["MASTER_KEY"] = (tmp_path / "master.key").read_text()
    names = ("MLKIT_SERVE_LOG", "MLKIT_SUBJECT_KEYS", "MLKIT_PROTECT", "MASTER_KEY", "MLKIT_AUDIT_LOG")
    port, key = free_port(), add_key(tmp_path / "keys.json", "me", ("predict", "admin"))
    given = {name: keys[name] for name in names}
    process = start(protected / "docker", port, tmp_path / "keys.json", given)
    try:
        assert until(lambda: is_ready(port) or process.poll() is not None, 30)
        assert process.poll() is None, process.stderr.read()
        client, log = ServerClient(port, key), Path(keys["MLKIT_SERVE_LOG"])
        assert client.request("POST", "/predict", ROW).status == 422
        id = client.predict(ROW | {"sender": "Mina Okada"})["id"]
        how = {"protect": str(tmp_path / "master.key"), "subject_keys": keys["MLKIT_SUBJECT_KEYS"]}

        def logged() -> list[str]:
            with connected_log(str(log), **how) as reader:
                return [row[0] for row in reader.select("SELECT {row} FROM {predictions} AS p", {})]

        assert until(lambda: logged() == [id])
        assert b"Okada" not in b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        assert client.request("POST", "/stop", {"why": "a test"}).status == 200
        assert "stopped" in Path(keys["MLKIT_AUDIT_LOG"]).read_text()
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.parametrize("target", ["aws", "gcp", "azure"])
def test_a_cloud_without_a_disk_says_what_it_does_not_do(made, protected, target):
    assert "Rows say whose data they are (`sender`)" in (protected / target / "README.md").read_text()
    assert "Rows say" not in (made / target / "README.md").read_text()


def test_the_signature_is_checked_when_the_server_starts(made, tmp_path):
    shutil.copytree(made / "docker", tmp_path / "image")
    add_key(tmp_path / "keys.json", "me")
    (tmp_path / "image/model/metrics.json").write_text("{}")
    server = start(tmp_path / "image", free_port(), tmp_path / "keys.json")
    assert server.wait(30) != 0 and "metrics.json" in server.stderr.read()


NOT_IN_AN_IMAGE = {"pandas", "pyarrow", "scipy", "joblib", "model_signing"}  # other doors than the server's


def test_an_image_has_each_library_that_its_files_import():
    installed = {line.partition("==")[0] for line in pin_libraries()}
    distributions = packages_distributions()
    for name, path in server_files().items():
        if path.suffix != ".py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            absolute = isinstance(node, ast.ImportFrom) and not node.level
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for module in [*names, *([node.module] if absolute else [])]:
                top = module.partition(".")[0]
                if top not in {*sys.stdlib_module_names, "mlkit"} | NOT_IN_AN_IMAGE:
                    from_whom = {name.lower().replace("_", "-") for name in distributions.get(top, [top])}
                    assert from_whom & installed, f"{name} imports {module}"


def test_the_image_holds_no_training_library(made):
    wanted = (made / "docker/requirements.txt").read_text()
    pins = dict(re.findall(r"^([\w-]+)==(\S+)$", wanted, re.MULTILINE))
    assert {"numpy", "onnxruntime", "starlette", "cryptography"} <= pins.keys() <= {*pins}
    assert not {"pandas", "scikit-learn", "mlflow", "shap", "scipy", "pyarrow", "model-signing"} & pins.keys()
    assert not {*SERVER_LIBRARIES} - pins.keys() - {"uvloop", "httptools", "psycopg", "psycopg-binary"}
    assert not (made / "docker/mlkit/train.py").exists()


BUILDAH = ["buildah", "--storage-driver", "vfs"]


def why_not_built() -> str:
    """Empty: there is something to build the image with, and the time for it."""
    if not shutil.which("buildah") or os.geteuid():
        return "no buildah on this machine, or no right to use it"
    if "localhost/python" not in subprocess.run([*BUILDAH, "images"], capture_output=True, text=True).stdout:
        return f"buildah has no image localhost/python:3.{sys.version_info.minor}-slim"
    if "CI" in os.environ and "MLKIT_BUILD" not in os.environ:
        return "it takes a minute or two; in continuous integration only with MLKIT_BUILD=1"
    return ""


def test_the_image_is_really_built_and_answers(made, tmp_path):
    if reason := why_not_built():
        pytest.skip(f"{reason}: the Dockerfile was read, but not built")
    shared = [
        name
        for name in ("/etc/ssl/certs", "/etc/pip.conf", *os.environ.get("MLKIT_BUILD_VOLUMES", "").split())
        if Path(name).exists()
    ]
    volumes = [part for name in shared for part in ("--volume", f"{name}:{name}:ro")]
    key, port = add_key(tmp_path / "keys.json", "me"), free_port()
    (tmp_path / "keys.json").chmod(0o644)
    image = f"localhost/mlkit-tried-{port}"
    build = [
        *BUILDAH,
        "bud",
        "--isolation",
        "chroot",
        "--format",
        "docker",
        "--pull-never",
        *volumes,
        "-t",
        image,
        ".",
    ]
    inside = ["uvicorn", "--factory", "mlkit.serving.server:app", "--host", "127.0.0.1", "--port", str(port)]
    options = ["--isolation", "chroot", "--env", "MLKIT_SERVE_KEYS=/keys.json",
               "--volume", f"{tmp_path}/keys.json:/keys.json:ro"]  # fmt: skip
    try:
        checked(*build, cwd=made / "docker")
        container = checked(*BUILDAH, "from", "--pull-never", image).strip()
        server = subprocess.Popen(
            [*BUILDAH, "run", *options, container, "--", *inside], start_new_session=True
        )
        assert until(lambda: is_ready(port), 60)
        assert ServerClient(port, key).predict(ROW)["probabilities"]["yes"] == pytest.approx(LATE, abs=1e-6)
        who = checked(
            *BUILDAH,
            "run",
            "--isolation",
            "chroot",
            container,
            "--",
            "python",
            "-c",
            "import os; print(os.getuid(), os.access('/opt/mlkit', os.W_OK), os.access('/data', os.W_OK))",
        )
        assert who.split() == ["10001", "False", "True"]
        os.killpg(server.pid, 15)
        server.wait(30)
        checked(*BUILDAH, "rm", container)
    finally:
        subprocess.run([*BUILDAH, "rmi", image], capture_output=True)


# ------------------------------------ a second time
def test_what_people_have_changed_stays_and_the_new_file_is_put_beside(package, tmp_path):
    write_deployment("kubernetes", package, tmp_path, "acme/parcels:1")
    edited, left = tmp_path / "deployment.yaml", tmp_path / "service.yaml"
    mine = edited.read_text().replace("512Mi", "768Mi")
    edited.write_text(mine)
    assert "Look here" not in write_deployment("kubernetes", package, tmp_path, "acme/parcels:1")
    words = write_deployment("kubernetes", package, tmp_path, "acme/parcels:2")
    assert "deployment.yaml was changed by hand and stays" in words
    assert edited.read_text() == mine and "acme/parcels:2" in (tmp_path / "deployment.yaml.new").read_text()
    assert not left.with_name("service.yaml.new").exists()


def test_a_file_that_was_there_before_is_not_written_over(package, tmp_path):
    (tmp_path / "service.yaml").write_text("mine: true\n")
    assert "service.yaml was changed by hand and stays" in write_deployment("gcp", package, tmp_path)
    assert (tmp_path / "service.yaml").read_text() == "mine: true\n"


def test_another_package_takes_the_place_of_the_first_one(package, tmp_path):
    write_deployment("docker", package, tmp_path / "image")
    (tmp_path / "image/model/card.md").write_text("not ours")
    other = make_parcel_package(tmp_path / "other", offset=-1.0)
    (other / "extra.json").write_text("{}")
    manifest = json.loads((other / "manifest.json").read_text())
    sign_package(other, {name: manifest[name] for name in ("name", "data", "model")})
    (tmp_path / "image/model/card.md").unlink()
    write_deployment("docker", other, tmp_path / "image")
    assert load_predictor(tmp_path / "image/model").version == load_predictor(other).version
    write_deployment("docker", package, tmp_path / "image")
    assert not (tmp_path / "image/model/extra.json").exists()
    assert load_predictor(tmp_path / "image/model").version == load_predictor(package).version


def test_a_copy_with_another_byte_is_refused(package, tmp_path):
    write_deployment("docker", package, tmp_path)
    (tmp_path / "model/table.json").write_text("{}")
    with pytest.raises(RunError, match="table.json is not what was put there"):
        write_deployment("docker", package, tmp_path)


# ------------------------------------ refused
@pytest.fixture
def heavy(package, tmp_path) -> Path:
    folder = tmp_path / "heavy"
    shutil.copytree(package, folder)
    (folder / "model.onnx").unlink()
    facts = {"name": "parcels", "parity": {"onnx": False, "reason": "3 of 400 labels differ"}}
    sign_package(folder, facts)
    return folder


@pytest.mark.parametrize("target", DEPLOYMENT_TARGETS)
def test_a_package_without_a_graph_is_refused_with_the_reason(heavy, target, tmp_path):
    with pytest.raises(PackageError, match="no model.onnx .3 of 400 labels differ."):
        write_deployment(target, heavy, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_run_whose_package_has_no_graph_goes_on_and_says_why(heavy, tmp_path):
    assert write_deployments("docker aws", heavy, tmp_path / "out") == {}
    assert "3 of 400 labels differ" in summarise({}, heavy)


def test_a_changed_package_is_refused(package, tmp_path):
    shutil.copytree(package, tmp_path / "model")
    (tmp_path / "model/schema.json").write_text("{}")
    with pytest.raises(PackageError, match="schema.json"):
        write_deployment("docker", tmp_path / "model", tmp_path / "out")


@pytest.mark.parametrize(
    "settings, words",
    [({"target": "dokcer"}, "did you mean 'docker'"), ({"image": "Acme/Parcels"}, "no name of an image"),
     ({"image": "x; rm -rf /"}, "no name of an image"), ({"min_replicas": 5, "max_replicas": 2}, "least = 5"),
     ({"min_replicas": 0}, "least = 0")],
)  # fmt: skip
def test_a_setting_that_cannot_be_is_refused_before_anything_is_written(package, tmp_path, settings, words):
    with pytest.raises(SettingsError, match=words):
        write_deployment(**{"target": "docker", "package": package, "folder": tmp_path / "out", **settings})
    assert not (tmp_path / "out").exists()


def test_the_command_says_what_is_wrong_in_one_line(tmp_path):
    done = subprocess.run(
        [*COMMAND, "deploy", "kubernets", str(tmp_path / "model"), str(tmp_path / "out")],
        capture_output=True, text=True, timeout=60)  # fmt: skip
    assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1, done.stderr


# ------------------------------------ laws
@given(st.text(max_size=80))
def test_every_name_becomes_one_that_kubernetes_takes(name):
    plain = resource_name(name)
    assert re.fullmatch(r"[a-z]([a-z0-9-]{0,44}[a-z0-9])?", plain)
    assert yaml.safe_load(f"name: {plain}") == {"name": plain}
    assert split_image_name(plain, "1") == (plain, "1")


@given(st.integers(512, 30_000))
def test_what_is_rented_has_the_memory_that_is_needed(memory):
    offer = cloud_machine_sizes(memory)
    fargate = {512: range(1024, 4097, 1024), 1024: range(2048, 8193, 1024), 2048: range(4096, 16385, 1024),
               4096: range(8192, 30721, 1024)}  # fmt: skip
    assert offer["fargate_memory"] >= memory and offer["fargate_memory"] in fargate[offer["fargate_cpu"]]
    assert offer["cloud_memory"] >= memory and offer["cloud_memory"] <= 4096 * offer["cloud_cpu"]
    assert offer["azure_memory"] == 2 * offer["azure_cpu"] <= 8
    assert memory > 8192 or 1024 * offer["azure_memory"] >= memory


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pseudo-terminal")
def test_into_a_folder_of_others_it_writes_only_when_told(package, tmp_path):
    import pty

    folder = tmp_path / "shared"
    folder.mkdir()
    (folder / "README.md").write_text("mine")
    (folder / "photo.png").write_bytes(b"mine")
    command = [sys.executable, "-m", "mlkit.cli.main", "deploy", "kubernetes", str(package), str(folder)]
    command[1:3] = ["-c", "from mlkit.cli.main import main; main()"]
    alone = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert alone.returncode == 2 and "photo.png" in alone.stderr and "name a folder" in alone.stderr
    assert len([*folder.iterdir()]) == 2
    for answer, code, files in (("n", 2, 2), ("y", 0, 5)):
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as asked:
            os.write(ours, f"{answer}\n".encode())
            said = asked.communicate(timeout=120)[0].decode()
        assert asked.returncode == code, said
        assert "y/N" in said and len([*folder.iterdir()]) >= files
    assert (folder / "README.md").read_text() == "mine" and (folder / "photo.png").read_bytes() == b"mine"
    assert (folder / "deployment.yaml").is_file()


# ------------------------------------ a clock
def test_systemd_takes_its_units(made):
    units = sorted((made / "schedule").glob("mlkit-*"))
    assert {unit.suffix for unit in units} == {".service", ".timer"} and len(units) == 4
    for unit in units:
        checked(tool("systemd-analyze"), "verify", "--man=no", str(unit))


@pytest.mark.skipif(os.name != "posix", reason="needs a shell")
def test_what_a_clock_calls_stops_where_nothing_can_be_looked_at(package, tmp_path, monkeypatch):
    """Another folder, few variables, a blank and a quote in the path: as cron calls it."""
    project = tmp_path / "a team's 100 % project"
    project.mkdir()
    monkeypatch.chdir(project)
    write_deployment("schedule", package, project / "clock")
    crontab = (project / "clock" / "crontab").read_text()
    few = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    for line in crontab.splitlines()[1:]:
        command = line.split(" ", 5)[5].replace(r"\%", "%")
        done = subprocess.run(["/bin/sh", "-c", command], cwd="/", env=few, capture_output=True, text=True)
        assert done.returncode == 2 and not done.stdout and not done.stderr, done
    said = (project / "clock" / "check.log").read_text()
    assert said.count("there is no") == 2 and "Traceback" not in said
