"""A package is read once, from the bytes that were checked, and only its like takes its place."""

import json
import pickle
from dataclasses import replace

import pytest

from mlkit.core.errors import PackageError
from mlkit.inference.example_package import make_parcel_package
from mlkit.inference.predictor import check_successor, load_predictor, stack_rows
from mlkit.inference.signing import read_verified_package
from mlkit.scoring.batch_job import PortablePredictor

ROW = {"weight": 5, "distance": 100, "service": "express"}


@pytest.fixture
def package(tmp_path):
    return make_parcel_package(tmp_path / "parcels")


def answer(predictor) -> float:
    return predictor.output(stack_rows([predictor.read_row(ROW)]))[0, 1]


def test_files_are_those_that_were_checked(package):
    predictor, before = load_predictor(package), {}
    for path in package.iterdir():
        before[path.name] = path.read_bytes()
        path.write_bytes(b"replaced after the check")
    assert predictor.content("background.json") == json.loads(before["background.json"])
    assert predictor.content("metrics.json")["metric"] == "roc_auc"
    assert predictor.content("card.md") is None
    assert answer(predictor) > 0


def test_what_is_read_is_what_is_compared_with_the_signature(package, monkeypatch):
    """A file is opened once: what an attacker puts there between two looks is never seen."""
    from pathlib import Path

    seen, honest = [], Path.read_bytes

    def counted(path: Path) -> bytes:
        content = honest(path)
        if path.parent == package:
            seen.append(path.name)
            path.write_bytes(b"put there after the first look") if path.name == "problem.json" else None
        return content

    monkeypatch.setattr(Path, "read_bytes", counted)
    predictor = load_predictor(package)
    assert predictor.task.target == "late"
    assert len(seen) == len(set(seen))


def test_another_machine_gets_the_checked_files_and_not_what_lies_there_now(package):
    predictor = load_predictor(package)
    there = pickle.loads(pickle.dumps(PortablePredictor(predictor))).predictor
    assert answer(there) == answer(predictor)
    make_parcel_package(package, offset=1.0)
    with pytest.raises(PackageError, match="was replaced by another package meanwhile"):
        pickle.dumps(PortablePredictor(predictor))


def test_only_wanted_files_are_kept(package):
    assert set(read_verified_package(package, ["problem.json", "no.json"]).files) == {
        "manifest.json",
        "problem.json",
    }


@pytest.mark.parametrize(("name", "change"), [
    ("name", lambda p: replace(p, manifest=p.manifest | {"name": "letters"})),
    ("target", lambda p: replace(p, task=replace(p.task, target="lost"))),
    ("task", lambda p: replace(p, task=replace(p.task, type="multiclass", metric="accuracy"))),
])  # fmt: skip
def test_a_package_about_something_else_never_takes_over(package, name, change):
    predictor = load_predictor(package)
    for chosen in (False, True):
        with pytest.raises(PackageError, match=f"is of another {name}"):
            check_successor(change(predictor), predictor, chosen)


def test_an_older_package_takes_over_only_where_somebody_chose_it(package):
    now = load_predictor(package)
    old = replace(now, manifest=now.manifest | {"created": "2020-01-01T00:00:00+00:00"})
    check_successor(now, old)
    check_successor(now, now)
    check_successor(old, now, chosen=True)
    with pytest.raises(PackageError, match="made before the package in use .*mlkit rollback"):
        check_successor(old, now)
