"""A copied store is the store that MLflow would have made there; a kept one that is damaged is made anew."""

import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from mlkit.registry import empty_store
from mlkit.registry.empty_store import kept_store, make_empty_store

TIMES = "creation_time = 0, last_update_time = 0"


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(empty_store, "kept_store", lambda: tmp_path / "cache" / "mlflow.db")


def content(database: Path) -> list[str]:
    """All that is in a store, without when it was made. MLflow makes indices and constraints in any order."""
    with closing(sqlite3.connect(database)) as book:
        book.execute(f"UPDATE experiments SET {TIMES}")
        dump = sorted(" ".join(sorted(re.split(r"[\s,]+", each))) for each in book.iterdump())
        book.rollback()
    return dump


def store(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder.mkdir(exist_ok=True)
    monkeypatch.chdir(folder)
    make_empty_store(folder / "mlflow.db")
    return folder / "mlflow.db"


def fresh_client(monkeypatch, made: list[str]) -> None:
    import mlflow

    real = mlflow.MlflowClient
    monkeypatch.setattr(mlflow, "MlflowClient", lambda uri: made.append(uri) or real(uri))


def test_a_copy_is_what_mlflow_would_have_made_and_has_nothing_to_upgrade(tmp_path, monkeypatch):
    made = list[str]()
    fresh_client(monkeypatch, made)
    first, second = (store(tmp_path / name, monkeypatch) for name in ("one", "two"))
    assert len(made) == 1, "the second is a copy"
    (tmp_path / "cache" / "mlflow.db").unlink()
    second_by_mlflow = second.with_name("other.db")
    make_empty_store(second_by_mlflow)
    assert len(made) == 2
    assert content(second) == content(second_by_mlflow) != content(first)
    assert str(tmp_path / "two" / "mlruns" / "0") in "".join(content(second))
    assert str(tmp_path) not in "".join(content(tmp_path / "cache" / "mlflow.db"))

    from mlflow.store.db.utils import _upgrade_db, _verify_schema, create_sqlalchemy_engine

    before, engine = content(second), create_sqlalchemy_engine(f"sqlite:///{second}")
    _verify_schema(engine)
    _upgrade_db(engine)
    engine.dispose()
    assert content(second) == before


@pytest.mark.parametrize("harm", [b"", b"no database", None])
def test_a_damaged_one_is_made_anew(tmp_path, monkeypatch, harm):
    first = store(tmp_path / "one", monkeypatch)
    kept = tmp_path / "cache" / "mlflow.db"
    whole = kept.read_bytes()
    kept.write_bytes(whole[: len(whole) // 2] if harm is None else harm)
    again = first.with_name("again.db")
    make_empty_store(again)
    assert content(again) == content(first)
    assert content(kept), "and kept"


def test_one_that_has_runs_is_no_empty_one(tmp_path, monkeypatch):
    first = store(tmp_path / "one", monkeypatch)
    with closing(sqlite3.connect(tmp_path / "cache" / "mlflow.db")) as book:
        book.execute("INSERT INTO runs (run_uuid, experiment_id) VALUES ('a', 0)")
        book.commit()
    again = first.with_name("again.db")
    make_empty_store(again)
    assert content(again) == content(first)


@pytest.mark.skipif(os.name != "posix", reason="a folder in the place of a file")
def test_nothing_is_lost_where_nothing_can_be_kept(tmp_path, monkeypatch):
    (tmp_path / "cache").write_text("a file")
    assert store(tmp_path / "one", monkeypatch).is_file()


def test_what_is_kept_has_the_version_in_its_name():
    from importlib import metadata

    assert kept_store().name == f"mlflow-{metadata.version('mlflow')}.db"
