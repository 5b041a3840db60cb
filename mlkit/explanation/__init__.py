"""Why a model predicts what it predicts: SHAP and LIME, importance, dependence, counterfactuals.

For the explain stage; works with any model of mlkit.
Servers explain with `mlkit.serving.explanations`, which needs no pandas.
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .counterfactual import Change as Change
    from .counterfactual import find_change as find_change
    from .global_importance import Dependence as Dependence
    from .global_importance import dependence as dependence
    from .global_importance import importance as importance
    from .global_importance import permutation_importance as permutation_importance
    from .local import Attribution as Attribution
    from .local import Trust as Trust
    from .local import lime_values as lime_values
    from .local import shap_values as shap_values
    from .local import trust as trust
    from .perturbation import Mixture as Mixture
    from .row_explanation import Explanation as Explanation
    from .row_explanation import explain as explain
    from .row_report import Told as Told
else:
    __getattr__, __dir__ = lazy_imports(__name__)
