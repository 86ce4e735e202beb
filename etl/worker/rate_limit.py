"""Keeping to ``--max-rate`` over all workers."""

from __future__ import annotations

import time
from collections.abc import Callable

from etl.errors import StoppedError
from etl.plan import StopFlag
from etl.rate import Rate
from etl.report import Counters
from etl.worker.waiting import BURST_S, FIRST_PIECE_RECORDS, idling

PIECES_A_SECOND = 20
"""A rate is kept to in steps of a twentieth of a second, not of whole blocks."""


class RateLimiter:
    """Lets pieces through as ``rate`` allows. See NOTE(allowance)."""

    def __init__(
        self,
        rate: Rate,
        worker: int,
        counters: Counters,
        stop: StopFlag,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = rate
        self._worker = worker
        self._counters = counters
        self._stop = stop
        self._clock = clock
        self._records = 0
        self._nbytes = 0

    @property
    def max_records(self) -> int:
        """Return how many records a piece may have: of bytes, as many as those before it would have had."""
        most = self._rate.per_second / PIECES_A_SECOND / self._counters.workers
        if self._rate.unit == "bytes":
            if not self._records:
                return FIRST_PIECE_RECORDS
            most *= self._records / self._nbytes
        return max(1, int(most))

    def wait(self, records: int, nbytes: int) -> None:
        """Wait until so much more may be sent, and count it. Raises StoppedError when the run is to stop."""
        due = self.claim(records, nbytes)
        with idling(self._counters, self._worker):
            while (left := due - self._clock()) > 0:
                if self._stop.wait(left):
                    raise StoppedError("stopped while waiting for --max-rate")

    def claim(self, records: int, nbytes: int) -> float:
        """Count a piece; return the moment (of the clock, in seconds) from which on it may be sent."""
        self._records += records
        self._nbytes += nbytes
        dropped = self._counters.highest("dropped_ns")
        unused = self._clock() - BURST_S - self._due(dropped)
        if unused > 0:
            dropped += int(unused * 1e9)
            self._counters.set(self._worker, "dropped_ns", dropped)
        self._counters.add(self._worker, "sent", records if self._rate.unit == "records" else nbytes)
        return self._due(dropped)

    def _due(self, dropped_ns: int) -> float:
        return self._rate.since + dropped_ns / 1e9 + self._counters.total("sent") / self._rate.per_second
