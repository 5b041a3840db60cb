"""Who may do what, what nobody else can read, and what people decide: API keys, encryption, audit log, oversight.

For the server, the command line, and whoever has to say who did what; loads no pandas, scikit-learn or MLflow.
Finds no personal columns (data), and writes no prediction log (serving).
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .api_keys import ApiKey as ApiKey
    from .api_keys import ApiKeyring as ApiKeyring
    from .api_keys import add_key as add_key
    from .api_keys import list_keys as list_keys
    from .api_keys import remove_key as remove_key
    from .audit import AuditLog as AuditLog
    from .audit import record_event as record_event
    from .audit import verify_audit_log as verify_audit_log
    from .envelope import RowEnvelope as RowEnvelope
    from .review_queue import ReviewQueue as ReviewQueue
    from .roles import require_role as require_role
    from .stop_switch import StopSwitch as StopSwitch
    from .subject_keys import SubjectKeys as SubjectKeys
else:
    __getattr__, __dir__ = lazy_imports(__name__)
