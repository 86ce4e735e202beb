"""The contract of a database that runs the query of ``--sql``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from typing import Any, Protocol
from urllib.parse import unquote

import pyarrow as pa

from etl.errors import MissingExtraError, SourceError
from etl.source.storage.uri import Uri
from etl.source.table.errors import first_sentence


class Database(Protocol):
    """A database: frozen. ``name`` is what messages and a job's name call it."""

    @property
    def name(self) -> str: ...

    def run(self, sql: str) -> AbstractContextManager[pa.RecordBatchReader]:
        """Run a query. Raises SourceError for what the database or its driver raises, MissingExtraError."""


def file_of(uri: str) -> str:
    """Return the path in a URI like ``sqlite:PATH``. Raises SourceError where no file is there."""
    rest = uri.partition(":")[2]
    path = unquote(rest.removeprefix("//")) if rest.startswith("//") else rest
    if path.startswith("//"):  # sqlite:////tmp/x.db, as others write an absolute path
        path = "/" + path.lstrip("/")
    if not os.path.isfile(path):
        raise SourceError(f"the database {path} does not exist or is no file")
    return path


def import_driver(module: str, extra: str) -> Any:
    try:
        return import_module(module)
    except ImportError:
        library = module.partition(".")[0].replace("_", "-")
        raise MissingExtraError(
            f"this query needs {library}, which is not installed: pip install 'redis-etl[{extra}]'"
        ) from None


@contextmanager
def errors_of(name: str, kind: type[Exception], uri: Uri | None = None) -> Iterator[None]:
    """Turn what a database raises, at once or while its records are read, into its sentence."""
    try:
        yield
    except (kind, OSError, pa.ArrowException) as error:
        message = first_sentence(error)
        if "Type mismatch" in message:
            message += ": give the column one type in the query, as with CAST(... AS TEXT)"
        raise SourceError(f"{name}: {message if uri is None else uri.scrub(message)}") from None
