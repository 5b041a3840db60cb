"""The container image: which modules and pinned libraries a server needs, files for it.

For the deploy stage.
Starts nothing and calls no cloud.
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .facts import DeploymentSpec as DeploymentSpec
    from .image import pin_libraries as pin_libraries
    from .image import server_files as server_files
    from .image import split_image_name as split_image_name
    from .image import write_unchanged_files as write_unchanged_files
    from .targets import write_deployment as write_deployment
    from .targets import write_deployments as write_deployments
else:
    __getattr__, __dir__ = lazy_imports(__name__)
