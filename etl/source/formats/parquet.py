"""Parquet: a block is a row group or a run of its records; only the columns that are wanted are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from etl.options import OF_TABLES, SourceOptions
from etl.plan import Source
from etl.source.table.format import BATCH_RECORDS, Group
from etl.units import KIB, MIB

if TYPE_CHECKING:
    import pyarrow.parquet as pq

    from etl.source.table.layout import Layout

SUFFIXES = (".parquet", ".pq")
OPTIONS = OF_TABLES

_BUFFERS_BYTES = 16 * MIB
"""Read ahead in all columns together, so that a row group is never in memory as a whole."""

_DECODED_BYTES = 8 * MIB
_FEWER = 16
"""By so much the number of records decoded at a time shrinks where they prove too long."""


def open(paths: Sequence[str], options: SourceOptions) -> Source:
    """Return the source of Parquet files. Raises SourceError and UsageError."""
    from etl.source.table.find import open_tables

    return open_tables(paths, Parquet(), options)


@dataclass(frozen=True, slots=True)
class Parquet:
    """The format ``parquet`` (a TableFormat)."""

    name = "Parquet"

    def open(self, file: str | pa.NativeFile) -> ParquetTable:
        return ParquetTable(file)


class ParquetTable:
    """An open Parquet file (a Table, ``etl/source/table/format.py``)."""

    def __init__(self, file: str | pa.NativeFile) -> None:
        import pyarrow.parquet as pq

        if not isinstance(file, str):
            # Every read is a request, so a column of a row group is read as a whole.
            self._file = pq.ParquetFile(file, pre_buffer=False)
        else:
            # Read, not mapped: a file that shrinks while it is read must be an error, not a signal.
            opened = pa.OSFile(file)
            metadata = pq.read_metadata(opened)
            nbytes = min(max(_BUFFERS_BYTES // max(metadata.num_columns, 1), 64 * KIB), MIB)
            self._file = pq.ParquetFile(opened, metadata=metadata, buffer_size=nbytes, pre_buffer=False)
        self.schema: pa.Schema = stored_schema(self._file)

    @property
    def group_count(self) -> int:
        return int(self._file.metadata.num_row_groups)

    def group(self, index: int) -> Group:
        group = self._file.metadata.row_group(index)
        return Group(group.num_rows, group.total_byte_size)

    def read(self, group: int, skip: int, layout: Layout) -> Iterator[pa.RecordBatch]:
        return read_group(self._file, group, skip, list(layout.needed))

    def close(self) -> None:
        self._file.close(force=True)


def stored_schema(file: pq.ParquetFile) -> pa.Schema:
    """Return the fields that have columns in the file: a group without any field in it has none."""
    schema = file.schema_arrow
    if any(_holds_nothing(field.type) for field in schema):
        return file.read_row_groups([]).schema
    return schema


def read_group(
    file: pq.ParquetFile, group: int, skip: int, columns: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """Yield a row group's records from the record ``skip`` on, few at a time, fewer where they are long.

    Nested columns with more than 2 GiB of text in what is decoded at a time are refused by Arrow, whatever
    the metadata made of it; so those records are tried again, fewer at a time.
    """
    batch_records = _batch_records(file.metadata.row_group(group))
    while True:
        batches = file.iter_batches(
            batch_size=batch_records,
            row_groups=[group],
            columns=columns,
            use_threads=False,  # there is a worker process for every core
        )
        position = 0
        try:
            for records in batches:
                position += len(records)
                if skip < position:
                    yield records.slice(max(len(records) - (position - skip), 0))
                    skip = position
            return
        except pa.ArrowNotImplementedError as error:
            if batch_records == 1 or "chunked array" not in str(error):
                raise
            batch_records = max(batch_records // _FEWER, 1)


def _batch_records(group: pq.RowGroupMetaData) -> int:
    """Choose how many records are decoded at a time: fewer where they are long."""
    columns = (group.column(index).total_uncompressed_size for index in range(group.num_columns))
    # Some writers have put the compressed size into the group's own total.
    nbytes = max(group.total_byte_size, sum(columns))
    record_bytes = nbytes // max(group.num_rows, 1) + 1
    return int(min(max(_DECODED_BYTES // record_bytes, 1), BATCH_RECORDS))


def _holds_nothing(type: pa.DataType) -> bool:
    if pa.types.is_struct(type) and not type.num_fields:
        return True
    return any(_holds_nothing(type.field(index).type) for index in range(type.num_fields))
