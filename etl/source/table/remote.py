"""Remote files of tables: the parent reads them a few records at a time and feeds the workers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from etl.source.storage.input import joint_fingerprint
from etl.source.storage.remote import RemoteFile, open_remote
from etl.source.table.errors import DAMAGE, unreadable
from etl.source.table.format import Table, TableFormat
from etl.source.table.layout import field_names, require_distinct, whole_layout
from etl.source.table.stream import Portion, TableStream
from etl.source.table.types import with_put_aside


def open_remote_tables(files: tuple[RemoteFile, ...], format: TableFormat, *, max_record: int) -> TableStream:
    """Make a source of remote files. Raises SourceError for what is no such file."""
    names: dict[str, None] = {}
    for file in files:
        with _opened(file, format) as table:
            require_distinct(table.schema, file.name)
            names.update(dict.fromkeys(field_names(table.schema)))
    return TableStream(
        fields=tuple(names),
        names=tuple(file.identity for file in files),
        parts=tuple(file.name for file in files),
        nbytes=sum(file.nbytes or 0 for file in files),
        input=RemoteTables(files, format),
        fingerprint=joint_fingerprint(files),
        max_record=max_record,
    )


@dataclass(frozen=True, slots=True)
class RemoteTables:
    """The records of remote files (an Input, ``etl/source/table/stream.py``)."""

    files: tuple[RemoteFile, ...]
    format: TableFormat

    def portions(self) -> Iterator[Portion]:
        for part, file in enumerate(self.files):
            with _opened(file, self.format) as table:
                yield from _portions(table, part, file)

    def verify_unchanged(self) -> None:
        for file in self.files:
            file.verify_unchanged()


def _portions(table: Table, part: int, file: RemoteFile) -> Iterator[Portion]:
    """Yield a file's records; its groups share its bytes evenly, so that none is fetched for its size."""
    everything = whole_layout(table.schema, file.name)
    size = file.nbytes or 0
    start = 0
    for index in range(table.group_count):
        count = max(table.group(index).records, 1)
        done = 0
        for records in table.read(index, 0, everything):
            done += len(records)
            stop = size * (index * count + done) // (table.group_count * count)
            yield Portion(part, with_put_aside(records, table.schema), stop - start)
            start = stop


@contextmanager
def _opened(file: RemoteFile, format: TableFormat) -> Iterator[Table]:
    """Open a remote file; what is raised meanwhile says which file it was."""
    raw, _ = open_remote(file)
    try:
        yield format.open(raw)
    except DAMAGE as error:
        raise unreadable(file.name, format, error) from None
    finally:
        raw.close()
