"""A session that outlives its connections: what has no answer is sent again.

NOTE(unknown): a broken connection leaves it unknown whether what it has not answered was applied, and bytes
that still lie in the server's socket may be applied later: after what is sent again, or only the DEL of a
DEL and HSET. So the old connection is ended on the server (CLIENT KILL) before anything is sent again. What
must not be applied twice at all goes through a fence (``etl/encode/fence.py``).
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from etl.encode.resp.protocol import plain
from etl.errors import LostError, ServerChangedError, TargetError
from etl.plan import Response, Wire
from etl.sink.session.backoff import Backoff
from etl.sink.session.pipelined import PipelinedSession


class ReconnectingSession:
    """A RenewableSession (``etl/plan/target.py``); ``connect`` opens one session.

    ``server_id`` is the run id of the server that the run has begun with (None: unknown). Another one may not
    have what its predecessor has answered for: then ServerChangedError is raised instead of going on.
    """

    def __init__(
        self, connect: Callable[[], PipelinedSession], backoff: Backoff, server_id: bytes | None
    ) -> None:
        self._connect = connect
        self._backoff = backoff
        self._server_id = server_id
        self._unanswered: deque[tuple[Wire, Any]] = deque()
        self._unended: deque[PipelinedSession] = deque()
        self._session = backoff.retry(self._reach)

    @property
    def client_id(self) -> int | None:
        """The number of the present connection on the server; None where it is not told."""
        return self._session.client_id

    def submit(self, wire: Wire, token: Any) -> Iterator[Response]:
        self._unanswered.append((wire, token))
        return self._responses(lambda: self._session.submit(wire, token))

    def drain(self) -> Iterator[Response]:
        while self._unanswered:
            yield from self._responses(self._session.drain)

    # For who serves several sessions at once (``etl/sink/session/cluster.py``).

    @property
    def present(self) -> PipelinedSession:
        """The session over the present connection."""
        return self._session

    def queue(self, wire: Wire, token: Any) -> None:
        """Take a wire, for ``advance`` to send."""
        self._unanswered.append((wire, token))
        self._session.queue(wire, token)

    def advance(self) -> Iterator[Response]:
        """Send and receive what can be; waits only for a connection that was lost to come back."""
        return self._responses(self._session.advance)

    def renew(self) -> None:
        """Connect anew, as the name may lead to another server; raises TargetError when none is reached."""
        self._return(None)

    def close(self) -> None:
        self._session.close()

    def _responses(self, ask: Callable[[], Iterator[Response]]) -> Iterator[Response]:
        try:
            for response in ask():
                self._unanswered.popleft()
                self._backoff.reset()
                yield response
        except LostError as lost:
            self._return(lost)

    def _return(self, lost: LostError | None) -> None:
        """Reconnect, and send everything that has no response once more: see NOTE(unknown)."""
        self._unended.append(self._session)
        self._session.close()
        self._backoff.retry(self._come_back, failed=lost)

    def _come_back(self) -> None:
        """Connect once, end the connections before, and send again."""
        self._session = self._reach()
        try:
            while self._unended:
                self._end(self._unended[0])
                self._unended.popleft()
            for wire, token in self._unanswered:
                # Its responses wait there for the next call; a failure is raised by the next submit.
                self._session.submit(wire, token)
        except LostError:
            self._unended.append(self._session)
            self._session.close()
            raise

    def _reach(self) -> PipelinedSession:
        """Connect to the server that the run has begun with. Raises ServerChangedError, LostError."""
        session = self._connect()
        try:
            self._require_same_server(session)
        except TargetError:
            session.close()
            raise
        return session

    def _require_same_server(self, session: PipelinedSession) -> None:
        if self._server_id is None:
            return
        with contextlib.suppress(_UnansweredError):
            (info,) = _ask(session, b"INFO", b"server")
            found = server_id(info)
            if found is not None and found != self._server_id:
                raise ServerChangedError(f"{session.name} was restarted, or is another server by now")

    def _end(self, old: PipelinedSession) -> None:
        """End the old connection on the server, if it is still there."""
        new = self._session
        if old.client_id is None or old.client_id == new.client_id:
            return
        number = b"%d" % old.client_id
        # The number may be somebody else's by now: a server that was restarted counts from 1 again.
        with contextlib.suppress(_UnansweredError):
            (listed,) = _ask(new, b"CLIENT", b"LIST", b"ID", number)
            if b"name=" + old.client_name in bytes(listed).split():
                _ask(new, b"CLIENT", b"KILL", b"ID", number)


def server_id(info: bytes) -> bytes | None:
    """Find the server's run id, which is another after every start, in what INFO says."""
    prefix = b"run_id:"
    return next((line[len(prefix) :] for line in info.splitlines() if line.startswith(prefix)), None)


class _UnansweredError(Exception):
    """The server does not know the question, or may not answer it."""


def _ask(session: PipelinedSession, *words: bytes) -> list[Any]:
    answers = [*session.submit(plain(words), None), *session.drain()]
    replies = [reply for answer in answers for reply in answer.replies or ()]
    for reply in replies:
        if isinstance(reply, Exception):
            raise _UnansweredError
    return replies
