"""Files in Arrow's IPC stream format, which have no table of contents: the parent streams them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.ipc

from etl.errors import SourceError
from etl.source.storage.local import File, fingerprint, restat
from etl.source.table.arrow_file import Arrow, is_arrow_stream
from etl.source.table.errors import reading
from etl.source.table.layout import field_names, require_distinct
from etl.source.table.stream import Portion, TableStream
from etl.source.table.types import readable, with_put_aside
from etl.source.table.validate import require_valid
from etl.units import DEFAULT_RECORD_BYTES

if TYPE_CHECKING:
    from etl.source.table.find import Found


def streams_among(files: Found) -> tuple[File, ...]:
    """Return the local files that are in the stream format: all of them, or none.

    Raises SourceError where there are files of both kinds.
    """
    streams = tuple(file for file in files if isinstance(file, File) and _is_stream(file))
    if streams and len(streams) < len(files):
        other = next(file for file in files if isinstance(file, File) and file not in streams)
        raise SourceError(
            f"{streams[0].path} is an Arrow stream and {other.path} an Arrow file: load the two kinds apart"
        )
    return streams


def open_streams(files: tuple[File, ...], *, max_record: int = DEFAULT_RECORD_BYTES) -> TableStream:
    """Make the source of files in the stream format. Raises SourceError."""
    names: dict[str, None] = {}
    for file in files:
        with reading(file, Arrow()), pa.OSFile(file.path) as opened:
            schema = pa.ipc.open_stream(opened).schema
            require_distinct(schema, file.path)
            names.update(dict.fromkeys(field_names(schema)))
    return TableStream(
        tuple(names),
        tuple(os.path.realpath(file.path) for file in files),
        tuple(file.path for file in files),
        sum(file.size for file in files),
        StreamFiles(files),
        fingerprint(files),
        max_record,
    )


class StreamFiles:
    """Files in the IPC stream format (an Input, ``etl/source/table/stream.py``)."""

    def __init__(self, files: tuple[File, ...]) -> None:
        self._files = files

    def portions(self) -> Iterator[Portion]:
        for part, file in enumerate(self._files):
            with reading(file, Arrow()), pa.OSFile(file.path) as opened:
                restat(file)
                begun = 0
                for records in read_stream(opened):
                    for column in records.columns:
                        require_valid(column)
                    restat(file)
                    yield Portion(part, records, opened.tell() - begun)
                    begun = opened.tell()

    def verify_unchanged(self) -> None:
        for file in self._files:
            restat(file)


def read_stream(opened: pa.NativeFile) -> Iterator[pa.RecordBatch]:
    """Yield the batches of an IPC stream; columns that pyarrow cannot read as ``with_put_aside`` has them."""
    start = opened.tell()
    reader = pa.ipc.open_stream(opened)
    schema = reader.schema
    columns = readable(schema)
    if len(columns) == len(schema):
        yield from reader
        return
    opened.seek(start)
    options = pa.ipc.IpcReadOptions(use_threads=False, included_fields=columns or [0])
    for records in pa.ipc.open_stream(opened, options=options):
        yield with_put_aside(records, schema)


def _is_stream(file: File) -> bool:
    with reading(file, Arrow()):
        return is_arrow_stream(file.path)
