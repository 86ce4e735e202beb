"""Choosing the source: what was given, and in which format."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from etl.options import Options
from etl.plan import Source
from etl.source.find import find_text
from etl.source.lines import Lines


def choose_source(sources: Sequence[Any], options: Options) -> Source:
    """Make the source of what was given: paths, or one Python object. Raises SourceError, UsageError."""
    paths = [os.fspath(source) for source in sources]
    return find_text(paths, Lines(strip=options.strip))
