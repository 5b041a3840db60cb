"""Is the table fit for learning: profile, schema check, leakage audit, split.

For the collect and validate stages.
Repairs nothing silently; encodes nothing (features).
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .findings import handle_leaks as handle_leaks
    from .leakage import LeakageAudit as LeakageAudit
    from .leakage import audit_leakage as audit_leakage
    from .leakage_evidence import Leak as Leak
    from .profile import ColumnProfile as ColumnProfile
    from .profile import profile_columns as profile_columns
    from .profile import show_profile as show_profile
    from .schema_check import check_schema as check_schema
    from .schema_check import find_violations as find_violations
    from .schema_check import row_violations as row_violations
    from .schema_check import to_pandera_schema as to_pandera_schema
    from .shifted_rows import find_shifted_rows as find_shifted_rows
    from .split_strategy import SplitStrategy as SplitStrategy
    from .split_strategy import choose_split_strategy as choose_split_strategy
    from .splitting import split_train_test as split_train_test
else:
    __getattr__, __dir__ = lazy_imports(__name__)
