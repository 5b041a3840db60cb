"""A trained model as files: ONNX export, parity with scikit-learn, model card.

For the package stage.
Signs nothing (inference.signing) and registers nothing (registry).
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .model_card import card_page as card_page
    from .onnx_export import to_onnx as to_onnx
    from .onnx_trees import Trees as Trees
    from .package_writer import write_package as write_package
    from .parity import Parity as Parity
    from .parity import compare as compare
    from .parity import prove as prove
else:
    __getattr__, __dir__ = lazy_imports(__name__)
