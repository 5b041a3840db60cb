"""A person's rows in a protected log: handed over, and gone with her key."""

from pathlib import Path

import pytest

from mlkit.core.errors import SettingsError
from mlkit.core.master_key import load_master_key, make_master_key
from mlkit.privacy.access import collect_access, render_access
from mlkit.privacy.copy_search import SearchPlan, find_places
from mlkit.privacy.erased_list import ErasedList
from mlkit.privacy.erasure import erase_subject
from mlkit.privacy.subject_log import SubjectLog
from mlkit.security.review_queue import ReviewQueue, ReviewRequest
from mlkit.security.subject_keys import SubjectKeys
from mlkit.serving.oversight import DurableDatabase
from mlkit.serving.prediction_log import FeedbackRecord, PredictionRecord, open_log_database
from mlkit.serving.sealed_log import LogSealer


def test_a_protected_log_gives_her_rows_and_loses_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_master_key(tmp_path / "master.key")
    make_master_key(tmp_path / "other.key")
    keys = SubjectKeys(tmp_path / "log.db.keys", load_master_key("master.key"), create=True)
    engine = open_log_database(f"sqlite:///{tmp_path / 'log.db'}")
    said = {"id": "a" * 32, "prediction": "yes", "probabilities": {"no": 0.1, "yes": 0.9}}
    records = [
        PredictionRecord(1.8e9, "demo", "1", ["fee"], {"fee": 98}, said | {"id": name * 32}, 0.001, subject)
        for name, subject in (("a", "C1"), ("b", "C2"))
    ]
    LogSealer(keys).write_records(engine, records)
    LogSealer(keys).write_records(engine, [FeedbackRecord("a" * 32, 1.9e9, "yes")])
    engine.dispose()
    keys.close()
    with pytest.raises(SettingsError, match="master key"):
        SubjectLog("log.db", "customer_id", "C1", "other.key")
    with pytest.raises(SettingsError, match="protected log"):
        SubjectLog("log.db", "customer_id", "C1")
    hers = SubjectLog("log.db", "customer_id", "C1", "master.key")
    (row,) = hers.predictions()
    assert row.input == {"fee": 98} and row.output["prediction"] == "yes" and row.truths == ["yes"]
    erased = ErasedList(tmp_path / "privacy", "master.key")
    result = erase_subject("C1", find_places(tmp_path / "runs"), "customer_id", erased, hers)
    assert (
        result
        and result.journal.log == {"predictions": 1, "truths": 1}
        and result.journal.key_seconds is not None
    )
    assert SubjectLog("log.db", "customer_id", "C1", "master.key").predictions() == []
    assert len(SubjectLog("log.db", "customer_id", "C2", "master.key").predictions()) == 1
    assert ErasedList(tmp_path / "privacy", "master.key").contains(["C1", "C2"]).tolist() == [True, False]


@pytest.mark.parametrize("protected", [True, False], ids=["protected", "plain"])
def test_a_case_of_hers_is_hers_without_a_prediction_in_the_log(tmp_path, monkeypatch, protected) -> None:
    """A log that takes a share of the predictions, or has not written hers yet: what waits for a person is there."""
    monkeypatch.chdir(tmp_path)
    make_master_key(tmp_path / "master.key")
    keys = (
        SubjectKeys(tmp_path / "log.db.keys", load_master_key("master.key"), create=True)
        if protected
        else None
    )
    engine = DurableDatabase(f"sqlite:///{tmp_path / 'log.db'}").engine()
    said = {"id": "c" * 32, "prediction": "yes", "probabilities": {"no": 0.1, "yes": 0.9}}
    if protected:
        LogSealer(keys).write_records(engine, [PredictionRecord(1e9, "demo", "1", [], {}, said, 0.001, "C2")])
    queue = ReviewQueue(lambda: engine, "demo", keys)
    for id, subject in (("a", "C1"), ("b", "C2")):
        row = {"fee": 98} if protected else {"fee": 98, "customer_id": subject}
        queue.add([ReviewRequest(id * 32, 1.8e9, "demo", "3", row, said, ["fee > 90"], subject)])
    queue.decide(queue.find("a" * 32), "no", "she has called", "Ada")
    hers = SubjectLog("log.db", "customer_id", "C1", "master.key" if protected else "")
    (row,) = hers.predictions()
    assert (row.id, row.model, row.version, row.logged) == ("a" * 32, "demo", "3", False)
    assert (
        row.input["fee"] == 98 and row.output["prediction"] == "yes" and row.review["why"] == "she has called"
    )
    assert hers.values()[1] == {"predictions": 0, "truths": 0, "reviews": 1}
    assert hers.rectify("fee", "99") == 0 and hers.predictions()[0].input["fee"] == 99
    facts = collect_access(
        find_places(tmp_path / "runs"), SearchPlan("customer_id", "C1"), hers.predictions()
    )
    assert "a person has decided: no" in render_access(facts)
    erased = ErasedList(tmp_path / "privacy")
    assert erase_subject("C1", find_places(tmp_path / "runs"), "customer_id", erased, hers)
    assert [each.id for each in queue.page()] == ["b" * 32] and not queue.page(pending=False)
    engine.dispose()
