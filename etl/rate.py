"""How fast a run may send: ``--max-rate``. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

IN_FLIGHT_S = 0.2
"""How much a rate lets be under way, in seconds of it.

What lies in the sockets of a server that stands still reaches it at once when it goes on. Less would keep
the rate from a server that is far away: this is a round trip.
"""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many records or bytes of the wire (``unit``) a second, over all workers.

    ``since`` is the monotonic time (seconds) from which on they count.
    """

    per_second: float
    unit: str
    since: float = 0.0

    def __str__(self) -> str:
        """Return the rate as a command line has it."""
        if self.unit == "records":
            return _number(self.per_second)
        if self.per_second >= 1e6:
            return f"{_number(self.per_second / 1e6)}MB"
        return f"{_number(self.per_second / 1e3)}kB"

    def in_flight(self, workers: int) -> tuple[int | None, int | None]:
        """Return how many records, or else bytes, one of the workers may have under way without an answer."""
        most = max(1, int(self.per_second * IN_FLIGHT_S / workers))
        return (most, None) if self.unit == "records" else (None, most)


def parse_rate(text: str) -> Rate:
    """Parse ``5000`` (records a second) or ``50MB``, ``800kB``, ``1.5GB`` (bytes). Raises ValueError."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kKMG]?)(B?)", text)
    if match is None or float(match[1]) <= 0 or bool(match[2]) > bool(match[3]):
        raise ValueError("must be records a second (5000), or bytes a second (800kB, 50MB, 1.5GB)")
    factor = {"": 1, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9}[match[2]]
    return Rate(float(match[1]) * factor, "bytes" if match[3] else "records")


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)
