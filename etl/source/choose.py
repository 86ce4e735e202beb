"""Choosing the source: what was given (files, a stream, a Python object, a query) and in which format."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from etl.errors import UsageError
from etl.options import FORMATS, OBJECT, OF_TABLES, QUERY, SourceOptions, refuse_for_format
from etl.plan import Source
from etl.source.storage.compression import split_name
from etl.source.storage.find import STDIN, local_path
from etl.source.storage.local import find_files
from etl.source.storage.uri import is_remote, parse_uri

DEFAULT_FORMAT = "lines"


def choose_source(sources: Sequence[Any], options: SourceOptions) -> Source:
    """Make the source of what was given: paths and URIs, one Python object, or ``--sql``.

    Raises SourceError, and UsageError for what contradicts itself.
    """
    if options.sql is not None:
        return _query(sources, options)
    if len(sources) == 1 and not isinstance(sources[0], str | os.PathLike):
        from etl.source.objects.open import open_table

        refuse_for_format(options, OBJECT, OF_TABLES)
        return replace(open_table(sources[0]), max_record=options.max_record)
    paths = [_path(source) for source in sources]
    name = options.format or format_by_name(paths)
    format = FORMATS.member(name)
    refuse_for_format(options, name, format.OPTIONS)
    source: Source = format.open(paths, options)
    return source


def _query(sources: Sequence[Any], options: SourceOptions) -> Source:
    if sources:
        raise UsageError("--sql names its files itself: give no source beside it")
    from etl.source.query.sql import open_query

    refuse_for_format(options, QUERY, (*OF_TABLES, "database"))
    assert options.sql is not None
    return replace(open_query(options.sql, options.database), max_record=options.max_record)


def _path(source: Any) -> str:
    if not isinstance(source, str | os.PathLike):
        raise UsageError(f"a {type(source).__name__} among several sources: an object is loaded by itself")
    path = os.fspath(source)
    if isinstance(path, bytes):
        return os.fsdecode(path)
    return path


def format_by_name(paths: Sequence[str]) -> str:
    """Return the format told by the names of the files: the same for all of them, or ``lines``.

    Raises UsageError where names tell different formats.
    """
    suffixes: dict[str, str] = {}
    for path in paths:
        for name in _files_named(path):
            suffixes.setdefault(_suffix(name), name)
    told: dict[str, str] = {}
    for suffix, name in suffixes.items():
        told.setdefault(_format_of(suffix), name)
    if len(told) > 1:
        (one, first), (other, second) = list(told.items())[:2]
        raise UsageError(
            f"{first} is {one} by its name and {second} is {other}: say --format, or load one by one"
        )
    return next(iter(told), DEFAULT_FORMAT)


def _files_named(path: str) -> list[str]:
    """Return names to tell a format by: of a folder or a glob those of its files."""
    if path == STDIN or is_remote(path):
        return [path]
    path = local_path(path)
    if not os.path.isdir(path) and (os.path.lexists(path) or not glob.has_magic(path)):
        return [path]
    return [file.path for file in find_files([path])]


def _suffix(path: str) -> str:
    """Return how a name ends, in small letters and without the suffix of a codec."""
    if is_remote(path):
        path = parse_uri(path).path
    return PurePath(split_name(path)[0]).suffix.lower()


def _format_of(suffix: str) -> str:
    """Find the format whose files have this suffix. The one named like it is asked first, then the default.

    A member's file is imported to ask it, which is why these files are light.
    """
    likely = (suffix[1:], DEFAULT_FORMAT)
    names = sorted(FORMATS.names(), key=lambda name: name not in likely) if suffix else ()
    return next((name for name in names if suffix in FORMATS.member(name).SUFFIXES), DEFAULT_FORMAT)
