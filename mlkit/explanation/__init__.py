"""Why a model predicts what it does, for one row and on the whole: SHAP, LIME, importance, dependence.

For those who have to answer for a prediction.
Not here: explanations while a caller waits (serving).
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .global_importance import Dependence as Dependence
    from .global_importance import dependence as dependence
    from .global_importance import permutation_importance as permutation_importance
    from .local import Attribution as Attribution
    from .local import Trust as Trust
    from .local import lime_values as lime_values
    from .local import shap_values as shap_values
    from .perturbation import Mixture as Mixture
else:
    __getattr__, __dir__ = lazy_imports(__name__)
