"""People look at predictions, decide and overrule; and whoever may stops a model at once. All on real servers."""

import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest

from mlkit.core.errors import RunError
from mlkit.core.master_key import load_master_key, make_master_key
from mlkit.inference.example_package import make_parcel_package
from mlkit.security.api_keys import ROLES, add_key
from mlkit.security.audit import AuditLog
from mlkit.security.subject_keys import SubjectKeys
from mlkit.serving.client import ServerClient, ServerProcess, running_server
from mlkit.serving.prediction_log import open_log_database
from mlkit.serving.sealed_log import delete_subject
from tests import conftest
from tests.pages import FLAGS, out_of_reach, too_pale, too_wide

pytestmark = pytest.mark.usefixtures("own_key")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ROOT = str(Path(__file__).parents[2])
CLEAR = {"weight": 2, "distance": 80, "service": "standard"}
HEAVY = CLEAR | {"weight": 40, "sender": "Mina Okada"}
RULES = "0.4..0.6 | weight > 30"
until = partial(conftest.until, seconds=30, pause=0.05)


@pytest.fixture(scope="module")
def package(own_key, tmp_path_factory) -> Path:
    return make_parcel_package(tmp_path_factory.mktemp("shop") / "parcels")


@contextmanager
def serving(
    package: Path, folder: Path, review: str = RULES, **more: object
) -> Iterator[tuple[ServerProcess, dict[str, ServerClient]]]:
    """A server with a client for each role, whose name is that of the role; `ben` reviews as well."""
    keys = folder / "keys.json"
    names = {role: role for role in ROLES} | {"ben": "review"}
    made = {} if keys.exists() else {name: add_key(keys, name, [role]) for name, role in names.items()}
    stored = folder / "made.json"
    if made:
        stored.write_text(json.dumps(made))
    environment = {"PYTHONPATH": ROOT, "MLKIT_AUDIT_LOG": str(folder / "audit.jsonl")}
    settings = {"log": str(folder / "log.db"), "keys": str(keys), "environment": environment} | more
    if review:
        settings["review"] = review
    with running_server(package, **settings) as server:
        clients = {name: server.client(key) for name, key in json.loads(stored.read_text()).items()}
        yield server, clients
        for client in clients.values():
            client.close()


@pytest.fixture(scope="module")
def shop(package, tmp_path_factory) -> Iterator[tuple[dict[str, ServerClient], Path, ServerProcess]]:
    folder = tmp_path_factory.mktemp("review")
    with serving(package, folder) as (server, clients):
        yield clients, folder, server


def decide(client: ServerClient, id: str, decision: object, why: object = "I have seen the parcel"):
    return client.request("POST", f"/review/{id}", {"decision": decision, "why": why})


def test_a_person_decides_and_the_caller_learns_it(shop):
    clients, folder, _ = shop
    assert "review" not in clients["predict"].predict(CLEAR)
    before = clients["review"].request("GET", "/review").value["pending"]
    sent = clients["predict"].predict([HEAVY, CLEAR, CLEAR | {"distance": 560}, CLEAR | {"review": True}])
    said = sent["predictions"]
    assert [each.get("review") for each in said] == ["pending", None, "pending", "pending"]
    assert all(each["prediction"] in ("yes", "no") and not each["warnings"] for each in said)
    queue = clients["review"].request("GET", "/review?limit=200").value
    assert queue["pending"] == before + 3 and queue["next"] is None
    waiting = {each["id"]: each for each in queue["reviews"]}
    assert [each["id"] for each in queue["reviews"]] == sorted(waiting)
    case = waiting[said[0]["id"]]
    assert case["reasons"] == ["weight > 30"]
    assert case["row"] == {name: HEAVY[name] for name in CLEAR}  # who has sent it is personal
    assert waiting[said[2]["id"]]["reasons"] == ["the probability of yes is in 0.4..0.6"]
    assert waiting[said[3]["id"]]["reasons"] == ["the caller has asked for a person"]
    shown = clients["review"].request("GET", f"/review/{said[0]['id']}").value
    assert {each["column"] for each in shown["explanation"]["contributions"]} == {*CLEAR}
    asked = clients["predict"].request("GET", f"/predictions/{said[0]['id']}").value
    assert asked == {"id": said[0]["id"], "review": "pending"}

    assert decide(clients["review"], said[0]["id"], "accept").value["outcome"] == "accepted"
    other = {"yes": "no", "no": "yes"}[said[2]["prediction"]]
    assert decide(clients["review"], said[2]["id"], other, "the road is closed").value["outcome"] == "changed"
    told = clients["predict"].request("GET", f"/predictions/{said[2]['id']}").value
    known = {"review": "decided", "prediction": other, "why": "the road is closed", "outcome": "changed"}
    assert known.items() <= told.items() and "decided_by" not in told
    left = clients["review"].request("GET", "/review").value
    assert left["pending"] == before + 1 and said[0]["id"] not in {each["id"] for each in left["reviews"]}
    done = clients["review"].request("GET", "/review?status=decided").value["reviews"]
    assert {said[0]["id"], said[2]["id"]} <= {each["id"] for each in done}
    page = clients["admin"].request("GET", "/metrics").body.decode()
    assert f"mlkit_reviews_pending {before + 1:.1f}" in page and "mlkit_oldest_review_seconds" in page
    assert 'mlkit_reviews_total{result="changed"}' in page
    events = AuditLog(folder / "audit.jsonl").entries()
    assert {"id": said[2]["id"], "outcome": "changed"}.items() <= events[-1]["about"].items()
    assert (events[-1]["what"], events[-1]["who"]) == ("reviewed", "review")


def test_the_queue_comes_in_pages(shop):
    clients, *_ = shop
    ids = [each["id"] for each in clients["predict"].predict([HEAVY] * 7)["predictions"]]
    found, after = [], ""
    while after is not None:
        page = clients["review"].request("GET", f"/review?limit=3&after={after}").value
        found += [each["id"] for each in page["reviews"]]
        after = page["next"]
    assert found == sorted({*found}) and {*ids} <= {*found}


def test_the_first_of_two_reviewers_decides(shop):
    clients, *_ = shop
    ids = [each["id"] for each in clients["predict"].predict([HEAVY] * 10)["predictions"]]
    answers: dict[str, list[int]] = {"review": [], "ben": []}

    def work(name: str, decision: str) -> None:
        answers[name] = [decide(clients[name], id, decision).status for id in ids]

    both = [threading.Thread(target=work, args=each) for each in (("review", "yes"), ("ben", "no"))]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert [sorted(pair) for pair in zip(*answers.values(), strict=True)] == [[200, 409]] * 10
    first, second = ("review", "ben") if answers["review"][0] == 200 else ("ben", "review")
    late = decide(clients[second], ids[0], "yes" if second == "review" else "no")
    assert late.value["error"].startswith(f"{first} has decided this already, at 20")
    again = decide(clients[first], ids[0], "yes" if first == "review" else "no")
    assert again.status == 200 and again.value["decided_by"] == first
    assert (
        decide(clients[first], ids[0], "yes" if first == "review" else "no", "another reason").status == 409
    )


def test_each_path_wants_its_role(shop):
    clients, *_ = shop
    id = clients["predict"].predict(HEAVY)["id"]
    needed = {
        ("GET", "/review"): "review",
        ("GET", f"/review/{id}"): "review",
        ("POST", f"/review/{id}"): "review",
        ("GET", f"/predictions/{id}"): "predict",
        ("POST", "/stop"): "admin",
        ("POST", "/start"): "admin",
    }
    for (method, path), role in needed.items():
        for name in ROLES:
            body = {} if method == "POST" else None  # wrong, so that nothing is done
            status = clients[name].request(method, path, body).status
            assert (status == 403) == (name not in (role, "admin")), (method, path, name, status)
    assert ServerClient(clients["admin"].port).request("GET", "/review").status == 401


@pytest.mark.parametrize(
    "body, status, problem",
    [
        ({"decision": "maybe", "why": "so"}, 422, "the decision is accept, or another one: no, yes"),
        ({"decision": None, "why": "so"}, 422, "the decision is accept"),
        ({"decision": "yes", "why": "  "}, 422, "why is the reason"),
        ({"decision": "yes", "why": 3}, 422, "why is the reason"),
        ({"decision": "yes", "why": "x" * 2001}, 422, "in 1 to 2,000 characters"),
        ({"decision": "yes"}, 422, "send an object with decision and why"),
        (["yes"], 422, "send an object with decision and why"),
        (b"{", 400, "no JSON"),
    ],
)
def test_a_decision_that_is_none_is_refused_and_changes_nothing(shop, body, status, problem):
    clients, *_ = shop
    id = clients["predict"].predict(HEAVY)["id"]
    response = clients["review"].request("POST", f"/review/{id}", body)
    assert response.status == status and problem in response.value["error"]
    assert clients["predict"].request("GET", f"/predictions/{id}").value["review"] == "pending"


def test_what_is_not_there_is_told(shop):
    clients, *_ = shop
    for method, path, name in [
        ("GET", f"/review/{'0' * 32}", "review"),
        ("GET", f"/predictions/{'0' * 32}", "predict"),
    ]:
        response = clients[name].request(method, path)
        assert response.status == 404 and "no prediction with this id" in response.value["error"]
    assert decide(clients["review"], "nobody", "yes").status == 404
    for words in ("limit=0", "limit=x", "status=lost", "limit=1&limit=2", "colour=red"):
        assert clients["review"].request("GET", f"/review?{words}").status == 422, words
    odd = clients["predict"].request("POST", "/predict", CLEAR | {"review": "yes"})
    assert odd.status == 422 and "it is true or false" in odd.value["error"]
    asked = clients["predict"].request("POST", "/predict", CLEAR, X_Review="true")
    assert asked.value["review"] == "pending"


def test_without_a_queue_nobody_is_promised_a_person(package, tmp_path):
    with pytest.raises(RunError, match="need a log; serve with --log FILE, or with --review none"):
        with running_server(package, review=RULES, log="none"):
            pass
    with pytest.raises(RunError, match="there is no column 'wieght'; did you mean 'weight'"):
        with running_server(package, review="wieght > 3", log=str(tmp_path / "log.db")):
            pass
    with running_server(package, log="none") as server, closing(server.client()) as client:
        refused = client.request("POST", "/predict", CLEAR | {"review": True})
        assert refused.status == 501 and "there is no prediction log" in refused.value["error"]
        assert client.request("POST", "/predict", CLEAR | {"review": False}).status == 200
        assert client.request("GET", "/review").status == 501


def test_a_prediction_may_be_withheld_in_every_protocol_and_outlives_a_kill(package, tmp_path):
    with serving(package, tmp_path, f"{RULES} | withhold", workers=2, durable=True) as (server, clients):
        said = clients["predict"].predict(HEAVY)
        assert (said["prediction"], said["probabilities"], said["review"]) == (None, None, "pending")
        why = clients["explain"].request("POST", "/explain", HEAVY).value
        assert why["prediction"] is None and "contributions" not in why
        table = {"dataframe_records": [CLEAR, HEAVY]}
        rows = clients["predict"].request("POST", "/invocations", table).value["predictions"]
        assert rows[0]["prediction"] == "no" and rows[1] == {"prediction": None, "review": "pending"}
        tensors = [{"name": name, "datatype": "BYTES" if name == "service" else "FP64", "shape": [1], "data": [cell]}
                   for name, cell in HEAVY.items() if name != "sender"]  # fmt: skip
        answer = clients["predict"].request("POST", "/v2/models/parcels/infer", {"inputs": tensors}).value
        assert answer["outputs"][0]["data"] == [""] and answer["outputs"][1]["data"] == [None, None]
        assert answer["parameters"] == {"reviews_pending": 1}
        for child in conftest.psutil.Process(server.process.pid).children(recursive=True):
            child.kill()
        server.process.kill()
    with serving(package, tmp_path, "none") as (server, clients):
        queue = clients["review"].request("GET", "/review").value
        assert queue["pending"] == 4 and queue["reviews"][0]["id"] == said["id"]
        assert queue["reviews"][0]["prediction"] in ("yes", "no")
        assert decide(clients["review"], said["id"], "no").status == 200
        told = clients["predict"].request("GET", f"/predictions/{said['id']}").value
        assert told["prediction"] == "no"
    with closing(sqlite3.connect(tmp_path / "log.db")) as log:  # what the model has said is in the log
        (output,) = log.execute("SELECT output FROM predictions WHERE id = ?", (said["id"],)).fetchone()
    assert json.loads(output)["prediction"] in ("yes", "no")


def test_the_queue_of_a_protected_log_is_sealed_and_goes_with_its_subject(package, tmp_path):
    master = tmp_path / "master.key"
    make_master_key(master)
    protected = {"subject": "sender", "protect": str(master)}
    with serving(package, tmp_path, "all", **protected) as (_, clients):
        mina, ben = clients["predict"].predict([HEAVY, HEAVY | {"sender": "Ben Abel"}])["predictions"]
        assert decide(clients["review"], mina["id"], "yes", "Mina Okada has called").status == 200
        held = b"".join(path.read_bytes() for path in tmp_path.glob("log.db*"))
        assert b"Okada" not in held and b'"weight":40' not in held and mina["id"].encode() in held
        keys = SubjectKeys(tmp_path / "log.db.keys", load_master_key(str(master)))
        found = keys.find("Mina Okada")
        engine = open_log_database(f"sqlite:///{tmp_path / 'log.db'}")
        assert found and delete_subject(engine, found.pseudonym)["reviews"] == 1
        assert clients["review"].request("GET", f"/review/{mina['id']}").status == 404
        assert clients["predict"].request("GET", f"/predictions/{ben['id']}").value["review"] == "pending"
        keys.erase("Ben Abel")  # the key alone: nobody reads the row any more
        assert clients["review"].request("GET", "/review").value["reviews"] == []
        assert decide(clients["review"], ben["id"], "yes").status == 404
        engine.dispose()


# ---------------------------------------- the stop switch
def test_a_stop_holds_for_all_processes_and_after_a_restart(package, tmp_path):
    with serving(package, tmp_path, workers=2) as (_, clients):
        id = clients["predict"].predict(HEAVY)["id"]
        assert clients["admin"].request("POST", "/stop", {"why": ""}).status == 422
        stopped = clients["admin"].request("POST", "/stop", {"why": "express parcels are wrong"}).value
        assert stopped["stopped"] and stopped["by"] == "admin"
        assert clients["admin"].request("POST", "/stop", {"why": "again"}).value == stopped
        for name, path, body in [
            ("predict", "/predict", CLEAR),
            ("explain", "/explain", CLEAR),
            ("predict", "/invocations", {"dataframe_records": [CLEAR]}),
        ] * 4:  # fmt: skip
            with closing(
                ServerClient(clients[name].port)
            ) as fresh:  # another connection, maybe another process
                fresh.headers = clients[name].headers
                response = fresh.request("POST", path, body)
            assert response.status == 503
            assert (
                response.value["error"] == f"stopped by admin at {stopped['at']}: express parcels are wrong"
            )
        assert clients["admin"].request("GET", "/health/ready").status == 503
        assert clients["admin"].request("GET", "/health/live").status == 200
        assert clients["feedback"].request("POST", "/feedback", {"id": id, "truth": "yes"}).status == 200
        assert decide(clients["review"], id, "yes").status == 200
        assert "mlkit_stopped 1.0" in clients["admin"].request("GET", "/metrics").body.decode()
    assert (tmp_path / "log.db.stop").exists()
    threading.Timer(3, (tmp_path / "log.db.stop").unlink).start()
    with serving(package, tmp_path) as (_, clients):  # it is not ready before
        assert not (tmp_path / "log.db.stop").exists()
        assert clients["predict"].predict(CLEAR)["prediction"] == "no"
        (tmp_path / "log.db.stop").touch()  # by hand
        assert clients["predict"].request("POST", "/predict", CLEAR).status == 503
        assert clients["admin"].request("POST", "/start", {"why": "mended"}).value == {"stopped": False}
        assert clients["predict"].predict(CLEAR)["prediction"] == "no"
    events = [(each["what"], each["who"]) for each in AuditLog(tmp_path / "audit.jsonl").entries()]
    assert events == [("stopped", "admin"), ("reviewed", "review"), ("started", "admin")]


# ---------------------------------------- the page
@pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on this machine: the page of the queue was not looked at"
)
@pytest.mark.parametrize("width, dark", [(1400, False), (390, True)])
def test_a_person_decides_on_the_page(shop, width, dark):
    from playwright.sync_api import sync_playwright

    clients, folder, server = shop
    key = json.loads((folder / "made.json").read_text())["ben"]
    for each in clients["review"].request("GET", "/review?limit=200").value["reviews"]:
        decide(clients["review"], each["id"], "accept", "cleared away")
    first = clients["predict"].predict(HEAVY | {"service": "express"})["id"]
    clients["predict"].predict([CLEAR | {"distance": 560}, HEAVY])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(
            viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light"
        )
        asked, complaints = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"http://127.0.0.1:{server.port}/review")
        page.fill("#key", key)
        page.keyboard.press("Enter")
        page.wait_for_selector("#queue button")
        assert page.inner_text("#queue-title") == "Waiting: 3"
        page.click("#queue button >> nth=0")
        page.wait_for_selector("#form:not([hidden])")
        assert "weight > 30" in page.inner_text("#facts") and "Each column contributes" in page.inner_text(
            "#facts"
        )
        page.wait_for_timeout(500)
        if keep := os.environ.get("MLKIT_PICTURES"):
            page.screenshot(path=Path(keep, f"review{width}.png"), full_page=True)
        assert not too_wide(page) and not too_pale(page)
        hidden = [page.locator(f"[data-control='{place}']") for place in out_of_reach(page)]
        assert [each.get_attribute("value") for each in hidden] == ["class-0"]  # arrow keys lead to it
        page.click("#decide")
        assert "Choose what you decide" in page.inner_text("#problem")
        page.keyboard.press("ArrowDown")
        assert page.get_by_label("yes", exact=True).is_checked()
        page.click("#decide")
        assert page.inner_text("#why-say") == "Please say why."
        page.fill("#why", "<b>the scales are broken</b>")
        page.click("#decide")
        page.wait_for_selector("#done:not([hidden])")
        assert page.inner_text("#queue-title") == "Waiting: 2"
        if keep:
            page.screenshot(path=Path(keep, f"review{width}-done.png"), full_page=True)
        assert not too_wide(page) and not too_pale(page)
        browser.close()
    told = clients["predict"].request("GET", f"/predictions/{first}").value
    assert (told["prediction"], told["why"]) == ("yes", "<b>the scales are broken</b>")
    assert {each.split("/")[2] for each in asked if not each.startswith("data:")} == {
        f"127.0.0.1:{server.port}"
    }
    assert [each for each in complaints if "401" not in each] == []  # before there is a key, it is refused
