"""What stderr shows while a run goes on: a tqdm bar, or a log line every few seconds.

Drawn by worker 0, of the counters that all workers share: a thread of its own looks at them a few times a
second, so the bar goes on when worker 0 waits for its server, or when its own shard is done.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from etl.plan import Plan
from etl.report import Tally
from etl.units import format_bytes, format_count, format_seconds

BAR_EVERY_S = 0.1
LOG_EVERY_S = 5.0


class Painter(Protocol):
    """Shows the counters. Called in the painting thread only, except ``close``, which comes after it."""

    every_s: float

    def paint(self, bytes_done: int, records: int, elapsed_s: float) -> None:
        """Show how far the run is."""

    def close(self) -> None:
        """Leave the terminal as a next line finds it."""


@dataclass(frozen=True, slots=True)
class Before:
    """What was done when this run began: part of the whole, and no part of its speed."""

    records: int = 0
    nbytes: int = 0


NOTHING_BEFORE = Before()


def choose_mode(asked: str) -> str:
    """Turn ``auto`` into ``bar`` on a terminal and ``log`` elsewhere; called where stderr is the user's."""
    if asked != "auto":
        return asked
    try:
        return "bar" if sys.stderr.isatty() else "log"
    except (AttributeError, ValueError):  # no stderr, or a closed one
        return "none"


def notice(mode: str, text: str) -> None:
    """Say something beside the progress, in a line of its own on stderr; nothing in mode ``none``."""
    if mode == "none" or sys.stderr is None:
        return
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"redis-etl: {text}\n")
        sys.stderr.flush()


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


class BarPainter:
    """A tqdm bar over the bytes of the whole input, with the records of all workers a second.

    Of an input whose size nobody knows (``total`` None) it shows the bytes so far.
    """

    every_s = BAR_EVERY_S

    def __init__(self, total: int | None, before: Before = NOTHING_BEFORE) -> None:
        self._bar = _make_bar(total, before)
        self._before = before

    def paint(self, bytes_done: int, records: int, elapsed_s: float) -> None:
        self._bar.n = bytes_done
        self._bar.records = f"{format_count(records)} records"
        self._bar.rate = f"{format_count(_rate(records, elapsed_s, self._before))}/s"
        # tqdm keeps its lock when a write fails, as on a terminal that was closed, and whoever closes the bar
        # in another thread would wait for it for ever. One thread at a time paints: no lock is needed.
        self._bar.refresh(nolock=True)

    def close(self) -> None:
        self._bar.close()


_BAR_FORMATS = (
    "{percent:3d}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}, RECORDS, RATE]",
    "{percent:3d}%|{bar}| [{elapsed}<{remaining}, RECORDS, RATE]",
    "{percent:3d}%|{bar}| {remaining} left, RECORDS, RATE",
    "{percent:3d}%|{bar}| {remaining} left, RATE",
    "{percent:3d}%|{bar}| {remaining} left",
    "{percent:3d}%|{bar}|",
    "{percent:3d}%",
)
_SIZELESS_FORMATS = (
    "{n_fmt} [{elapsed}, RECORDS, RATE]",
    "{elapsed}, RECORDS, RATE",
    "RECORDS, RATE",
    "RECORDS",
    "{elapsed}",
)
"""What a bar shows: the first that fits with ten columns of bar. The least needed goes first."""


def _rate(records: int, elapsed_s: float, before: Before) -> int:
    return round(max(0, records - before.records) / elapsed_s) if elapsed_s else 0


def _make_bar(total: int | None, before: Before = NOTHING_BEFORE) -> Any:
    from tqdm import tqdm

    class Bar(tqdm):  # type: ignore[type-arg]
        """tqdm rounds 99.6 % up to 100 %; this one says 100 % when it is."""

        # No thread of tqdm's own and no lock shared between processes: one process draws, from one thread.
        monitor_interval = 0
        records = "0 records"
        rate = "0/s"

        @property
        def format_dict(self) -> Any:
            values = super().format_dict
            values["percent"] = 100 * min(self.n, total) // total if total else 0
            columns = values["ncols"] or 0  # a terminal that does not know its width says 0; tqdm makes it -1
            values["ncols"] = columns if columns > 0 else None
            values["bar_format"] = self._fitting(values)
            return values

        def _fitting(self, values: Mapping[str, Any]) -> str:
            for format in _SIZELESS_FORMATS if total is None else _BAR_FORMATS:
                said = format.replace("RECORDS", self.records).replace("RATE", self.rate)
                columns = len(self.format_meter(**{**values, "ncols": None, "bar_format": said}))
                if values["ncols"] is None or columns <= values["ncols"]:
                    break
            return said

    Bar.set_lock(threading.RLock())
    return Bar(
        total=total,
        initial=before.nbytes,
        unit="B",
        unit_scale=True,
        dynamic_ncols=True,
        file=sys.stderr,
        leave=True,
    )


class LogPainter:
    """A line every few seconds, for logs: how far, how fast, how long still."""

    every_s = LOG_EVERY_S

    def __init__(self, total: int | None, before: Before = NOTHING_BEFORE) -> None:
        self._total = total
        self._before = before

    def paint(self, bytes_done: int, records: int, elapsed_s: float) -> None:
        line = log_line(bytes_done, self._total, records, elapsed_s, self._before)
        sys.stderr.write(line + "\n")
        sys.stderr.flush()

    def close(self) -> None:
        """Nothing to tidy up."""


def log_line(
    bytes_done: int, total: int | None, records: int, elapsed_s: float, before: Before = NOTHING_BEFORE
) -> str:
    """Write one log line: percent is rounded down, so 100 % means all; no ``total``: nobody knows it.

    The rate, and the time that is left, go by what was done since ``before``.
    """
    counts = f"{format_count(records)} records, {format_count(_rate(records, elapsed_s, before))} records/s"
    if total is None:
        return f"redis-etl: {format_bytes(bytes_done)}, {counts}"
    percent = 100 * bytes_done // total
    own = bytes_done - before.nbytes
    left = f", {format_seconds(elapsed_s * (total - bytes_done) / own)} left" if own > 0 else ""
    return f"redis-etl: {percent} % ({format_bytes(bytes_done)} of {format_bytes(total)}), {counts}{left}"
