"""The HTTP server: requests, micro-batching, model reload, prediction log, metrics, protocols.

For the serve stage; loads no pandas, scikit-learn or MLflow.
Reads and predicts by `inference`; deploys nothing (deployment).
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .app import create_app as create_app
    from .client import ServerClient as ServerClient
    from .client import running_server as running_server
    from .http import Endpoint as Endpoint
    from .http import Request as Request
    from .http import RequestError as RequestError
    from .http import RequestLimits as RequestLimits
    from .http import RequestPolicy as RequestPolicy
    from .http import Response as Response
    from .log_reader import LogReader as LogReader
    from .online_explanations import Explanation as Explanation
    from .online_explanations import explain_row as explain_row
    from .online_explanations import explain_rows as explain_rows
    from .openapi import make_openapi as make_openapi
    from .prediction_log import FeedbackRecord as FeedbackRecord
    from .prediction_log import PredictionLog as PredictionLog
    from .prediction_log import PredictionRecord as PredictionRecord
    from .sealed_log import LogSealer as LogSealer
    from .sealed_log import delete_subject as delete_subject
    from .server import run_server as run_server
    from .server_settings import ServeSettings as ServeSettings
    from .service import ActiveModel as ActiveModel
    from .service import LoadedModel as LoadedModel
    from .service import MicroBatcher as MicroBatcher
    from .service import ModelService as ModelService
    from .service import ServiceMaintenance as ServiceMaintenance
    from .telemetry import ServerMetrics as ServerMetrics
else:
    __getattr__, __dir__ = lazy_imports(__name__)
