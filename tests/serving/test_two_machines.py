"""Two servers that write one protected log in Postgres: stops, reviews and descriptions are those of both."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text

from mlkit.core.errors import SettingsError
from mlkit.core.master_key import make_master_key
from mlkit.privacy.copy_search import SearchPlaces
from mlkit.privacy.corrections import expire_rows
from mlkit.privacy.subject_log import SubjectLog
from mlkit.security.stop_switch import SharedStop, StopSwitch
from mlkit.serving.client import ServerClient, running_server
from mlkit.serving.oversight import open_shared_stop
from mlkit.serving.prediction_log import open_log_database, resolve_log_url
from tests import conftest

until = partial(conftest.until, seconds=30, pause=0.05)
CLEAR = {"weight": 2, "distance": 80, "service": "standard", "sender": "Mina Okada"}
HEAVY = CLEAR | {"weight": 40}


@pytest.fixture(scope="module")
def machines(parcels, postgres, tmp_path_factory) -> Iterator[tuple[list[ServerClient], dict[str, str]]]:
    folder = tmp_path_factory.mktemp("machines")
    make_master_key(folder / "master.key")
    with ExitStack() as stack:
        how = {"protect": str(folder / "master.key"), "subject_keys": str(folder / "subjects.keys")}
        clients = list[ServerClient]()
        for name in ("one", "two"):
            (folder / name).mkdir()
            own = {"environment": {"XDG_CONFIG_HOME": str(folder / name)}}
            settings = {"log": postgres, "subject": "sender", "review": "weight > 30"} | how | own
            server = stack.enter_context(running_server(parcels, **settings))
            clients.append(stack.enter_context(closing(server.client())))
        yield clients, {"log": postgres} | how


def test_a_stop_on_one_machine_stops_the_others_and_ends_from_anywhere(machines):
    (one, two), named = machines
    ready = f"/v2/models/{one.request('GET', '/model').value['name']}/ready"
    assert one.request("GET", ready).value["ready"]
    said = one.request("POST", "/stop", {"why": "parcels are lost"}).value
    assert one.request("POST", "/predict", CLEAR).status == 503
    assert until(lambda: two.request("POST", "/predict", CLEAR).status == 503)
    assert f"stopped by {said['by']}" in two.request("POST", "/predict", CLEAR).value["error"]
    for path in (ready, "/v2/health/ready", "/health/ready"):
        assert two.request("GET", path).status == one.request("GET", path).status == 503, path
    assert two.request("POST", "/stop", {"why": "again"}).value["why"] == "parcels are lost"
    assert two.request("POST", "/start", {"why": "found"}).status == 200
    assert two.request("POST", "/predict", CLEAR).status == 200
    assert until(lambda: one.request("GET", ready).status == 200)
    everything = StopSwitch((), open_shared_stop(named["log"]))  # as `mlkit stop` does it
    everything.stop("the warehouse is closed", "Ada")
    assert until(lambda: {each.request("GET", ready).status for each in (one, two)} == {503})
    assert everything.start().by == "Ada" and everything.find() is None
    assert until(lambda: {each.request("GET", ready).status for each in (one, two)} == {200})


def test_a_database_that_is_away_stops_this_machine_and_says_so(tmp_path):
    engine = open_log_database(resolve_log_url(str(tmp_path / "log.db")))
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS stops"))
    switch = StopSwitch((tmp_path / "log.stop",), SharedStop(lambda: engine, "parcels"))
    assert switch.refresh() and switch.find() is None
    with pytest.raises(SettingsError, match="only this machine is stopped"):
        switch.stop("parcels are lost")
    assert switch.find().why == "parcels are lost"
    with pytest.raises(SettingsError, match="stays stopped"):
        switch.start()
    assert switch.find()
    engine.dispose()


def test_a_review_is_decided_on_another_machine_and_found_corrected_and_deleted_with_its_subject(machines):
    (one, two), named = machines
    ids = [each["id"] for each in one.predict([HEAVY, HEAVY, HEAVY | {"sender": "Ben Abel"}])["predictions"]]
    assert one.request("GET", f"/predictions/{ids[0]}").value["review"] == "pending"
    decision = {"decision": "no", "why": "Mina has called"}
    assert two.request("POST", f"/review/{ids[0]}", decision).status == 200
    assert one.request("GET", f"/predictions/{ids[0]}").value["prediction"] == "no"
    engine = open_log_database(resolve_log_url(named["log"]))

    def count(what: str) -> int:
        with engine.connect() as connection:
            return connection.execute(text(f"SELECT count(*) FROM {what}")).scalar()

    subject = {"column": "sender", "subject": "Mina Okada"} | named
    with closing(SubjectLog(**subject)) as hers:  # though the log may not have been written yet
        assert hers.values()[1]["reviews"] == 2
        reviews = {each.id: each.review for each in hers.predictions() if each.review}
        assert reviews.keys() == {*ids[:2]} and reviews[ids[0]]["why"] == "Mina has called"
        hers.rectify("weight", "4")
    assert one.request("GET", f"/review/{ids[0]}").value["row"]["weight"] == 4
    with closing(SubjectLog(**subject)) as hers:
        hers.delete()
    assert [each["id"] for each in two.request("GET", "/review").value["reviews"]] == [ids[2]]
    kept = {each.what: each.rows for each in expire_rows(SearchPlaces([]), engine, 200, dry_run=True)}
    assert kept["predictions that wait, or have waited, for a person"] == 0
    gone = {each.what: each.rows for each in expire_rows(SearchPlaces([]), engine, 1e-9)}
    assert gone["predictions that wait, or have waited, for a person"] == 1 and not count("reviews")
    engine.dispose()


def test_the_description_names_subject_review_and_roles(machines):
    (one, _), _ = machines
    document: dict[str, Any] = one.request("GET", "/openapi.json").value
    row, paths = document["components"]["schemas"]["Row"]["properties"], document["paths"]
    assert "X-Subject" in row["sender"]["description"] and row["review"]["type"] == "boolean"
    for path in ("/predict", "/explain", "/invocations", "/v2/models/{name}/infer"):
        assert {each["name"] for each in paths[path]["post"]["parameters"]} == {"X-Subject", "X-Review"}
    roles = {"/predict": "predict", "/review/{id}": "review", "/stop": "admin", "/feedback": "feedback"}
    for path, role in roles.items():
        assert f"`{role}`" in paths[path]["post"]["description"]
    assert "503" in paths["/v2/models/{name}/ready"]["get"]["responses"]
    assert one.request("POST", "/predict", {k: v for k, v in CLEAR.items() if k != "sender"}).status == 422
