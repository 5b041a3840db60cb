"""The prediction task: target, metrics, scores, confidence intervals and comparisons of models.

For every stage that scores something.
Trains nothing; needs numpy and scipy only.
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .comparison import ScoreDifference as ScoreDifference
    from .comparison import compare_folds as compare_folds
    from .comparison import compare_outputs as compare_outputs
    from .intervals import score_interval as score_interval
    from .intervals import score_intervals as score_intervals
    from .metrics import METRICS as METRICS
    from .metrics import Metric as Metric
    from .own_metric import metric as metric
    from .problem import Problem as Problem
    from .problem import state_problem as state_problem
    from .task import TASK_TYPES as TASK_TYPES
    from .task import Task as Task
    from .task import baseline_output as baseline_output
    from .task import encode_target as encode_target
    from .task import is_better as is_better
    from .task import score_all_metrics as score_all_metrics
    from .task import score_output as score_output
    from .task import target_values as target_values
    from .task_inference import infer_task_type as infer_task_type
    from .task_inference import make_task as make_task
else:
    __getattr__, __dir__ = lazy_imports(__name__)
