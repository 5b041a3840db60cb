"""What a repository does on its own: workflows, comments on pull requests, issues.

For `mlkit ci` and `mlkit new`.
Judges no model and trains none: it tells what others have found.
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .github import GitHubRepository as GitHubRepository
    from .github import write_issue as write_issue
    from .github import write_sticky_comment as write_sticky_comment
    from .markdown import escape_markdown as escape_markdown
    from .model_check import ModelCheck as ModelCheck
    from .model_check import format_model_check as format_model_check
    from .workflows import render_workflows as render_workflows
else:
    __getattr__, __dir__ = lazy_imports(__name__)
