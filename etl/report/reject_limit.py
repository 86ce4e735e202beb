"""How many records may be refused: ``--max-rejects N`` or ``N%``. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RejectLimit:
    """``count`` records at most, or ``percent`` of the records read (one of the two is given)."""

    count: int | None = None
    percent: float | None = None

    def exceeded(self, rejected: int, read: int, *, ended: bool) -> bool:
        """Return True if more were refused than may be.

        A percentage is judged when the run has ended: earlier the total is unknown.
        """
        if self.count is not None:
            return rejected > self.count
        assert self.percent is not None
        return ended and rejected * 100 > self.percent * read

    def __str__(self) -> str:
        return f"{self.count:,}" if self.count is not None else f"{self.percent:g} %"


def parse_reject_limit(text: str) -> RejectLimit:
    """Parse ``--max-rejects``. Raises ValueError."""
    rule = "must be a whole number from 0, or a percentage such as 0.5%"
    try:
        if text.endswith("%"):
            percent = float(text[:-1])
            if not 0 <= percent <= 100:
                raise ValueError("must be a percentage from 0% to 100%")
            return RejectLimit(percent=percent)
        count = int(text)
    except ValueError as error:
        raise ValueError(str(error) if str(error).startswith("must") else rule) from None
    if count < 0:
        raise ValueError(rule)
    return RejectLimit(count=count)
