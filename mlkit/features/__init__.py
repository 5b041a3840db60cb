"""From read columns to model inputs: preprocessing plan, scikit-learn encoders, interactions, column options.

For the prepare stage and for models.
Chooses no model and sees training rows only.
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .column_options import ColumnOverride as ColumnOverride
    from .column_options import parse_column_overrides as parse_column_overrides
    from .encoders import InputPlan as InputPlan
    from .encoders import PreprocessingPlan as PreprocessingPlan
    from .encoders import make_encoder as make_encoder
    from .interactions import Interaction as Interaction
    from .interactions import find_interactions as find_interactions
    from .interactions import parse_interactions as parse_interactions
    from .plan import infer_feature_specs as infer_feature_specs
    from .plan import make_folds as make_folds
    from .plan import make_plan as make_plan
else:
    __getattr__, __dir__ = lazy_imports(__name__)
