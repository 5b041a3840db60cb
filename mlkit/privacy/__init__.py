"""What is held of a person: found, handed over, corrected and erased, in every copy, with a receipt.

For the command `mlkit privacy` and the stage that protects. Knows runs, packages, logs and MLflow by their files.
Encrypts nothing itself (security), serves nothing (serving), and trains no model (retraining).
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .copy_search import find_places as find_places
    from .copy_search import plan_search as plan_search
    from .copy_search import search_copies as search_copies
    from .erased_list import ErasedList as ErasedList
    from .erased_list import erased_rows as erased_rows
    from .erasure import erase_subject as erase_subject
    from .inventory import find_row_places as find_row_places
    from .inventory import list_personal_columns as list_personal_columns
    from .papers import check_papers as check_papers
    from .papers import write_papers as write_papers
    from .receipt import verify_receipt as verify_receipt
    from .records import open_questions as open_questions
else:
    __getattr__, __dir__ = lazy_imports(__name__)
