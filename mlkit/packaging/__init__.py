"""What leaves a run: the model as an ONNX graph, the proof that it is the same model, the model card.

For those who take models to other runtimes.
Not here: opening a package (inference), and its versions (registry).
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .model_card import card_page as card_page
    from .onnx_export import to_onnx as to_onnx
    from .parity import Parity as Parity
else:
    __getattr__, __dir__ = lazy_imports(__name__)
