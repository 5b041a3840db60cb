"""Stages as notebooks: settings, warm kernels, fingerprints, runner, report, and `fit`.

For the command line and for notebooks.
Knows the stages by their notebooks only; no model or table logic.
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .compare_models import ModelComparison as ModelComparison
    from .comparison_page import compare_run_folders as compare_run_folders
    from .estimators import MLKitEstimator as MLKitEstimator
    from .notebooks import Stage as Stage
    from .notebooks import list_stages as list_stages
    from .lesson_run import open_run as open_run
    from .notebooks import reason_to_run as reason_to_run
    from .report import write_report as write_report
    from .runner import run_pipeline as run_pipeline
    from .saved_model import ModelReport as ModelReport
    from .saved_model import ModelServer as ModelServer
    from .saved_model import SavedModel as SavedModel
    from .settings import Parameter as Parameter
    from .settings import Setting as Setting
    from .settings import parse_parameters as parse_parameters
    from .settings import resolve_settings as resolve_settings
else:
    __getattr__, __dir__ = lazy_imports(__name__)
