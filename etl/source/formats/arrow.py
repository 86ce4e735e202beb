"""Arrow IPC data in files: those with a table of contents are cut, those that are streams are streamed."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.ipc

from etl.errors import SourceError
from etl.source.storage.local import File, fingerprint, restat
from etl.source.table.arrow_file import Arrow, is_arrow_stream
from etl.source.table.errors import reading
from etl.source.table.files import TableFiles, open_table_files
from etl.source.table.layout import field_names, require_distinct
from etl.source.table.stream import Portion, TableStream
from etl.source.table.types import readable, with_put_aside
from etl.source.table.validate import require_valid


def open_arrow_files(files: tuple[File, ...]) -> TableFiles | TableStream:
    """Make the source of Arrow files: a TableStream where all of them are in the stream format.

    Raises SourceError, too, where files of both kinds are given.
    """
    streams = [file for file in files if _is_stream(file)]
    if not streams:
        return open_table_files(files, Arrow())
    if len(streams) < len(files):
        other = next(file for file in files if file not in streams)
        raise SourceError(
            f"{streams[0].path} is an Arrow stream and {other.path} an Arrow file: load the two kinds apart"
        )
    names: dict[str, None] = {}
    for file in streams:
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
