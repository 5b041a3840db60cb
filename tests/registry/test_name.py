"""The name `mlkit` on the package index is somebody else's: nothing asks for it, and its presence is said."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from mlkit.core.distribution import DISTRIBUTION, check_distribution, own_distribution
from mlkit.core.errors import RunError
from tools.on_a_copy import ROOT

TEXTS = {
    ".py",
    ".ipynb",
    ".md",
    ".j2",
    ".toml",
    ".txt",
    ".yml",
    ".yaml",
    ".ini",
    ".cfg",
    ".json",
    ".html",
    "",
}
# a requirement or a command by which pip, uv or conda would ask for it; not the folder, nor the command mlkit
ASKED = re.compile(
    r"""(?:\binstall|\badd|\bdownload|\bpipx\ run|\buvx)\b(?:[ ]+-{1,2}[\w=-]+)*[ ]+\\?["']?mlkit(?![\w/.-])
      | (?<![\w/.-])mlkit\[\w+[\w,]*\]
      | (?<![\w/.-])mlkit\ ?(?:==|>=|~=|@\ ?http)""",
    re.VERBOSE,
)


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
    ).stdout.decode()
    return [ROOT / name for name in listed.split("\0") if name and Path(name).suffix in TEXTS]


def test_the_distribution_has_a_name_of_its_own():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["name"] == DISTRIBUTION != "mlkit"


@pytest.mark.parametrize(("text", "asks"), [
    ("pip install mlkit", True), ("uv pip install -U mlkit", True), ("pip install 'mlkit[cloud]'", True),
    ("mlkit==0.1.0", True), ("uv add mlkit", True), ("- mlkit>=0.1", True),
    ("RUN pip install --no-cache-dir mlkit", True),
    ("pip install .", False), ("pip install mlkit-notebooks", False), ("COPY mlkit /opt/mlkit", False),
    ("pip uninstall mlkit,", False), ("mlkit run --data x", False), ("import mlkit", False),
])  # fmt: skip
def test_the_search_finds_what_it_looks_for(text, asks):
    assert bool(ASKED.search(text)) is asks


def test_nothing_asks_an_index_for_somebody_elses_package():
    found = []
    for path in tracked():
        if path == Path(__file__):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if match := ASKED.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {match[0]}")
    assert found == []


# ---------------------------------------- the stranger is here
@pytest.fixture
def stranger(tmp_path) -> Path:
    """A folder on Python's path into which somebody else's package was installed."""
    place = tmp_path / "site" / "mlkit-0.1.0.dist-info"
    place.mkdir(parents=True)
    (place / "METADATA").write_text("Metadata-Version: 2.1\nName: mlkit\nVersion: 0.1.0\n")
    return place.parent


def test_what_pip_knows_of_us_is_found():
    found = own_distribution()
    assert found is not None and found.requires


def test_a_strangers_package_is_named_with_its_place(stranger, monkeypatch):
    check_distribution()
    monkeypatch.syspath_prepend(str(stranger))
    with pytest.raises(
        RunError, match=f"'mlkit' 0.1.0 is installed in {re.escape(str(stranger))}.*pip uninstall mlkit"
    ):
        check_distribution()


@pytest.mark.parametrize("code", [
    "import sys; sys.argv = ['mlkit', 'history']; from mlkit.cli.main import main; main()",
    "import mlkit\ntry: mlkit.fit\nexcept Exception as error: print('mlkit:', error, file=sys.stderr); sys.exit(2)",
])  # fmt: skip
def test_command_and_library_say_so_in_one_line(stranger, code):
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(stranger)])}
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}"], capture_output=True, text=True, env=env
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr.startswith("mlkit: somebody else's package 'mlkit' 0.1.0")
        and done.stderr.count("\n") == 1
    )


# ---------------------------------------- an MLflow model brings its code
CARRIED = """
import json, sys
import mlflow, pandas
model = mlflow.pyfunc.load_model(sys.argv[1])
answers = model.predict(pandas.DataFrame({"weight": [5.0], "distance": [100.0], "service": ["express"]}))
import mlkit
owners = sorted({name.partition(".")[0] for name in sys.modules if name.startswith("mlkit")})
print(json.dumps([mlkit.__file__, answers["prediction"][0], owners]))
"""


@pytest.fixture(scope="module")
def mlflow_model(tmp_path_factory) -> Path:
    from mlkit.inference.example_package import make_parcel_package
    from mlkit.registry.mlflow_flavor import save_model

    desk = tmp_path_factory.mktemp("carried")
    save_model(make_parcel_package(desk / "parcels"), desk / "model")
    return desk / "model"


def test_an_mlflow_model_asks_an_index_for_others_only(mlflow_model):
    for name in ("requirements.txt", "conda.yaml"):
        text = (mlflow_model / name).read_text()
        assert "onnxruntime==" in text and "platformdirs==" in text
        assert "mlkit" not in text


def test_an_mlflow_model_carries_its_code_and_says_which(mlflow_model):
    from mlflow.models import Model

    from mlkit.registry.mlflow_flavor import code_digest

    told = Model.load(str(mlflow_model)).metadata
    assert told["mlkit_code_sha256"] == code_digest(mlflow_model / "code")
    (mlflow_model / "code" / "mlkit" / "__pycache__").mkdir(exist_ok=True)
    assert told["mlkit_code_sha256"] == code_digest(mlflow_model / "code")


def test_an_mlflow_model_opens_where_mlkit_is_not_installed(mlflow_model, tmp_path):
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "-W", "ignore", "-c", CARRIED, str(mlflow_model)]
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    place, prediction, owners = json.loads(done.stdout.splitlines()[-1])
    assert Path(place).is_relative_to(mlflow_model / "code") and prediction == "no" and owners == ["mlkit"]
