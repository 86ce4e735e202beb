"""Waiting for a server that is away or refuses for now: a deadline, and pauses that grow."""

from __future__ import annotations

import random
import time
from typing import NoReturn

from etl.errors import StoppedError, TargetError
from etl.plan import StopFlag
from etl.units import format_seconds

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 2.0


class Backoff:
    """Pauses from one piece of bad news to the next, for at most ``retry_for_s`` seconds without a good one.

    Each pause is twice as long as the one before it, with a random part, so that workers do not all come back
    at the same moment. A run that is told to stop does not wait.
    """

    def __init__(self, retry_for_s: float, stop: StopFlag) -> None:
        self._retry_for_s = retry_for_s
        self._stop = stop
        self._since: float | None = None
        self._pause_s = FIRST_PAUSE_S

    def wait(self, news: TargetError, limit_s: float | None = None) -> None:
        """Pause. Raises ``news``, amended, when the deadline (or ``limit_s``, if shorter) is over.

        Raises StoppedError when the run is to stop.
        """
        now = time.monotonic()
        if self._since is None:
            self._since = now
        limit = self._retry_for_s if limit_s is None else min(limit_s, self._retry_for_s)
        if now - self._since >= limit:
            self._give_up(news, limit)
        pause = min(self._pause_s * random.uniform(0.5, 1.0), limit)
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        if self._stop.wait(pause):
            raise StoppedError(f"stopped while waiting: {news}")

    def end(self) -> None:
        """Note good news: the next bad one has the whole deadline again."""
        if self._since is not None:
            self._since = None
            self._pause_s = FIRST_PAUSE_S

    def _give_up(self, news: TargetError, limit: float) -> NoReturn:
        if limit > 0:
            raise TargetError(f"{news}; tried again for {format_seconds(limit)} (--retry-for)")
        raise news
