"""The HTTP server: requests, API keys, micro-batching, model reload, prediction log, metrics, protocols.

For the serve stage; loads no pandas, scikit-learn or MLflow.
Reads and predicts by `inference`; deploys nothing (deployment).
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .api_keys import Key as Key
    from .api_keys import Keyring as Keyring
    from .api_keys import add_key as add_key
    from .api_keys import list_keys as list_keys
    from .api_keys import remove_key as remove_key
    from .app import create_app as create_app
    from .client import Client as Client
    from .client import serving as serving
    from .explanations import explain_row as explain_row
    from .http import Answer as Answer
    from .http import Call as Call
    from .http import Endpoint as Endpoint
    from .http import Gate as Gate
    from .http import Limits as Limits
    from .http import Refused as Refused
    from .prediction_log import Asked as Asked
    from .prediction_log import PredictionLog as PredictionLog
    from .prediction_log import Told as Told
    from .server import serve as serve
    from .server_settings import ServeSettings as ServeSettings
    from .service import Current as Current
    from .service import Keeper as Keeper
    from .service import Served as Served
    from .service import Service as Service
    from .service import Together as Together
    from .telemetry import Meters as Meters
else:
    __getattr__, __dir__ = lazy_imports(__name__)
