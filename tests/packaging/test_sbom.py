"""The bill of materials lists what a server needs; known vulnerabilities are read from OSV files, without a network."""

import json
from importlib.metadata import version
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from typer.testing import CliRunner

from mlkit.cli.main import app
from mlkit.core.errors import RunError
from mlkit.deployment.image import pin_libraries
from mlkit.deployment.sbom import find_vulnerabilities, make_sbom, sbom_file


def write_entry(folder: Path, name: str, events: list[dict[str, str]], **more: object) -> None:
    affected = {
        "package": {"ecosystem": "PyPI", "name": name},
        "ranges": [{"type": "ECOSYSTEM", "events": events}],
    }
    entry = {"id": f"MADE-UP-{name}", "affected": [affected | dict(more)]}
    (folder / f"{name}.json").write_text(json.dumps(entry), encoding="utf-8")


@pytest.mark.parametrize("optional", [(), ("scikit-learn", "pandas")], ids=["image", "package"])
def test_sbom_is_cyclonedx_and_lists_exactly_what_is_needed(optional: tuple[str, ...]) -> None:
    (text,) = sbom_file("customers & more", "" if optional else "abc", optional).values()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    sbom = json.loads(text)
    assert sbom == make_sbom("customers & more", "" if optional else "abc", optional), "no time, no chance"
    kit, *libraries = sbom["components"]
    assert kit["name"] == "mlkit" and "purl" not in kit  # that name on the index is another project's
    pinned = {f"{each['name']}=={each['version']}": each["scope"] for each in libraries}
    assert [*pinned] == sorted({*pin_libraries(), *pin_libraries(optional)})
    assert {name for name, scope in pinned.items() if scope == "required"} == {*pin_libraries()}
    assert all(each["purl"] == f"pkg:pypi/{each['name']}@{each['version']}" for each in libraries)
    assert all(each["licenses"] for each in libraries)
    needs = {each["ref"].split("/")[-1].split("@")[0]: each["dependsOn"] for each in sbom["dependencies"]}
    assert {each.split("/")[-1].split("@")[0] for each in needs["anyio"]} <= {"idna", "typing-extensions"}
    assert sum(map(len, needs.values())) > len(libraries) + 10, "what needs what is listed, too"


def test_schema_would_notice_a_wrong_sbom() -> None:
    wrong = make_sbom("customers") | {"components": [{"type": "libary", "name": "numpy"}]}
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(wrong)) is not None


@pytest.mark.parametrize(
    ("events", "installed", "hit", "fixed"),
    [
        ([{"introduced": "0"}, {"fixed": "1.10"}], "1.9", True, "1.10"),  # PEP 440: 1.9 is before 1.10
        ([{"introduced": "0"}, {"fixed": "1.10"}], "1.10rc1", True, "1.10"),
        ([{"introduced": "0"}, {"fixed": "1.10"}], "1.10", False, ""),
        ([{"introduced": "2.0"}, {"last_affected": "2.3"}], "2.3", True, ""),
        ([{"introduced": "2.0"}, {"last_affected": "2.3"}], "2.3.post1", False, ""),
        ([{"introduced": "0"}, {"fixed": "1.2"}, {"introduced": "2.0"}, {"fixed": "2.5"}], "1.5", False, ""),
        (
            [{"introduced": "0"}, {"fixed": "1.2"}, {"introduced": "2.0"}, {"fixed": "2.5"}],
            "2.1",
            True,
            "2.5",
        ),
        ([{"introduced": "0"}], "9", True, ""),
    ],
)
def test_ranges_are_ordered_as_pep_440_says(
    events: list[dict[str, str]], installed: str, hit: bool, fixed: str, tmp_path: Path
) -> None:
    write_entry(tmp_path, "Some_Library", events)
    found = find_vulnerabilities(tmp_path, [f"some-library=={installed}", "other==1"])
    assert [each.fixed for each in found] == ([fixed] if hit else [])


def test_doctor_names_a_vulnerable_library_and_how_to_mend_it(tmp_path: Path) -> None:
    write_entry(tmp_path, "numpy", [{"introduced": "0"}, {"fixed": "999.0"}])
    told = CliRunner().invoke(app, ["doctor", "--vulnerabilities", str(tmp_path)])
    assert told.exit_code == 2
    words = " ".join(told.output.split())
    assert f"numpy {version('numpy')} has MADE-UP-numpy -> pip install 'numpy>=999.0'" in words


def test_doctor_says_that_there_is_no_database() -> None:
    told = CliRunner().invoke(app, ["doctor", "-v"], env={"MLKIT_OSV": ""})
    assert "known vulnerabilities were not looked for" in " ".join(told.output.split())


def test_damaged_or_missing_database_is_one_line(tmp_path: Path) -> None:
    for prepare, words in (
        (lambda: None, "holds no OSV files"),
        (lambda: (tmp_path / "a.json").write_text("{"), "is no OSV file"),
        (
            lambda: write_entry(tmp_path, "a", [{"introduced": "0"}, {"fixed": "no version"}]),
            "states a version",
        ),
    ):
        prepare()
        with pytest.raises(RunError, match=words) as error:
            find_vulnerabilities(tmp_path, ["a==1"])
        assert "\n" not in str(error.value)
    with pytest.raises(RunError, match="there is no folder"):
        find_vulnerabilities(tmp_path / "none", ["a==1"])
