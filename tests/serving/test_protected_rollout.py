"""A protected log beside a challenger, and at its limit of bytes."""

import json
import os
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mlkit.core.master_key import make_master_key
from mlkit.inference.example_package import make_parcel_package
from mlkit.monitoring.observations import connected_log
from mlkit.serving.challenger import ChallengerLocation, is_chosen
from mlkit.serving.client import running_server
from tests import conftest

until = partial(conftest.until, seconds=60, pause=0.05)
pytestmark = pytest.mark.usefixtures("own_key")
ROW = {"weight": 20, "distance": 400, "service": "standard"}


def protection(folder: Path) -> dict[str, Any]:
    make_master_key(folder / "master.key")
    return {"log": str(folder / "log.db"), "subject": "customer_id", "protect": str(folder / "master.key")}


def rows_in(settings: dict[str, Any], query: str = "SELECT {row} FROM {predictions} AS p") -> list[tuple]:
    with connected_log(settings["log"], protect=settings["protect"]) as reader:
        return reader.select(query, {})


def test_a_challenger_is_logged_protected_in_the_shadow_and_in_a_canary(tmp_path):
    settings = protection(tmp_path)
    make_parcel_package(tmp_path / "old")
    make_parcel_package(tmp_path / "new", offset=-1.0)

    def point(mode: str, share: float) -> None:
        challenger = {"folder": str(tmp_path / "new"), "version": "2", "mode": mode, "share": share,
                      "subject": "customer_id"}  # fmt: skip
        pointer = {"folder": str(tmp_path / "old"), "version": "1", "challenger": challenger}
        (tmp_path / "next.json").write_text(json.dumps(pointer))
        os.replace(tmp_path / "next.json", tmp_path / "current.json")

    point("shadow", 1.0)
    with running_server(tmp_path, reload=0.2, **settings) as server, closing(server.client()) as client:
        assert until(lambda: "is asked as shadow" in server.output)
        rows = [ROW | {"customer_id": f"customer-{at}"} for at in range(40)]
        shadowed = {each["id"] for each in client.predict(rows)["predictions"]}
        shadows = "SELECT {shadow_row} FROM {shadow} AS s"
        assert until(lambda: {row[0] for row in rows_in(settings, shadows)} == shadowed), server.output
        point("canary", 0.5)
        assert until(lambda: "is asked as canary" in server.output)
        versions = {}
        for row in rows:
            said = client.predict(row)
            versions[said["id"]] = said["version"]
            place = ChallengerLocation(Path(), "2", "canary", 0.5, "customer_id", "1")
            assert said["version"] == ("2" if is_chosen(place, row["customer_id"]) else "1")
    found = {row[0]: row for row in rows_in(settings)}
    assert found.keys() == shadowed | versions.keys() and {*versions.values()} == {"1", "2"}
    assert all(found[id][1] == version for id, version in versions.items())
    for id, version, _, output in rows_in(settings, shadows):
        theirs, ours = (json.loads(each)["probabilities"]["yes"] for each in (output, found[id][3]))
        assert version == "2" and theirs > ours
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("log.db*"))
    assert b"customer-" not in stored


def test_the_file_of_a_protected_log_does_not_grow_without_end(tmp_path):
    settings, limit = protection(tmp_path), 300_000
    package = make_parcel_package(tmp_path / "parcels")
    with (
        running_server(package, log_bytes=limit, workers=2, **settings) as server,
        closing(server.client()) as client,
    ):
        for _ in range(14):
            rows = [ROW | {"customer_id": at % 7} for at in range(300)]
            last = {each["id"] for each in client.predict(rows)["predictions"]}
            assert until(lambda last=last: last <= {row[0] for row in rows_in(settings)})
        assert until(lambda: "the oldest predictions make room" in server.output)
    assert len(rows_in(settings)) < 14 * 300 and os.path.getsize(tmp_path / "log.db") < 2 * limit
