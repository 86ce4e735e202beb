"""How many bytes the values of Arrow columns are, to cut batches of about equal size.

NOTE(unions): ``Array.nbytes`` of a union, or of anything with a union in it, may read a buffer that is not
there and end the process (pyarrow 21 to 26); so what is nested is added up here, part by part.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from etl.source.value.scalars import is_bytes, is_text
from etl.source.value.wrapped import in_range, is_list

_OFFSET_BYTES = 4


def decoded_bytes(column: pa.Array) -> int:
    """Return about how many bytes a column's values are, those of a dictionary each time they occur."""
    if not pa.types.is_dictionary(column.type):
        return array_bytes(column) + len(column) * _OFFSET_BYTES
    values = column.dictionary
    if is_text(values.type) or is_bytes(values.type):
        lengths = pc.binary_length(values.cast(pa.binary())).take(in_range(column.indices, len(values)))
        return int(pc.sum(lengths).as_py() or 0)
    return array_bytes(values) * len(column) // max(len(values), 1)


def batch_bytes(records: pa.RecordBatch) -> int:
    """Return what ``RecordBatch.nbytes`` does, also where there are unions."""
    return sum(array_bytes(column) for column in records.columns)


def array_bytes(array: pa.Array) -> int:
    """Return what ``Array.nbytes`` does, also where there are unions: see NOTE(unions)."""
    if isinstance(array, pa.ExtensionArray):
        return array_bytes(array.storage)
    type = array.type
    if not has_union(type):
        return int(array.nbytes)
    if pa.types.is_union(type):
        parts = [array.field(index) for index in range(type.num_fields)]
        # A part of a dense union still has all of its values.
        length = max(sum(map(len, parts)) if type.mode == "dense" else 0, len(array), 1)
        values = sum(array_bytes(part) for part in parts)
        return len(array) * (1 + _OFFSET_BYTES) + values * len(array) // length
    if pa.types.is_struct(type):
        return sum(array_bytes(array.field(index)) for index in range(type.num_fields))
    if pa.types.is_map(type):
        parts = [array.keys, array.items]
        first, stop = (array.offsets[0].as_py(), array.offsets[-1].as_py()) if len(array) else (0, 0)
        return len(array) * _OFFSET_BYTES + sum(
            array_bytes(part.slice(first, stop - first)) for part in parts
        )
    if is_list(type):
        return len(array) * _OFFSET_BYTES + array_bytes(array.flatten())
    values = array.dictionary if pa.types.is_dictionary(type) else array.values
    return len(array) * _OFFSET_BYTES + array_bytes(values)


def has_union(type: pa.DataType) -> bool:
    """Return True if values of this type are unions, or hold any."""
    if isinstance(type, pa.BaseExtensionType):
        return has_union(type.storage_type)
    if pa.types.is_dictionary(type) or pa.types.is_run_end_encoded(type):
        return has_union(type.value_type)
    if pa.types.is_union(type):
        return True
    return any(has_union(type.field(index).type) for index in range(type.num_fields))
