"""What stderr shows while a run goes on: a tqdm bar, or a log line every few seconds.

Drawn by worker 0, of the counters that all workers share: a thread of its own looks at them a few times a
second, so the bar goes on when worker 0 waits for its server, or when its own shard is done.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from typing import Protocol

from etl.output.bar import BarPainter
from etl.output.before import Before
from etl.output.log import LogPainter
from etl.plan import Plan
from etl.report import Tally


class Painter(Protocol):
    """Shows the counters. Called in the painting thread only, except ``close``, which comes after it."""

    every_s: float

    def paint(self, bytes_done: int, records: int, elapsed_s: float) -> None:
        """Show how far the run is."""

    def close(self) -> None:
        """Leave the terminal as a next line finds it."""


@contextlib.contextmanager
def painting(plan: Plan, tally: Tally) -> Iterator[Painting | None]:
    """Show a plan's progress while entered. A stderr that cannot be written to never disturbs the run."""
    total = plan.source.nbytes
    before = Before(tally.of(tally.workers, "records_read"), tally.of(tally.workers, "bytes_done"))
    painter = None if total == 0 else _painter(plan.progress, total, before)
    if painter is None:
        yield None
        return
    thread = Painting(painter, tally, total)
    thread.start()
    try:
        yield thread
    finally:
        thread.leave()


def _painter(mode: str, total: int | None, before: Before) -> Painter | None:
    if mode == "none" or sys.stderr is None:
        return None
    try:
        return BarPainter(total, before) if mode == "bar" else LogPainter(total, before)
    except (OSError, ValueError):  # tqdm writes as soon as there is a bar
        return None


class Painting(threading.Thread):
    """The thread that paints, until it is told to leave."""

    def __init__(self, painter: Painter, tally: Tally, total: int | None) -> None:
        super().__init__(name="progress", daemon=True)
        self._total = total
        self._painter = painter
        self._tally = tally
        self._leaving = threading.Event()
        self._started_at = time.monotonic()

    def run(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # stderr is gone: the load goes on without it
            while not self._leaving.wait(self._painter.every_s):
                self.paint()

    def paint(self) -> None:
        """Show the counters once; all of the bytes are shown when every worker has finished, not before."""
        bytes_done = self._tally.total("bytes_done")
        if self._total is not None:
            bytes_done = self._total if self._tally.finished() else min(bytes_done, self._total - 1)
        records = self._tally.total("records_read")
        elapsed_s = time.monotonic() - self._started_at
        self._painter.paint(bytes_done, records, elapsed_s)

    def leave(self) -> None:
        """Stop painting, after a last look when everything is done."""
        self._leaving.set()
        self.join()
        with contextlib.suppress(OSError, ValueError):
            if isinstance(self._painter, BarPainter):
                self.paint()
            self._painter.close()
