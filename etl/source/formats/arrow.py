"""The format ``arrow``: IPC files and streams, ``etl/source/table/arrow_file.py`` and ``arrow_stream.py``."""

from __future__ import annotations

from collections.abc import Sequence

from etl.options import OF_TABLES, SourceOptions
from etl.plan import Source

SUFFIXES = (".arrow", ".arrows", ".feather", ".ipc")
OPTIONS = OF_TABLES


def open(paths: Sequence[str], options: SourceOptions) -> Source:
    """Return the source of Arrow files, or of Arrow streams. Raises SourceError and UsageError."""
    from etl.source.table.arrow_file import Arrow
    from etl.source.table.arrow_stream import open_streams, streams_among
    from etl.source.table.find import find_tables, tables_of

    files = find_tables(paths, Arrow(), options)
    if streams := streams_among(files):
        return open_streams(streams, max_record=options.max_record)
    return tables_of(files, Arrow(), options)
