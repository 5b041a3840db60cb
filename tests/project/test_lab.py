"""A person opens a stage notebook in JupyterLab and runs it from top to bottom."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

NBS = Path(__file__).resolve().parents[2] / "nbs"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
UNSEEN = "no Chromium on this machine: JupyterLab was not looked at"
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=UNSEEN)


def free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return asked.getsockname()[1]


def wait_for(url: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.3)


@pytest.fixture
def lab(tmp_path):
    shutil.copy(NBS / "04_prepare.ipynb", tmp_path)
    port = free_port()
    options = [
        f"--port={port}",
        "--no-browser",
        "--ip=127.0.0.1",
        "--allow-root",
        f"--notebook-dir={tmp_path}",
    ]
    open_door = ["--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True"]
    own = {"JUPYTER_CONFIG_DIR": str(tmp_path / "config"), "JUPYTER_DATA_DIR": str(tmp_path / "data")}
    environment = os.environ | own
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *options, *open_door],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/api")
        yield tmp_path, f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(20)


def test_a_stage_notebook_runs_from_top_to_bottom_in_jupyterlab(lab):
    from playwright.sync_api import sync_playwright

    folder, address = lab
    notebook = folder / "04_prepare.ipynb"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.goto(f"{address}/lab/tree/04_prepare.ipynb?reset")
        page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
        page.wait_for_selector("text=/Python 3.*\\| Idle/", timeout=60_000)
        page.click("text=Run >> nth=0")
        page.click("[data-command='runmenu:run-all']")
        cells = save_until_all_ran(page, notebook)
        picture = page.screenshot()
        browser.close()
    keep = os.environ.get("MLKIT_PICTURES")
    if keep:
        Path(keep, "lab.png").write_bytes(picture)
    assert not [output for cell in cells for output in cell["outputs"] if output["output_type"] == "error"]
    assert any("image/png" in output.get("data", {}) for cell in cells for output in cell["outputs"])


def code_cells(notebook: Path) -> list[dict]:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code" and "".join(cell["source"]).strip()]


def save_until_all_ran(page, notebook: Path, seconds: float = 180) -> list[dict]:
    """JupyterLab draws only the cells in view, so the saved file is asked whether all have run."""
    end = time.monotonic() + seconds
    while True:
        page.keyboard.press("Control+s")
        time.sleep(1)
        cells = code_cells(notebook)
        if all(cell["execution_count"] for cell in cells):
            return cells
        assert time.monotonic() < end, f"after {seconds:.0f} s some cells have not run"
