"""What a run of a job is asked to do, and where earlier ones have left it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone

from etl.job.fields import PrepassResult
from etl.plan import Completed


@dataclass(frozen=True, slots=True)
class JobSpec:
    """What a run is asked to do; only the same may be resumed.

    ``source`` is None if unknown whether it is the same (standard input, an object, a query).
    """

    source: str | None
    template: str


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """Where a job stands: nothing done, or marks to go on from.

    ``unchanged``: it is complete, of the same sources and options; ``ended`` is when that was noted.
    """

    block_bytes: int | None = None
    done: Completed = field(default_factory=lambda: Completed(()))
    passed: PrepassResult | None = None
    unchanged: bool = False
    ended: str = ""
    attempts: int = 0

    @property
    def resumes(self) -> bool:
        return self.block_bytes is not None


def now() -> str:
    """Return the time as a record has it: ISO 8601, UTC."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
