"""DuckDB: in memory over files, or a file of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import pyarrow as pa

from etl.errors import SourceError
from etl.source.query.database import errors_of, file_of, import_driver
from etl.source.table.format import BATCH_RECORDS

SCHEMES = ("duckdb",)
WRITTEN = "duckdb:PATH"


def open(uri: str) -> DuckDB:
    """Return the database of a file. Raises SourceError where there is none."""
    return DuckDB(file_of(uri))


@dataclass(frozen=True, slots=True)
class DuckDB:
    """DuckDB: a database file, read only, or none, for queries over other files. It fetches no extensions."""

    path: str | None = None

    @property
    def name(self) -> str:
        return "DuckDB" if self.path is None else f"DuckDB {os.path.realpath(self.path)}"

    @contextmanager
    def run(self, sql: str) -> Iterator[pa.RecordBatchReader]:
        duckdb = import_driver("duckdb", "sql")
        with errors_of(self.name, duckdb.Error):
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
