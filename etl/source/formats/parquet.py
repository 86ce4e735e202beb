"""Parquet: a block is a row group or a run of its records; only the columns that are wanted are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from etl.source.table.batch import BATCH_RECORDS
from etl.source.table.format import Group
from etl.source.table.layout import Layout
from etl.units import KIB, MIB

_BUFFERS_BYTES = 16 * MIB
"""Read ahead in all columns together, so that a row group is never in memory as a whole."""

_DECODED_BYTES = 8 * MIB
_FEWER = 16
"""By so much the number of records decoded at a time shrinks where they prove too long."""


@dataclass(frozen=True, slots=True)
class Parquet:
    """The format ``parquet``."""

    name = "Parquet"

    def open(self, path: str) -> ParquetTable:
        return ParquetTable(path)


class ParquetTable:
    """An open Parquet file (a Table, ``etl/source/table/files.py``)."""

    def __init__(self, path: str) -> None:
        # Read, not mapped: a file that shrinks while it is read must be an error, not a signal.
        file = pa.OSFile(path)
        metadata = pq.read_metadata(file)
        buffer_bytes = min(max(_BUFFERS_BYTES // max(metadata.num_columns, 1), 64 * KIB), MIB)
        self._file = pq.ParquetFile(file, metadata=metadata, buffer_size=buffer_bytes, pre_buffer=False)
        self.schema: pa.Schema = stored_schema(self._file)

    def groups(self) -> Sequence[Group]:
        metadata = self._file.metadata
        groups = (metadata.row_group(index) for index in range(metadata.num_row_groups))
        return [Group(group.num_rows, group.total_byte_size) for group in groups]

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
    file: pq.ParquetFile, group: int, skip: int, columns: Sequence[str] | None = None
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
