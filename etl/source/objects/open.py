"""Python objects as sources: tables (Arrow PyCapsule interface), Hugging Face datasets, iterables of dicts.

What has ``__arrow_c_stream__`` or ``__arrow_c_array__`` is a table, whatever library it is of (pandas,
polars, DuckDB, pyarrow): none of these is imported here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Any

import pyarrow as pa

from etl.errors import SourceError, UsageError
from etl.source.objects.records import RecordStream, open_records
from etl.source.table.errors import first_sentence
from etl.source.table.input import Batches, TableInput
from etl.source.table.layout import field_names, require_distinct
from etl.source.table.stream import TableStream
from etl.source.table.types import with_put_aside
from etl.source.value.size import batch_bytes

_DATASET_RECORDS = 1 << 13


def open_table(data: Any) -> TableStream | RecordStream:
    """Make a source of a Python object.

    The index of a pandas DataFrame is no field (``reset_index()`` makes it one). Raises UsageError for what
    is no table and no iterable, SourceError for a table that Arrow cannot take (several types in a column).
    """
    name = _name(data)
    if isinstance(data, str | bytes | os.PathLike | Mapping):
        raise UsageError(
            f"a {name} is no table: give a table (pandas, polars, pyarrow, ...) or a list of dicts"
        )
    begin = _beginning(data)
    if begin is not None:
        table = TableInput(begin, f"the {name}", repeatable=not hasattr(data, "read_next_batch"))
        require_distinct(table.schema, f"the {name}")
        return TableStream(field_names(table.schema), (name,), (f"the {name}",), _nbytes(data), table)
    if isinstance(data, Iterable):
        return open_records(data, name)
    raise UsageError(
        f"cannot load a {name}: give a path, a table (pandas, polars, pyarrow, DuckDB, Hugging Face)"
        " or an iterable of dicts"
    )


def _name(data: Any) -> str:
    kind = type(data)
    module = kind.__module__.partition(".")[0]
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


def _nbytes(data: Any) -> int | None:
    if not isinstance(data, pa.Table | pa.RecordBatch):
        return None
    batches = data.to_batches() if isinstance(data, pa.Table) else [data]
    return sum(batch_bytes(with_put_aside(records, data.schema)) for records in batches)


def _beginning(data: Any) -> Callable[[], tuple[pa.Schema, Batches]] | None:
    """Return what begins to read a table: its schema, and its batches from the first on."""
    for attribute, begin in (
        ("__arrow_c_stream__", _stream),
        ("__arrow_c_array__", _array),
        ("with_format", _dataset),
    ):
        if hasattr(data, attribute):
            return lambda: begin(data)
    return None


def _stream(data: Any) -> tuple[pa.Schema, Batches]:
    if isinstance(data, pa.Table):
        return data.schema, iter(data.to_batches())
    try:
        reader = pa.RecordBatchReader.from_stream(data)
    except (pa.ArrowInvalid, TypeError) as error:
        raise SourceError(f"the {_name(data)} is not a table of columns: {first_sentence(error)}") from None
    return reader.schema, iter(reader)


def _array(data: Any) -> tuple[pa.Schema, Batches]:
    try:
        records = pa.record_batch(data)
    except (pa.ArrowInvalid, TypeError) as error:
        raise SourceError(f"the {_name(data)} is not a table of columns: {first_sentence(error)}") from None
    return records.schema, iter((records,))


def _dataset(data: Any) -> tuple[pa.Schema, Batches]:
    """Read a Hugging Face dataset, through its own iterator, which heeds its selections and its order."""
    tables = iter(data.with_format("arrow").iter(batch_size=_DATASET_RECORDS))
    first = next(tables, None)
    if first is None:
        return pa.schema([]), iter(())
    return first.schema, (batch for table in chain((first,), tables) for batch in table.to_batches())
