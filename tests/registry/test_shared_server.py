"""A server of MLflow that asks for names and passwords: who may do what, and that no password is told."""

import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from mlkit.core.errors import RunError
from mlkit.inference.signing import verify_package
from mlkit.registry.fetching import find_package
from mlkit.registry.history import load_history
from mlkit.registry.model_versions import promote_version, register_package
from tests.registry.test_registry import home, name, packages, until  # noqa: F401

PASSWORDS = {who: f"{who}-{secrets.token_hex(12)}" for who in ("admin", "ada", "ken")}
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def server(home) -> Iterator[str]:  # noqa: F811
    """`mlflow server --app-name basic-auth` with two users; new models may be read by all."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = home / "auth"
    folder.mkdir()
    (folder / "auth.ini").write_text(
        f"[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///{folder}/users.db\nadmin_username = admin\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
        "auth_cache_ttl_seconds = 600\n"
    )
    command = [
        sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth", "--host", "127.0.0.1",
        "--port", str(port), "--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination", str(folder / "artifacts"),
    ]  # fmt: skip
    own = {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_AUTH_CONFIG_PATH": str(folder / "auth.ini"),
        "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORDS["admin"],
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(16),
    }
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, env={**os.environ, **own}, start_new_session=True
        )
    address = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            return urlopen(f"{address}/health", timeout=1).status == 200
        except (URLError, OSError):
            return False

    try:
        assert until(answers, 240), (folder / "log").read_text()
        with pytest.MonkeyPatch.context() as patch:
            log_in(patch, address, "admin")
            for who in ("ada", "ken"):
                auth_client(address).create_user(who, PASSWORDS[who])
        yield address
    finally:
        os.killpg(process.pid, 15)
        process.wait(20)


def auth_client(address: str):
    from mlflow.server import get_app_client

    return get_app_client("basic-auth", tracking_uri=address)


def log_in(patch: pytest.MonkeyPatch, address: str, who: str, password: str = "") -> None:
    patch.setenv("MLFLOW_TRACKING_URI", address)
    patch.setenv("MLFLOW_TRACKING_USERNAME", who)
    patch.setenv("MLFLOW_TRACKING_PASSWORD", password or PASSWORDS[who])
    patch.setenv("MLKIT_USER", who)


def refusal(command: list[str], folder: Path) -> str:
    """What a command prints that is refused."""
    whole = [sys.executable, "-c", "from mlkit.cli.main import main; main()", *command]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(whole, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode not in (0, 1) or "Traceback" not in done.stderr
    assert done.returncode != 0 and not any(each in done.stdout + done.stderr for each in PASSWORDS.values())
    return done.stderr.strip()


def test_rights_are_those_of_the_server_and_no_password_is_told(
    server,
    packages,  # noqa: F811
    name,  # noqa: F811
    home,  # noqa: F811
    monkeypatch,
    tmp_path,
):
    os.chdir(home)
    log_in(monkeypatch, server, "ada")
    assert [register_package(each, each.parent, name) for each in packages[:2]] == ["1", "2"]

    # Somebody without a login, and one with a wrong password.
    log_in(monkeypatch, server, "ken", "wrong-" + PASSWORDS["admin"])
    with pytest.raises(RunError, match="it does not know you; set MLFLOW_TRACKING_USERNAME") as unknown:
        load_history(name)
    monkeypatch.delenv("MLFLOW_TRACKING_USERNAME")
    monkeypatch.delenv("MLFLOW_TRACKING_PASSWORD")
    with pytest.raises(RunError, match="set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD") as nobody:
        register_package(packages[2], packages[2].parent, name)

    # Who may read sees and fetches, and moves nothing.
    log_in(monkeypatch, server, "ken")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert verify_package(find_package(f"{name}@champion")) == verify_package(packages[0])
    before = load_history(name)
    with pytest.raises(RunError, match="you may not do that there; ask whoever runs it") as reader:
        promote_version(name)
    with pytest.raises(RunError, match="you may not do that there") as writer:
        register_package(packages[2], packages[2].parent, name)
    told = refusal(["promote", name], home)
    assert "you may not do that there" in told and len(told.splitlines()) <= 3
    assert load_history(name) == before and before.champion.number == "1"
    for each in (unknown, nobody, reader, writer):
        assert "\n" not in str(each.value) and not any(one in str(each.value) for one in PASSWORDS.values())

    # Who may edit promotes; the history says who it was.
    log_in(monkeypatch, server, "admin")
    auth_client(server).grant_user_permission("ken", "registered_model", name, "EDIT")
    log_in(monkeypatch, server, "ken")
    assert promote_version(name, why="better").version == "2"
    after = load_history(name)
    assert after.champion.number == "2" and after.version_with_alias("challenger") is None
    assert (after.moves[-1].who, after.moves[-1].why) == ("ken", "better")

    # No password stands in a file; what the server keeps of them is hashed.
    for path in [*home.rglob("*"), *tmp_path.rglob("*")]:
        if path.is_file():
            content = path.read_bytes()
            assert not [who for who, one in PASSWORDS.items() if one.encode() in content], path
