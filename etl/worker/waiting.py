"""Waiting in a worker: for a server that refuses for now, and to keep to a rate.

NOTE(allowance): what all workers have sent since the start of a rate, divided by it, is the moment at which
the next piece is due. So all workers together keep to the rate, and one that is done or waits leaves its part
to the others. When that moment is long past, as no worker could send meanwhile (a server stood still), the
start is moved on: allowance is not saved up, or a server that has just recovered would get all of it at once.
By how much, each worker writes into its own slot, and the highest number counts. So no lock is needed: two
workers that find the same allowance unused write the same, and do not move the start twice.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from etl.plan import StopFlag
from etl.report import Counters

PAUSED_LOOK_S = 0.05
"""How often a worker that is paused looks whether it still is."""

BURST_S = 0.1
"""Allowance that is kept when it is not used at once, in seconds: what a worker may oversleep."""

FIRST_PIECE_RECORDS = 100
"""Records of the first piece where a rate counts bytes, and nothing tells yet how many a record has."""


@contextlib.contextmanager
def idling(counters: Counters, worker: int) -> Iterator[None]:
    """Count a worker as idle while this is entered: it waits for others, and is not stalled."""
    counters.set(worker, "idle", 1)
    try:
        yield
    finally:
        counters.set(worker, "idle", 0)


def wait_while_paused(counters: Counters, worker: int, stop: StopFlag) -> None:
    """Wait while another worker waits for the server, or all are paused: this one would be answered alike."""
    with idling(counters, worker):
        while counters.paused(worker):
            if stop.wait(PAUSED_LOOK_S):
                return


class WaitReporter:
    """A StopFlag (``etl/worker/messages.py``) that lets the other workers see that this one waits."""

    def __init__(self, worker: int, counters: Counters, stop: StopFlag) -> None:
        self._worker = worker
        self._counters = counters
        self._stop = stop

    def is_set(self) -> bool:
        return self._stop.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        self._counters.set(self._worker, "waiting", 1)
        try:
            return self._stop.wait(timeout)
        finally:
            self._counters.set(self._worker, "waiting", 0)
