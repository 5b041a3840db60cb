"""Where tables come from: files, object stores, databases, the web, examples; joins.

For the collect stage and batch scoring.
Does not interpret cells (data) and keeps nothing of what it read.
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .collection import Origin as Origin
    from .collection import collect as collect
    from .collection import read_source as read_source
    from .examples import EXAMPLES as EXAMPLES
    from .examples import load_example as load_example
    from .file_formats import Facts as Facts
    from .file_formats import How as How
    from .joins import Join as Join
    from .joins import parse_joins as parse_joins
    from .locations import Address as Address
    from .locations import find_address as find_address
    from .readers import read_batches as read_batches
    from .readers import source_frames as source_frames
    from .snapshots import snapshot as snapshot
else:
    __getattr__, __dir__ = lazy_imports(__name__)
