"""Experiment tracking and model versions in MLflow: runs, trials, aliases, promotion, rollout, rollback.

For the package stage, the command line and servers that follow an alias.
Holds no models itself; MLflow does.
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .client import CHALLENGER as CHALLENGER
    from .client import CHAMPION as CHAMPION
    from .fetching import ModelReference as ModelReference
    from .fetching import fetch_package as fetch_package
    from .fetching import find_package as find_package
    from .fetching import follow_alias as follow_alias
    from .fetching import parse_model_reference as parse_model_reference
    from .history import ModelHistory as ModelHistory
    from .history import ModelVersion as ModelVersion
    from .history import load_history as load_history
    from .mlflow_flavor import save_model as save_model
    from .model_versions import Promotion as Promotion
    from .model_versions import promote_version as promote_version
    from .model_versions import register_package as register_package
    from .model_versions import rollback_champion as rollback_champion
    from .rollout import Rollout as Rollout
    from .rollout import read_rollout as read_rollout
    from .rollout import start_rollout as start_rollout
    from .rollout import stop_rollout as stop_rollout
    from .tracking import TrialLogger as TrialLogger
    from .tracking import log_run as log_run
else:
    __getattr__, __dir__ = lazy_imports(__name__)
