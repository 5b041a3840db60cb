"Every option that is a number has a range, and whoever leaves it is told in one line, by the name of the option."

import pytest
from typer.main import get_command

from mlkit.cli.main import app, main
from mlkit.core.errors import SettingsError
from mlkit.core.parallel import WorkerPool


def number_options() -> list[tuple[str, str, str]]:
    "Command, option and type of each option that is a number."
    found, group = [], get_command(app)
    for name, command in group.commands.items():
        for each in [*getattr(command, "commands", {}).values()] or [command]:
            for option in each.params:
                kind = option.type_descriptor.annotation
                if kind in (int, float):
                    found.append((name, option.opts[0], kind.__name__))
    return found


def test_there_are_some():
    assert ("score", "--jobs", "int") in number_options() and len(number_options()) >= 5


@pytest.mark.parametrize("command, option, kind", number_options())
@pytest.mark.parametrize("value", ["-3", "99999999999999", "nan", "x", ""])
def test_a_number_out_of_its_range_is_one_line(command, option, kind, value, monkeypatch, capsys):
    words = {"score": ["model", "in.csv", "out.csv"], "serve": ["model"], "audit": ["show"]}.get(
        command, ["model", "log.db"]
    )
    monkeypatch.setattr("sys.argv", ["mlkit", command, *words, f"{option}={value}"])
    with pytest.raises(SystemExit) as end:
        main()
    said = " ".join(capsys.readouterr().err.split())
    assert end.value.code == 2 and option in said and "MLKIT" not in said and "fault" not in said, said


def test_the_library_too():
    with pytest.raises(SettingsError, match="jobs must be 0"):
        WorkerPool(-3)
