"""Options of the source: what it is, and how its records are told apart."""

from __future__ import annotations

from collections.abc import Iterable

from etl.options import values as values
from etl.options.declare import Options, Parsed, Value, option, options_class
from etl.options.shelves import FORMATS
from etl.units import DEFAULT_RECORD_BYTES


@options_class
class SourceOptions(Options):
    """What the sources are, and how they are read."""

    TITLE = "source options"

    format: str | None = option(
        default=None,
        help="what the sources are",
        value=Value(choices=FORMATS),
        shown="by file name, else `lines`",
    )
    fields: Parsed[str | Iterable[str] | None, tuple[str, ...] | None] = option(
        default=None,
        help="names of a CSV file's fields, which then has no header",
        value=Value(values.names, "A,B", text=values.names_text),
        shown="the header",
    )
    no_header: bool = option(
        default=False, help="a CSV file has no header: its fields are called 1, 2, 3 ..."
    )
    delimiter: str | None = option(
        default=None,
        help="what stands between a CSV file's fields",
        value=Value(values.character, "CHAR"),
        shown="`,`; for tsv a tab",
    )
    quote: str = option(
        default='"',
        help="CSV quote character; empty disables quoting",
        value=Value(values.quote, "CHAR"),
        shown='`"`',
    )
    strip: bool = option(default=False, help="take white space off both ends of each line")
    max_record: Parsed[int | str, int] = option(
        default=DEFAULT_RECORD_BYTES,
        help="how long a record may be, as it is read, with its line break: at most 512MiB. A longer one is"
        " rejected; where its end cannot be told (an open quote, a JSON array's element) the run ends",
        value=Value(values.record_bytes, "SIZE"),
        shown="64MB",
    )
    sql: str | None = option(
        default=None,
        help="load the rows of a query: DuckDB runs it (over files: FROM 'events/*.parquet'), or --database"
        " does",
        value=Value(metavar="QUERY"),
        shown="none",
    )
    database: str | None = option(
        default=None,
        help="the database of --sql: postgresql://HOST/NAME, sqlite:PATH or duckdb:PATH",
        value=Value(metavar="URI"),
        shown="DuckDB",
        secret=True,
    )
