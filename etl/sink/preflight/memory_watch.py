"""Watching the server's memory while a load goes on: all workers pause before it is full.

A full server refuses the writes of all its clients, not of this load alone. So the load makes a pause when
there is hardly any room left: keys expire, somebody deletes some or raises ``maxmemory``. If nothing happens
the load goes on, as the rest of it may fit; if it does not, the server says so (OOM).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

from etl.report import Counters
from etl.sink.error_replies import ERROR_POLICIES
from etl.sink.preflight.facts import Info
from etl.units import MIB

LOOK_EVERY_S = 0.5
MIN_ROOM = 0.02
"""Part of ``maxmemory`` that is hardly any room."""

MIN_ROOM_BYTES = 64 * MIB
"""The same in bytes, for large servers: more than all workers have in flight."""


def has_little_room(info: Info) -> bool:
    """Return True if the server is about to refuse writes. One that evicts keys never does."""
    if not info.maxmemory or info.used_memory is None or (info.policy or "noeviction") != "noeviction":
        return False
    return info.maxmemory - info.used_memory < min(MIN_ROOM * info.maxmemory, MIN_ROOM_BYTES)


def fullest(infos: Iterable[Info]) -> Info:
    """Return what a server says that has little room, of several; else what one of them says."""
    said = list(infos)
    return next(filter(has_little_room, said), said[0])


class MemoryGuard(threading.Thread):
    """Looks at what ``ask`` finds, and pauses the workers by their counters; ``leave`` ends it."""

    def __init__(self, counters: Counters, ask: Callable[[], Info], limit_s: float) -> None:
        super().__init__(name="memory", daemon=True)
        self._counters = counters
        self._ask = ask
        self._limit_s = min(limit_s, ERROR_POLICIES["OOM"].limit_s or limit_s)
        self._leaving = threading.Event()
        self._paused_since: float | None = None

    def run(self) -> None:
        while not self._leaving.wait(LOOK_EVERY_S):
            self.look(time.monotonic())

    def look(self, now: float) -> None:
        """Pause the workers or let them go on. ``now`` is a monotonic time in seconds."""
        if not has_little_room(self._ask()):
            self._paused_since = None
        elif self._paused_since is None:
            self._paused_since = now
        paused = self._paused_since is not None and now - self._paused_since < self._limit_s
        self._counters.pause(paused)

    def leave(self) -> None:
        """Let the workers go on, and end."""
        self._leaving.set()
        self._counters.pause(False)
