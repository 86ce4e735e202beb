"""Whether a column that was read from a file points outside of its own bytes, which would end the process."""

from __future__ import annotations

import pyarrow as pa

from etl.source.value.wrapped import in_range

_AS_BYTES = {
    pa.string(): pa.binary(),
    pa.large_string(): pa.large_binary(),
    pa.string_view(): pa.binary_view(),
}


def require_valid(column: pa.Array) -> None:
    """Raise ArrowInvalid where reading the column's values would read other memory.

    What Arrow's own check finds beyond this is let pass: strings that are not UTF-8, and indices of
    dictionaries that point at nothing where the struct around them is null, as pyarrow itself writes them.
    """
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        if column.type in _AS_BYTES:
            column.view(_AS_BYTES[column.type]).validate(full=True)
        elif pa.types.is_dictionary(column.type):
            column.indices.validate(full=True)
            require_valid(column.dictionary)
            if in_range(column.indices, len(column.dictionary)).null_count > column.indices.null_count:
                raise
        elif pa.types.is_struct(column.type):
            column.validate()
            for part in column.flatten():
                require_valid(part)
        elif pa.types.is_fixed_size_list(column.type):
            column.validate()
            require_valid(column.flatten())
        elif pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
            _require_offsets(column)
            require_valid(column.flatten())
        else:
            raise


def _require_offsets(lists: pa.Array) -> None:
    make = pa.list_ if pa.types.is_list(lists.type) else pa.large_list
    hollow = pa.Array.from_buffers(
        make(pa.null()),
        len(lists),
        lists.buffers()[:2],
        offset=lists.offset,
        children=[pa.nulls(len(lists.values))],
    )
    hollow.validate(full=True)
