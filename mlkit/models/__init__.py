"""The kinds of model, the search among them, ensembles, and calibration.

For those who train, compare or calibrate models.
Not here: what a score is worth (task, evaluation), and models in use (inference, serving).
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .calibration import Calibrator as Calibrator
    from .calibration import FinalModel as FinalModel
    from .ensemble import Ensemble as Ensemble
    from .ensemble import choose_weights as choose_weights
    from .families import FAMILIES as FAMILIES
    from .families import Family as Family
    from .families import make_model as make_model
    from .sampler import Asker as Asker
    from .trials import Trial as Trial
    from .trials import choose_trial as choose_trial
else:
    __getattr__, __dir__ = lazy_imports(__name__)
