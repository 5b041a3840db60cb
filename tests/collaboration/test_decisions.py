"""Decision records: numbered, one page each, and none is written over."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from mlkit.collaboration.decisions import read_decisions, write_decision
from mlkit.core.errors import RunError, SettingsError


def test_records_are_numbered_on_from_what_is_there(tmp_path):
    (tmp_path / "07-older.md").write_text("# 07 Older\n", encoding="utf-8")
    (tmp_path / "README.md").write_text("# Decisions\n", encoding="utf-8")
    path = write_decision("Costs of 1 to 5: why?", "a", "b", "c", folder=tmp_path)
    assert path.name == "0008-costs-of-1-to-5-why.md"
    assert [(each.number, each.title) for each in read_decisions(tmp_path)] == [
        (7, "Older"),
        (8, "Costs of 1 to 5: why?"),
    ]
    text = path.read_text(encoding="utf-8")
    assert [text.count(f"## {part}\n") for part in ("Context", "Decision", "Consequences")] == [1, 1, 1]


def test_a_record_is_never_written_over(tmp_path):
    path = write_decision("No postcode", "because", folder=tmp_path)
    before = path.read_bytes()
    with pytest.raises(RunError, match="is there already and stays as it is") as refused:
        write_decision("no  Postcode!", "other", folder=tmp_path)
    assert (
        "\n" not in str(refused.value) and path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1
    )


def test_those_who_write_at_once_get_numbers_of_their_own(tmp_path):
    with ThreadPoolExecutor(8) as people:
        paths = list(people.map(lambda turn: write_decision(f"Decision {turn}", folder=tmp_path), range(16)))
    numbers = [each.number for each in read_decisions(tmp_path)]
    assert numbers == list(range(1, 17)) and len(set(paths)) == 16
    assert all(
        f"# {each.number:04} " in each.path.read_text(encoding="utf-8") for each in read_decisions(tmp_path)
    )


@pytest.mark.parametrize("title", ["", "  ", "../..", "!"], ids=["none", "blanks", "path", "mark"])
def test_a_title_without_letters_is_refused(tmp_path, title):
    with pytest.raises(SettingsError, match="needs a title of letters"):
        write_decision(title, folder=tmp_path)
    assert write_decision("顧客の郵便番号", folder=tmp_path).name == "0001-顧客の郵便番号.md"
    with pytest.raises(SettingsError, match="needs a title of letters"):
        write_decision(None, folder=tmp_path)


def test_a_record_that_cannot_be_read_hinders_no_other(tmp_path):
    (tmp_path / "0007-older.md").write_bytes(b"\xff\xfe\x00")
    assert write_decision("No postcode", folder=str(tmp_path)).name == "0008-no-postcode.md"
    assert [(each.number, each.title) for each in read_decisions(str(tmp_path))] == [
        (7, "older"),
        (8, "No postcode"),
    ]


def test_a_folder_that_cannot_be_made_is_told_in_one_line(tmp_path):
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(RunError, match="cannot make .*file.*; name another folder"):
            write_decision("No postcode", folder=place)
        assert read_decisions(place) == []
