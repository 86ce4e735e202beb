"""One run of a job at a time: a key with an expiry, renewed while the run goes on.

https://redis.io/docs/latest/develop/clients/patterns/distributed-locks/. A lock left by a machine that died
is gone after LOCK_S seconds. The lock says who may write marks; a run that finds it in other hands stops.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from etl.control import StopFlag
from etl.encode.resp import plain
from etl.errors import EtlError, LockedError, TargetError
from etl.job.record import Job
from etl.plan import Session
from etl.target.console import ask, questioned
from etl.units import format_seconds

LOCK_S = 30
_LOCK_MS = b"%d" % (1000 * LOCK_S)
RENEW_EVERY_S = 10.0
LOOK_EVERY_S = 0.25
LEAVE_S = 10.0
STOPPED_LEAVE_S = 1.0
"""How long the server may take to give the lock back, at a run's end and when it was told to stop."""


@contextlib.contextmanager
def locked(job: Job, wait_s: float, stop: StopFlag, lost: Callable[[EtlError], None]) -> Iterator[None]:
    """Hold the job's lock while entered; ``lost`` is called, in another thread, when it is lost.

    Raises LockedError when another run holds it for longer than ``wait_s`` seconds, TargetError.
    """
    _take(job, wait_s, stop)
    keeper = _Keeper(job, lost)
    keeper.start()
    try:
        yield
    finally:
        keeper.leave(STOPPED_LEAVE_S if stop.is_set() else LEAVE_S)


def _key(job: Job) -> bytes:
    return job.key + b":lock"


def _set(job: Job) -> tuple[bytes, ...]:
    return (b"SET", _key(job), job.run.encode(), b"NX", b"PX", _LOCK_MS)


def _take(job: Job, wait_s: float, stop: StopFlag) -> None:
    deadline = time.monotonic() + wait_s
    while True:
        taken, holder = job.console.ask(_set(job), (b"GET", _key(job)))
        if taken is not None or holder == job.run.encode():  # it was taken, and the answer got lost
            return
        if time.monotonic() >= deadline:
            who = (holder or b"somebody").decode("utf-8", "replace").rpartition("/")[0]
            waited = f" (waited {format_seconds(wait_s)})" if wait_s else ""
            raise LockedError(
                f"another run of job {job.name} is going on: {who}{waited}; --wait-lock SECONDS waits for its"
                " end"
            )
        stop.wait(LOOK_EVERY_S)


def _release(job: Job) -> None:
    def give_back(session: Session) -> None:
        if _ask(session, (b"WATCH", _key(job)), (b"GET", _key(job)))[1] == job.run.encode():
            _ask(session, (b"MULTI",), (b"DEL", _key(job)), (b"EXEC",))

    questioned(job.target, give_back, threading.Event())


def _ask(session: Session, *commands: tuple[bytes, ...]) -> list[Any]:
    return list(ask(session, plain(*commands)))


class _Keeper(threading.Thread):
    """Renews the lock, and gives it back at the end.

    A server that is away is the workers' business: the lock is looked after again, or it expires.
    """

    def __init__(self, job: Job, lost: Callable[[EtlError], None]) -> None:
        super().__init__(name="lock", daemon=True)
        self._job = job
        self._lost = lost
        self._leaving = threading.Event()

    def run(self) -> None:
        self._keep()
        with contextlib.suppress(TargetError):
            _release(self._job)

    def _keep(self) -> None:
        session: Session | None = None
        while not self._leaving.wait(RENEW_EVERY_S):
            try:
                session = session or self._job.target.connect("redis-etl")
                held = self._renew(session)
            except TargetError:
                if session is not None:
                    session.close()
                session = None
                continue
            if not held:
                self._lost(LockedError(f"job {self._job.name} lost its lock to another run: this one stops"))
                break
        if session is not None:
            session.close()

    def leave(self, timeout_s: float) -> None:
        """Stop renewing, and give the lock back if the server answers in time."""
        self._leaving.set()
        self.join(timeout_s)

    def _renew(self, session: Session) -> bool:
        """Renew the lock, or take it again if it has expired and nobody else ran meanwhile."""
        key, token = _key(self._job), self._job.run.encode()
        _, holder, last = _ask(session, (b"WATCH", key), (b"GET", key), (b"HGET", self._job.key, b"run"))
        if holder == token:
            _ask(session, (b"MULTI",), (b"PEXPIRE", key, _LOCK_MS), (b"EXEC",))
            return True
        _ask(session, (b"UNWATCH",))
        if holder is None and last in (token, None):
            (taken,) = _ask(session, _set(self._job))
            return taken is not None
        return isinstance(holder, Exception) or isinstance(last, Exception)  # LOADING and the like: next time
