"""A package that is verified, opened and asked: rows in, predictions and violations out.

For those who predict with a model that a run has made; it needs numpy and onnxruntime only.
Not here: HTTP (serving), and how a package is made (packaging).
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .frame_reader import Batch as Batch
    from .frame_reader import read_frame as read_frame
    from .predictor import Predictor as Predictor
    from .predictor import load_predictor as load_predictor
    from .predictor import open_predictor as open_predictor
    from .row_reader import Read as Read
    from .row_reader import Reader as Reader
    from .row_reader import Trouble as Trouble
    from .signing import make_key as make_key
else:
    __getattr__, __dir__ = lazy_imports(__name__)
