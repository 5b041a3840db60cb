"""Training again: whether a new model may take the place of the one in use.

For the improve stage. Compares outputs on rows that both models have not learned.
Trains (models), packages (packaging) and serves (serving) nothing itself.
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .gate import GateDecision as GateDecision
    from .gate import GateSettings as GateSettings
    from .gate import decide_promotion as decide_promotion
    from .rollout_check import RolloutCheck as RolloutCheck
    from .rollout_check import RolloutSettings as RolloutSettings
    from .rollout_check import check_rollout as check_rollout
else:
    __getattr__, __dir__ = lazy_imports(__name__)
