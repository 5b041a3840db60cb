"""Experiment tracking and model versions in MLflow: runs, trials, aliases, promotion, rollback.

For the package stage, the command line and servers that follow an alias.
Holds no models itself; MLflow does.
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .client import CHALLENGER as CHALLENGER
    from .client import CHAMPION as CHAMPION
    from .fetching import Registered as Registered
    from .fetching import fetch as fetch
    from .fetching import find_package as find_package
    from .fetching import follow as follow
    from .fetching import read_name as read_name
    from .history import History as History
    from .history import Version as Version
    from .mlflow_flavor import save_model as save_model
    from .tracking import TrialLog as TrialLog
    from .tracking import log_run as log_run
    from .versions import Promotion as Promotion
    from .versions import promote as promote
    from .versions import register as register
    from .versions import rollback as rollback
else:
    __getattr__, __dir__ = lazy_imports(__name__)
