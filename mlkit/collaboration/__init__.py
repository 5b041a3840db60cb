"""What people who work on one model write for each other: the review of a run, records of decisions.

For whoever reviews a change or asks why it is so.
Trains and judges nothing: it gathers what the stages have found, and says what only a person can.
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .decisions import read_decisions as read_decisions
    from .decisions import write_decision as write_decision
    from .review import ReviewItem as ReviewItem
    from .review import format_review as format_review
    from .review import review_run as review_run
else:
    __getattr__, __dir__ = lazy_imports(__name__)
