"""How columns become model inputs: the preprocessing plan, its encoders, feature interactions, options by column.

For those who prepare a table for a model of their own.
Not here: how a cell is read (data), and the models (models).
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .column_options import Wish as Wish
    from .column_options import read_wishes as read_wishes
    from .encoders import Plan as Plan
    from .encoders import Treatment as Treatment
    from .encoders import make_encoder as make_encoder
    from .interactions import find_combinations as find_combinations
else:
    __getattr__, __dir__ = lazy_imports(__name__)
