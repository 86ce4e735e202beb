"""Questions to a server before, during and after a load: one command, or a few, and their replies."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from etl.encode.resp.protocol import plain
from etl.errors import HungUpError, LostError, TargetError, TransientError
from etl.plan import RenewableSession, Session, StopFlag, Target, Wire
from etl.plan.error_reply import Cause, ErrorReply
from etl.sink.error_replies import failure

T = TypeVar("T")

MAX_HANG_UPS = 3
"""Connections that may break upon one question before that is taken for the answer."""


def ask(session: Session, wire: Wire) -> Sequence[Any]:
    """Send a wire; return its replies, an ErrorReply for each that is one. Raises TargetError."""
    answers = [*session.submit(wire, None), *session.drain()]
    (answer,) = answers
    return answer.replies or ()


def ask_through(
    target: Target,
    wire: Wire,
    stop: StopFlag,
    client_name: str = "redis-etl",
    *,
    reaches: bool = True,
) -> Sequence[Any]:
    """Connect, send what may be sent twice, and hang up; again as long as connections break.

    Raises what ``questioned`` raises.
    """
    return questioned(target, lambda session: ask(session, wire), stop, client_name, reaches=reaches)


def questioned(
    target: Target,
    use: Callable[[Session], T],
    stop: StopFlag,
    client_name: str = "redis-etl",
    *,
    reaches: bool = True,
) -> T:
    """Return what ``use`` finds on a connection for it alone; again as long as connections break.

    Raises HungUpError where connections break upon the question MAX_HANG_UPS times, or until the deadline;
    TargetError where none is made until then (without ``reaches``, at once), StoppedError.
    """
    hang_ups = 0

    def attempt() -> T:
        nonlocal hang_ups
        with contextlib.closing(target.connect(client_name)) as session:
            try:
                return use(session)
            except LostError as lost:
                hang_ups += 1
                raise HungUpError(str(lost)) from None

    def limit_s(error: TransientError) -> float | None:
        retried = hang_ups < MAX_HANG_UPS if isinstance(error, HungUpError) else reaches
        return None if retried else 0.0

    return target.backoff(stop).retry(attempt, limit_s=limit_s)


class ControlConnection:
    """One connection for all questions of a run, opened when the first one is asked.

    It comes back like those of the workers. ``target`` may be changed: to the same one, knowing its server.
    """

    def __init__(self, target: Target, stop: StopFlag) -> None:
        self.target = target
        self._stop = stop
        self._session: RenewableSession | None = None

    def execute(self, *commands: Iterable[bytes]) -> list[Any]:
        """Return the replies to commands, sent again as long as the server refuses them for now.

        Raises TargetError for an error reply and a lost server (ServerChangedError: by now it is another
        one), StoppedError when the run is to stop meanwhile.
        """
        return self.send(plain(*map(tuple, commands)))

    def send(self, wire: Wire) -> list[Any]:
        """Return the replies to the commands of a wire, as ``execute`` does."""
        try:
            return self.target.backoff(self._stop).retry(lambda: self._attempt(wire))
        except TargetError:
            self.close()
            raise

    def alone(self, use: Callable[[ControlConnection], T]) -> T:
        """Return what ``use`` finds by questions that all go over one connection; anew where that breaks.

        So a transaction never goes without the WATCH before it. Raises what ``execute`` raises.
        """

        def attempt() -> T:
            self._connected()  # whoever is reached must be the same server still
            with contextlib.closing(self.target.connect("redis-etl")) as session:
                return use(_OneConnection(self.target, self._stop, session))

        return self.target.backoff(self._stop).retry(attempt)

    def connection(self) -> str:
        """Connect; return the number of the connection on the server, empty where it is not told.

        Raises TargetError.
        """
        number = getattr(self._connected(), "client_id", None)
        return "" if number is None else str(number)

    def set_target(self, target: Target) -> None:
        """Use ``target`` from now on."""
        self.close()
        self.target = target

    def close(self) -> None:
        """Hang up. May be called twice."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _connected(self) -> RenewableSession:
        if self._session is None:
            self._session = self.target.connect_reconnecting("redis-etl", self._stop)
        return self._session

    def _attempt(self, wire: Wire) -> list[Any]:
        replies = list(ask(self._connected(), wire))
        for reply in replies:
            if isinstance(reply, ErrorReply):
                if reply.policy.reconnect:
                    self.close()
                raise self._error(reply)
        return replies

    def _error(self, reply: ErrorReply) -> TargetError:
        error = failure(reply, self.target)
        if reply.policy.cause is Cause.MOVED and "cluster" not in self.target.takes:
            return TargetError(f"{error}; the user needs the right to INFO, which tells of a cluster")
        return error


class _OneConnection(ControlConnection):
    """A ControlConnection over one session, which does not come back."""

    def __init__(self, target: Target, stop: StopFlag, session: Session) -> None:
        super().__init__(target, stop)
        self._only = session

    def send(self, wire: Wire) -> list[Any]:
        replies = list(ask(self._only, wire))
        for reply in replies:
            if isinstance(reply, ErrorReply):
                raise self._error(reply)
        return replies
