"""From the SOURCE arguments of a text format to the source: ranges of local files, or one stream."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import unquote, urlsplit

from etl.errors import UsageError
from etl.source.storage.compression import split_name
from etl.source.storage.input import Input
from etl.source.storage.local import LocalFile, find_files, require_distinct
from etl.source.storage.stdin import Pipe, StandardInput, is_pipe
from etl.source.storage.uri import is_remote

STDIN = "-"


def find_inputs(sources: Sequence[str]) -> tuple[Input, ...]:
    """Find the inputs that paths, globs, folders, URIs and ``-`` name, as ``find_files`` does for files."""
    if not sources:
        raise UsageError("no source is given: name a file, a glob or a folder, or - for standard input")
    if sources.count(STDIN) > 1:
        raise UsageError("standard input (-) is given twice, but can be read only once")
    inputs: list[Input] = []
    for source in sources:
        inputs.extend(_inputs(source))
    require_distinct(input.file for input in inputs if isinstance(input, LocalFile))
    _require_distinct_uris(inputs)
    return tuple(inputs)


def _inputs(source: str) -> Iterable[Input]:
    if source == STDIN:
        return [StandardInput()]
    if is_remote(source):
        from etl.source.storage.remote import find_remote

        return find_remote(source)
    if is_pipe(local_path(source)):
        return [Pipe(local_path(source))]
    return [LocalFile(file, split_name(file.path)[1]) for file in find_files([local_path(source)])]


def local_path(source: str) -> str:
    """Return the path that a ``file://`` URI means; any other source as it is."""
    if not source.lower().startswith("file://"):
        return source
    parts = urlsplit(source, allow_fragments=False)
    if parts.netloc not in ("", "localhost"):
        raise UsageError(f"{source} names another machine: a file URI is file:///path")
    return unquote(parts.path)


def _require_distinct_uris(inputs: Iterable[Input]) -> None:
    seen: set[str] = set()
    for input in inputs:
        if isinstance(input, LocalFile):
            continue
        if input.identity in seen:
            raise UsageError(f"{input.name} is given twice: its records would be loaded twice")
        seen.add(input.identity)
