"""Shelves whose members are choices of an option.

Options lie below the rooms that these shelves belong to, so a shelf is named here and nothing of it is
imported: to list a folder is all that a parser needs (``etl/registry.py``).
"""

from __future__ import annotations

from etl.registry import Shelf

FORMATS = Shelf("etl.source.formats", "format")
TYPES = Shelf("etl.encode.types", "Redis type")
RUNNERS = Shelf("etl.run.runners", "runner")
