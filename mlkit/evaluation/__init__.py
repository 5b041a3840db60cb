"""What a score hides: over- and underfitting, groups and times in which a model fails, and its errors.

For those who decide whether a model is good enough.
Not here: the score itself and its interval (task).
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .error_analysis import plot_confusion as plot_confusion
    from .error_analysis import plot_ranking as plot_ranking
    from .error_analysis import plot_residuals as plot_residuals
    from .fit_diagnosis import learning_curve as learning_curve
    from .fit_diagnosis import verdict_on_fit as verdict_on_fit
    from .slices import group_gaps as group_gaps
    from .slices import over_time as over_time
else:
    __getattr__, __dir__ = lazy_imports(__name__)
