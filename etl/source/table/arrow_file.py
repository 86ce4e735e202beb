"""Arrow IPC files (Feather V2): a block is a record batch or a run of its records.

A file in the IPC *stream* format has no table of contents: see ``arrow_stream``.

NOTE(mapping): a file of record batches too big to be in memory as a whole is mapped into memory. Should it
be cut short at the very moment in which it is read, its worker ends with SIGBUS, which nobody can catch; so
files of smaller batches, and those are the rule, are read. A file in whose place another was put (``mv``, as
careful writers do) is safe either way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.ipc

from etl.errors import SourceError
from etl.source.table.batch import BATCH_RECORDS
from etl.source.table.format import Group
from etl.source.table.layout import Layout
from etl.source.table.validate import require_valid
from etl.units import MIB

_MAGIC = b"ARROW1"
_READ_BYTES = 64 * MIB


@dataclass(frozen=True, slots=True)
class Arrow:
    """The format ``arrow``, as files have it."""

    name = "Arrow"

    def open(self, path: str) -> ArrowTable:
        return ArrowTable(path)


class ArrowTable:
    """An open Arrow IPC file (a Table, ``etl/source/table/files.py``)."""

    def __init__(self, path: str) -> None:
        require_arrow(path)
        self._file = pa.OSFile(path)
        try:
            self._reader = self._open(None)
            if self._file.size() > _READ_BYTES * self._reader.num_record_batches:
                self._file.close()
                self._file = pa.memory_map(path)
                self._reader = self._open(None)
        except BaseException:
            self._file.close()
            raise
        self.schema: pa.Schema = self._reader.schema
        self._columns: tuple[int, ...] | None = None

    def groups(self) -> Sequence[Group]:
        # A batch has to be opened for its number of records, and its columns, if compressed, unpacked.
        narrow = [index for index, field in enumerate(self.schema) if _is_narrow(field.type)]
        reader = self._open((narrow or [0])[:1])
        rows = [reader.get_batch(index).num_rows for index in range(reader.num_record_batches)]
        return [Group(records, records) for records in rows]

    def read(self, group: int, skip: int, layout: Layout) -> Iterator[pa.RecordBatch]:
        if self._columns != layout.columns:
            self._columns = layout.columns
            self._reader = self._open(list(layout.columns))
        records = self._reader.get_batch(group)
        records.validate()
        for start in range(skip, len(records), BATCH_RECORDS):
            some = records.slice(start, BATCH_RECORDS)
            for column in some.columns:
                require_valid(column)
            yield some

    def close(self) -> None:
        self._file.close()

    def _open(self, columns: Sequence[int] | None) -> pa.RecordBatchFileReader:
        # To pyarrow, no column at all would mean every column.
        included = list(columns or [0]) if columns is not None and len(self.schema) else None
        options = pa.ipc.IpcReadOptions(use_threads=False, included_fields=included)
        return pa.ipc.open_file(self._file, options=options)


def is_arrow_stream(path: str) -> bool:
    """Return True if a file is in the IPC stream format, by its first bytes. Raises OSError."""
    with open(path, "rb") as file:
        return file.read(4) == b"\xff\xff\xff\xff"


def require_arrow(path: str) -> None:
    """Raise SourceError where a file is neither in Arrow's file format nor anything that looks like it."""
    with open(path, "rb") as file:
        head = file.read(8)
    if head.startswith(b"FEA1"):
        raise SourceError(
            f"{path} is of the format Feather V1, which was given up: write it again as Feather V2"
        )
    if head and not head.startswith(_MAGIC):
        raise SourceError(f"{path} is not an Arrow file: it does not begin with ARROW1")


def _is_narrow(type: pa.DataType) -> bool:
    return bool(pa.types.is_primitive(type) or pa.types.is_boolean(type) or pa.types.is_null(type))
