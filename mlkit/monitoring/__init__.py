"""Watching a model at work: has anything changed, is quality at risk, does it do harm?

For the monitor stage, and the reference in a package.
Trains and serves nothing; reads what a server has logged.
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .harm import HarmDetector as HarmDetector
    from .harm import make_detector as make_detector
    from .sketch import Reference as Reference
    from .sketch import make_reference as make_reference
else:
    __getattr__, __dir__ = lazy_imports(__name__)
