"""Where tables come from: files, object stores, databases, the web, examples; joins.

For the collect stage and batch scoring.
Does not interpret cells (data) and keeps nothing of what it read.
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .collection import Provenance as Provenance
    from .collection import collect as collect
    from .collection import read_source as read_source
    from .examples import EXAMPLES as EXAMPLES
    from .examples import load_example as load_example
    from .file_formats import ReadOptions as ReadOptions
    from .file_formats import ReadReport as ReadReport
    from .joins import Join as Join
    from .joins import parse_joins as parse_joins
    from .locations import DataLocation as DataLocation
    from .locations import parse_location as parse_location
    from .readers import read_batches as read_batches
    from .readers import stream_source as stream_source
    from .snapshots import make_snapshot as make_snapshot
else:
    __getattr__, __dir__ = lazy_imports(__name__)
