"""A project of one's own: its files from the template, Git, and newer versions of the template.

For `mlkit new`.
Runs no stage, and knows of the project only what is in its folder and its Git history.
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .new_project import make_project as make_project
    from .notebook_merge import merge_notebook_texts as merge_notebook_texts
    from .rendering import ProjectAnswers as ProjectAnswers
    from .rendering import render_project as render_project
    from .stage_copies import copy_stage as copy_stage
    from .update import update_project as update_project
else:
    __getattr__, __dir__ = lazy_imports(__name__)
