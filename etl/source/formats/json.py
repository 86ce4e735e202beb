"""The format ``json``: one array of objects, ``etl/source/json/array.py``."""

from __future__ import annotations

from collections.abc import Sequence

from etl.options import SourceOptions
from etl.plan import Source

SUFFIXES = (".json",)
OPTIONS = ("flatten", "omit_empty")


def open(paths: Sequence[str], options: SourceOptions) -> Source:
    """Return the source of files and streams of a JSON array each. Raises SourceError and UsageError."""
    from etl.source.json.array import JsonArray
    from etl.source.text.find import open_text

    return open_text(paths, JsonArray(), options)
