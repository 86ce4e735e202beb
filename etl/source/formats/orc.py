"""ORC: a block is a stripe or a run of its records; only the columns that are wanted are read.

A stripe is decoded as a whole, as far as its columns are wanted: pyarrow reads no part of one. Damage is told
in a sentence, but for the lengths of lists in a file that is not compressed: pyarrow (26) does not check
them, and may end the process by a signal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from etl.options import OF_TABLES, SourceOptions
from etl.plan import Source
from etl.source.table.format import BATCH_RECORDS, Group
from etl.source.table.layout import Layout

SUFFIXES = (".orc",)
OPTIONS = OF_TABLES


def open(paths: Sequence[str], options: SourceOptions) -> Source:
    """Return the source of ORC files. Raises SourceError and UsageError."""
    from etl.source.table.find import open_tables

    return open_tables(paths, Orc(), options)


@dataclass(frozen=True, slots=True)
class Orc:
    """The format ``orc`` (a TableFormat)."""

    name = "ORC"

    def open(self, file: str | pa.NativeFile) -> OrcTable:
        return OrcTable(file)


class OrcTable:
    """An open ORC file (a Table, ``etl/source/table/format.py``)."""

    def __init__(self, file: str | pa.NativeFile) -> None:
        from pyarrow.orc import ORCFile

        # Read, not mapped: a file that shrinks while it is read must be an error, not a signal.
        self._source = pa.OSFile(file) if isinstance(file, str) else file
        self._file = ORCFile(self._source)
        self.schema: pa.Schema = self._file.schema

    @property
    def group_count(self) -> int:
        return int(self._file.nstripes)

    def group(self, index: int) -> Group:
        # How many records a stripe has pyarrow tells only of one that was read.
        records = len(self._file.read_stripe(index, columns=self._narrow()))
        return Group(records, records)

    def read(self, group: int, skip: int, layout: Layout) -> Iterator[pa.RecordBatch]:
        records = self._file.read_stripe(group, columns=list(layout.needed) or self._narrow())
        for start in range(skip, len(records), BATCH_RECORDS):
            yield records.slice(start, BATCH_RECORDS)

    def close(self) -> None:
        self._source.close()

    def _narrow(self) -> list[str] | None:
        """Name a column whose values are short, or else any."""
        names = [field.name for field in self.schema if pa.types.is_primitive(field.type)]
        return (names or self.schema.names)[:1] or None
