"""Why a model predicts what it predicts: SHAP and LIME, importance, dependence, counterfactuals.

For the explain stage; works with any model of mlkit.
Servers explain with `mlkit.serving.online_explanations`, which needs no pandas.
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .counterfactual import Counterfactual as Counterfactual
    from .counterfactual import find_counterfactual as find_counterfactual
    from .global_importance import PartialDependence as PartialDependence
    from .global_importance import importance_table as importance_table
    from .global_importance import partial_dependence as partial_dependence
    from .global_importance import permutation_importance as permutation_importance
    from .local_attributions import Attribution as Attribution
    from .local_attributions import ExplanationAgreement as ExplanationAgreement
    from .local_attributions import compare_explanations as compare_explanations
    from .local_attributions import lime_values as lime_values
    from .local_attributions import shap_values as shap_values
    from .perturbation import PerturbationPool as PerturbationPool
    from .row_explanation import RowExplanation as RowExplanation
    from .row_explanation import explain_prediction as explain_prediction
    from .row_report import RowReport as RowReport
else:
    __getattr__, __dir__ = lazy_imports(__name__)
