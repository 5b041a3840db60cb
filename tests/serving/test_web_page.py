"""A person opens the server's page in a browser, fills in the form, and sees prediction and reasons."""

import json
import os
import re
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from mlkit.core.master_key import make_master_key
from mlkit.data.column_spec import ColumnSpec
from mlkit.data.table_spec import TableSpec
from mlkit.inference.example_package import delay_probability, make_parcel_package
from mlkit.inference.signing import sign_package
from mlkit.packaging.customer_package import make_customer_package
from mlkit.security.api_keys import add_key
from mlkit.serving.client import ServerProcess, running_server
from mlkit.serving.web_page import load_web_page as page_and_headers
from mlkit.task.problem import Problem
from mlkit.task.task_inference import make_task
from tests.pages import FLAGS, WIDTHS, out_of_reach, too_pale, too_wide

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
UNSEEN = "no Chromium on this machine: the server's page was not looked at"
pytestmark = [pytest.mark.skipif(CHROMIUM is None, reason=UNSEEN), pytest.mark.usefixtures("own_key")]

EVIL = "<img src=x onerror=document.title='broken'>"
NAMES = [
    "amount",
    "member",
    "since",
    "remark",
    EVIL,
    "a_name_without_any_place_where_it_could_be_broken_in_two",
]


def odd_package(folder: Path) -> Path:
    """A package with every kind of field, whose model adds up what it gets."""
    import numpy as np
    import pandas as pd
    from onnx import TensorProto, helper, numpy_helper

    folder.mkdir()
    node, tensor = helper.make_node, helper.make_tensor_value_info
    nodes = [node("IsNaN", ["numbers"], ["gone"]), node("Where", ["gone", "none", "numbers"], ["filled"]),
             node("ReduceSum", ["filled", "across"], ["output"], keepdims=1)]  # fmt: skip
    constants = [numpy_helper.from_array(np.array(0, np.float32), "none"),
                 numpy_helper.from_array(np.array([1], np.int64), "across")]  # fmt: skip
    graph = helper.make_graph(nodes, "sum", [tensor("numbers", TensorProto.FLOAT, [None, 6])],
                              [tensor("output", TensorProto.FLOAT, [None, 1])], constants)  # fmt: skip
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    (folder / "model.onnx").write_bytes(made.SerializeToString())
    parts = {
        "since": {"kind": "date", "parts": ("year",)},
        "remark": {"kind": "text", "parts": ("characters",)},
        "member": {"kind": "boolean"},
    }
    table = TableSpec(tuple(ColumnSpec(name, **parts.get(name, {"kind": "number"})) for name in NAMES))
    cells = {"amount": [1, 2], "member": ["no", "yes"], "since": ["2020-01-31", "2021-05-05"],
             "remark": ["fine", "late"], NAMES[4]: [1, 2], NAMES[5]: [10, 20]}  # fmt: skip
    amounts = pd.Series([1.5 * step for step in range(40)], name="total")
    task = make_task(Problem("total", decision=f"How much? {EVIL}"), amounts)
    files = {
        "problem": {"task": task.to_dict(), "threshold": 0.5, "personal": ["remark"]},
        "table": table.to_dict(),
        "schema": {"columns": {column.name: {"kind": column.kind} for column in table.columns}},
        "background": {"columns": cells},
        "metrics": {"metric": "r2", "direction": "maximize", "score": 0.5, "interval": None},
    }
    for name, value in files.items():
        (folder / f"{name}.json").write_text(json.dumps(value))
    sign_package(folder, {"name": "odd", "data": {"rows": 2}, "model": {"family": "linear"}})
    return folder


@pytest.fixture(scope="module")
def parcels(own_key, tmp_path_factory) -> Path:
    return make_parcel_package(tmp_path_factory.mktemp("shop") / "parcels")


@pytest.fixture(scope="module")
def server(parcels) -> Iterator[ServerProcess]:
    with running_server(parcels, log="none") as server:
        yield server


@pytest.fixture(scope="module")
def odd(own_key, tmp_path_factory) -> Iterator[ServerProcess]:
    with running_server(odd_package(tmp_path_factory.mktemp("shop") / "odd"), log="none") as server:
        yield server


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def look(browser):
    """Opens a page, and watches what it asks and complains of."""
    opened = []

    def look(server: ServerProcess, ready: str = "#form", **options):
        context = browser.new_context(**options)
        page = context.new_page()
        page.asked, page.complaints = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        opened.append((context, page))
        page.goto(f"http://127.0.0.1:{server.port}/")
        page.wait_for_selector(f"{ready} >> visible=true")
        return page

    yield look
    keep = os.environ.get("MLKIT_PICTURES")
    for number, (context, page) in enumerate(opened):
        if keep:
            page.screenshot(path=Path(keep, f"page{number}.png"), full_page=True)
        context.close()


def fill(page, **cells: str) -> None:
    for name, cell in cells.items():
        control = page.get_by_label(re.compile(f"^{name}"))
        control.select_option(cell) if control.evaluate("it => it.tagName") == "SELECT" else control.fill(
            cell
        )


def predicted(page) -> str:
    page.wait_for_selector("#answer:not([hidden])")
    return page.inner_text("#status").replace("\xa0", " ")


FIELDS = "[...document.querySelectorAll('#fields input, #fields select, #fields textarea')]"


# ------------------------------------ what a person does
def test_a_person_fills_in_the_form_and_sees_prediction_and_reasons_side_by_side(look, server):
    page = look(server, viewport={"width": 1280, "height": 900})
    assert page.inner_text("h1") == "parcels" and "Predicts late: no or yes." in page.inner_text("header")
    assert "AUC-ROC 0.81, between 0.78 and 0.84" in page.inner_text("header")
    fill(page, weight="20", distance="800", service="express")
    page.click("#predict")
    late = delay_probability(20, 800, "express")
    assert predicted(page) == f"late: {'yes' if late >= 0.5 else 'no'}, {100 * max(late, 1 - late):.1f} %"
    why = (
        server.client()
        .request("POST", "/explain", {"weight": 20, "distance": 800, "service": "express"})
        .value
    )
    bars = page.locator("ul[aria-labelledby=explanation] li").all_inner_texts()
    for bar, effect in zip(bars, why["contributions"], strict=True):
        assert effect["column"] in bar and effect["value"] in bar
        sign = "−" if effect["contribution"] < 0 else "+"
        assert f"{sign}{abs(100 * effect['contribution']):.1f} points" in bar
    form, result = (page.locator(name).bounding_box() for name in ("#form", "#result"))
    assert form["x"] + form["width"] <= result["x"] and abs(form["y"] - result["y"]) < 2
    assert not page.complaints


def test_the_form_asks_whose_data_it_is_and_withholds_what_a_person_decides(look, parcels, tmp_path):
    make_master_key(tmp_path / "master.key")
    how = {"log": str(tmp_path / "log.db"), "protect": str(tmp_path / "master.key"), "subject": "sender"}
    with running_server(parcels, review="distance > 500 | withhold", **how) as server:
        page = look(server)
        page.click("#predict")
        assert "needed" in page.locator("#field-0-say").inner_text()
        fill(page, sender="S-17", weight="20", distance="100", service="express")
        page.click("#predict")
        assert predicted(page).startswith("late: no, ")
        fill(page, distance="800")
        page.click("#predict")
        page.wait_for_function("() => document.querySelector('#status').innerText.includes('person')")
        assert predicted(page) == "late: a person decides"
        assert "%" not in page.inner_text("#answer") and "before a person has decided" in page.inner_text(
            "#answer"
        )
        assert not page.complaints


def test_no_request_leaves_the_server(look, server):
    page = look(server)
    page.click("#example")
    page.click("#predict")
    predicted(page)
    asked = {urlsplit(url) for url in page.asked}
    assert {url.netloc for url in asked if url.scheme != "data"} == {f"127.0.0.1:{server.port}"}
    assert {url.path for url in asked if url.scheme != "data"} == {"/", "/model", "/explain"}


def test_the_browser_forbids_the_page_to_ask_anybody_else(look, server):
    page = look(server)
    tried = """async address => {
      const tag = document.createElement('script');
      tag.textContent = 'window.broken = true';
      document.body.append(tag);
      let fetched = 'refused';
      try { await fetch(address); fetched = 'sent' } catch { }
      const image = new Image();
      image.src = address;
      await new Promise(done => image.onerror = done);
      return [window.broken === true, fetched];
    }"""
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        stranger.settimeout(0.3)
        assert page.evaluate(tried, f"http://127.0.0.1:{stranger.getsockname()[1]}/") == [False, "refused"]
        with pytest.raises(TimeoutError):  # nobody has called
            stranger.accept()
    assert any("Content Security Policy" in said for said in page.complaints)


def test_by_keyboard_alone(look, server):
    page = look(server)
    press, focus = page.keyboard.press, "document.activeElement.id || document.activeElement.textContent"
    seen = []
    for text in (None, "20", "800", "express", None):
        press("Tab")
        seen.append(page.evaluate(focus))
        if text:
            page.keyboard.type(text)
    assert seen == ["To the form", "field-0", "field-1", "field-2", "predict"]
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    press("Enter")
    assert predicted(page).startswith("late: ") and outline == "solid"
    press("Tab")
    assert page.evaluate(focus) == "example"
    press("Space")
    assert page.evaluate("document.getElementById('field-0').value") == "8"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_form_and_answer_can_be_read_and_reached(look, odd, scheme):
    page = look(odd, viewport={"width": 1400, "height": 900}, color_scheme=scheme)
    page.click("#example")
    page.click("#predict")
    predicted(page)
    assert too_pale(page) == []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert too_wide(page) == [], width
    assert out_of_reach(page) == []
    page.emulate_media(media="print", color_scheme=scheme)  # paper is white whatever the screen is
    assert too_pale(page) == []


@pytest.mark.parametrize("width", [320, 390])
def test_at_phone_width_nothing_has_to_be_pushed_aside(look, odd, width):
    page = look(odd, viewport={"width": width, "height": 700}, has_touch=True, is_mobile=True)
    page.click("#example")
    page.click("#predict")
    predicted(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    bottom, top = page.evaluate("""[document.getElementById('form').getBoundingClientRect().bottom,
        document.getElementById('result').getBoundingClientRect().top]""")
    assert bottom <= top
    assert min(page.evaluate(FIELDS + ".map(it => it.offsetHeight)")) >= 40


# ------------------------------------ every kind of field
def test_each_kind_of_column_gets_its_own_kind_of_field(look, odd):
    page = look(odd)
    kinds = page.evaluate(FIELDS + ".map(it => it.type)")
    assert kinds == ["text", "select-one", "date", "textarea", "text", "text"]
    fill(page, amount="1,000", member="true", since="2024-02-29", remark="hello")
    page.click("#predict")
    assert predicted(page) == "total: 3,030"  # 1,000 + 1 + 2024 + 5 characters
    bars = page.locator("ul[aria-labelledby=explanation] li").all_inner_texts()
    said = dict(text.split("\n")[0].split(" ", 1) for text in bars if not text.startswith("<"))
    assert said["since"] == "2024-02-29" and said["member"] == "yes" and said["remark"] == "•••"


def test_the_example_fills_in_every_field(look, odd):
    page = look(odd)
    page.click("#example")
    assert all(page.evaluate(FIELDS + ".map(it => it.value)"))
    page.click("text=Clear")
    assert not any(page.evaluate(FIELDS + ".map(it => it.value)"))


def test_names_and_texts_are_shown_and_never_run(look, odd):
    page = look(odd)
    page.click("#example")
    page.click("#predict")
    predicted(page)
    assert page.title() == "odd: total" and page.locator("img").count() == 0
    assert all(EVIL in page.inner_text(part) for part in ("header", "#fields", "#answer"))


# ------------------------------------ what is wrong is said where it belongs
def test_an_error_stands_at_its_field_and_the_field_gets_the_focus(look, server):
    page = look(server)
    fill(page, weight="heavy", distance="100", service="standard")
    page.click("#predict")
    page.wait_for_selector("[aria-invalid=true]")
    weight = page.get_by_label(re.compile("^weight"))
    assert "should be a number" in page.inner_text(f"#{weight.get_attribute('id')}-say")
    assert (
        weight.evaluate("it => it === document.activeElement")
        and weight.get_attribute("aria-invalid") == "true"
    )
    assert "heavy" not in page.inner_text("#result") and page.locator("#answer").is_hidden()
    fill(page, weight="5")
    page.click("#predict")
    predicted(page)
    assert page.locator("[aria-invalid=true]").count() == 0


def test_a_warning_stands_at_its_field_beside_the_prediction(look, server):
    page = look(server)
    fill(page, weight="500", distance="100", service="standard")
    page.click("#predict")
    predicted(page)
    assert "at most 70" in page.inner_text("#field-0-say") and "One field is marked" in page.inner_text(
        "#answer"
    )


def test_what_has_to_be_filled_in_is_asked_for_before_the_server_is(look, server):
    page = look(server)
    fill(page, weight="5", distance="100")
    page.click("#predict")
    assert "needed" in page.inner_text("#field-2-say")
    assert page.evaluate("document.activeElement.id") == "field-2"
    assert not [url for url in page.asked if url.endswith("/explain")]


def test_a_form_with_nothing_in_it_gets_no_confident_answer(look, tmp_path):
    with running_server(make_customer_package(tmp_path / "model"), log="none") as server:
        page = look(server)
        page.click("#predict")
        assert predicted(page) == "churned: not known"
        assert "nothing is filled in" in page.inner_text("#answer") and "%" not in page.inner_text("#answer")
        page.click("#example")
        page.click("#predict")
        page.wait_for_selector("text=Each column contributes")
        assert "an average row gets" in page.inner_text("#answer")


def test_a_server_that_has_gone_is_told_in_words(look, parcels):
    with running_server(parcels, log="none") as server:
        page = look(server)
        page.click("#example")
    page.click("#predict")
    page.wait_for_selector("#problem:not([hidden])")
    assert "does not respond" in page.inner_text("#problem")


# ------------------------------------ keys
def test_a_key_is_asked_for_and_kept_in_the_page_only(look, parcels, tmp_path):
    whole = add_key(tmp_path / "keys.json", "both", ("predict", "explain"))
    part = add_key(tmp_path / "keys.json", "some", ("predict",))
    with running_server(parcels, keys=str(tmp_path / "keys.json"), log="none") as server:
        page = look(server, "#door")
        assert page.evaluate("document.activeElement.id") == "key" and page.locator("#form").is_hidden()
        page.keyboard.type("mlk_wrong")
        page.keyboard.press("Enter")
        page.wait_for_selector("text=This key is not accepted.")
        page.fill("#key", part)
        page.keyboard.press("Enter")
        page.wait_for_selector("#form >> visible=true")
        page.click("#example")
        page.click("#predict")
        assert predicted(page).startswith("late: ") and "lacks the role 'explain'" in page.inner_text(
            "#answer"
        )
        kept = page.evaluate("[localStorage.length, sessionStorage.length, document.cookie, location.href]")
        assert kept == [0, 0, "", f"http://127.0.0.1:{server.port}/"]
        page.reload()
        page.wait_for_selector("#door >> visible=true")
        page.fill("#key", whole)
        page.click("text=Use this key")
        page.wait_for_selector("#form >> visible=true")
        page.click("#example")
        page.click("#predict")
        predicted(page)
        assert page.locator("ul[aria-labelledby=explanation] li").count() == 3
        assert part not in page.content() and whole not in page.content()


# ------------------------------------ for everybody
def test_every_control_has_a_name_and_what_happens_is_read_aloud(look, odd):
    page = look(odd)
    unnamed = page.evaluate("""[...document.querySelectorAll('input, select, textarea')]
        .filter(it => !it.labels.length || !it.labels[0].textContent.trim()).length""")
    assert unnamed == 0
    assert (
        page.get_attribute("#status", "role") == "status"
        and page.get_attribute("#problem", "role") == "alert"
    )
    described = page.evaluate("""[...document.querySelectorAll('[aria-describedby]')]
        .flatMap(it => it.getAttribute('aria-describedby').split(' '))
        .filter(id => !document.getElementById(id)).length""")
    assert described == 0
    assert page.evaluate("document.documentElement.lang") == "en"


CONTRAST = """() => {
  const light = text => {
    const [r, g, b] = text.match(/[\\d.]+/g).slice(0, 3).map(Number).map(v => v / 255)
      .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = it => {
    for (; it; it = it.parentElement) {
      const colour = getComputedStyle(it).backgroundColor;
      if (!/, 0\\)$/.test(colour)) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  return [...document.querySelectorAll('body *')].filter(it => it.offsetParent &&
      [...it.childNodes].some(child => child.nodeType === 3 && child.textContent.trim())).map(it => {
    const [a, b] = [light(getComputedStyle(it).color), light(behind(it))].sort((a, b) => b - a);
    return [(a + 0.05) / (b + 0.05), it.tagName + '.' + it.className + ': ' + it.textContent.slice(0, 30)];
  });
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(look, server, scheme):
    page = look(server, color_scheme=scheme)
    fill(page, weight="500", distance="100", service="standard")
    page.click("#predict")
    predicted(page)
    page.evaluate("document.getElementById('door').hidden = false")
    ratios = page.evaluate(CONTRAST)
    assert len(ratios) > 20 and min(ratios)[0] >= 4.5, min(ratios)
    ground = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 27)"}[scheme]


def test_the_page_is_one_file_without_an_address_in_it():
    html, headers = page_and_headers()
    text = html.decode()
    assert not re.search(r"https?:|//[a-z0-9-]+\.|@import|<link[^>]+href=(?!\"data:)|src=", text)
    assert "innerHTML" not in text and "localStorage" not in text
    assert b"unsafe" not in dict(headers)[b"content-security-policy"]
