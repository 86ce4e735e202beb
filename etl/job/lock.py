"""One run of a job at a time: a key with an expiry, renewed while the run goes on.

https://redis.io/docs/latest/develop/clients/patterns/distributed-locks/. The lock says who may write marks;
a run that finds it in other hands stops. Its value has three lines: the run's token, the number of its
connection on the server, and where it runs (``etl/job/presence.py``).

A lock whose holder is known to be dead is taken over: at once, if that is known on this machine, else when
its connection is gone and it has not been renewed for two periods. Any other is gone after LOCK_S seconds.

NOTE(takeover): it is replaced only if it is still the one that was looked at. Workers outlive their parent by
moments (NOTE(orphans) in ``etl/run/runners/processes.py``), and what they write then would be written beside
the new run's: they are waited for.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from etl.encode.resp.protocol import plain
from etl.errors import EtlError, LockedError, TargetError, WrongTypeError
from etl.job.presence import Seen, look_for
from etl.job.state import Job
from etl.plan import Session, StopFlag
from etl.plan.error_reply import Cause, ErrorReply
from etl.sink.control import ask, questioned
from etl.sink.error_replies import failure
from etl.units import format_seconds

LOCK_S = 30
_LOCK_MS = b"%d" % (1000 * LOCK_S)
RENEW_EVERY_S = 10.0
LOOK_EVERY_S = 0.25
ENDING_LOOK_S = 0.02
ENDING_S = 10.0
"""How long workers whose parent is dead are waited for, beyond what ``wait_s`` allows."""

LEAVE_S = 10.0
STOPPED_LEAVE_S = 1.0
"""How long the server may take to give the lock back, at a run's end and when it was told to stop."""


_ELSEWHERE = (Cause.MOVED, Cause.ASK, Cause.SPLIT)


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock, as its value says: of another program, or an earlier release, only the first line."""

    run: str
    connection: str = ""
    place: str = ""

    @classmethod
    def of(cls, value: bytes) -> Holder:
        return cls(*([*value.decode("utf-8", "replace").split("\n"), "", ""])[:3])

    @property
    def value(self) -> bytes:
        return "\n".join((self.run, self.connection, self.place)).encode()

    @property
    def shown(self) -> str:
        """Return the holder for people."""
        return self.run.rpartition("/")[0] or "somebody"

    def seen(self) -> Seen:
        """Return what is known on this machine."""
        return look_for(self.run.rpartition("/")[2], self.place)


@contextlib.contextmanager
def locked(job: Job, wait_s: float, stop: StopFlag, lost: Callable[[EtlError], None]) -> Iterator[None]:
    """Hold the job's lock while entered; ``lost`` is called, in another thread, when it is lost.

    Raises LockedError when another run holds it for longer than ``wait_s`` seconds, TargetError.
    """
    with contextlib.closing(job.presence) as presence:
        presence.enter()
        _take(job, wait_s, stop)
        keeper = _Keeper(job, lost)
        keeper.start()
        try:
            yield
        finally:
            keeper.leave(STOPPED_LEAVE_S if stop.is_set() else LEAVE_S)


def lock_key(job: Job) -> bytes:
    """Return the key of a job's lock."""
    return job.key + b":lock"


def lock_command(job: Job) -> tuple[bytes, ...]:
    """Return the command that takes the lock for a run that holds it, where all data were replaced."""
    return _set(job, Holder(job.run, "", job.presence.place()))


def _own(job: Job) -> Holder:
    return Holder(job.run, job.control.connection(), job.presence.place())


def _set(job: Job, own: Holder) -> tuple[bytes, ...]:
    return (b"SET", lock_key(job), own.value, b"NX", b"PX", _LOCK_MS)


def _take(job: Job, wait_s: float, stop: StopFlag) -> None:
    now = time.monotonic()
    deadline, ending_deadline = now + wait_s, now + max(wait_s, ENDING_S)
    while True:
        own = _own(job)
        value = _try(job, own)
        if value is None:
            return
        holder = Holder.of(value)
        seen = holder.seen()
        if (seen is Seen.GONE or _abandoned(job, holder)) and _take_over(job, value, own):
            return
        now = time.monotonic()
        if now >= (deadline if seen is Seen.LIVING else ending_deadline):
            raise _locked(job, holder, seen, wait_s)
        stop.wait(LOOK_EVERY_S if seen is Seen.LIVING else ENDING_LOOK_S)


def _try(job: Job, own: Holder) -> bytes | None:
    """Take a lock that is free; return the value of one that is not. Raises StoppedError, TargetError."""
    try:
        taken, value = job.control.execute(_set(job, own), (b"GET", lock_key(job)))
    except WrongTypeError:
        name = lock_key(job).decode("utf-8", "replace")
        raise TargetError(f"{job.target}: {name} is no lock: delete it, or give another --job") from None
    return None if taken is not None or value is None or Holder.of(value).run == job.run else bytes(value)


def _locked(job: Job, holder: Holder, seen: Seen, wait_s: float) -> LockedError:
    if seen is not Seen.LIVING:
        return LockedError(
            f"another run of {job.title} was ended, and workers of it are still there: {holder.shown};"
            " try again when they are gone"
        )
    waited = f" (waited {format_seconds(wait_s)})" if wait_s else ""
    return LockedError(
        f"another run of {job.title} is going on: {holder.shown}{waited}; --wait-lock SECONDS waits for"
        " its end"
    )


def _abandoned(job: Job, holder: Holder) -> bool:
    """Return True if the holder's connection is gone and it has not renewed the lock for two periods.

    Not known where the server does not list its connections for this user.
    """
    if not holder.connection:
        return False
    (left_ms,) = job.control.execute((b"PTTL", lock_key(job)))
    if left_ms < 0 or int(_LOCK_MS) - left_ms < 2000 * RENEW_EVERY_S:
        return False
    with contextlib.suppress(TargetError), contextlib.closing(job.target.connect("redis-etl")) as session:
        (listed,) = _ask(session, (b"CLIENT", b"LIST"))
        if isinstance(listed, bytes):
            return f"id={holder.connection}".encode() not in listed.split()
    return False


def _take_over(job: Job, value: bytes, own: Holder) -> bool:
    """Replace the lock if it is still this one; return False if it is not, or if that is unknown."""
    key = lock_key(job)
    with contextlib.suppress(TargetError), contextlib.closing(job.target.connect("redis-etl")) as session:
        if _ask(session, (b"WATCH", key), (b"GET", key))[1] != value:
            return False
        done = _ask(session, (b"MULTI",), (b"SET", key, own.value, b"PX", _LOCK_MS), (b"EXEC",))[-1]
        return isinstance(done, list) and not isinstance(done[0], Exception)
    return False


def _release(job: Job) -> None:
    """Give the lock back, also while its slot moves from one node of a cluster to another."""

    def given_back(session: Session) -> bool:
        value = _ask_here(job, session, (b"WATCH", lock_key(job)), (b"GET", lock_key(job)))[1]
        if not isinstance(value, bytes) or Holder.of(value).run != job.run:
            return True
        return _ask_here(job, session, (b"MULTI",), (b"DEL", lock_key(job)), (b"EXEC",))[-1] is not None

    while not questioned(job.target, given_back, threading.Event()):
        pass  # it was moved, or taken over, between the two


def _ask_here(job: Job, session: Session, *commands: tuple[bytes, ...]) -> list[Any]:
    """Return the replies of the node that has the lock. Raises RefusedForNowError where another has it."""
    replies = _ask(session, *commands)
    for reply in replies:
        if isinstance(reply, ErrorReply) and reply.policy.cause in _ELSEWHERE:
            raise failure(reply, job.target)
    return replies


def _ask(session: Session, *commands: tuple[bytes, ...]) -> list[Any]:
    return list(ask(session, plain(*commands)))


def _hang_up(session: Session | None) -> None:
    if session is not None:
        session.close()


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
        target = self._job.target
        while not self._leaving.wait(RENEW_EVERY_S):
            if target is not self._job.target:  # the run has gone on at another server
                _hang_up(session)
                session, target = None, self._job.target
            try:
                session = session or target.connect("redis-etl")
                held = self._renew(session)
            except TargetError:
                _hang_up(session)
                session = None
                continue
            if not held:
                self._lost(LockedError(f"{self._job.title} lost its lock to another run: this one stops"))
                break
        _hang_up(session)

    def leave(self, timeout_s: float) -> None:
        """Stop renewing, and give the lock back if the server answers in time."""
        self._leaving.set()
        self.join(timeout_s)

    def _renew(self, session: Session) -> bool:
        """Renew the lock, or take it again if it has expired and nobody else ran meanwhile."""
        job, key = self._job, lock_key(self._job)
        _, value, last = _ask(session, (b"WATCH", key), (b"GET", key), (b"HGET", job.key, b"run"))
        if isinstance(value, ErrorReply) and value.policy.cause is Cause.MOVED:
            raise failure(value, job.target)  # the next connection is made to the node that has it
        if isinstance(value, bytes) and Holder.of(value).run == job.run:
            for reply in _ask(session, (b"MULTI",), (b"PEXPIRE", key, _LOCK_MS), (b"EXEC",)):
                if isinstance(reply, ErrorReply) and reply.policy.reconnect:
                    raise failure(reply, job.target)  # a replica by now: its primary has the lock
            return True
        _ask(session, (b"UNWATCH",))
        if value is None and last in (job.run.encode(), None):
            (taken,) = _ask(session, _set(job, Holder(job.run, "", job.presence.place())))
            return taken is not None
        return isinstance(value, Exception) or isinstance(last, Exception)  # LOADING and the like: next time
