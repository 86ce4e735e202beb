"""Databases that queries run in: DuckDB, and SQLite and PostgreSQL through ADBC. Each is imported when used.

A value of a type that an ADBC driver does not know comes as the database's own raw bytes (PostgreSQL's
``inet``): ``ip::text`` in the query makes it text. Nothing of a database's URI but what ``Uri`` shows comes
into a message or a ``repr``.
"""

from __future__ import annotations

import os
from urllib.parse import unquote

from etl.errors import SourceError, UsageError
from etl.source.query.database import Database
from etl.source.query.databases.duckdb import DuckDB
from etl.source.query.databases.postgresql import PostgreSQL
from etl.source.query.databases.sqlite import SQLite
from etl.source.storage.uri import parse_uri


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
