"""Own models and own stages: their code counts, and a stage may have no parameters at all."""

import sys
from pathlib import Path

import nbformat
import pytest
from typer.testing import CliRunner

from mlkit.cli.main import app, main
from mlkit.core.errors import MLKitError
from mlkit.pipeline import notebooks, runner
from mlkit.pipeline.notebooks import Stage, list_stages, stage_fingerprint

OWN = "from sklearn.linear_model import LogisticRegression\nfrom {package}helper import STRENGTH\n\n\n"
OWN += "class Own(LogisticRegression):\n    strength = STRENGTH\n"


def fingerprint(models: str) -> str:
    train = list_stages()["train"]
    values = {name: each.default for name, each in train.parameters.items()}
    return stage_fingerprint(train, values | {"models": models})


@pytest.mark.parametrize("package", ["", "own_package"])
def test_the_code_of_an_own_model_and_what_it_imports_counts(tmp_path, monkeypatch, package):
    folder = tmp_path / package
    folder.mkdir(exist_ok=True)
    model, helper = folder / "own_model.py", folder / "helper.py"
    (folder / "__init__.py").touch()
    model.write_text(OWN.format(package="." if package else ""))
    helper.write_text("STRENGTH = 1\n")
    monkeypatch.chdir(tmp_path)
    path = f"{package}.own_model.Own".lstrip(".")
    seen = {fingerprint("linear"), fingerprint(path)}
    model.write_text(model.read_text() + "\n# a comment changes nothing\n")
    assert fingerprint(path) in seen
    model.write_text(model.read_text().replace("strength", "power"))
    assert fingerprint(path) not in seen
    seen.add(fingerprint(path))
    helper.write_text("STRENGTH = 2\n")
    assert fingerprint(path) not in seen


def test_the_version_of_a_model_of_others_counts(monkeypatch):
    before, plain = fingerprint("lightgbm.LGBMClassifier"), fingerprint("linear")
    true_version = notebooks.metadata.version
    monkeypatch.setattr(
        notebooks.metadata, "version", lambda name: "99" if name == "lightgbm" else true_version(name)
    )
    assert fingerprint("lightgbm.LGBMClassifier") != before and fingerprint("linear") == plain


RUN_ONLY = """from mlkit.core.run_folder import RunFolder
folder = RunFolder(run, "own")
folder.save("note", {"seen": True})
folder.set_summary("done")"""


@pytest.mark.parametrize("engine", ["mlkit", "papermill"])
def test_a_stage_whose_parameters_cell_holds_only_run_works(tmp_path, monkeypatch, engine):
    cells = [
        nbformat.v4.new_markdown_cell("# Own"),
        nbformat.v4.new_code_cell('run: str = ""', metadata={"tags": ["parameters"]}),
        nbformat.v4.new_markdown_cell("## Run this stage"),
        nbformat.v4.new_code_cell(RUN_ONLY),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "01_own.ipynb")
    stages = {"own": Stage(tmp_path / "01_own.ipynb")}
    monkeypatch.setattr(runner, "list_stages", lambda: stages)
    monkeypatch.setattr(runner, "write_report", lambda folder: None)
    monkeypatch.setattr(runner, "_start_in_background", lambda function, folder: Nothing())
    runner.run_pipeline(tmp_path / "run", {"own": {}}, ["own"], engine)
    assert runner.read_journal(tmp_path / "run")["stages"]["own"]["state"] == "done"


class Nothing:
    def join(self) -> None: ...


def test_ctrl_c_in_a_stage_ends_a_run_with_exit_code_130(tmp_path, monkeypatch, capsys):
    def pressed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "_execute_notebook", pressed)
    monkeypatch.setattr(runner, "write_report", lambda folder: None)
    monkeypatch.setattr(runner, "_start_in_background", lambda function, folder: Nothing())
    monkeypatch.setattr(runner.engine.KERNEL_POOL, "prepare", lambda: None)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["mlkit", "run", "--data", "example:customers", "--to", "problem"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 130 and "mlkit run --out" in capsys.readouterr().err


def test_history_alone_lists_the_models(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    from mlflow import MlflowClient

    client = MlflowClient()
    client.search_registered_models()
    assert "no model is registered yet" in CliRunner().invoke(app, ["history"]).output
    client.create_registered_model("customers")
    assert "customers: no champion yet" in CliRunner().invoke(app, ["history"]).output


def test_deploy_names_other_files_of_its_folder(tmp_path):
    from mlkit.cli.model_commands import _other_files
    from mlkit.deployment.image import write_unchanged_files

    (tmp_path / "notes.txt").touch()
    write_unchanged_files(tmp_path, {"Dockerfile": "FROM x\n", "app/main.py": "pass\n"})
    assert _other_files(tmp_path) == ["notes.txt"] and _other_files(tmp_path / "new") == []
    assert Path(tmp_path, "notes.txt").is_file()


def write_stage(path: Path, code: str, tags: tuple[str, ...] = ("parameters",)) -> None:
    cells = [
        nbformat.v4.new_code_cell(
            'run: str = ""  # folder\nlimit: int = 3  # of rows', metadata={"tags": [*tags]}
        ),
        nbformat.v4.new_markdown_cell("## Run this stage"),
        nbformat.v4.new_code_cell(code),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)


@pytest.fixture
def own_notebooks(tmp_path, monkeypatch) -> Path:
    """The folder nbs of a project; the current folder is within it, as in JupyterLab."""
    (tmp_path / "settings.ini").touch()
    (tmp_path / "nbs").mkdir()
    monkeypatch.chdir(tmp_path / "nbs")
    return tmp_path / "nbs"


def test_a_project_has_stages_of_its_own_among_those_of_mlkit(own_notebooks):
    shipped = list(list_stages())
    write_stage(own_notebooks / "03_weather.ipynb", "limit")
    write_stage(own_notebooks / "05_train.ipynb", "limit + 1")
    write_stage(own_notebooks / "20_look.ipynb", "1", tags=())
    found = list_stages()
    assert list(found) == [*shipped[:3], "weather", *shipped[3:]]
    assert found["weather"].parameters["limit"].default == 3 and found["train"].run_cells == ["limit + 1"]
    write_stage(own_notebooks / "05_train.ipynb", "%time limit")
    assert "run_line_magic" in list_stages()["train"].run_cells[0]
    assert len(stage_fingerprint(list_stages()["train"], {})) == 64


def test_a_conflict_in_the_parameters_is_told_with_its_notebook(own_notebooks):
    conflict = "<<<<<<< local\nlimit: int = 3  # of rows\n=======\nlimit: int = 4  # of rows\n>>>>>>> remote"
    cell = nbformat.v4.new_code_cell(conflict, metadata={"tags": ["parameters"]})
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), own_notebooks / "05_train.ipynb")
    with pytest.raises(MLKitError) as caught:
        list_stages()["train"].parameters  # noqa: B018
    told = "05_train.ipynb, parameters cell, line 1: a conflict of a merge is left; mend the cell"
    assert str(caught.value) == told


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "05_train.ipynb is no notebook"),
        (
            "<<<<<<< local\na = 1\n=======\na = 2\n>>>>>>> remote",
            "cell 3, line 1: a conflict of a merge is left",
        ),
        ("a = (1", "05_train.ipynb, cell 3, line 1: '(' was never closed; mend the cell"),
    ],
    ids=["damaged", "conflict", "syntax"],
)
def test_a_stage_notebook_that_cannot_be_read_is_told_in_one_line(own_notebooks, content, said):
    write_stage(own_notebooks / "05_train.ipynb", content)
    if content == "{":
        (own_notebooks / "05_train.ipynb").write_text(content)
    with pytest.raises(MLKitError) as caught:
        list_stages()["train"].run_cells  # noqa: B018
    assert said in str(caught.value) and "\n" not in str(caught.value)
