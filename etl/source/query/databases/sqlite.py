"""SQLite, by ADBC."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa

from etl.errors import SourceError
from etl.source.query.database import errors_of, file_of, import_driver
from etl.source.table.format import BATCH_RECORDS

SCHEMES = ("sqlite",)
WRITTEN = "sqlite:PATH"


def open(uri: str) -> SQLite:
    """Return the database of a file. Raises SourceError where there is none."""
    return SQLite(file_of(uri))


@dataclass(frozen=True, slots=True)
class SQLite:
    """An SQLite database file, read only."""

    path: str

    @property
    def name(self) -> str:
        return f"SQLite {os.path.realpath(self.path)}"

    @contextmanager
    def run(self, sql: str) -> Iterator[pa.RecordBatchReader]:
        driver = import_driver("adbc_driver_sqlite.dbapi", "sqlite")
        self._require_sqlite()
        uri = f"file:{quote(os.path.abspath(self.path))}?mode=ro"
        with (
            errors_of(self.name, driver.Error),
            closing(driver.connect(uri)) as connection,
            closing(connection.cursor()) as cursor,
        ):
            # A column's type is that of its values in the first so many records.
            cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": str(BATCH_RECORDS)})
            cursor.execute(sql)
            yield cursor.fetch_record_batch()

    def _require_sqlite(self) -> None:
        with errors_of(self.name, OSError), Path(self.path).open("rb") as file:
            head = file.read(16)
        if head not in (b"", b"SQLite format 3\0"):
            raise SourceError(f"{self.path} is not an SQLite database")
