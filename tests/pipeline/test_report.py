"""The report: one self-contained page, harmless whatever the data holds, and written whatever is missing."""

import base64
import hashlib
import json
import re
import subprocess
import sys
import tempfile
from html import escape, unescape
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import nbformat.v4 as v4
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mlkit.core.errors import RunError
from mlkit.core.formatting import format_compact_number, format_duration
from mlkit.pipeline.html import (
    ALLOWED_ATTRIBUTES,
    ALLOWED_TAGS,
    find_number_columns,
    sanitise_css,
    sanitise_html,
    strip_terminal_codes,
)
from mlkit.pipeline.notebooks import list_stages
from mlkit.pipeline.report import write_report
from mlkit.pipeline.score_scale import make_score_scale
from mlkit.task.metric_labels import metric_label
from mlkit.task.metrics import METRICS
from mlkit.task.score_summary import read_score_summary
from tests.pages import CHROMIUM, FLAGS

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
METRICS_FILE = {
    "task": "binary", "metric": "roc_auc", "direction": "maximize", "score": 0.861, "interval": [0.84, 0.882],
    "baseline": 0.5, "goal": 0.8, "reached": True, "train": 0.884, "validation": 0.866, "fit": "good",
    "model": "forest", "rows": {"train": 1600, "test": 400}, "test": {"roc_auc": 0.861},
    "advice": ["More rows: the learning curve still rises."],
}  # fmt: skip
TRAIN = {
    "state": "done", "summary": "forest, after 40 trials", "started": "2026-11-23T08:14:02+00:00",
    "seconds": 71.5, "peak_memory": 6.4e8, "engine": "mlkit", "parameters": {"trials": 40}, "error": None,
}  # fmt: skip
WIDE = "<table><tr>" + "".join(f"<th>a column named {n}</th>" for n in range(40)) + "</tr></table>"


def html(text: str):
    return v4.new_output("display_data", {"text/html": text, "text/plain": "<HTML object>"})


def picture(words: str):
    return v4.new_output("display_data", {"image/png": PIXEL, "text/plain": words})


def stream(text: str, name: str = "stdout"):
    return v4.new_output("stream", name=name, text=text)


def notebook(*outputs) -> str:
    """A stage notebook as stock papermill leaves it: the lesson is in it too."""
    cells = [
        v4.new_markdown_cell("# Train\n\n> Which model, with which settings?"),
        v4.new_markdown_cell("## The lesson"),
        v4.new_code_cell("1 + 1", outputs=[stream("only a lesson")]),
        v4.new_markdown_cell("## Run this stage"),
        v4.new_code_cell("secret_looking_code()", outputs=list(outputs)),
        v4.new_markdown_cell("## In short"),
    ]
    return json.dumps(v4.new_notebook(cells=cells))


def make_run(
    folder: Path, *outputs, metrics=METRICS_FILE, train=TRAIN, project="customers", task=None
) -> Path:
    for part in ("artifacts", "notebooks"):
        (folder / part).mkdir(parents=True)
    (folder / "notebooks/05_train.ipynb").write_text(notebook(*outputs), encoding="utf-8")
    (folder / "artifacts/metrics.json").write_text(json.dumps(metrics))
    task = task or {"target": "churned", "decision": "Whom to call?"}
    (folder / "artifacts/task.json").write_text(json.dumps(task))
    made = {"metrics": {}, "task": {}}
    (folder / "run.json").write_text(
        json.dumps({"project": project, "stages": {"train": train}, "artifacts": made})
    )
    return folder


def page_of(folder: Path) -> str:
    return write_report(folder).read_text(encoding="utf-8")


class Elements(HTMLParser):
    """Every element of a page with its attributes, and the text between them."""

    def __init__(self, page: str):
        super().__init__()
        self.found, self.text = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def text_of(page: str) -> str:
    return " ".join(Elements(page.split("<main>")[-1].split("</main>")[0]).text.split())


# ---------------------------------------- what it says
@pytest.mark.parametrize(
    "verdict, words",
    [("failed", "more than allowed"), ("doubtful", "perhaps more than allowed"), ("passed", "")],
)
def test_what_the_model_remembers_of_its_rows_stands_in_the_verdict(tmp_path, verdict, words):
    run = make_run(tmp_path / "run")
    found = {"verdict": verdict, "found": 0.08, "half": [0.238, 0.19, 0.29], "max_leak": 0.03}
    (run / "artifacts/package.json").write_text(json.dumps({"membership": found}))
    journal = json.loads((run / "run.json").read_text())
    journal["artifacts"]["package"] = {}
    (run / "run.json").write_text(json.dumps(journal))
    text, line = (
        text_of(page_of(run)),
        f"The model remembers {words}: an attack finds 23.8% of its training rows",
    )
    assert (line in text) == bool(words) and ("The model remembers" in text) == bool(words)
    if words:
        assert text.index("Goal reached") < text.index(line) < text.index("Next:")


def test_it_answers_first(tmp_path):
    text = text_of(page_of(make_run(tmp_path / "run")))
    assert text.startswith("customers A machine learning run named run, started 23 November 2026,")
    assert (
        "✓ Goal reached Whom to call? The model predicts churned: AUC-ROC 0.861 "
        "(95 % interval 0.840 to 0.882) on 400 test rows. "
        "That is better than the baseline of 0.500; the goal of 0.8 is reached. "
        "Next: Try it on the decision that it was made for."
    ) in text
    parts = ("How good is it?", "What ran", "Train Which model,", "How this was made", "What to do next")
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


@pytest.mark.parametrize(
    "changes, verdict, words",
    [
        ({"goal": 0.85}, "Goal reached, narrowly", "Test on more rows"),
        ({"goal": 0.9, "fit": "overfit"}, "Goal not reached", "What would help: More rows: the learning curve still rises."),
        ({"goal": 0.9, "fit": "underfit"}, "Goal not reached", "What would help: More rows"),
        ({"goal": None}, "Better than the baseline", "State a goal"),
        ({"score": 0.51, "interval": [0.44, 0.58]}, "No better than the baseline", "not clearly better"),
        ({"score": 0.4, "interval": [0.35, 0.45]}, "No better than the baseline", "worse than the baseline"),
        ({"metric": "rmse", "direction": "minimize", "score": 12345.6, "interval": [12000, 12700],
          "baseline": 20000, "goal": 13000}, "Goal reached", "Root mean squared error 12,346"),
        ({"metric": "rmse", "direction": "minimize", "score": 9.5, "interval": [9, 11], "baseline": 20,
          "goal": 10}, "Goal reached, narrowly", "not by all"),
    ],
)  # fmt: skip
def test_the_verdict_follows_from_the_interval(tmp_path, changes, verdict, words):
    text = text_of(page_of(make_run(tmp_path / "run", metrics=METRICS_FILE | changes)))
    assert f"of work. {'✗' if 'No' in verdict or 'not' in verdict else '✓'} {verdict} Whom" in text
    assert words in text


def test_a_failed_stage_comes_before_the_score(tmp_path):
    error = v4.new_output(
        "error", ename="ValueError", evalue="5 < \x1b[31m6\x1b[0m", traceback=["\x1b[1mline 7"]
    )
    failed = TRAIN | {"state": "failed", "error": "stage 'train' failed: 5 < 6"}
    folder = make_run(tmp_path / "my runs", error, train=failed)
    page = page_of(folder)
    text = text_of(page)
    assert "✗ Stopped in the stage train stage 'train' failed: 5 < 6" in text
    assert f"Next: Mend what the stage train says, then go on with mlkit run --out '{folder}'." in text
    assert "ValueError: 5 < 6" in text
    assert "\x1b" not in page


def test_outputs_of_the_run_section_are_shown_in_order(tmp_path):
    markdown = v4.new_output("display_data", {"text/markdown": "**bold** and\n\n|a|b|\n|-|-|\n|1|2|"})
    outputs = [html("<p>first</p>"), stream("grumble", "stderr"), markdown, stream("10 %\r20 %\nlast")]
    text = text_of(page_of(make_run(tmp_path / "run", *outputs)))
    assert text.index("first") < text.index("bold and a b 1 2") < text.index("20 % last")
    for absent in ("grumble", "only a lesson", "secret_looking_code", "10 %", "HTML object"):
        assert absent not in text


def test_a_cell_with_nothing_in_it_has_a_dash(tmp_path):
    table = "<table><tr><th>a</th><th>b</th></tr><tr><td>NaN</td><td>[]</td></tr><tr><td>1</td><td>x</td></tr></table>"
    page = page_of(
        make_run(tmp_path / "run", html(table), v4.new_output("execute_result", {"text/plain": "'3 rows'"}))
    )
    assert page.count("<td>–</td>") == 2 and "&lt;td" not in page and "NaN</" not in page
    assert ">3 rows</pre>" in page, "the value of a cell is text, not Python"


def test_settings_that_differ_stand_in_the_open(tmp_path):
    usual = list_stages()["train"].parameters["seed"].default
    train = TRAIN | {"parameters": {"trials": 41, "seed": usual}}
    page = page_of(make_run(tmp_path / "run", train=train))
    opened, folded = re.sub("<details>.*?</details>", "", page, flags=re.DOTALL), page
    assert "<code>trials</code>" in opened and "<code>seed</code>" not in opened
    assert "<code>seed</code>" in folded


def test_metrics_are_called_what_the_list_of_metrics_calls_them():
    for metric in METRICS.values():
        assert metric_label(metric.name) == metric.label


# ---------------------------------------- whatever is missing
FILES = ["run.json", "artifacts/metrics.json", "artifacts/task.json", "notebooks/05_train.ipynb"]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", [None, "", '{"score": 0.8', "[]", "null", "\udcff\x00"])
def test_it_is_written_whatever_is_damaged(tmp_path, name, content):
    folder = make_run(tmp_path / "run")
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content.encode("utf-8", "surrogateescape"))
    page = page_of(folder)
    assert "<h1>" in page
    if content is not None or name.endswith("json"):
        assert f"{Path(name).name} is not there" in page or f"{Path(name).name} cannot be read" in page


def test_an_empty_run_says_what_to_do(tmp_path):
    text = text_of(page_of(tmp_path))
    assert "… No score yet" in text and "Run the remaining stages: mlkit run --out" in text
    assert "run.json is not there." in text


def test_no_run_is_an_error(tmp_path):
    with pytest.raises(RunError, match=r"^no run folder .*none; make one: mlkit run --out .*none$"):
        write_report(tmp_path / "none")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=40)
@given(
    metrics=st.fixed_dictionaries({}, optional=dict.fromkeys(METRICS_FILE, values)),
    train=st.fixed_dictionaries({}, optional=dict.fromkeys(TRAIN, values)) | values,
    project=values,
)
def test_it_is_written_whatever_the_journal_says(metrics, train, project):
    with tempfile.TemporaryDirectory() as folder:
        run = make_run(Path(folder, "run"), metrics=METRICS_FILE | metrics, train=train, project=project)
        assert page_of(run).endswith("</html>")


@settings(max_examples=150)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=5, max_size=5), st.booleans())
def test_everything_stands_on_the_scale(figures, with_interval):
    names = ("score", "baseline", "goal", "train", "validation")
    facts = dict(zip(names, figures, strict=True))
    score = read_score_summary(facts | {"interval": sorted(figures[:2])} if with_interval else facts)
    assume(score is not None)
    scale = make_score_scale(score)
    places = [mark.at for mark in scale.marks] + [place for place, _ in scale.ticks]
    assert all(0 <= place <= 100 for place in places) and len(scale.ticks) <= 7


def test_figures_are_for_people():
    assert [format_compact_number(value) for value in (None, 0.86095, 12.345, 123.45, 12345.6, -0.5, 0, 0.00042)] == [
        "unknown", "0.861", "12.35", "123.5", "12,346", "−0.500", "0.000", "0.00042",
    ]  # fmt: skip
    assert [format_duration(value) for value in (0.04, 59.9, 59.96, 71.5, 3600, 7350)] == [
        "0.0 s", "59.9 s", "1 min 0 s", "1 min 12 s", "1 h 0 min", "2 h 2 min",
    ]  # fmt: skip


# ---------------------------------------- harmless
EVIL = "<img src=x onerror=alert(1)>\"'&"
ATTACKS = [
    "<script>hacked=1</script>",
    "<scr<script>ipt>hacked=1</script>",
    "<img src=x onerror='hacked=1'>",
    "<svg onload='hacked=1'><circle/></svg>",
    "<svg><style><img src=x onerror='hacked=1'></style></svg>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=hacked=1&gt;'>",
    "<style><img src=x onerror='hacked=1'></style>",
    "<style>#a {} </style ><img src=x onerror='hacked=1'>",
    "<noscript><p title='</noscript><img src=x onerror=hacked=1>'>",
    "<textarea><p title='</textarea><img src=x onerror=hacked=1>'>",
    "<iframe srcdoc='<script>parent.hacked=1</script>'></iframe>",
    "<iframe src='javascript:parent.hacked=1'></iframe>",
    "<object data='data:text/html,<script>parent.hacked=1</script>'></object>",
    "<a href='javascript:hacked=1' autofocus onfocus='hacked=1'>x</a>",
    "<details open ontoggle='hacked=1'>x</details>",
    "<p title='\"><img src=x onerror=hacked=1>'>x</p>",
    "<p style='background:url(javascript:hacked=1)' onclick=hacked=1>x</p>",
    "<img src='data:image/svg+xml;base64," + base64.b64encode(b"<svg onload='hacked=1'/>").decode() + "'>",
    "<meta http-equiv=refresh content='0;url=javascript:hacked=1'><base href='http://example.org'>",
    "<!--><img src=x onerror='hacked=1'>-->",
    "<![CDATA[><img src=x onerror='hacked=1'>]]>",
    "<?><img src=x onerror='hacked=1'>",
    "</main></body><img src=x onerror='hacked=1'>",
    "<b title='<style>' onclick='hacked=1'>x</b><style>#a {color: red}</style>",
    "<svg></p><style><a id='</style><img src=1 onerror=hacked=1>'>",
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=hacked=1>",
    "<img src='data:image/png;base64,AA==' srcset='//x.org/a 2x' onload='hacked=1'>",
    "<img src='data:text/html;base64,PHNjcmlwdD4='>",
    "<h1 title='<h2 onclick=hacked=1>'>x</h1>",
    "<td background='//x.org/a' style='background-image: image-set(\"//x.org/a\" 1x)'>x</td>",
]  # fmt: skip
STYLES = [
    "color: red; background: url(//x.org/a)",
    "background: u\\72l(//x.org/a)",
    "background: URL(//x.org/a)",
    "background-image: image-set('//x.org/a' 1x)",
    "background: linear-gradient(red, url(//x.org/a))",
    "width: expression(hacked=1)",
    "color: var(--x); position: fixed; z-index: 9",
    "behavior: url(#a); -moz-binding: url(//x.org/a)",
    "color: red} body {display: none",
    "background: /**/ url( '//x.org/a' ); color: red",
]


def assert_harmless(page: str) -> None:
    for tag, attributes in Elements(page).found:
        assert tag in {*ALLOWED_TAGS, "style"}
        assert attributes.keys() <= ALLOWED_ATTRIBUTES
        assert re.match("data:image/", attributes.get("src") or "data:image/")
        assert not re.search(r"url|image|expression|var\(|position|behavior|}", attributes.get("style") or "")


@pytest.mark.parametrize("attack", ATTACKS)
def test_known_attacks_come_out_harmless(attack):
    assert_harmless(sanitise_html(attack))


@pytest.mark.parametrize("style", STYLES)
def test_styles_that_fetch_or_reach_out_go(style):
    shown = sanitise_html(f'<p style="{style}">x</p><style>#a {{{style}}}</style>')
    assert_harmless(shown)
    assert not re.search(r"x\.org|url|expression|position|body|display", shown)
    assert sanitise_html('<p style="color: red; left: 0">x</p>') == '<p style="color: red">x</p>'


def test_what_pandas_styles_keeps_its_colours():
    import pandas as pd

    table = pd.DataFrame({"share": [0.1, 0.9]}).style.bar(color="#fee").set_properties(**{"color": "#123456"})
    shown = sanitise_html(table.to_html())
    assert "linear-gradient(90deg, #fee" in shown and "color: #123456" in shown
    assert shown.startswith("<style>#T_") and shown.count("<td ") == 2


pieces = st.sampled_from(
    [*ATTACKS, *"<>='\"", "</", "<table>", "</table>", "<td>", "<b", "<!--", "-->", "&lt;", "&#60;"]
)


@settings(max_examples=150)
@given(st.lists(pieces | st.text(max_size=5), max_size=6).map("".join))
def test_cleaning_is_harmless_and_settled(text):
    once = sanitise_html(text)
    assert_harmless(once)
    assert sanitise_html(once) == once


@given(st.text().map(lambda text: text.replace("\r", "").replace("\0", "")))
def test_cleaning_keeps_text(text):
    assert unescape(sanitise_html(escape(text))) == text


def test_styles_stay_in_their_place():
    ours = "#T_1 td, #T_1_row0 > .data {background-color: #fff; color: rgb(0, 0, 0); width: 10em}"
    assert sanitise_css(ours) == ours.replace("{", "{ ").replace("}", " }")
    for theirs in ("td {color: red}", "#a, body {color: red}", "@import 'x';", "#a {position: fixed}",
                   "#a {background: url(//x.org)}", "#a {color: \\75rl(x)}", "#a {color: red"):  # fmt: skip
        assert not re.search("red|url|fixed|import|rl", sanitise_css(theirs))


@given(st.text())
def test_plain_text_has_no_control_characters(text):
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", strip_terminal_codes(text))


PLACES = ["project", "summary", "error", "parameter", "target", "decision", "metric", "stage"]


@pytest.mark.parametrize("place", PLACES)
def test_whatever_comes_from_data_is_text(tmp_path, place):
    train = TRAIN | ({place: EVIL} if place in TRAIN else {})
    if place == "parameter":
        train = TRAIN | {"parameters": {EVIL: EVIL}}
    folder = make_run(
        tmp_path / "run",
        html(f"<p>{escape(EVIL)}</p>"), picture(EVIL[1:]),
        v4.new_output("error", ename=EVIL, evalue=EVIL, traceback=[EVIL]),
        train=train, project=EVIL if place == "project" else "customers",
        metrics=METRICS_FILE | ({"metric": EVIL} if place == "metric" else {}),
        task={"target": EVIL if place == "target" else "x", "decision": EVIL if place == "decision" else ""},
    )  # fmt: skip
    if place == "stage":
        (folder / "run.json").write_text(json.dumps({"stages": {EVIL: TRAIN}}))
    elements = Elements(page_of(folder))
    assert EVIL in elements.text
    assert not any(name.startswith("on") for _, attributes in elements.found for name in attributes)
    assert [tag for tag, _ in elements.found].count("img") == 1


# ---------------------------------------- one file
def full_run(folder: Path) -> Path:
    styled = "<style>#T_1 td {background-color: #fee}</style><table id='T_1'><tr><td>1</td></tr></table>"
    pictures = picture("The search: 0.86 after 4 trials"), picture("<Plot size 640x200>")
    outputs = [html(WIDE), html(styled), *pictures, stream("a long line " * 40), stream("longword" * 40)]
    train = TRAIN | {"parameters": {"models": "linear-tree-forest" * 20}, "summary": "x" * 200}
    return make_run(folder, *outputs, train=train)


def test_it_is_one_file(tmp_path):
    page = page_of(full_run(tmp_path / "run"))
    elements = Elements(page)
    attributes = [pair for _, found in elements.found for pair in found.items()]
    linked = [value for name, value in attributes if name in ("src", "href")]
    assert linked and all(re.match(r"data:|#", address) for address in linked)
    assert "url(" not in page and "@import" not in page
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page, "the one script is ours, and no other may run"
    anchors = {value for name, value in attributes if name == "id"}
    assert {address[1:] for address in linked if address.startswith("#")} <= anchors
    assert "default-src 'none'" in page


def test_it_can_be_read_without_eyes(tmp_path):
    elements = Elements(page_of(full_run(tmp_path / "run"))).found
    alternatives = [attributes.get("alt") for tag, attributes in elements if tag == "img"]
    assert alternatives == ["The search: 0.86 after 4 trials", "Train, output 4"]
    levels = [int(tag[1]) for tag, _ in elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert all("scope" in attributes for tag, attributes in elements if tag == "th" and "role" in attributes)
    assert ("html", {"lang": "en"}) in elements


def luminance(colour: str) -> float:
    parts = [int(colour[place:place + 2], 16) / 255 for place in (1, 3, 5)]  # fmt: skip
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_letters_stand_out_in_light_and_dark(tmp_path):
    page = page_of(make_run(tmp_path / "run"))
    named = dict(re.findall(r"--(\w+): (#\w{6})", page.split("color-scheme")[0]))
    blocks = re.findall(r":root \{(.*?)\}", page, re.DOTALL)
    light, dark = (dict(re.findall(r"--(\w+): ([^;}]+)", block)) for block in blocks[1:3])
    for scheme in (light, light | dark):
        link = named[re.search(r"--(\w+)", scheme["link"])[1]]
        for ground in (scheme["page"], scheme["panel"]):
            for letters in (scheme["ink"], scheme["soft"], link):
                assert contrast(letters.strip(), ground) >= 4.5


def test_columns_of_numbers_are_found():
    def table(*rows):
        return "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)

    rows = ("a", "1,584", "4 %", "", "1"), ("b", "−0.5", "<b>12%</b>", "", "x")
    assert find_number_columns(table(*rows)) == [2, 3]
    assert find_number_columns("<p>no table</p>") == []


def test_only_light_libraries_are_loaded(tmp_path):
    folder = make_run(tmp_path / "run")
    code = (
        "import sys; from pathlib import Path; from mlkit.pipeline.report import write_report; "
        f"write_report(Path({str(folder)!r})); "
        "print({'numpy', 'pandas', 'matplotlib', 'sklearn', 'IPython', 'mlflow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# ---------------------------------------- in a browser
@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip(f"no browser at {CHROMIUM}: layout and attacks are not tested")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield opened
        opened.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1200])
def test_nothing_sticks_out_of_the_window(tmp_path, browser, width, scheme):
    path = write_report(full_run(tmp_path / "run"))
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page, said, asked = context.new_page(), [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert said == [] and [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
    context.close()


@pytest.fixture
def long_report(tmp_path):
    "A report with a table of 200 rows in it, as the profile of a wide table has."
    lines = "".join(f"<tr><td>column_{n}</td><td>{n * 7 % 200}</td></tr>" for n in range(200))
    table = f"<table><thead><tr><th>column</th><th>distinct</th></tr></thead><tbody>{lines}</tbody></table>"
    return write_report(make_run(tmp_path / "run", html(table)))


def test_a_long_table_is_sorted_and_filtered(browser, long_report):
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.goto(long_report.as_uri())
    first = page.locator(".output tbody tr").first.locator("td").nth(1)
    page.get_by_role("button", name="distinct").click()
    assert first.inner_text() == "0"
    page.keyboard.press("Enter")
    assert first.inner_text() == "199", "the keyboard turns it round"
    page.get_by_role("searchbox").fill("COLUMN_19")
    assert page.locator(".output tbody tr:visible").count() == 11
    page.close()


def test_every_section_is_one_click_away(browser, tmp_path):
    path = write_report(full_run(tmp_path / "run"))
    for width in (1400, 390):
        page = browser.new_page(viewport={"width": width, "height": 800})
        page.goto(path.as_uri())
        if width < 1000:
            page.get_by_text("On this page").click()
        for link in page.locator("nav a").all():
            anchor = link.get_attribute("href")
            if not link.is_visible():
                page.get_by_text("On this page").click()
            link.click()
            assert 0 <= page.locator(anchor).bounding_box()["y"] < 800, anchor
        page.close()


def test_no_table_is_cut(browser, long_report, tmp_path):
    for path in (long_report, write_report(full_run(tmp_path / "full"))):
        for width in (390, 1400, 1920):
            page = browser.new_page(viewport={"width": width, "height": 800})
            page.goto(path.as_uri())
            cut = page.evaluate(
                "[...document.querySelectorAll('.wide, pre, figure')]"
                ".filter(each => each.querySelectorAll('tr:first-child > *').length < 20)"  # those may scroll
                ".filter(each => each.scrollWidth > each.clientWidth + 1).map(each => each.outerHTML.slice(0, 80))"
            )
            assert cut == [], width
            page.close()


def test_attacks_do_nothing_even_without_the_second_lock(tmp_path, browser):
    path = write_report(make_run(tmp_path / "run", *map(html, ATTACKS), project=EVIL))
    context = browser.new_context(bypass_csp=True)
    page = context.new_page()
    page.goto(path.as_uri())
    page.wait_for_timeout(200)
    assert page.evaluate("typeof hacked") == "undefined"
    assert page.evaluate("document.querySelectorAll('main > section').length") >= 5
    context.close()
