"""The server: HTTP, API keys, protocols, OpenAPI, prediction log, telemetry, and a client that measures it.

For those who run the server inside of something else, or test it.
Not here: the settings of a server and its start (mlkit.serve); pandas and scikit-learn, which it never loads.
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .api_keys import Key as Key
    from .api_keys import add_key as add_key
    from .api_keys import list_keys as list_keys
    from .api_keys import remove_key as remove_key
    from .client import Client as Client
    from .client import Server as Server
    from .explanations import Reasons as Reasons
    from .explanations import explain_row as explain_row
    from .service import Service as Service
else:
    __getattr__, __dir__ = lazy_imports(__name__)
