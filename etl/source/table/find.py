"""Finding the files of a table source."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from etl.errors import UsageError
from etl.options import SourceOptions
from etl.source.storage.compression import split_name
from etl.source.storage.find import local_path
from etl.source.storage.local import File, find_files
from etl.source.storage.uri import is_remote, parse_uri
from etl.source.table.files import TableFiles, open_table_files
from etl.source.table.format import TableFormat
from etl.source.table.stream import TableStream

if TYPE_CHECKING:
    from etl.source.storage.remote import RemoteFile

    Found = tuple[File, ...] | tuple[RemoteFile, ...]


def open_tables(
    paths: Sequence[str], format: TableFormat, options: SourceOptions
) -> TableFiles | TableStream:
    """Return the source of files of a table format: all of them here (TableFiles), or all of them remote.

    Raises SourceError and UsageError.
    """
    return tables_of(find_tables(paths, format, options), format, options)


def find_tables(paths: Sequence[str], format: TableFormat, options: SourceOptions) -> Found:
    """Find the files that ``paths`` name, in order. Raises SourceError and UsageError."""
    _require_plain((str(parse_uri(path)) if is_remote(path) else path for path in paths), format, options)
    remote = [path for path in paths if is_remote(path)]
    if len(remote) not in (0, len(paths)):
        raise UsageError(
            f"{format.name} files here and elsewhere are loaded one after the other, not together"
        )
    if not remote:
        files = find_files([local_path(path) for path in paths])
        _require_plain((file.path for file in files), format, options)
        return files
    from etl.source.storage.remote import find_remote

    found = tuple(file for uri in remote for file in find_remote(uri))
    _require_plain((file.name for file in found), format, options)
    return found


def tables_of(files: Found, format: TableFormat, options: SourceOptions) -> TableFiles | TableStream:
    """Return the source of files that ``find_tables`` has found. Raises SourceError."""
    local = tuple(file for file in files if isinstance(file, File))
    if local or not files:
        return open_table_files(local, format, max_record=options.max_record)
    from etl.source.table.remote import open_remote_tables

    remote = tuple(file for file in files if not isinstance(file, File))
    return open_remote_tables(remote, format, max_record=options.max_record)


def _require_plain(names: Iterable[str], format: TableFormat, options: SourceOptions) -> None:
    """Refuse compressed files by their names; who has said ``--format`` knows better."""
    for name in names if options.format is None else ():
        if split_name(name)[1] is not None:
            raise UsageError(f"{name}: {format.name} files are compressed inside; unpack it first")
