"""Waiting in a worker: for a server that refuses for now, and to keep to a rate."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from etl.control import StopFlag
from etl.errors import StoppedError
from etl.plan import Rate
from etl.report import Tally

PIECES_A_SECOND = 20
"""A rate is kept to in steps of a twentieth of a second, not of whole blocks."""


@contextlib.contextmanager
def idling(tally: Tally, worker: int) -> Iterator[None]:
    """Count a worker as idle while this is entered: it waits for others, and is not stalled."""
    tally.set(worker, "idle", 1)
    try:
        yield
    finally:
        tally.set(worker, "idle", 0)


class Pauses:
    """A StopFlag (``etl/control.py``) that lets the other workers see that this one waits."""

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
    """Lets pieces through as ``rate`` allows; all workers count together what they have sent."""

    def __init__(self, rate: Rate, worker: int, tally: Tally, stop: StopFlag) -> None:
        self._rate = rate
        self._worker = worker
        self._tally = tally
        self._stop = stop

    @property
    def most_records(self) -> int | None:
        """Give how many records a piece may have; None: as many as there are."""
        if self._rate.unit == "bytes":
            return None
        return max(1, int(self._rate.per_second / PIECES_A_SECOND / self._tally.workers))

    def wait(self, records: int, nbytes: int) -> None:
        """Wait until so much more may be sent, and count it. Raises StoppedError when the run is to stop."""
        self._tally.add(self._worker, "sent", records if self._rate.unit == "records" else nbytes)
        due = self._rate.since + self._tally.total("sent") / self._rate.per_second
        with idling(self._tally, self._worker):
            while (left := due - time.monotonic()) > 0:
                if self._stop.wait(left):
                    raise StoppedError("stopped while held to --max-rate")
