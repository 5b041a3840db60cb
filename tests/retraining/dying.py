"""A call of `mlkit improve` that dies just before its write number N: to the registry, or to its journal."""

import os
import signal
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import alembic.command  # noqa: F401 - all that is slow is imported once, before the processes are forked
import mlflow.pyfunc  # noqa: F401
import mlflow.store.model_registry.sqlalchemy_store
import mlflow.store.tracking.sqlalchemy_store  # noqa: F401
import onnxruntime  # noqa: F401
import pyarrow.parquet  # noqa: F401
import scipy.stats  # noqa: F401
from mlflow import MlflowClient

from mlkit.retraining.improvement import improve_model
from mlkit.retraining.improvement_steps import ImproveSettings
from mlkit.retraining.retraining_journal import RetrainingJournal

WRITES = [
    (MlflowClient, "set_registered_model_tag"),
    (MlflowClient, "delete_registered_model_tag"),
    (MlflowClient, "set_registered_model_alias"),
    (MlflowClient, "delete_registered_model_alias"),
    (MlflowClient, "create_logged_model"),
    (MlflowClient, "log_model_artifacts"),
    (MlflowClient, "log_outputs"),
    (MlflowClient, "finalize_logged_model"),
    (MlflowClient, "create_model_version"),
    (MlflowClient, "set_logged_model_tags"),
    (RetrainingJournal, "save"),
]


def improve_and_die(
    place: Path, environment: dict[str, str], asked: tuple[str, Path, ImproveSettings], write: int
) -> None:
    """In a process of its own: it ends by SIGKILL, or well if there are fewer writes."""
    os.chdir(place)
    os.environ.clear()
    os.environ.update(environment)
    left = [write]

    def dying(former: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            return former(*arguments, **named)

        return call

    for owner, method in WRITES:
        setattr(owner, method, dying(getattr(owner, method)))
    improve_model(*asked)


def died(place: Path, asked: tuple[str, Path, ImproveSettings], write: int) -> bool:
    """Whether a call that was to die before a write came so far."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["tests.retraining.dying"])
    process = context.Process(target=improve_and_die, args=(place, dict(os.environ), asked, write))
    process.start()
    process.join(120)
    assert process.exitcode in (0, -signal.SIGKILL), process.exitcode
    return process.exitcode != 0
