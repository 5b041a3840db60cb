"""How good a model is and where it fails: fit diagnosis, slices, fairness, errors, champion, calibration report.

For the evaluate stage.
Decides nothing about deployment and explains no single prediction (explanation).
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .calibration_report import fit_calibrator as fit_calibrator
    from .calibration_report import plot_reliability as plot_reliability
    from .calibration_report import reliability_table as reliability_table
    from .champion import compare_with_champion as compare_with_champion
    from .champion import load_champion as load_champion
    from .error_analysis import per_class_metrics as per_class_metrics
    from .error_analysis import plot_confusion_matrix as plot_confusion_matrix
    from .error_analysis import plot_residuals as plot_residuals
    from .error_analysis import plot_roc_and_precision_recall as plot_roc_and_precision_recall
    from .fit_diagnosis import diagnose_scores as diagnose_scores
    from .learning_curve import plot_learning_curve as plot_learning_curve
    from .membership import MembershipReport as MembershipReport
    from .membership import attack_model as attack_model
    from .metrics_file import metrics_json as metrics_json
    from .reference_models import OutOfFold as OutOfFold
    from .reference_models import ReferenceModel as ReferenceModel
    from .reference_models import evaluate_out_of_fold as evaluate_out_of_fold
    from .reference_models import evaluate_reference_models as evaluate_reference_models
    from .second_search import SecondSearch as SecondSearch
    from .second_search import diagnose_fit as diagnose_fit
    from .second_search import retrain_on_verdict as retrain_on_verdict
    from .second_search import run_second_search as run_second_search
    from .slices import fairness_gaps as fairness_gaps
    from .slices import score_over_time as score_over_time
    from .slices import score_slices as score_slices
    from .threshold import choose_threshold as choose_threshold
else:
    __getattr__, __dir__ = lazy_imports(__name__)
