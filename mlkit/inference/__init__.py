"""Predicting from a signed package: row and frame readers, predictor, verification.

For servers and batch scoring; needs numpy and onnxruntime only.
Trains nothing and answers no HTTP (serving).
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .frame_reader import ParsedFrame as ParsedFrame
    from .frame_reader import read_frame as read_frame
    from .predictor import ModelInputs as ModelInputs
    from .predictor import Predictor as Predictor
    from .predictor import load_predictor as load_predictor
    from .review_rules import ReviewRules as ReviewRules
    from .review_rules import parse_review_rules as parse_review_rules
    from .row_reader import ParsedRow as ParsedRow
    from .row_reader import RowReader as RowReader
    from .row_reader import Violation as Violation
    from .signing import sign_package as sign_package
    from .signing import verify_package as verify_package
else:
    __getattr__, __dir__ = lazy_imports(__name__)
