"""What the command line asks of a benchmark."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """``records`` and ``repeat`` are the size of the main table; the flags choose what else is measured.

    ``only``: parts of the benchmark to measure; none: all of them.
    """

    records: int
    repeat: int
    quick: bool
    memory: bool
    only: tuple[str, ...] = ()
