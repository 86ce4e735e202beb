"""Waiting in a worker: for a server that refuses for now, and to keep to a rate.

NOTE(allowance): what all workers have sent since the start of a rate, divided by it, is the moment at which
the next piece is due. So the rate is kept to by all together, whoever has something to send, and whoever is
done or waits leaves his part to the others. When that moment is long past, as nobody could send meanwhile (a
server stood still), the start is moved on: allowance is not saved up, or a server that has just recovered
would get all of it at once. By how much, each worker writes into a cell of its own, and the highest number
counts. So no lock is needed: two workers that find the same allowance unused write the same, and do not move
the start twice.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from etl.errors import StoppedError
from etl.plan import Rate
from etl.report import Tally
from etl.worker.messages import StopFlag

PIECES_A_SECOND = 20
"""A rate is kept to in steps of a twentieth of a second, not of whole blocks."""

BURST_S = 0.1
"""Allowance that is kept when it is not used at once, in seconds: what a worker may oversleep."""

FIRST_PIECE_RECORDS = 100
"""Records of the first piece where a rate counts bytes, and nothing tells yet how many a record has."""


@contextlib.contextmanager
def idling(tally: Tally, worker: int) -> Iterator[None]:
    """Count a worker as idle while this is entered: it waits for others, and is not stalled."""
    tally.set(worker, "idle", 1)
    try:
        yield
    finally:
        tally.set(worker, "idle", 0)


class Pauses:
    """A StopFlag (``etl/worker/messages.py``) that lets the other workers see that this one waits."""

    def __init__(self, worker: int, tally: Tally, stop: StopFlag) -> None:
        self._worker = worker
        self._tally = tally
        self._stop = stop

    def is_set(self) -> bool:
        return self._stop.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        self._tally.set(self._worker, "waiting", 1)
        try:
            return self._stop.wait(timeout)
        finally:
            self._tally.set(self._worker, "waiting", 0)


class Pace:
    """Lets pieces through as ``rate`` allows. See NOTE(allowance)."""

    def __init__(
        self,
        rate: Rate,
        worker: int,
        tally: Tally,
        stop: StopFlag,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = rate
        self._worker = worker
        self._tally = tally
        self._stop = stop
        self._clock = clock
        self._records = 0
        self._nbytes = 0

    @property
    def most_records(self) -> int:
        """Give how many records a piece may have: of bytes, as many as those before it would have had."""
        most = self._rate.per_second / PIECES_A_SECOND / self._tally.workers
        if self._rate.unit == "bytes":
            if not self._records:
                return FIRST_PIECE_RECORDS
            most *= self._records / self._nbytes
        return max(1, int(most))

    def wait(self, records: int, nbytes: int) -> None:
        """Wait until so much more may be sent, and count it. Raises StoppedError when the run is to stop."""
        due = self.claim(records, nbytes)
        with idling(self._tally, self._worker):
            while (left := due - self._clock()) > 0:
                if self._stop.wait(left):
                    raise StoppedError("stopped while held to --max-rate")

    def claim(self, records: int, nbytes: int) -> float:
        """Count a piece; give the moment (of the clock, in seconds) from which on it may be sent."""
        self._records += records
        self._nbytes += nbytes
        dropped = self._tally.highest("dropped_ns")
        unused = self._clock() - BURST_S - self._due(dropped)
        if unused > 0:
            dropped += int(unused * 1e9)
            self._tally.set(self._worker, "dropped_ns", dropped)
        self._tally.add(self._worker, "sent", records if self._rate.unit == "records" else nbytes)
        return self._due(dropped)

    def _due(self, dropped_ns: int) -> float:
        return self._rate.since + dropped_ns / 1e9 + self._tally.total("sent") / self._rate.per_second
