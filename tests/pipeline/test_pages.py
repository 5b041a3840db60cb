"""The pages of a run, as people see them: report, model card and comparison, in a real browser."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlkit.pipeline.comparison_page import compare_run_folders
from tests.pages import CHROMIUM, FLAGS, WIDTHS, out_of_reach, too_pale, too_wide

pytestmark = pytest.mark.skipif(
    not CHROMIUM.exists(), reason=f"no browser at {CHROMIUM}: pages were not looked at"
)


@pytest.fixture(scope="module")
def pages(two_runs: tuple[Path, Path]) -> dict[str, Path]:
    one, other = two_runs
    compare_run_folders(one, other)
    return {
        "report": one / "report.html",
        "card": one / "artifacts" / "card.html",
        "comparison": one / "compare.html",
    }


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def look(browser: Any, pages: dict[str, Path]) -> Iterator[Any]:
    "Opens a page; one that asks anybody else, or complains, fails the test."
    opened = []

    def look(name: str, width: int = 1400, scheme: str = "light", media: str = "screen") -> Any:
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.emulate_media(media=media)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: asked.append(message.text))
        opened.append((page, asked, pages[name].as_uri()))
        page.goto(pages[name].as_uri())
        return page

    yield look
    for page, asked, own in opened:
        page.close()
        assert [url for url in asked if not url.startswith("data:")] == [own]


PAGES = ["report", "card", "comparison"]


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_wider_than_its_box(look: Any, name: str) -> None:
    for width in WIDTHS:
        assert too_wide(look(name, width)) == [], width


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_letters_can_be_read(look: Any, name: str, scheme: str) -> None:
    page = look(name, scheme=scheme)
    page.evaluate("for (const it of document.querySelectorAll('details')) it.open = true")
    assert too_pale(page) == []


@pytest.mark.parametrize("name", PAGES)
def test_paper_is_white_whatever_the_screen_is(look: Any, name: str) -> None:
    page = look(name, scheme="dark", media="print")
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(28, 33, 39)"
    assert too_pale(page) == []


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [1400, 390])
def test_the_keyboard_reaches_every_control(look: Any, name: str, width: int) -> None:
    assert out_of_reach(look(name, width)) == []


def test_the_report_of_a_wide_table_opens_at_once(browser: Any, tmp_path: Path) -> None:
    "200 columns: a profile, a plan and a schema of 200 lines each."
    import numpy as np
    import pandas as pd

    from mlkit.pipeline.report import write_report
    from mlkit.quality.profile import profile_columns, show_profile
    from tests.pipeline.test_report import html, make_run

    rng = np.random.default_rng(0)
    frame = pd.DataFrame({f"column number {n}": rng.normal(n, 1, 300).round(2) for n in range(200)})
    profile = show_profile(profile_columns(frame)).data
    summary = frame.describe().T.to_html()
    path = write_report(make_run(tmp_path / "run", html(profile), html(summary), html(summary)))
    assert path.stat().st_size < 2_000_000
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    started = time.monotonic()
    page.goto(path.as_uri())
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    seconds = time.monotonic() - started
    assert seconds < 2, f"{seconds:.1f} s"
    assert too_wide(page) == []
    page.close()
