"""The stop flag of a job: a field of its record that says which run is to stop, from wherever it is written.

It holds a run's token, so it stops that run and none that is started later, and is never taken back. A run
looks at it every LOOK_EVERY_S seconds, and ends as after a signal: it can be resumed.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

from etl.encode.resp.protocol import plain
from etl.errors import EtlError, InterruptedRunError, TargetError
from etl.job.state import Job
from etl.plan import Session
from etl.sink.control import ask

LOOK_EVERY_S = 2.0

_FIELD = b"stop"


def ask_to_stop(job: Job, token: str) -> None:
    """Ask the run with this token to stop; a record that is not there is not made. Raises TargetError."""
    (state,) = job.control.execute((b"HGET", job.key, b"state"))
    if state is not None:
        job.control.execute((b"HSET", job.key, _FIELD, token.encode()))


@contextlib.contextmanager
def heeding_stop(job: Job, token: str, stop: Callable[[EtlError], None]) -> Iterator[None]:
    """Call ``stop`` in another thread, while entered, when the run with this token is asked to stop."""
    watch = _Watch(job, token, stop)
    watch.start()
    try:
        yield
    finally:
        watch.leave()


class _Watch(threading.Thread):
    """Looks at the flag; a server that is away is the workers' business."""

    def __init__(self, job: Job, token: str, stop: Callable[[EtlError], None]) -> None:
        super().__init__(name="stop-flag", daemon=True)
        self._job = job
        self._token = token.encode()
        self._told = stop
        self._leaving = threading.Event()

    def run(self) -> None:
        session: Session | None = None
        while not self._leaving.wait(LOOK_EVERY_S):
            try:
                session = session or self._job.target.connect("redis-etl")
                (flag,) = ask(session, plain((b"HGET", self._job.key, _FIELD)))
            except TargetError:
                if session is not None:
                    session.close()
                session = None
                continue
            if flag == self._token:
                name = self._job.name
                # As SIGTERM does: who runs shards takes it for an end that was asked for.
                self._told(InterruptedRunError(f"job {name} was asked to stop", signal.SIGTERM))
                break
        if session is not None:
            session.close()

    def leave(self) -> None:
        self._leaving.set()
        self.join()
