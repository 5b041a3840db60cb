"""The pages of a run, as people see them: report, model card and comparison, in a real browser."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlkit.monitoring.check import CheckResult
from mlkit.monitoring.page import render_page
from mlkit.pipeline.comparison_page import compare_run_folders
from mlkit.privacy.access import render_access
from tests.pages import CHROMIUM, FLAGS, WIDTHS, out_of_reach, too_pale, too_wide

pytestmark = pytest.mark.skipif(
    not CHROMIUM.exists(), reason=f"no browser at {CHROMIUM}: pages were not looked at"
)


def check(week: int) -> CheckResult:
    "What a week has brought: all is well at first, then everything happens at once."
    bad, name = week > 3, "a_column_whose_name_is_longer_than_a_telephone_is_wide"
    change = {
        "name": name,
        "what": "other categories",
        "detail": "地域の名前がとても長い",
        "moved": 0.31,
        "p_value": 1e-9,
    }
    group = {
        "column": name,
        "group": "from 1,234,567 to 7,654,321",
        "rows": 12_345,
        "before": 0.348,
        "now": 0.9,
    }
    return CheckResult(
        time=1_800_000_000.0 + 604_800 * week,
        version="3",
        label="AUC-ROC",
        predictions=1_000,
        feedback=900,
        score=0.62 if bad else 0.81,
        low=0.58,
        high=0.85,
        limit=0.76,
        reference=0.8,
        estimate=0.79,
        error=0.01,
        evidence=1.0 if bad else 0.001,
        since=1_801_000_000.0 if bad else None,
        alarms={"changed": bad, "at_risk": bad, "harmed": bad},
        changes=[change] * bad,
        slices=[group] * bad,
        delay=3_600.0,
        latency={"p50": 0.004, "p95": 0.02, "p99": 0.03, "slow": 0.001},
        responses={"asked": 1_234_567, "failed": 0.002, "allowed": 0.001},
        violations={f"{name}: not a number": 0.02},
        versions={"2": 400, "3": 600},
        notes=[f"{name}.csv was counted before, and is not counted again"],
    )


def held() -> dict[str, Any]:
    "What is held of a person: paths and texts that are longer than a telephone is wide."
    path = "runs/a_run_whose_name_is_longer_than_a_telephone_is_wide/artifacts/train.parquet"
    row = {
        "customer_id": "C0000884",
        "name": "Mina Okada",
        "usage_hours": None,
        "note": "downloads are slow " * 9,
    }
    output = {"prediction": "yes", "probabilities": {"no": 0.4, "yes": 0.6}}
    said = {"time": "2026-11-30T17:24:00+00:00", "model": "customers", "version": "2488ab73", "truths": []}
    return {
        "made": "2026-11-30T17:25:00+00:00",
        "subject": "C0000884",
        "processing": [
            {"run": "customers", "decision": "Whom do we call?", "purpose": "not stated in the settings"}
        ],
        "records": [row],
        "tables": [{"place": path, "rows": 2}],
        "other_copies": [
            {"place": path.replace("train.parquet", "02_collect.ipynb"), "kind": "notebook", "values": 7}
        ],
        "predictions": [said | {"output": output, "input": row}],
        "explanations": ["Row 7 is predicted churned = yes, mainly because contract is monthly."],
        "models": [],
    }


@pytest.fixture(scope="module")
def pages(two_runs: tuple[Path, Path]) -> dict[str, Path]:
    one, other = two_runs
    compare_run_folders(one, other)
    checks = [check(week).to_dict() for week in range(8)]
    (one / "monitor.html").write_text(render_page("customers", "AUC-ROC", checks), encoding="utf-8")
    (one / "access.html").write_text(render_access(held()), encoding="utf-8")
    return {
        "access": one / "access.html",
        "monitor": one / "monitor.html",
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


PAGES = ["report", "card", "comparison", "monitor", "access"]


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


def test_what_is_held_of_a_person_is_counted(look: Any) -> None:
    cells = look("access", 390).locator("[data-label='Rows or places']")
    assert cells.all_inner_texts() == ["2", "7"]


def test_a_table_whose_index_has_a_name_fits_on_a_telephone(browser: Any, tmp_path: Path) -> None:
    import pandas as pd

    from mlkit.pipeline.report import write_report
    from tests.pipeline.test_report import html, make_run

    questions = pd.Index(
        ["nine tenths of the rows: no worse?", "truths mixed up: no worse?"], name="question"
    )
    told = ["no difference can be told (-0.022 to 0.012)"] * 2
    table = pd.DataFrame({"in use": [0.84, 0.84], "challenger": [0.835, 0.5], "difference": told}, questions)
    path = write_report(make_run(tmp_path / "run", html(table.to_html())))
    page = browser.new_page(viewport={"width": 390, "height": 900})
    page.goto(path.as_uri())
    assert too_wide(page) == []
    assert page.locator(".output td").first.get_attribute("data-label") == "in use"
    page.close()


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
