"""The format ``jsonl``: a JSON object a line, ``etl/source/json/lines.py``."""

from __future__ import annotations

from collections.abc import Sequence

from etl.options import SourceOptions
from etl.plan import Source

SUFFIXES = (".jsonl", ".ndjson")
OPTIONS = ("flatten", "omit_empty")


def open(paths: Sequence[str], options: SourceOptions) -> Source:
    """Return the source of files and streams of JSON lines. Raises SourceError and UsageError."""
    from etl.source.json.lines import Jsonl
    from etl.source.text.find import open_text

    return open_text(paths, Jsonl(), options)
