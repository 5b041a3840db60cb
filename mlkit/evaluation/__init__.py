"""How good a model is and where it fails: fit diagnosis, slices, fairness, errors, champion, calibration report.

For the evaluate stage.
Decides nothing about deployment and explains no single prediction (explanation).
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .calibration_report import plot_reliability as plot_reliability
    from .calibration_report import reliability as reliability
    from .calibration_report import right_probabilities as right_probabilities
    from .champion import against_champion as against_champion
    from .champion import load_champion as load_champion
    from .error_analysis import per_class as per_class
    from .error_analysis import plot_confusion as plot_confusion
    from .error_analysis import plot_ranking as plot_ranking
    from .error_analysis import plot_residuals as plot_residuals
    from .fit_diagnosis import verdict_on_fit as verdict_on_fit
    from .learning_curve import plot_curve as plot_curve
    from .metrics_file import metrics_json as metrics_json
    from .reference_models import Held as Held
    from .reference_models import Rival as Rival
    from .reference_models import hold_back as hold_back
    from .reference_models import usual_models as usual_models
    from .second_search import Second as Second
    from .second_search import carry_out as carry_out
    from .second_search import judge_fit as judge_fit
    from .second_search import search_again as search_again
    from .slices import group_gaps as group_gaps
    from .slices import over_time as over_time
    from .threshold import choose_threshold as choose_threshold
else:
    __getattr__, __dir__ = lazy_imports(__name__)
