"Every option that is a number has a range, and whoever leaves it is told in one line, by the name of the option."

import pytest
from typer.main import get_command

from mlkit.cli.main import app, main
from mlkit.core.errors import SettingsError
from mlkit.core.parallel import WorkerPool


def number_options() -> list[tuple[str, str, str]]:
    "Command with a word for each argument that it needs, option and type of each option that is a number."
    found, group = [], get_command(app)
    for name, command in group.commands.items():
        inner = {f"{name} {word}": each for word, each in getattr(command, "commands", {}).items()}
        for words, each in (inner or {name: command}).items():
            needed = [one.name for one in each.params if one.param_type_name == "argument" and one.required]
            for option in each.params:
                kind = option.type_descriptor.annotation
                if kind in (int, float):
                    found.append((" ".join([words, *needed]), option.opts[0], kind.__name__))
    return found


def test_there_are_some():
    named = {(words.split()[0], option, kind) for words, option, kind in number_options()}
    assert {("score", "--jobs", "int"), ("keys", "--days", "int")} <= named


@pytest.mark.parametrize("command, option, kind", number_options())
@pytest.mark.parametrize("value", ["-3", "99999999999999", "nan", "x", ""])
def test_a_number_out_of_its_range_is_one_line(command, option, kind, value, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["mlkit", *command.split(), f"{option}={value}"])
    with pytest.raises(SystemExit) as end:
        main()
    said = " ".join(capsys.readouterr().err.split())
    assert end.value.code == 2 and option in said and "MLKIT" not in said and "fault" not in said, said


def test_the_library_too():
    with pytest.raises(SettingsError, match="jobs must be 0"):
        WorkerPool(-3)
