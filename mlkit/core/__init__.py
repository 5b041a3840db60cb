"""What every other room stands on: errors, run folders, figures, parallel work, lazy public names.

For those who write a stage or extend mlkit.
Not here: anything that knows what a table or a model is.
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
    from .figures import Plot as Plot
    from .figures import new_plot as new_plot
    from .parallel import Workers as Workers
    from .run_folder import Run as Run
    from .run_folder import read_journal as read_journal
    from .theme import PALETTE as PALETTE
else:
    __getattr__, __dir__ = lazy_imports(__name__)
