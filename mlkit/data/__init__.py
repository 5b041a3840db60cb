"""What the cells and columns of a table mean, and the two files that say so: table.json and schema.json.

For those who read rows as a model does, or change how a column is read.
Not here: where tables come from (sources), and whether they can be trusted (quality).
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .columns import KINDS as KINDS
    from .columns import Column as Column
    from .constraints import Relation as Relation
    from .constraints import parse_relation as parse_relation
    from .schema import Rule as Rule
    from .schema import Schema as Schema
    from .schema import infer_schema as infer_schema
    from .schema import load_schema as load_schema
    from .schema import make_schema as make_schema
    from .schema import to_pandera as to_pandera
    from .table import Table as Table
    from .table import learn_table as learn_table
else:
    __getattr__, __dir__ = lazy_imports(__name__)
