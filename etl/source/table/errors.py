"""Errors of Arrow as errors of a source."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from etl.errors import SourceError
from etl.source.storage.local import File, restat
from etl.source.table.format import TableFormat

DAMAGE = (pa.ArrowException, OSError, ValueError)
"""What a Table raises."""


@contextmanager
def reading(file: File, format: TableFormat) -> Iterator[None]:
    """Turn what pyarrow raises into a sentence about the file: changed, damaged, or another format."""
    try:
        yield
    except DAMAGE as error:
        restat(file)
        if not file.size:
            raise SourceError(f"{file.path} is empty: a {format.name} file never is") from None
        raise unreadable(file.path, format, error) from None


def unreadable(name: str, format: TableFormat, error: BaseException) -> SourceError:
    """Return the error of a file that is damaged, or of another format."""
    return SourceError(f"{name} cannot be read as {format.name}: {first_sentence(error)}")


def first_sentence(error: BaseException) -> str:
    """Return the first line of somebody else's message, without the full stop."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(". ") if lines else type(error).__name__
