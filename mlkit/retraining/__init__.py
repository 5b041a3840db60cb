"""Training again: whether a new model may take the place of the one in use.

For the command `mlkit improve`. Takes rows from the log, trains in a run of its own, judges, verifies.
Searches (models), packages (packaging) and serves (serving) nothing itself.
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .challenger import compare_with_champion as compare_with_champion
    from .challenger import train_challenger as train_challenger
    from .gate import GateDecision as GateDecision
    from .gate import GateSettings as GateSettings
    from .gate import decide_promotion as decide_promotion
    from .rollout_check import RolloutCheck as RolloutCheck
    from .rollout_check import RolloutSettings as RolloutSettings
    from .rollout_check import check_rollout as check_rollout
else:
    __getattr__, __dir__ = lazy_imports(__name__)
