"""What became of the records of one batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etl.plan.gathered import Gathered


@dataclass(frozen=True, slots=True)
class Difference:
    """One record that the target does not hold as the source has it. ``found`` is None when it is missing."""

    index: int
    key: bytes
    expected: bytes
    found: bytes | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """One record, by its index in the batch, that was not written, and why (an ErrorReply or a sentence)."""

    index: int
    reason: Exception | str


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of the records of one batch. The counts of all results add up to the records read."""

    written: int = 0
    skipped: int = 0
    equal: int = 0
    missing: int = 0
    different: int = 0
    refusals: tuple[Refusal, ...] = ()
    differences: tuple[Difference, ...] = ()
    again: tuple[int, ...] = ()
    """Records that were refused together, though not each of them may be to blame: send them one by one."""

    present: tuple[int, ...] = ()
    """Records whose key was there before the run, and that a later pass is to pass over."""

    gathered: Gathered | None = None
    """What only all batches together can tell (``etl/plan/gathered.py``)."""
