"""Remote Parquet and Arrow files: the parent reads them a few records at a time and feeds the workers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from etl.errors import SourceError
from etl.source.formats.parquet import read_group, stored_schema
from etl.source.storage.input import joint_fingerprint
from etl.source.storage.remote import RemoteFile, find_remote, open_remote
from etl.source.table.errors import first_sentence
from etl.source.table.layout import field_names, require_distinct
from etl.source.table.stream import Portion, TableStream
from etl.source.table.types import readable, with_put_aside


def open_remote_tables(uris: Sequence[str], format: str) -> TableStream:
    """Make a source of the files that URIs name, in order; ``format`` is ``parquet`` or ``arrow``.

    Raises SourceError for what cannot be reached or is no such file.
    """
    files = tuple(file for uri in uris for file in find_remote(uri))
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
    )


@dataclass(frozen=True, slots=True)
class RemoteTables:
    """The records of remote files (an Input, ``etl/source/table/stream.py``)."""

    files: tuple[RemoteFile, ...]
    format: str

    def portions(self) -> Iterator[Portion]:
        for part, file in enumerate(self.files):
            size = file.nbytes or 0
            with _opened(file, self.format) as table:
                done = 0
                for records in table.batches():
                    stop = done + len(records)
                    nbytes = size * stop // table.records - size * done // table.records
                    yield Portion(part, records, nbytes)
                    done = stop

    def verify_unchanged(self) -> None:
        for file in self.files:
            file.verify_unchanged()


@dataclass(frozen=True, slots=True)
class _Table:
    schema: pa.Schema
    records: int
    reader: pq.ParquetFile | pa.RecordBatchFileReader

    def batches(self) -> Iterator[pa.RecordBatch]:
        if isinstance(self.reader, pq.ParquetFile):
            for group in range(self.reader.num_row_groups):
                yield from read_group(self.reader, group, 0)
        else:
            for index in range(self.reader.num_record_batches):
                yield with_put_aside(self.reader.get_batch(index), self.schema)


@contextmanager
def _opened(file: RemoteFile, format: str) -> Iterator[_Table]:
    """Open a remote file; what is raised meanwhile says which file it was."""
    raw, _ = open_remote(file)
    try:
        if format == "parquet":
            parquet = pq.ParquetFile(raw, pre_buffer=False)
            yield _Table(stored_schema(parquet), parquet.metadata.num_rows, parquet)
        else:
            arrow = pa.ipc.open_file(raw)
            schema = arrow.schema
            if columns := readable(schema):
                arrow = pa.ipc.open_file(raw, options=pa.ipc.IpcReadOptions(included_fields=columns))
            yield _Table(schema, arrow.count_rows(), arrow)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{file.name} cannot be read as {format}: {first_sentence(error)}") from None
    finally:
        raw.close()
