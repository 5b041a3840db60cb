"""What a server needs to run somewhere else: its modules, pinned libraries, and templates of files.

For those who deploy to a target that mlkit does not know.
Not here: the choice of targets (mlkit.deploy).
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .image import pinned as pinned
    from .image import server_files as server_files
    from .image import write_files as write_files
else:
    __getattr__, __dir__ = lazy_imports(__name__)
