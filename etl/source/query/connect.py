"""Databases that queries run in: DuckDB, and SQLite and PostgreSQL through ADBC. Each is imported when used.

A value of a type that an ADBC driver does not know comes as the database's own raw bytes (PostgreSQL's
``inet``): ``ip::text`` in the query makes it text. Nothing of a database's URI but what ``Uri`` shows comes
into a message or a ``repr``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol
from urllib.parse import quote, unquote

import pyarrow as pa

from etl.errors import MissingExtraError, SourceError, UsageError
from etl.source.storage.uri import Uri, parse_uri
from etl.source.table.batch import BATCH_RECORDS
from etl.source.table.files import first_sentence


class Database(Protocol):
    """A database: frozen. ``name`` is what messages and a job's name call it."""

    @property
    def name(self) -> str: ...

    def run(self, sql: str) -> AbstractContextManager[pa.RecordBatchReader]:
        """Run a query. Raises SourceError for what the database or its driver raises, MissingExtraError."""


def connect_to(uri: str) -> Database:
    """Choose the database that a URI names. Raises UsageError, SourceError for a file that is not there."""
    scheme, colon, rest = uri.partition(":")
    scheme = scheme.lower()
    if colon and scheme in ("postgresql", "postgres"):
        return PostgreSQL(parse_uri(uri))
    if colon and scheme in ("sqlite", "duckdb"):
        path = unquote(rest.removeprefix("//")) if rest.startswith("//") else rest
        if path.startswith("//"):  # sqlite:////tmp/x.db, as others write an absolute path
            path = "/" + path.lstrip("/")
        if not os.path.isfile(path):
            raise SourceError(f"the database {path} does not exist or is no file")
        return SQLite(path) if scheme == "sqlite" else DuckDB(path)
    raise UsageError("--database is none of postgresql://HOST/NAME, sqlite:PATH and duckdb:PATH")


@dataclass(frozen=True, slots=True)
class DuckDB:
    """DuckDB: a database file, read only, or none, for queries over other files. It fetches no extensions."""

    path: str | None = None

    @property
    def name(self) -> str:
        return "DuckDB" if self.path is None else f"DuckDB {os.path.realpath(self.path)}"

    @contextmanager
    def run(self, sql: str) -> Iterator[pa.RecordBatchReader]:
        duckdb = _import("duckdb", "sql")
        with _errors(self.name, duckdb.Error):
            connection = duckdb.connect(
                self.path or ":memory:",
                read_only=self.path is not None,
                config={"autoinstall_known_extensions": "false"},
            )
            with closing(connection):
                # A relation streams; what execute() returns is first put into memory as a whole.
                result = connection.sql(sql)
                if result is None:
                    raise SourceError(f"{self.name}: the query gives no records: write a SELECT")
                read = getattr(result, "to_arrow_reader", None) or result.fetch_arrow_reader
                yield read(BATCH_RECORDS)


@dataclass(frozen=True, slots=True)
class SQLite:
    """An SQLite database file, read only."""

    path: str

    @property
    def name(self) -> str:
        return f"SQLite {os.path.realpath(self.path)}"

    @contextmanager
    def run(self, sql: str) -> Iterator[pa.RecordBatchReader]:
        driver = _import("adbc_driver_sqlite.dbapi", "sqlite")
        self._require_sqlite()
        uri = f"file:{quote(os.path.abspath(self.path))}?mode=ro"
        with (
            _errors(self.name, driver.Error),
            closing(driver.connect(uri)) as connection,
            closing(connection.cursor()) as cursor,
        ):
            # A column's type is that of its values in the first so many records.
            cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": str(BATCH_RECORDS)})
            cursor.execute(sql)
            yield cursor.fetch_record_batch()

    def _require_sqlite(self) -> None:
        with _errors(self.name, OSError), open(self.path, "rb") as file:
            head = file.read(16)
        if head not in (b"", b"SQLite format 3\0"):
            raise SourceError(f"{self.path} is not an SQLite database")


@dataclass(frozen=True, slots=True)
class PostgreSQL:
    """A PostgreSQL server, or what speaks its protocol."""

    uri: Uri

    @property
    def name(self) -> str:
        return str(self.uri)

    @contextmanager
    def run(self, sql: str) -> Iterator[pa.RecordBatchReader]:
        driver = _import("adbc_driver_postgresql.dbapi", "postgresql")
        with (
            _errors(self.name, driver.Error, self.uri),
            closing(driver.connect(self.uri.secret_text)) as connection,
            closing(connection.cursor()) as cursor,
        ):
            cursor.execute(sql)
            yield cursor.fetch_record_batch()


def _import(module: str, extra: str) -> Any:
    try:
        return import_module(module)
    except ImportError:
        library = module.partition(".")[0].replace("_", "-")
        raise MissingExtraError(
            f"this query needs {library}, which is not installed: pip install 'redis-etl[{extra}]'"
        ) from None


@contextmanager
def _errors(name: str, kind: type[Exception], uri: Uri | None = None) -> Iterator[None]:
    """Turn what a database raises, at once or while its records are read, into its sentence."""
    try:
        yield
    except (kind, OSError, pa.ArrowException) as error:
        message = first_sentence(error)
        if "Type mismatch" in message:
            message += ": give the column one type in the query, as with CAST(... AS TEXT)"
        raise SourceError(f"{name}: {message if uri is None else uri.scrub(message)}") from None
