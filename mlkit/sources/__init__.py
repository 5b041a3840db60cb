"""Tables from anywhere, cell for cell as they are written: files, folders, web, object stores, databases, OpenML.

For those who read tables as a run does, however large they are.
Not here: what the cells mean (data).
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .examples import customers as customers
    from .examples import load_example as load_example
    from .readers import plain_table as plain_table
    from .readers import read_batches as read_batches
else:
    __getattr__, __dir__ = lazy_imports(__name__)
