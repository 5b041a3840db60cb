"""The command line: `mlkit run`, `show`, `doctor`, and the commands for a model.

For those who add a command.
Not here: work; a command calls the functions of other rooms.
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .main import app as app
else:
    __getattr__, __dir__ = lazy_imports(__name__)
