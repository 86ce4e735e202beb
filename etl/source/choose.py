"""Choosing the source: what was given (files, a stream, a Python object, a query) and in which format."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeVar

from etl.errors import UsageError
from etl.options import OBJECT, QUERY, SourceOptions, refuse_for_format
from etl.plan import Source
from etl.source.storage.compression import split_name
from etl.source.storage.find import STDIN, local_path
from etl.source.storage.local import find_files
from etl.source.storage.uri import is_remote, parse_uri
from etl.source.text.find import find_text
from etl.source.text.format import TextFormat

if TYPE_CHECKING:
    from etl.source.objects.records import RecordStream
    from etl.source.table.files import TableFiles
    from etl.source.table.stream import TableStream

    Tables = TypeVar("Tables", TableFiles, TableStream, TableFiles | TableStream, TableStream | RecordStream)

SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".arrows": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
}

TABLES = ("parquet", "arrow")


def choose_source(sources: Sequence[Any], options: SourceOptions) -> Source:
    """Make the source of what was given: paths and URIs, one Python object, or ``--sql``.

    Raises SourceError, and UsageError for what contradicts itself.
    """
    if options.sql is not None:
        return _query(sources, options)
    if len(sources) == 1 and not isinstance(sources[0], str | os.PathLike):
        from etl.source.objects.open import open_table

        refuse_for_format(options, OBJECT)
        return _bounded(open_table(sources[0]), options)
    paths = [_path(source) for source in sources]
    name = options.format or format_by_name(paths)
    refuse_for_format(options, name)
    if name in TABLES:
        return _bounded(_tables(paths, name), options)
    return find_text(
        paths, _text_format(name, options), sniff=options.format is None, max_record=options.max_record
    )


def _query(sources: Sequence[Any], options: SourceOptions) -> Source:
    if sources:
        raise UsageError("--sql names its files itself: give no source beside it")
    from etl.source.query.sql import open_query

    refuse_for_format(options, QUERY)
    assert options.sql is not None
    return _bounded(open_query(options.sql, options.database), options)


def _bounded(source: Tables, options: SourceOptions) -> Tables:
    return replace(source, max_record=options.max_record)


def _path(source: Any) -> str:
    if not isinstance(source, str | os.PathLike):
        raise UsageError(f"a {type(source).__name__} among several sources: an object is loaded by itself")
    path = os.fspath(source)
    if isinstance(path, bytes):
        return os.fsdecode(path)
    return path


def format_by_name(paths: Sequence[str]) -> str:
    """Tell the format by the names of the files: the same for all of them, or ``lines``.

    Raises UsageError where names tell different formats.
    """
    told: dict[str, str] = {}
    for path in paths:
        for name in _files_named(path):
            told.setdefault(_format_of(name), name)
    if len(told) > 1:
        (one, first), (other, second) = list(told.items())[:2]
        raise UsageError(
            f"{first} is {one} by its name and {second} is {other}: say --format, or load one by one"
        )
    return next(iter(told), "lines")


def _files_named(path: str) -> list[str]:
    """Return names to tell a format by: of a folder or a glob those of its files."""
    if path == STDIN or is_remote(path):
        return [path]
    path = local_path(path)
    if not os.path.isdir(path) and (os.path.lexists(path) or not glob.has_magic(path)):
        return [path]
    return [file.path for file in find_files([path])]


def _format_of(path: str) -> str:
    if is_remote(path):
        path = parse_uri(path).path
    stem, codec = split_name(path)
    name = SUFFIXES.get(PurePath(stem).suffix.lower(), "lines")
    if codec is not None and name in TABLES:
        raise UsageError(f"{path}: a {name} file is compressed inside; unpack it first")
    return name


def _text_format(name: str, options: SourceOptions) -> TextFormat:
    """Make a text format; its library is imported only now."""
    if name in ("csv", "tsv"):
        from etl.source.formats.csv import Csv

        delimiter = options.delimiter or ("\t" if name == "tsv" else ",")
        return Csv(delimiter, options.quote, options.fields, header=not options.no_header)
    if name == "lines":
        from etl.source.formats.lines import Lines

        return Lines(strip=options.strip)
    if name == "jsonl":
        from etl.source.formats.jsonl import Jsonl

        return Jsonl()
    from etl.source.formats.json import JsonArray

    return JsonArray()


def _tables(paths: Sequence[str], name: str) -> TableFiles | TableStream:
    remote = [path for path in paths if is_remote(path)]
    if remote:
        if len(remote) < len(paths):
            raise UsageError(f"{name} files here and elsewhere are loaded one after the other, not together")
        from etl.source.table.remote import open_remote_tables

        return open_remote_tables(remote, name)
    files = find_files([local_path(path) for path in paths])
    if name == "parquet":
        from etl.source.formats.parquet import Parquet
        from etl.source.table.files import open_table_files

        return open_table_files(files, Parquet())
    from etl.source.formats.arrow import open_arrow_files

    return open_arrow_files(files)
