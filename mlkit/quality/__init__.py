"""Whether a table can be trusted: target leakage, shifted rows, and rows that must not be torn apart by a split.

For those who check a table before a model learns from it.
Not here: rules that every row has to keep (data).
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .leakage import Audit as Audit
    from .leakage import Leak as Leak
    from .leakage import audit as audit
    from .shifted_rows import find_slipped as find_slipped
    from .split_strategy import Way as Way
    from .split_strategy import choose_way as choose_way
else:
    __getattr__, __dir__ = lazy_imports(__name__)
