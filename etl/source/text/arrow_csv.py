"""One call of Arrow's CSV parser: bytes in, ``binary`` columns out, in the thread that calls."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.csv

_BINARY = pa.binary()


def read_table(
    text: bytes,
    names: Sequence[str],
    parse_options: pyarrow.csv.ParseOptions,
    *,
    read: Sequence[str] | None = None,
    empty_is_null: bool = False,
) -> pa.Table:
    """Split ``text`` into columns called ``names``, and give those in ``read`` (None: all).

    Raises ArrowInvalid unless each record has as many fields as there are names.
    """
    read = names if read is None else read
    options = {
        "read_options": pyarrow.csv.ReadOptions(
            use_threads=False, block_size=len(text) + 1, column_names=names
        ),
        "parse_options": parse_options,
        "convert_options": pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(read, _BINARY),
            include_columns=read,
            null_values=[""],
            strings_can_be_null=empty_is_null,
        ),
    }
    while True:
        try:
            return pyarrow.csv.read_csv(pa.BufferReader(text), **options)
        except pa.ArrowCancelled:
            # A signal came. Its handler has been called and has not raised, so the work goes on.
            continue


def one_array(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
