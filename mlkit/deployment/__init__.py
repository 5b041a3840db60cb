"""The container image: which modules and pinned libraries a server needs, files for it.

For the deploy stage.
Starts nothing and calls no cloud.
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .facts import Facts as Facts
    from .image import pinned as pinned
    from .image import server_files as server_files
    from .image import split_image as split_image
    from .image import write_files as write_files
    from .targets import deploy as deploy
    from .targets import deploy_all as deploy_all
else:
    __getattr__, __dir__ = lazy_imports(__name__)
