"""Watching a server that has both its data sets: the second one is not to fill its machine."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from etl.encode.resp.protocol import plain
from etl.errors import EtlError
from etl.plan import StopFlag
from etl.sink.control import ask_through
from etl.sink.deployments.standalone import StandaloneTarget
from etl.sink.replication.checks import memory_error
from etl.sink.replication.facts import ServerState, read_memory

LOOK_EVERY_S = 1.0


def memory_error_now(
    target: StandaloneTarget, before: ServerState, stop: StopFlag, *, whole: bool
) -> EtlError | None:
    """Return the error of a server that has too little memory now, of those that tell; else None.

    ``before`` is what it was; for ``whole`` see ``memory_error``. Raises TargetError, StoppedError.
    """
    if not before.serves_reads:
        return None  # it answers LOADING, or has not begun to load
    (info,) = ask_through(target, plain((b"INFO", b"memory")), stop)
    used = read_memory(info)
    return None if used is None else memory_error(before, used, target, whole=whole)


class MemoryWatch(threading.Thread):
    """Looks now and then; ``found`` is called, in this thread, with the error of too little memory, once."""

    def __init__(
        self, target: StandaloneTarget, before: ServerState, found: Callable[[EtlError], None]
    ) -> None:
        super().__init__(name="replication memory", daemon=True)
        self._target = target
        self._before = before
        self._found = found
        self._leaving = threading.Event()

    def run(self) -> None:
        while not self._leaving.wait(LOOK_EVERY_S):
            error = None
            with contextlib.suppress(EtlError):  # a server that is lost is the workers' business
                error = memory_error_now(self._target, self._before, self._leaving, whole=False)
            if error is not None:
                self._found(error)
                return

    def leave(self) -> None:
        """Look no more."""
        self._leaving.set()
