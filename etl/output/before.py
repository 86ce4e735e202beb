"""What earlier runs of a job have done, and the rate of this one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Before:
    """What was done when this run began: part of the whole, and no part of its speed."""

    records: int = 0
    nbytes: int = 0


NOTHING_BEFORE = Before()


def rate_of(records: int, elapsed_s: float, before: Before) -> int:
    return round(max(0, records - before.records) / elapsed_s) if elapsed_s else 0
