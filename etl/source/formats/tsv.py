"""The format ``tsv``: CSV with a tab between fields, ``etl/source/csv/``."""

from __future__ import annotations

from collections.abc import Sequence

from etl.options import SourceOptions
from etl.plan import Source

SUFFIXES = (".tsv", ".tab")
OPTIONS = ("fields", "no_header", "delimiter", "quote", "omit_empty")


def open(paths: Sequence[str], options: SourceOptions) -> Source:
    """Return the source of TSV files and streams. Raises SourceError and UsageError."""
    from etl.source.csv.format import csv_of
    from etl.source.text.find import open_text

    return open_text(paths, csv_of(options, delimiter="\t"), options)
