"""A person logs in at the page in a browser, at a real provider, and out again."""

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL, Popen
from urllib.request import Request, urlopen

import pytest

from mlkit.inference.example_package import make_parcel_package
from mlkit.serving.client import free_port, running_server
from tests.pages import FLAGS

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def parcels(own_key, tmp_path_factory) -> Path:
    return make_parcel_package(tmp_path_factory.mktemp("shop") / "parcels")


@contextmanager
def provider() -> Iterator[str]:
    """oidc-provider-mock, in a process of its own."""
    port = free_port()
    environment = {**os.environ, "AUTHLIB_INSECURE_TRANSPORT": "1"}
    process = Popen(
        [sys.executable, "-m", "oidc_provider_mock", "--port", str(port)],
        stdout=DEVNULL,
        stderr=DEVNULL,
        env=environment,
    )
    try:
        for _ in range(300):
            try:
                urlopen(f"http://localhost:{port}/.well-known/openid-configuration", timeout=2)
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://localhost:{port}"
    finally:
        process.kill()
        process.wait(30)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: nobody has logged in at the page")
@pytest.mark.parametrize("workers", [2])
def test_a_person_logs_in_at_the_page_and_out_again(parcels, tmp_path, workers):
    from playwright.sync_api import sync_playwright

    port = free_port()
    home, audit = f"http://localhost:{port}/", tmp_path / "audit.jsonl"
    with provider() as issuer, sync_playwright() as playwright:
        for name, groups in {"anna": ["analysts"], "guest": []}.items():
            claims = json.dumps({"groups": groups}).encode()
            asked = Request(
                f"{issuer}/users/{name}", claims, {"Content-Type": "application/json"}, method="PUT"
            )
            urlopen(asked, timeout=10)
        settings = {
            "oidc": issuer,
            "oidc_client": "page",
            "public_url": home,
            "oidc_secret": "env:PAGE_SECRET",
            "workers": workers,
            "oidc_roles": "groups: analysts=predict,explain",
        }
        own = {"MLKIT_AUDIT_LOG": str(audit), "PAGE_SECRET": "a-secret-of-the-client"}
        with running_server(parcels, port=port, log="none", environment=own, **settings) as server:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            context = browser.new_context()
            page = context.new_page()
            page.set_default_timeout(20_000)

            def log_in(name: str) -> None:
                page.goto(home)
                page.get_by_role("link", name="Log in").click()
                page.fill("input[name=sub]", name)
                page.get_by_role("button", name="Authorize").click()

            log_in("guest")
            page.get_by_text("this login has no role here").wait_for()
            log_in("anna")
            page.wait_for_selector("#form >> visible=true")
            assert page.url == home
            page.get_by_role("button", name="Example").click()
            page.get_by_role("button", name="Predict").click()
            page.get_by_role("heading", name="Explanation").wait_for()
            session = next(each for each in context.cookies() if each["name"] == "mlkit-session")
            assert session["httpOnly"] and session["sameSite"] == "Lax"
            assert "session" not in page.evaluate("document.cookie")
            page.get_by_role("button", name="Log out").click()
            page.get_by_role("link", name="Log in").wait_for()
            context.add_cookies([session])  # somebody has kept it
            page.goto(home)
            page.get_by_role("link", name="Log in").wait_for()
            browser.close()
            assert session["value"] not in server.output and "anna" not in server.output
    assert '"reason":"role"' in audit.read_text()
