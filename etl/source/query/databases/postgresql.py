"""PostgreSQL, by ADBC."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import pyarrow as pa

from etl.source.query.database import errors_of, import_driver
from etl.source.storage.uri import Uri, parse_uri

SCHEMES = ("postgresql", "postgres")
WRITTEN = "postgresql://HOST/NAME"


def open(uri: str) -> PostgreSQL:
    """Return the database of a server. Raises UsageError for what is no URI."""
    return PostgreSQL(parse_uri(uri))


@dataclass(frozen=True, slots=True)
class PostgreSQL:
    """A PostgreSQL server, or what speaks its protocol."""

    uri: Uri

    @property
    def name(self) -> str:
        return str(self.uri)

    @contextmanager
    def run(self, sql: str) -> Iterator[pa.RecordBatchReader]:
        driver = import_driver("adbc_driver_postgresql.dbapi", "postgresql")
        with (
            errors_of(self.name, driver.Error, self.uri),
            closing(driver.connect(self.uri.secret_text)) as connection,
            closing(connection.cursor()) as cursor,
        ):
            cursor.execute(sql)
            yield cursor.fetch_record_batch()
