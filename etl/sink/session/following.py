"""A session with the primary of one slot that follows its keys to where the slot moves.

While a slot is on its way, its primary sends a client elsewhere for the keys that it does not have (ASK):
those that were moved, and those that are new. https://redis.io/docs/latest/commands/cluster-setslot/

NOTE(watch): what is watched at one node does not guard a transaction at another one. Where the two differ,
the transaction is left undone, as if what was watched had changed: whoever watches tries again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from etl.encode.resp.protocol import asking, commands_in, plain
from etl.errors import TargetError
from etl.plan import RenewableSession, Response, Session, Wire
from etl.plan.error_reply import Cause, has_cause
from etl.sink.session.slot_map import Node, redirection

Command = tuple[bytes, ...]


class FollowingSession:
    """A RenewableSession (``etl/plan/target.py``): ``session`` is with the primary.

    A response that sends some commands elsewhere is completed before the next one is returned. ``open_node``
    opens a session with another node. ``seed`` is any node: a redirection without a host means the same one.
    """

    def __init__(self, session: Any, open_node: Callable[[Node], Session], seed: Node) -> None:
        self._session: RenewableSession = session
        self._open_node = open_node
        self._seed = seed
        self._others: dict[Node, Session] = {}
        self._watching: Node | None = None

    @property
    def client_id(self) -> int | None:
        """The number of the connection to the primary; None where it is not told."""
        number: int | None = getattr(self._session, "client_id", None)
        return number

    def submit(self, wire: Wire, token: Any) -> Iterator[Response]:
        return map(self._completed, self._session.submit(wire, token))

    def drain(self) -> Iterator[Response]:
        return map(self._completed, self._session.drain())

    def renew(self) -> None:
        self._close_others()
        self._session.renew()

    def close(self) -> None:
        self._close_others()
        self._session.close()

    def _close_others(self) -> None:
        while self._others:
            self._others.popitem()[1].close()

    def _completed(self, response: Response) -> Response:
        """Return a response with the replies of the node that it sends commands to. Raises TargetError."""
        if response.replies is None:
            return response
        elsewhere = [place for place, reply in enumerate(response.replies) if has_cause(reply, Cause.ASK)]
        if not elsewhere:
            return response
        try:
            _, there = redirection(str(response.replies[elsewhere[0]]), self._seed)
        except ValueError:
            return response
        commands = commands_in(b"".join(response.wire.buffers))
        replies = list(response.replies)
        if commands[0] == (b"MULTI",):
            replies = self._transaction(commands, there)
        else:
            found = self._ask(there, asking(plain(*(commands[place] for place in elsewhere))))[1::2]
            for place, reply in zip(elsewhere, found, strict=True):
                replies[place] = reply
                if commands[place][0] == b"WATCH":
                    self._watching = there
        return replace(response, replies=replies)

    def _transaction(self, commands: Sequence[Command], there: Node) -> list[Any]:
        if self._watching != there:  # NOTE(watch)
            return [None] * len(commands)
        self._watching = None
        # One ASKING is for the whole of a transaction: inside it would be one more command.
        return list(self._ask(there, plain((b"ASKING",), *commands))[1:])

    def _ask(self, there: Node, wire: Wire) -> Sequence[Any]:
        try:
            session = self._others.get(there)
            if session is None:
                session = self._others[there] = self._open_node(there)
            (response,) = [*session.submit(wire, None), *session.drain()]
        except TargetError:
            with contextlib.suppress(KeyError):
                self._others.pop(there).close()
            raise
        return response.replies or ()
