"""How good predictions are: confidence intervals of metrics, and the comparison of two models.

For those who report a score, or decide between two models.
Not here: how a model is found (models), and why it fails (evaluation).
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .comparison import Difference as Difference
    from .comparison import difference as difference
    from .intervals import score_interval as score_interval
    from .intervals import score_intervals as score_intervals
else:
    __getattr__, __dir__ = lazy_imports(__name__)
