"""A line of progress every few seconds, where there is no terminal."""

from __future__ import annotations

import sys

from etl.output.before import NOTHING_BEFORE, Before, rate_of
from etl.units import format_bytes, format_count, format_seconds

LOG_EVERY_S = 5.0


class LogView:
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
    """Write one log line: percent is rounded down, so 100 % means all; no ``total``: it is unknown.

    The rate, and the time that is left, go by what was done since ``before``.
    """
    counts = f"{format_count(records)} records, {format_count(rate_of(records, elapsed_s, before))} records/s"
    if total is None:
        return f"redis-etl: {format_bytes(bytes_done)}, {counts}"
    percent = 100 * bytes_done // total
    own = bytes_done - before.nbytes
    left = f", {format_seconds(elapsed_s * (total - bytes_done) / own)} left" if own > 0 else ""
    return f"redis-etl: {percent} % ({format_bytes(bytes_done)} of {format_bytes(total)}), {counts}{left}"
