"""What the cells of a table mean: parsing, column and table specs, schema and constraints.

For whoever reads raw rows, in training and in serving alike.
Reads no files (sources) and judges no quality (quality).
"""

from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

if TYPE_CHECKING:
    from .cells import is_missing as is_missing
    from .dates import parse_date as parse_date
    from .cells import parse_number as parse_number
    from .column_spec import KINDS as KINDS
    from .column_spec import ColumnSpec as ColumnSpec
    from .constraints import RowConstraint as RowConstraint
    from .personal import personal_columns as personal_columns
    from .schema import Rule as Rule
    from .schema import Schema as Schema
    from .schema import load_schema as load_schema
    from .schema import make_schema as make_schema
    from .schema_inference import infer_schema as infer_schema
    from .table_spec import DerivedInput as DerivedInput
    from .table_spec import TableSpec as TableSpec
    from .type_inference import infer_kind as infer_kind
    from .type_inference import infer_table_spec as infer_table_spec
else:
    __getattr__, __dir__ = lazy_imports(__name__)
