"""The format ``lines``, which any file has whose name tells no other: ``etl/source/text/lines.py``."""

from __future__ import annotations

from collections.abc import Sequence

from etl.options import SourceOptions
from etl.plan import Source

SUFFIXES = (".txt",)
OPTIONS = ("strip",)


def open(paths: Sequence[str], options: SourceOptions) -> Source:
    """Return the source of files and streams of lines. Raises SourceError and UsageError."""
    from etl.source.text.find import open_text
    from etl.source.text.lines import Lines

    return open_text(paths, Lines(strip=options.strip), options)
