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

from etl.output.bar import BarView
from etl.output.before import Before
from etl.output.log import LogView
from etl.plan import Plan
from etl.report import Counters


class ProgressView(Protocol):
    """Shows the counters. Called in the painting thread only, except ``close``, which comes after it."""

    every_s: float

    def paint(self, bytes_done: int, records: int, elapsed_s: float) -> None:
        """Show how far the run is."""

    def close(self) -> None:
        """Leave the terminal as a next line finds it."""


@contextlib.contextmanager
def show_progress(plan: Plan, counters: Counters) -> Iterator[ProgressThread | None]:
    """Show a plan's progress while entered. A stderr that cannot be written to never disturbs the run."""
    with show_counters(plan.progress, plan.source.nbytes, counters) as thread:
        yield thread


@contextlib.contextmanager
def show_counters(mode: str, total: int | None, counters: Counters) -> Iterator[ProgressThread | None]:
    """Show counters, as ``mode`` says, while entered; ``total`` is the size of the input (None: unknown)."""
    before = Before(
        counters.of(counters.workers, "records_read"), counters.of(counters.workers, "bytes_done")
    )
    painter = None if total == 0 else _painter(mode, total, before)
    if painter is None:
        yield None
        return
    thread = ProgressThread(painter, counters, total)
    thread.start()
    try:
        yield thread
    finally:
        thread.leave()


def _painter(mode: str, total: int | None, before: Before) -> ProgressView | None:
    if mode == "none" or sys.stderr is None:
        return None
    try:
        return BarView(total, before) if mode == "bar" else LogView(total, before)
    except (OSError, ValueError):  # tqdm writes as soon as there is a bar
        return None


class ProgressThread(threading.Thread):
    """The thread that paints, until it is told to leave."""

    def __init__(self, painter: ProgressView, counters: Counters, total: int | None) -> None:
        super().__init__(name="progress", daemon=True)
        self._total = total
        self._painter = painter
        self._counters = counters
        self._leaving = threading.Event()
        self._started_at = time.monotonic()

    def run(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # stderr is gone: the load goes on without it
            while not self._leaving.wait(self._painter.every_s):
                self.paint()

    def paint(self) -> None:
        """Show the counters once; all of the bytes are shown when every worker has finished, not before."""
        bytes_done = self._counters.total("bytes_done")
        if self._total is not None:
            bytes_done = self._total if self._counters.finished() else min(bytes_done, self._total - 1)
        records = self._counters.total("records_read")
        elapsed_s = time.monotonic() - self._started_at
        self._painter.paint(bytes_done, records, elapsed_s)

    def leave(self) -> None:
        """Stop painting, after a last look when everything is done."""
        self._leaving.set()
        self.join()
        with contextlib.suppress(OSError, ValueError):
            if isinstance(self._painter, BarView):
                self.paint()
            self._painter.close()
