"""Trying again while a server is away or refuses for now: the one loop that waits, up to a deadline."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import NoReturn, TypeVar

from etl.errors import StoppedError, TransientError
from etl.plan import StopFlag
from etl.units import format_seconds

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 2.0

T = TypeVar("T")


class Backoff:
    """Pauses after errors, for at most ``retry_for_s`` seconds since the first one after a success.

    Each pause is twice as long as the one before it, with a random part, so that workers do not all come back
    at the same moment. A run that is told to stop does not wait.
    """

    def __init__(self, retry_for_s: float, stop: StopFlag) -> None:
        self._retry_for_s = retry_for_s
        self._stop = stop
        self._since: float | None = None
        self._pause_s = FIRST_PAUSE_S

    def retry(
        self,
        attempt: Callable[[], T],
        *,
        limit_s: Callable[[TransientError], float | None] = lambda error: None,
        told: Callable[[str], None] = lambda text: None,
        failed: TransientError | None = None,
    ) -> T:
        """Return what ``attempt`` returns; as long as it raises TransientError, pause and call it again.

        ``limit_s`` returns for how many seconds an error is worth it (0: it is raised at once; None: as long
        as usual). ``told`` hears once why is waited. ``failed`` is an error of an attempt before the first.
        Raises what ``wait`` raises. It is no success that an attempt returns: ``reset`` is for the caller.
        """
        while True:
            if failed is not None:
                limit = self._limit(failed, limit_s(failed))
                self.wait(failed, limit)
                told(f"{failed}; trying again for {format_seconds(limit)} (--retry-for)")
                told = _nobody
            try:
                return attempt()
            except TransientError as error:
                failed = error

    def wait(self, error: TransientError, limit_s: float | None = None) -> None:
        """Pause. Raises ``error``, amended, when the deadline (or a limit that is shorter) is over.

        The limit is the error's own, or ``limit_s``. Raises StoppedError when the run is to stop.
        """
        now = time.monotonic()
        if self._since is None:
            self._since = now
        limit = self._limit(error, limit_s)
        if now - self._since >= limit:
            self._give_up(error, limit)
        pause = min(self._pause_s * random.uniform(0.5, 1.0), limit)
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        if self._stop.wait(pause):
            raise StoppedError(f"stopped while waiting: {error}")

    def reset(self) -> None:
        """Note a success: the next error has the whole deadline again."""
        if self._since is not None:
            self._since = None
            self._pause_s = FIRST_PAUSE_S

    def _limit(self, error: TransientError, limit_s: float | None) -> float:
        limits = (self._retry_for_s, error.limit_s, limit_s)
        return min(limit for limit in limits if limit is not None)

    def _give_up(self, error: TransientError, limit: float) -> NoReturn:
        if limit > 0:
            raise error.given_up(f"{error}; tried again for {format_seconds(limit)} (--retry-for)")
        raise error


def _nobody(text: str) -> None:
    """Hear nothing: what is waited for was said before."""
