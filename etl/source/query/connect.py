"""From the URI of ``--database`` to the database, whose library is imported when the query runs.

A value of a type that an ADBC driver does not know comes as the database's own raw bytes (PostgreSQL's
``inet``): ``ip::text`` in the query makes it text. Nothing of a database's URI but what ``Uri`` shows comes
into a message or a ``repr``.
"""

from __future__ import annotations

from etl.errors import UsageError
from etl.registry import Shelf
from etl.source.query.database import Database
from etl.units import listed

DATABASES = Shelf("etl.source.query.databases", "database")


def connect_to(uri: str | None) -> Database:
    """Return the database that a URI names; None: DuckDB over files.

    Raises UsageError where no database has its scheme, SourceError for a file that is not there.
    """
    if uri is None:
        from etl.source.query.databases.duckdb import DuckDB

        return DuckDB()
    scheme, colon, _ = uri.partition(":")
    members = [member for _, member in DATABASES.members()]
    for member in members:
        if colon and scheme.lower() in member.SCHEMES:
            database: Database = member.open(uri)
            return database
    raise UsageError(f"--database is none of {listed([member.WRITTEN for member in members])}")
