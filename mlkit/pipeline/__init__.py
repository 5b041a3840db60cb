"""The machinery of a run: settings, stage notebooks, warm kernels, the runner, the report.

For those who run stages from a program, or add one.
Not here: what a stage does (its own module).
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .notebooks import Stage as Stage
    from .notebooks import open_run as open_run
    from .notebooks import stages as stages
    from .report import write_report as write_report
    from .runner import run_pipeline as run_pipeline
    from .settings import Parameter as Parameter
    from .settings import resolve as resolve
else:
    __getattr__, __dir__ = lazy_imports(__name__)
