"""Stages as notebooks: settings, warm kernels, fingerprints, runner, report, and `fit`.

For the command line and for notebooks.
Knows the stages by their notebooks only; no model or table logic.
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .notebooks import Stage as Stage
    from .notebooks import open_run as open_run
    from .notebooks import stages as stages
    from .notebooks import why_run as why_run
    from .report import Setting as Setting
    from .report import write_report as write_report
    from .runner import run_pipeline as run_pipeline
    from .settings import Parameter as Parameter
    from .settings import parse_parameters as parse_parameters
    from .settings import resolve as resolve
else:
    __getattr__, __dir__ = lazy_imports(__name__)
