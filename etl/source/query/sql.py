"""Query results as a source: ``--sql`` in DuckDB over files, ``--sql`` with ``--database`` over a database.

A query's records come as a stream, in the order in which the database gives them: write ORDER BY where record
numbers matter or a run is to be resumed.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from etl.errors import SourceError, UsageError
from etl.source.query.connect import connect_to
from etl.source.query.database import Database
from etl.source.table.input import TableInput
from etl.source.table.layout import field_names, require_distinct
from etl.source.table.stream import TableStream

_PART = "the query"


def open_query(sql: str, database: str | None = None) -> TableStream:
    """Make a source of a query's result: in DuckDB, over the files it names, or in the database of a URI.

    ``database`` is ``postgresql://...``, ``sqlite:PATH`` or ``duckdb:PATH``. The query begins to run here,
    for the names of its columns. Raises UsageError for another database, MissingExtraError, and SourceError
    with the database's own first line and no password in it.
    """
    if not sql.strip():
        raise UsageError("--sql is empty: give a SELECT")
    chosen = connect_to(database)
    query = TableInput(lambda: _begin(chosen, sql), _PART, repeatable=True)
    if not len(query.schema):
        raise SourceError(f"{chosen.name}: the query gives no records: write a SELECT")
    require_distinct(query.schema, _PART)
    return TableStream(field_names(query.schema), (chosen.name, sql), (_PART,), None, query)


def _begin(database: Database, sql: str) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    running = _run(database, sql)
    schema = next(running)
    return schema, running


def _run(database: Database, sql: str) -> Iterator[pa.Schema | pa.RecordBatch]:
    """Return the schema, then the records; the database is let go of when they end or nobody wants more."""
    with database.run(sql) as reader:
        yield reader.schema
        yield from reader
