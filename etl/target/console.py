"""Questions to a server before, beside and behind a load: one command, or a few, and their replies."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from typing import Any

from etl.control import StopFlag
from etl.encode.resp import plain
from etl.encode.wire import Wire
from etl.errors import TargetError
from etl.plan import Session, SteadySession, Target
from etl.target.replies import Action, failure, row_of


def ask(session: Session, wire: Wire) -> Sequence[Any]:
    """Send a wire and wait for its replies; an error reply is an exception among them. Raises TargetError."""
    answers = [*session.submit(wire, None), *session.drain()]
    (answer,) = answers
    return answer.replies or ()


def ask_once(target: Target, wire: Wire) -> Sequence[Any]:
    """Connect, ask and hang up. Raises TargetError."""
    with contextlib.closing(target.connect("redis-etl")) as session:
        return ask(session, wire)


class Console:
    """One connection for all questions of a run, opened by the first one.

    It comes back like those of the workers. ``target`` may be changed: to the same one, knowing its server.
    """

    def __init__(self, target: Target, stop: StopFlag) -> None:
        self.target = target
        self._stop = stop
        self._session: SteadySession | None = None

    def ask(self, *commands: Iterable[bytes]) -> list[Any]:
        """Ask until the answer is no refusal for now.

        Raises TargetError for an error reply and a lost server (ServerChangedError: by now it is another
        one), StoppedError when the run is to stop meanwhile.
        """
        try:
            return self._ask(plain(*map(tuple, commands)))
        except TargetError:
            self.close()
            raise

    def connection(self) -> str:
        """Connect; return the number of the connection on the server, empty where it is not told.

        Raises TargetError.
        """
        if self._session is None:
            self._session = self.target.stay("redis-etl", self._stop)
        number = getattr(self._session, "client_id", None)
        return "" if number is None else str(number)

    def move(self, target: Target) -> None:
        """Go on with ``target``."""
        self.close()
        self.target = target

    def close(self) -> None:
        """Hang up. May be called twice."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _ask(self, wire: Wire) -> list[Any]:
        patience = self.target.patience(self._stop)
        while True:
            if self._session is None:
                self._session = self.target.stay("redis-etl", self._stop)
            replies = list(ask(self._session, wire))
            refusal = next((reply for reply in replies if isinstance(reply, Exception)), None)
            if refusal is None:
                return replies
            news, row = failure(refusal, self.target), row_of(refusal)
            if row.action is not Action.AGAIN:
                raise news
            patience.wait(news, row.patience_s)
            if row.reconnect:
                self._session.renew()
