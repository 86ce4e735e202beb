"""One worker's session with one server: both directions at once, every reply checked.

NOTE(expected): the encoder says which bytes the server sends back when all is well. They are compared as
they come in, without being parsed or kept; only from the first byte that differs on are replies parsed, and
parsing ends when the server has answered all that was sent up to then. So checking a reply costs a memcmp,
and a verify compares values at that speed too.

NOTE(deadlock): a server may stop reading until its replies are read. Whenever this side waits, it waits for
both directions, and reads whatever there is; so it cannot block on sending alone.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import hiredis

from etl.errors import LostError, TargetError
from etl.plan import Buffer, Response, Wire
from etl.plan.error_reply import Action, ErrorReply
from etl.sink.error_replies import error_reply
from etl.sink.session.responses import ResponseQueue
from etl.sink.session.transport import Transport
from etl.units import MIB, counted, format_seconds

INFLIGHT_BYTES = 8 * MIB
INFLIGHT_COMMANDS = 100_000
READ_TIMEOUT_S = 30.0
"""For how long a server may neither take bytes nor send any."""


@dataclass(slots=True)
class _Waiting:
    token: Any
    wire: Wire
    matched: int = 0  # bytes of wire.expected that have come in


@dataclass(frozen=True, slots=True)
class Client:
    """A connection as the server knows it: its number there (None: it is not told), and its name."""

    number: int | None = None
    name: bytes = b""


@dataclass(frozen=True, slots=True)
class InFlightLimit:
    """How many records and bytes may be in flight, but for one wire; None: as many as is usual."""

    records: int | None = None
    nbytes: int | None = None


NO_CLIENT = Client()
NO_LIMIT = InFlightLimit()


class PipelinedSession:
    """A Session (``etl/plan/target.py``) over one redis-py connection.

    ``name`` is the server's, for messages. A server that is silent for ``read_timeout_s`` is given up.
    """

    def __init__(
        self,
        connection: Any,
        name: str,
        *,
        read_timeout_s: float = READ_TIMEOUT_S,
        client: Client = NO_CLIENT,
        limit: InFlightLimit = NO_LIMIT,
    ) -> None:
        self._limit = limit
        self.client_id = client.number
        self.client_name = client.name
        self._connection = connection
        self._transport = Transport(connection._sock)
        self.name = name
        self._read_timeout_s = read_timeout_s
        self._unsent: deque[Buffer] = deque()
        self._waiting: deque[_Waiting] = deque()
        self._responses = ResponseQueue()
        self._inflight_bytes = 0
        self._inflight_commands = 0
        self._inflight_records = 0
        self._reader: hiredis.Reader | None = None  # None: replies are compared, not parsed
        self._replies: list[Any] = []
        self.progress = 0
        """Counts the times that bytes were sent or came in."""

    def submit(self, wire: Wire, token: Any) -> Iterator[Response]:
        with self._responses.failure_kept():
            while not self.has_room(wire):
                self._step()
            self._queue(wire, token)
            while self._unsent:
                self._step()
        return self._responses.take()

    def drain(self) -> Iterator[Response]:
        with self._responses.failure_kept():
            while self._waiting:
                self._step()
        return self._responses.take()

    def close(self) -> None:
        self._connection.disconnect()

    # For who serves several sessions at once: nothing here waits.

    @property
    def outstanding(self) -> bool:
        """Return True if any wire has no response yet."""
        return bool(self._waiting)

    @property
    def transport(self) -> Transport:
        return self._transport

    @property
    def sends(self) -> bool:
        """Return True if it has bytes that wait to be sent."""
        return bool(self._unsent)

    def queue(self, wire: Wire, token: Any) -> None:
        """Take a wire, for ``advance`` to send; ``has_room`` says whether it should wait."""
        with self._responses.failure_kept():
            self._queue(wire, token)

    def advance(self) -> Iterator[Response]:
        """Send and receive what can be; return the responses that came in. Raises as ``submit`` does."""
        with self._responses.failure_kept():
            while self._waiting and self._moved():
                pass
        return self._responses.take()

    def give_up(self) -> None:
        """Fail for a server that was silent for ``read_timeout_s``. The next call raises LostError."""
        with self._responses.failure_kept():
            raise self._silent()

    def has_room(self, wire: Wire) -> bool:
        """Return True if ``wire`` may go out beside what is in flight; alone it always may."""
        if not self._waiting:
            return True
        limit = self._limit
        max_bytes = INFLIGHT_BYTES if limit.nbytes is None else min(limit.nbytes, INFLIGHT_BYTES)
        records = self._inflight_records + wire.records
        return (
            self._inflight_bytes + wire.nbytes <= max_bytes
            and (limit.records is None or records <= limit.records)
            and self._inflight_commands + wire.commands <= INFLIGHT_COMMANDS
        )

    def _queue(self, wire: Wire, token: Any) -> None:
        if not self._waiting:
            self._read_remaining()  # an unexpected reply would pass for the first one of this wire
        self._inflight_bytes += wire.nbytes
        self._inflight_commands += wire.commands
        self._inflight_records += wire.records
        self._waiting.append(_Waiting(token, wire))
        self._unsent.extend(buffer for buffer in wire.buffers if len(buffer))

    def _step(self) -> None:
        """Send and receive once what can be, waiting if neither can: see NOTE(deadlock)."""
        if not self._moved():
            with self._broken_connection():
                answers = self._transport.wait(to_send=bool(self._unsent), timeout_s=self._read_timeout_s)
            if not answers:
                raise self._silent()

    def _moved(self) -> bool:
        """Send and receive once what can be; return False if neither can."""
        with self._broken_connection():
            moved = bool(self._unsent) and self._transport.send(self._unsent)
            data = self._transport.receive()
        if data == b"":
            raise self._broken(f"{self.name} closed the connection in the middle")
        if data:
            self._on_data(data)
        if moved or data is not None:
            self.progress += 1
            return True
        return False

    @contextlib.contextmanager
    def _broken_connection(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._read_remaining()
            raise self._broken(f"the connection to {self.name} broke: {error.strerror or error}") from None

    def _silent(self) -> TargetError:
        return self._broken(f"{self.name} has not answered for {format_seconds(self._read_timeout_s)}")

    def _read_remaining(self) -> None:
        """Take what the server has said by now; if it has closed, that may tell why."""
        with contextlib.suppress(OSError):
            while data := self._transport.receive():
                self._on_data(data)

    def _broken(self, what: str) -> TargetError:
        """Make the error for a session that cannot go on; an error reply at its end says why best."""
        taken = (reply for response in self._responses for reply in response.replies or ())
        for reply in (*self._replies, *taken):
            if isinstance(reply, ErrorReply):
                kind = TargetError if reply.policy.action is Action.STOP else LostError
                return kind(f"{self.name}: {reply.explained}; then {what.removeprefix(self.name).strip()}")
        lost = counted(self._inflight_commands, "command")
        return LostError(f"{what}; {lost} without a reply")

    def _on_data(self, data: bytes) -> None:
        position = 0
        while position < len(data) and self._reader is None:
            if not self._waiting:
                raise self._unexpected()
            position = self._compare(data, position)
        if position < len(data) and self._reader is not None:
            self._reader.feed(data[position:])
        if self._reader is not None:
            self._parse()

    def _compare(self, data: bytes, position: int) -> int:
        """Compare ``data`` from ``position`` on with what the oldest wire expects: see NOTE(expected)."""
        waiting = self._waiting[0]
        if waiting.wire.expected is None:
            self._reader = hiredis.Reader(replyError=error_reply)
            return position
        expected = memoryview(waiting.wire.expected)
        wanted = expected[waiting.matched : waiting.matched + len(data) - position]
        if not data.startswith(wanted, position):
            self._reader = hiredis.Reader(replyError=error_reply)
            self._reader.feed(bytes(expected[: waiting.matched]))
            return position
        waiting.matched += len(wanted)
        if waiting.matched == len(expected):
            self._respond(None)
        return position + len(wanted)

    def _parse(self) -> None:
        assert self._reader is not None
        while self._waiting:
            commands = self._waiting[0].wire.commands
            while len(self._replies) < commands:
                try:
                    reply = self._reader.gets()
                except hiredis.ProtocolError:
                    raise TargetError(f"{self.name} does not answer in Redis's protocol") from None
                if reply is False:  # not whole yet; a RESP2 reply is never a boolean
                    return
                self._replies.append(reply)
            replies, self._replies = self._replies, []
            self._respond(replies)
            if not self._reader.has_data():
                self._reader = None
                return
        raise self._unexpected()

    def _unexpected(self) -> TargetError:
        return TargetError(f"{self.name} sent a reply that was not asked for")

    def _respond(self, replies: list[Any] | None) -> None:
        waiting = self._waiting.popleft()
        self._inflight_bytes -= waiting.wire.nbytes
        self._inflight_commands -= waiting.wire.commands
        self._inflight_records -= waiting.wire.records
        self._responses.add(Response(waiting.token, waiting.wire, replies))
