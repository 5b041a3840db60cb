"""Watching a model at work: what has changed, whether quality is at risk, and whether it does harm.

For the monitor stage, and for the reference in a package.
Trains and serves nothing (training, serving); reads the log that a server has written.
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .check import CheckResult as CheckResult
    from .check import MonitorSettings as MonitorSettings
    from .harm import HarmDetector as HarmDetector
    from .harm import make_detector as make_detector
    from .page import monitor_model as monitor_model
    from .sketch import Reference as Reference
    from .sketch import make_reference as make_reference
else:
    __getattr__, __dir__ = lazy_imports(__name__)
