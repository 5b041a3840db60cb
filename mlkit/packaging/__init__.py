"""A trained model as files: ONNX export, parity with scikit-learn, model card.

For the package stage.
Signs nothing (inference.signing) and registers nothing (registry).
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .card_page import render_card_page as render_card_page
    from .onnx_export import to_onnx as to_onnx
    from .onnx_trees import TreeArrays as TreeArrays
    from .package_writer import write_package as write_package
    from .parity import ParityReport as ParityReport
    from .parity import check_parity as check_parity
    from .parity import export_and_check as export_and_check
else:
    __getattr__, __dir__ = lazy_imports(__name__)
