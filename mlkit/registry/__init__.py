"""Runs and models in MLflow: tracking, packages as MLflow models, versions with their aliases.

For those who keep several versions of a model, and decide which one is used.
Not here: what is in a package (packaging).
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .mlflow_flavor import PackageModel as PackageModel
    from .mlflow_flavor import save_model as save_model
    from .tracking import log_run as log_run
    from .versions import CHALLENGER as CHALLENGER
    from .versions import CHAMPION as CHAMPION
    from .versions import History as History
    from .versions import Version as Version
    from .versions import fetch as fetch
    from .versions import history as history
    from .versions import promote as promote
    from .versions import register as register
    from .versions import rollback as rollback
else:
    __getattr__, __dir__ = lazy_imports(__name__)
