"""Predicting for whole tables: every row of a source, in pieces that survive an interruption.

For batch scoring, by the command line or a program.
Trains nothing and answers no HTTP (serving).
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .batch_job import ScoringResult as ScoringResult
    from .batch_job import score_source as score_source
    from .chunks import ChunkedOutput as ChunkedOutput
    from .chunks import OutputChunk as OutputChunk
else:
    __getattr__, __dir__ = lazy_imports(__name__)
