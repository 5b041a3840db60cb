"""Errors, files, encryption, formatting, the run folder, parallel work and colours: what every room needs.

For the authors of rooms and stages.
Knows nothing of tables, models or servers.
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .errors import DataError as DataError
    from .errors import MLKitError as MLKitError
    from .errors import PackageError as PackageError
    from .errors import RunError as RunError
    from .errors import SettingsError as SettingsError
    from .errors import StageError as StageError
    from .errors import did_you_mean as did_you_mean
    from .extras import MissingExtraError as MissingExtraError
    from .extras import extras_named as extras_named
    from .figures import Plot as Plot
    from .figures import new_plot as new_plot
    from .files import atomic_write as atomic_write
    from .files import file_digest as file_digest
    from .formatting import format_number as format_number
    from .master_key import MasterKey as MasterKey
    from .master_key import load_master_key as load_master_key
    from .master_key import make_master_key as make_master_key
    from .parallel import WorkerPool as WorkerPool
    from .run_folder import RunFolder as RunFolder
    from .run_folder import read_journal as read_journal
else:
    __getattr__, __dir__ = lazy_imports(__name__)
