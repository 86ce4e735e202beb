"""Questions to a server before, beside and behind a load: one command, or a few, and their replies."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from etl.encode.resp.protocol import plain
from etl.errors import HungUpError, LostError, TargetError
from etl.plan import ReconnectingSession, Session, StopFlag, Target, Wire
from etl.sink.error_replies import Action, failure, policy_of

T = TypeVar("T")

MOST_HANG_UPS = 3
"""Connections that may break upon one question before it is taken for the answer."""


def ask(session: Session, wire: Wire) -> Sequence[Any]:
    """Send a wire and wait for its replies; an error reply is an exception among them. Raises TargetError."""
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
    """Connect, ask what may be asked twice, and hang up; again as long as connections break.

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
    """Return what ``use`` finds on a connection of its own; again as long as connections break.

    Raises HungUpError where connections break upon the question MOST_HANG_UPS times, or until the patience
    ends; TargetError where none is made until then (without ``reaches``, at once), StoppedError.
    """
    backoff = target.backoff(stop)
    hang_ups = 0
    while True:
        try:
            session = target.connect(client_name)
        except LostError as lost:
            if not reaches:
                raise
            backoff.wait(lost)
            continue
        with contextlib.closing(session):
            try:
                return use(session)
            except LostError as lost:
                broken = lost
        hang_ups += 1
        if hang_ups == MOST_HANG_UPS:
            raise HungUpError(str(broken))
        try:
            backoff.wait(broken)
        except TargetError as over:
            raise HungUpError(str(over)) from None


class ControlConnection:
    """One connection for all questions of a run, opened by the first one.

    It comes back like those of the workers. ``target`` may be changed: to the same one, knowing its server.
    """

    def __init__(self, target: Target, stop: StopFlag) -> None:
        self.target = target
        self._stop = stop
        self._session: ReconnectingSession | None = None

    def ask(self, *commands: Iterable[bytes]) -> list[Any]:
        """Ask until the answer is no refusal for now.

        Raises TargetError for an error reply and a lost server (ServerChangedError: by now it is another
        one), StoppedError when the run is to stop meanwhile.
        """
        return self.send(plain(*map(tuple, commands)))

    def send(self, wire: Wire) -> list[Any]:
        """Ask what a wire holds, as ``ask`` does."""
        try:
            return self._ask(wire)
        except TargetError:
            self.close()
            raise

    def connection(self) -> str:
        """Connect; return the number of the connection on the server, empty where it is not told.

        Raises TargetError.
        """
        if self._session is None:
            self._session = self.target.connect_reconnecting("redis-etl", self._stop)
        number = getattr(self._session, "client_id", None)
        return "" if number is None else str(number)

    def set_target(self, target: Target) -> None:
        """Go on with ``target``."""
        self.close()
        self.target = target

    def close(self) -> None:
        """Hang up. May be called twice."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _ask(self, wire: Wire) -> list[Any]:
        backoff = self.target.backoff(self._stop)
        while True:
            if self._session is None:
                self._session = self.target.connect_reconnecting("redis-etl", self._stop)
            replies = list(ask(self._session, wire))
            refusal = next((reply for reply in replies if isinstance(reply, Exception)), None)
            if refusal is None:
                return replies
            news, row = failure(refusal, self.target), policy_of(refusal)
            if row.action is not Action.AGAIN:
                raise news
            backoff.wait(news, row.patience_s)
            if row.reconnect:
                self._session.renew()
