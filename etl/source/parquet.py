"""Parquet: a block is a row group or a run of its records; only the columns that are wanted are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from etl.source.arrow_batch import BATCH_RECORDS, Layout
from etl.source.table_files import Group
from etl.units import KIB, MIB

_BUFFERS_BYTES = 16 * MIB
"""Read ahead in all columns together, so that a row group is never in memory as a whole."""

_DECODED_BYTES = 8 * MIB


@dataclass(frozen=True, slots=True)
class Parquet:
    """The format ``parquet``."""

    name = "Parquet"

    def open(self, path: str) -> ParquetTable:
        return ParquetTable(path)


class ParquetTable:
    """An open Parquet file (a Table, ``etl/source/table_files.py``)."""

    def __init__(self, path: str) -> None:
        # Read, not mapped: a file that shrinks while it is read must be an error, not a signal.
        file = pa.OSFile(path)
        metadata = pq.read_metadata(file)
        buffer_bytes = min(max(_BUFFERS_BYTES // max(metadata.num_columns, 1), 64 * KIB), MIB)
        self._file = pq.ParquetFile(file, metadata=metadata, buffer_size=buffer_bytes, pre_buffer=False)
        self.schema: pa.Schema = self._file.schema_arrow

    def groups(self) -> Sequence[Group]:
        metadata = self._file.metadata
        groups = (metadata.row_group(index) for index in range(metadata.num_row_groups))
        return [Group(group.num_rows, group.total_byte_size) for group in groups]

    def read(self, group: int, skip: int, layout: Layout) -> Iterator[pa.RecordBatch]:
        for records in self._file.iter_batches(
            batch_size=self._batch_records(group),
            row_groups=[group],
            columns=list(layout.needed),
            use_threads=False,  # there is a worker process for every core
        ):
            if skip < len(records):
                yield records.slice(skip)
            skip = max(skip - len(records), 0)

    def close(self) -> None:
        self._file.close(force=True)

    def _batch_records(self, group: int) -> int:
        """Choose how many records are decoded at a time: fewer where they are long."""
        metadata = self._file.metadata.row_group(group)
        record_bytes = metadata.total_byte_size // max(metadata.num_rows, 1) + 1
        return int(min(max(_DECODED_BYTES // record_bytes, 1), BATCH_RECORDS))
