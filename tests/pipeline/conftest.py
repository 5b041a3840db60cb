"""Two runs that several tests look at."""

from pathlib import Path

import pytest

from tests.conftest import Lifecycle

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    "Two runs of the customers: in the second one a tree stands in for the linear model."
    place = tmp_path_factory.mktemp("compare")
    folders = place / "linear", place / "stump"
    for folder, models, last in zip(folders, ("linear", "tree"), ("explain", "evaluate"), strict=True):
        life = Lifecycle(folder, ROOT, "example:customers")
        life.run("-p", f"train.models={models}", "-p", "train.trials=1", "--to", last)
    return folders
