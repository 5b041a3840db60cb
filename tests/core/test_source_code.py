"""What is known of a module's code is what parsing it anew would tell, and no cache can change that."""

import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlkit.core.source_code import KnownCode, package_folder

MODULES = sorted(package_folder().rglob("*.py"))
SOURCES = st.sampled_from(MODULES).map(lambda path: path.read_text(encoding="utf-8"))
PROSE = st.sampled_from(["# a remark\n", "\n\n", "'''What it is for.'''\n"])


@settings(max_examples=15)
@given(SOURCES, SOURCES)
def test_what_is_kept_is_what_parsing_tells(tmp_path_factory, source, other):
    place = tmp_path_factory.mktemp("known") / "known.json"
    for text in (source, other, source):
        known = KnownCode(place)
        assert known.find("mlkit.any", text) == KnownCode(Path("nowhere")).find("mlkit.any", text)
        known.save()


@settings(max_examples=15)
@given(SOURCES, PROSE)
def test_prose_changes_nothing_and_code_does(source, prose):
    known = KnownCode(Path("nowhere"))
    body = source.removeprefix('"""' + source.split('"""')[1] + '"""') if source.startswith('"""') else source
    assert known.find("mlkit.any", prose + body) == known.find("mlkit.any", body)
    assert known.find("mlkit.any", body + "\nmore = 1\n")[0] != known.find("mlkit.any", body)[0]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"a"', "{}"])
def test_a_damaged_file_is_as_none(tmp_path, text):
    place = tmp_path / "known.json"
    place.write_text(text)
    known = KnownCode(place)
    assert known.find("mlkit.any", "x = 1") == KnownCode(Path("nowhere")).find("mlkit.any", "x = 1")
    known.save()
    assert list(KnownCode(place).modules) == ["mlkit.any"]


def test_nothing_is_kept_where_nothing_can_be_written_or_python_keeps_nothing(tmp_path, monkeypatch):
    known = KnownCode(tmp_path / "missing" / "known.json")
    known.find("mlkit.any", "x = 1")
    known.save()
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    known = KnownCode(tmp_path / "known.json")
    known.find("mlkit.any", "x = 1")
    known.save()
    assert not list(tmp_path.iterdir())
