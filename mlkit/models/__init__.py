"""Model families, cross-validation, hyperparameter search, ensembles, calibration.

For the train and evaluate stages and for `mlkit.fit`.
Writes no report and exports nothing (packaging).
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .calibration import CalibrationCheck as CalibrationCheck
    from .calibration import Calibrator as Calibrator
    from .calibration import FinalModel as FinalModel
    from .calibration import check_calibration as check_calibration
    from .calibration import choose_calibrator as choose_calibrator
    from .calibration import finalise_model as finalise_model
    from .cross_validation import TrainingData as TrainingData
    from .ensemble import ClassifierEnsemble as ClassifierEnsemble
    from .ensemble import Ensemble as Ensemble
    from .ensemble import RegressorEnsemble as RegressorEnsemble
    from .families import FAMILIES as FAMILIES
    from .families import Family as Family
    from .families import make_estimator as make_estimator
    from .model import Model as Model
    from .model import SearchResult as SearchResult
    from .model import find_model as find_model
    from .sampler import TrialSampler as TrialSampler
    from .search import search_trials as search_trials
    from .trials import Trial as Trial
else:
    __getattr__, __dir__ = lazy_imports(__name__)
