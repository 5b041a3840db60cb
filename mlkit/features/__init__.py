"""From read columns to model inputs: preprocessing plan, scikit-learn encoders, interactions, column options.

For the prepare stage and for models.
Chooses no model and sees training rows only.
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .column_options import Wish as Wish
    from .column_options import read_wishes as read_wishes
    from .encoders import Plan as Plan
    from .encoders import Treatment as Treatment
    from .encoders import make_encoder as make_encoder
    from .interactions import Combination as Combination
    from .interactions import find_combinations as find_combinations
    from .interactions import read_combinations as read_combinations
    from .plan import learn_reading as learn_reading
    from .plan import make_folds as make_folds
    from .plan import make_plan as make_plan
else:
    __getattr__, __dir__ = lazy_imports(__name__)
