"""The conversation: both directions at once, every reply matched to its wire, however the bytes come."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.errors import TargetError
from etl.plan import Buffer, Response, Wire
from etl.plan.error_reply import ErrorReply
from etl.sink.session import pipelined as conversation
from etl.sink.session.pipelined import PipelinedSession
from tests.cases import cases
from tests.unit.given import parse_commands, replies_in

NIL = b"$-1\r\n"
OK = b"+OK\r\n"
ERROR = b"-OOM command not allowed\r\n"
REPLIES = [
    OK,
    NIL,
    ERROR,
    b":1\r\n",
    b"+OKAY\r\n",
    b"+O\r\n",
    b"$2\r\nOK\r\n",
    b"$0\r\n\r\n",
    b"$8\r\n+OK\r\n+OK\r\n",
    b"*0\r\n",
    b"*-1\r\n",
    b"*2\r\n$1\r\na\r\n$-1\r\n",
    b"*1\r\n*1\r\n+OK\r\n",
]


def wire_of(commands: int, expected: bytes = OK) -> Wire:
    command = b"*1\r\n$4\r\nPING\r\n"
    data = command * commands
    return Wire((data[:5], memoryview(data[5:])), range(commands + 1), expected * commands, len(data))


class MemoryServer:
    """Stands where the socket and the channel stand: takes commands, and gives replies in pieces.

    It takes at most ``takes`` bytes a call. ``replies`` are what it answers, one a command; a reply is not
    there before its command is. Behind the last one it is silent, or ends as ``end`` has it.
    """

    def __init__(
        self,
        replies: Iterable[bytes],
        *,
        pieces: Sequence[int] = (1 << 20,),
        takes: int = 1 << 20,
        end: bytes | OSError | None = None,
    ) -> None:
        self._script = deque(replies)
        self._pieces = deque(pieces)
        self._takes = takes
        self._end = end
        self._out = bytearray()
        self._taken = bytearray()
        self._answered = 0
        self.waits = 0

    @property
    def commands(self) -> list[list[bytes]]:
        return parse_commands(self.taken)

    @property
    def taken(self) -> bytes:
        return bytes(self._taken)

    def send(self, buffers: deque[Buffer]) -> bool:
        if not self._takes:
            return False
        data = bytes(buffers.popleft())
        self._taken += data[: self._takes]
        if data[self._takes :]:
            buffers.appendleft(data[self._takes :])
        self._answer(self._taken.count(b"PING\r\n"))
        return True

    def receive(self) -> bytes | None:
        if not self._out:
            if self._script or self._end is None:
                return None
            if isinstance(self._end, OSError):
                raise self._end
            return self._end
        self._pieces.rotate(-1)
        length = self._pieces[-1]
        data = bytes(self._out[:length])
        del self._out[:length]
        return data

    def wait(self, *, to_send: bool, timeout_s: float) -> bool:
        self.waits += 1
        return bool(self._out) or (to_send and self._takes > 0)

    def say(self, data: bytes) -> None:
        self._out += data

    def disconnect(self) -> None:
        self.closed = True

    def _answer(self, commands: int) -> None:
        while self._answered < commands and self._script:
            self._out += self._script.popleft()
            self._answered += 1


Connect = Callable[[MemoryServer], PipelinedSession]


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Make a conversation with a server in memory: the server is the connection, the socket, the channel."""
    monkeypatch.setattr(conversation, "Transport", lambda sock: sock)

    def make(server: MemoryServer) -> PipelinedSession:
        server._sock = server  # type: ignore[attr-defined]
        return PipelinedSession(server, "redis://host", read_timeout_s=30)

    return make


def answered(answers: Iterable[Response]) -> list[tuple[Any, list[Any]]]:
    """Return tokens and replies; a reply that was compared is given as if it had been parsed."""
    return [(a.token, plain(expected_in(a.wire) if a.replies is None else a.replies)) for a in answers]


def expected_in(wire: Wire) -> list[Any]:
    assert wire.expected is not None
    return replies_in(bytes(wire.expected))


def plain(replies: Iterable[Any]) -> list[Any]:
    return [str(reply) if isinstance(reply, ErrorReply) else reply for reply in replies]


def until_failure(answers: Callable[[], Iterator[Response]]) -> tuple[list[Response], str | None]:
    """Take answers until the iterator ends or fails; give the failure's message."""
    taken: list[Response] = []
    try:
        for answer in answers():
            taken.append(answer)
    except TargetError as failure:
        return taken, str(failure)
    return taken, None


@cases("piece", [1, 2, 3, 4, 5, 6, 7, 11, 1000])
def test_expected_replies_are_compared_and_never_parsed_in_whatever_pieces_they_come(
    connect: Connect, piece: int
) -> None:
    server = MemoryServer([OK] * 9, pieces=[piece])
    talk = connect(server)
    answers = [answer for n in range(3) for answer in talk.submit(wire_of(3), n)]
    answers += talk.drain()
    assert [answer.token for answer in answers] == [0, 1, 2]
    assert all(answer.replies is None for answer in answers)
    assert server.commands == [[b"PING"]] * 9


@cases("piece", [1, 2, 3, 5, 7, 1000])
@cases("odd", REPLIES[1:])
@cases("position", range(6))
def test_a_reply_that_differs_is_parsed_wherever_it_stands_and_comparing_is_taken_up_again(
    connect: Connect, position: int, odd: bytes, piece: int
) -> None:
    replies = [OK] * 6
    replies[position] = odd
    server = MemoryServer([*replies, OK, OK], pieces=[piece])
    talk = connect(server)
    answers = [answer for n in range(3) for answer in talk.submit(wire_of(2), n)]
    answers += talk.drain()
    parsed = plain(replies_in(b"".join(replies)))
    assert answered(answers) == [(0, parsed[:2]), (1, parsed[2:4]), (2, parsed[4:])]
    assert [answer.replies for answer in [*talk.submit(wire_of(2), 3), *talk.drain()]] == [None]


WIRES = st.lists(st.lists(st.sampled_from(REPLIES), min_size=1, max_size=4), min_size=1, max_size=6)


@given(
    wires=WIRES,
    expected=st.sampled_from([OK, NIL, b"*1\r\n$1\r\nx\r\n"]),
    pieces=st.lists(st.integers(1, 12), min_size=1, max_size=5),
    takes=st.integers(1, 50),
    bound=st.integers(1, 200),
)
def test_every_wire_gets_its_own_replies_in_order_for_any_replies_and_pieces(
    connect: Connect, wires: list[list[bytes]], expected: bytes, pieces: list[int], takes: int, bound: int
) -> None:
    server = MemoryServer([reply for wire in wires for reply in wire], pieces=pieces, takes=takes)
    talk = connect(server)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conversation, "INFLIGHT_BYTES", bound)
        answers = [
            answer
            for token, wire in enumerate(wires)
            for answer in talk.submit(wire_of(len(wire), expected), token)
        ]
        answers += talk.drain()
    assert answered(answers) == [
        (token, plain(replies_in(b"".join(wire)))) for token, wire in enumerate(wires)
    ]
    assert len(server.commands) == sum(map(len, wires))


def test_nothing_more_is_sent_while_the_bounds_in_flight_are_reached(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    nbytes = wire_of(2).nbytes
    for name, bound in (("INFLIGHT_BYTES", 2 * nbytes), ("INFLIGHT_COMMANDS", 4)):
        with monkeypatch.context() as patch:
            patch.setattr(conversation, name, bound)
            server = MemoryServer([])
            talk = connect(server)
            assert list(talk.submit(wire_of(2), 0)) == []
            assert list(talk.submit(wire_of(2), 1)) == []
            assert until_failure(lambda talk=talk: talk.submit(wire_of(2), 2))[1]  # type: ignore[misc]
            assert len(server.commands) == 4


def test_a_wire_over_the_bounds_goes_alone(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "INFLIGHT_BYTES", 20)
    talk = connect(MemoryServer([OK] * 12))
    answers = [answer for n in range(3) for answer in talk.submit(wire_of(4), n)]
    assert [answer.token for answer in [*answers, *talk.drain()]] == [0, 1, 2]


def test_replies_are_read_while_the_server_takes_nothing(connect: Connect) -> None:
    class Stubborn(MemoryServer):
        """Takes a byte at a time, and nothing while a reply waits."""

        def send(self, buffers: deque[Buffer]) -> bool:
            return False if self._out else super().send(buffers)

    talk = connect(Stubborn([OK] * 6, takes=1))
    answers = [answer for n in range(3) for answer in talk.submit(wire_of(2), n)]
    assert len([*answers, *talk.drain()]) == 3


@cases("cut", range(len(OK) * 4))
def test_a_connection_that_ends_after_any_byte_is_a_failure_behind_the_answers_before_it(
    connect: Connect, cut: int
) -> None:
    whole, rest = divmod(cut, len(OK))
    talk = connect(MemoryServer([*[OK] * whole, OK[:rest]], end=b""))
    taken, failure = until_failure(lambda: talk.submit(wire_of(2), 0))
    if failure is None:
        more, failure = until_failure(lambda: talk.submit(wire_of(2), 1))
        taken += more
    if failure is None:
        more, failure = until_failure(talk.drain)
        taken += more
    assert [answer.token for answer in taken] == [0] * (cut >= 2 * len(OK))
    assert failure is not None
    assert failure.startswith("redis://host closed the connection in the middle;")


def test_after_a_failure_every_call_fails(connect: Connect) -> None:
    server = MemoryServer([], end=b"")
    talk = connect(server)
    first = until_failure(lambda: talk.submit(wire_of(1), 0))
    taken = server.taken
    assert first[1] is not None
    assert first == until_failure(talk.drain) == until_failure(lambda: talk.submit(wire_of(1), 1))
    assert server.taken == taken


def test_an_error_reply_before_the_end_of_the_connection_is_answered_and_named(connect: Connect) -> None:
    talk = connect(MemoryServer([ERROR], end=b""))
    taken, failure = until_failure(lambda: talk.submit(wire_of(1), 0))
    if failure is None:
        more, failure = until_failure(lambda: talk.submit(wire_of(1), 1))
        taken += more
    assert answered(taken) == [(0, ["OOM command not allowed"])]
    assert failure is not None


def test_a_silent_server_is_given_up_and_the_time_named(connect: Connect) -> None:
    talk = connect(MemoryServer([OK]))
    taken, failure = until_failure(lambda: talk.submit(wire_of(3), 0))
    assert failure is None
    taken, failure = until_failure(talk.drain)
    assert taken == []
    assert failure == "redis://host has not answered for 30.0 s; 3 commands without a reply"


def test_a_server_that_takes_nothing_is_given_up(connect: Connect) -> None:
    talk = connect(MemoryServer([], takes=0))
    assert "has not answered for" in str(until_failure(lambda: talk.submit(wire_of(1), 0))[1])


def test_a_broken_connection_is_a_failure_that_says_why(connect: Connect) -> None:
    talk = connect(MemoryServer([], end=ConnectionResetError(104, "Connection reset by peer")))
    failure = until_failure(lambda: talk.submit(wire_of(1), 0))[1]
    assert failure == (
        "the connection to redis://host broke: Connection reset by peer; 1 command without a reply"
    )


@cases("unasked", [OK, ERROR, NIL, b"+", b"garbage"])
@cases("piece", [1, 1000])
@cases("asked", [OK, ERROR])
def test_a_reply_that_nobody_asked_for_is_never_taken_for_that_of_a_later_command(
    connect: Connect, asked: bytes, piece: int, unasked: bytes
) -> None:
    talk = connect(MemoryServer([OK + asked + unasked, b"", OK, OK], pieces=[piece]))
    taken, failure = until_failure(lambda: talk.submit(wire_of(2), 0))
    for call in (talk.drain, lambda: talk.submit(wire_of(2), 1), talk.drain):
        if failure is None:
            more, failure = until_failure(call)
            taken += more
    assert answered(taken) == [(0, plain(replies_in(OK + asked)))]
    assert failure == "redis://host sent a reply that was not asked for"


@cases(
    "garbage", [b"HTTP/1.1 400 Bad Request\r\n", b"220 mail ESMTP\r\n", b"\x15\x03\x01", b"$x\r\n", b"\r\n"]
)
@cases("before", [b"", OK, NIL])
def test_what_is_not_redis_is_said_to_be_not_redis(connect: Connect, before: bytes, garbage: bytes) -> None:
    talk = connect(MemoryServer([before + garbage]))
    until_failure(lambda: talk.submit(wire_of(2), 0))
    assert until_failure(talk.drain)[1] == "redis://host does not answer in Redis's protocol"


def test_closing_ends_the_connection_and_may_be_done_twice(connect: Connect) -> None:
    server = MemoryServer([])
    talk = connect(server)
    talk.close()
    talk.close()
    assert server.closed
