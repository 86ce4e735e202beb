"""Python objects as sources: tables by the Arrow PyCapsule interface, Hugging Face datasets, iterables of dicts.

What has ``__arrow_c_stream__`` or ``__arrow_c_array__`` is a table, whatever library it is of (pandas,
polars, DuckDB, pyarrow): none of these is imported here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

import pyarrow as pa

from etl.errors import SourceError, UsageError
from etl.source.arrow_batch import field_names, require_distinct
from etl.source.records import RecordStream, open_records
from etl.source.table_files import first_sentence
from etl.source.table_stream import Portion, TableStream

Batches = Iterator[pa.RecordBatch]

_NAMELESS_INDEX = re.compile(r"__index_level_\d+__")
_DATASET_RECORDS = 1 << 13


def open_table(data: Any) -> TableStream | RecordStream:
    """Make a source of a Python object.

    The index of a pandas DataFrame is a field if it has a name. Raises UsageError for what is no table and no
    iterable, SourceError for a table that Arrow cannot take (as one with several types in a column).
    """
    name = _name(data)
    if isinstance(data, str | bytes | os.PathLike | Mapping):
        raise UsageError(
            f"a {name} is no table: give a table (pandas, polars, pyarrow, ...) or a list of dicts"
        )
    begin = _beginning(data)
    if begin is not None:
        table = TableInput(begin, name, repeatable=not hasattr(data, "read_next_batch"))
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
    return int(data.nbytes) if isinstance(data, pa.Table | pa.RecordBatch) else None


class TableInput:
    """A table's records (an Input, ``etl/source/table_stream.py``), read once to the end, or more often."""

    def __init__(
        self, begin: Callable[[], tuple[pa.Schema, Batches]], name: str, *, repeatable: bool
    ) -> None:
        self._begin = begin
        self._name = name
        self._repeatable = repeatable
        self._begun: Batches | None = None
        self.schema, self._begun = self._guarded(begin)

    def portions(self) -> Iterator[Portion]:
        batches, self._begun = self._begun, None
        if batches is None:
            if not self._repeatable:
                raise SourceError(
                    f"the {self._name} gives its records once, and has given them: make a new one"
                )
            _, batches = self._guarded(self._begin)
        while (records := self._guarded(lambda: next(batches, None))) is not None:
            yield Portion(0, records, records.nbytes)

    def verify_unchanged(self) -> None:
        """Nobody can tell whether an object was changed."""

    def _guarded(self, step: Callable[[], Any]) -> Any:
        """Take a step in the library that the table is of, whose errors are of any type."""
        try:
            return step()
        except SourceError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a foreign table raises, it is the input's fault
            raise SourceError(f"the {self._name} cannot be read: {first_sentence(error)}") from error


def _beginning(data: Any) -> Callable[[], tuple[pa.Schema, Batches]] | None:
    """Give what begins to read a table: its schema, and its batches from the first on."""
    for attribute, begin in (
        ("__arrow_c_stream__", _stream),
        ("__arrow_c_array__", _array),
        ("with_format", _dataset),
    ):
        if hasattr(data, attribute):
            return lambda: _without_nameless_index(*begin(data))
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


def _without_nameless_index(schema: pa.Schema, batches: Batches) -> tuple[pa.Schema, Batches]:
    # pandas sends the index of a selection along; as a field of every record nobody wants it.
    nameless = [name for name in schema.names if _NAMELESS_INDEX.fullmatch(name)]
    if not nameless:
        return schema, batches
    fields = [field for field in schema if field.name not in nameless]
    return pa.schema(fields), (batch.drop_columns(nameless) for batch in batches)
