"""Arrow types whose values pyarrow cannot give to Python: found before anything of them is touched.

Arrow files may hold intervals of months, or of days and milliseconds, for which pyarrow has no arrays: to
ask a batch for such a column raises KeyError. A column of them that nobody wants may be there all the same;
one that comes in a stream is put aside, as nulls whose field says what they were.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from etl.errors import SourceError

_WITHOUT_ARRAYS = frozenset({pa.lib.Type_INTERVAL_MONTHS, pa.lib.Type_INTERVAL_DAY_TIME})
_PUT_ASIDE = b"etl.put_aside"


def foreign_type(type: pa.DataType) -> str | None:
    """Return the name of a type without arrays that this type is or holds; None: there is none."""
    if isinstance(type, pa.BaseExtensionType):
        return foreign_type(type.storage_type)
    if type.id in _WITHOUT_ARRAYS:
        return str(type)
    inner = [type.field(index).type for index in range(type.num_fields)]
    if pa.types.is_dictionary(type) or pa.types.is_run_end_encoded(type):
        inner.append(type.value_type)
    return next((found for found in map(foreign_type, inner) if found), None)


def readable(schema: pa.Schema) -> list[int]:
    """Return the indices of the columns that pyarrow can give."""
    return [index for index, field in enumerate(schema) if foreign_type(field.type) is None]


def with_put_aside(records: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return a batch with the columns that pyarrow cannot read as nulls, which ``require_text`` knows.

    ``schema`` has all columns, ``records`` these or only those that can be read (which none of: any one).
    """
    columns = readable(schema)
    if len(columns) == len(schema):
        return records
    if len(records.schema) == len(schema):
        records = records.select(columns)
    given = iter(records.columns if columns else ())
    fields, arrays = [], []
    for field in schema:
        name = foreign_type(field.type)
        fields.append(
            field if name is None else pa.field(field.name, pa.null(), metadata={_PUT_ASIDE: name.encode()})
        )
        arrays.append(next(given) if name is None else pa.nulls(records.num_rows))
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


def require_text(schema: pa.Schema, paths: Sequence[tuple[int, ...]], file: str) -> None:
    """Raise SourceError where a field that is wanted is of such a type; ``paths`` as in ``Layout``."""
    for path in paths:
        field = schema.field(path[0])
        name = (field.metadata or {}).get(_PUT_ASIDE, b"").decode()
        names = [field.name]
        for index in path[1:]:
            field = field.type.field(index)
            names.append(field.name)
        name = name or foreign_type(field.type) or ""
        if name:
            raise SourceError(
                f"{file}: the field {'.'.join(names)} is of the Arrow type {name}, which pyarrow cannot"
                f" read: leave it out with --exclude {names[0]}, or write it as month_day_nano_interval"
            )
