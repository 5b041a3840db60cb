"""Personal data and records of what was done: keys of the persons whose data a row is, and an audit log.

For the command line, and for whoever has to say who did what.
Finds no personal columns (data), and writes no prediction log (serving).
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .audit import AuditLog as AuditLog
    from .audit import record_event as record_event
    from .audit import verify_audit_log as verify_audit_log
    from .envelope import RowEnvelope as RowEnvelope
    from .subject_keys import MasterKey as MasterKey
    from .subject_keys import SubjectKeys as SubjectKeys
    from .subject_keys import load_master_key as load_master_key
    from .subject_keys import make_master_key as make_master_key
else:
    __getattr__, __dir__ = lazy_imports(__name__)
