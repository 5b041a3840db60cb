"""Is the table fit for learning: profile, schema check, leakage audit, split.

For the collect and validate stages.
Repairs nothing silently; encodes nothing (features).
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .findings import treat_leaks as treat_leaks
    from .leakage import Audit as Audit
    from .leakage import audit as audit
    from .leakage_evidence import Leak as Leak
    from .profile import Look as Look
    from .profile import show_profile as show_profile
    from .schema_check import check_row as check_row
    from .schema_check import check_table as check_table
    from .schema_check import find_broken as find_broken
    from .schema_check import to_pandera as to_pandera
    from .shifted_rows import find_slipped as find_slipped
    from .split_strategy import Way as Way
    from .split_strategy import choose_way as choose_way
    from .splitting import lock_away as lock_away
else:
    __getattr__, __dir__ = lazy_imports(__name__)
