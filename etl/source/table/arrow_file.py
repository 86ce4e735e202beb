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

from etl.source.table.format import BATCH_RECORDS, Group
from etl.source.table.layout import Layout
from etl.source.table.types import readable
from etl.source.table.validate import require_valid
from etl.units import MIB

_MAGIC = b"ARROW1"
_READ_BYTES = 64 * MIB


@dataclass(frozen=True, slots=True)
class Arrow:
    """The format ``arrow``, as files have it."""

    name = "Arrow"

    def open(self, file: str | pa.NativeFile) -> ArrowTable:
        return ArrowTable(file)


class ArrowTable:
    """An open Arrow IPC file (a Table, ``etl/source/table/format.py``)."""

    def __init__(self, file: str | pa.NativeFile) -> None:
        self._local = isinstance(file, str)
        self._file = pa.OSFile(file) if isinstance(file, str) else file
        try:
            _require_arrow(self._file)
            self._reader = self._open(None)
            if isinstance(file, str) and self._file.size() > _READ_BYTES * self._reader.num_record_batches:
                self._file.close()
                self._file = pa.memory_map(file)
                self._reader = self._open(None)
        except BaseException:
            self._file.close()
            raise
        self.schema: pa.Schema = self._reader.schema
        self._columns: tuple[int, ...] | None = None
        self._narrow: pa.RecordBatchFileReader | None = None
        self._fetched: tuple[int, pa.RecordBatch] | None = None

    @property
    def group_count(self) -> int:
        return int(self._reader.num_record_batches)

    def group(self, index: int) -> Group:
        # A batch has to be opened for its number of records, and its columns, if compressed, unpacked.
        if self._local:
            if self._narrow is None:
                narrow = [number for number, field in enumerate(self.schema) if _is_narrow(field.type)]
                self._narrow = self._open((narrow or [0])[:1])
            records = self._narrow.get_batch(index)
        else:  # what has come all the way is kept for ``read``
            records = self._batch(index, tuple(readable(self.schema)))
            self._fetched = index, records
        return Group(len(records), len(records))

    def read(self, group: int, skip: int, layout: Layout) -> Iterator[pa.RecordBatch]:
        records = self._batch(group, layout.columns)
        wanted = [self.schema.field(index).name for index in layout.columns]
        if wanted:
            records.validate()
        for start in range(skip, len(records), BATCH_RECORDS):
            some = records.slice(start, BATCH_RECORDS)
            for name in wanted:
                require_valid(some.column(name))
            yield some

    def close(self) -> None:
        self._file.close()

    def _batch(self, index: int, columns: tuple[int, ...]) -> pa.RecordBatch:
        fetched, self._fetched = self._fetched, None
        if fetched is not None and self._columns == columns and fetched[0] == index:
            return fetched[1]
        if self._columns != columns:
            self._columns = columns
            self._reader = self._open(columns)
        return self._reader.get_batch(index)

    def _open(self, columns: Sequence[int] | None) -> pa.RecordBatchFileReader:
        # To pyarrow, no column at all would mean every column.
        included = list(columns or [0]) if columns is not None and len(self.schema) else None
        options = pa.ipc.IpcReadOptions(use_threads=False, included_fields=included)
        return pa.ipc.open_file(self._file, options=options)


def is_arrow_stream(path: str) -> bool:
    """Return True if a file is in the IPC stream format, by its first bytes. Raises OSError."""
    with open(path, "rb") as file:
        return file.read(4) == b"\xff\xff\xff\xff"


def _require_arrow(file: pa.NativeFile) -> None:
    """Raise ValueError where a file is neither in Arrow's file format nor anything that looks like it."""
    head = file.read(8)
    file.seek(0)
    if head.startswith(b"FEA1"):
        raise ValueError("it is Feather V1, which was given up: write it again as Feather V2")
    if head and not head.startswith(_MAGIC):
        raise ValueError("it does not begin with ARROW1")


def _is_narrow(type: pa.DataType) -> bool:
    return bool(pa.types.is_primitive(type) or pa.types.is_boolean(type) or pa.types.is_null(type))
