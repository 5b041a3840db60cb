"""Predicting from a signed package: row and frame readers, predictor, verification.

For servers and batch scoring; needs numpy and onnxruntime only.
Trains nothing and answers no HTTP (serving).
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .frame_reader import Batch as Batch
    from .frame_reader import read_frame as read_frame
    from .predictor import Inputs as Inputs
    from .predictor import Predictor as Predictor
    from .predictor import load_predictor as load_predictor
    from .row_reader import Read as Read
    from .row_reader import Reader as Reader
    from .row_reader import Trouble as Trouble
    from .signing import check as check
    from .signing import seal as seal
else:
    __getattr__, __dir__ = lazy_imports(__name__)
