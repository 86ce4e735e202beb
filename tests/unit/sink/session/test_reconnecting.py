"""A session that outlives its connections: each wire is answered once, in order, whenever they break."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.encode.resp.protocol import plain
from etl.errors import LostError, ServerChangedError, TargetError
from etl.plan import Response, Wire
from etl.sink.session.backoff import Backoff
from etl.sink.session.reconnecting import ReconnectingSession, server_id
from tests.unit.given import parse_commands, stream_of
from tests.unit.memory import Told


class Network:
    """A server with connections to it. Each breaks after as many wires as ``lives`` says, then none does."""

    def __init__(self, lives: list[int], *, run_id: bytes = b"one") -> None:
        self.lives = list(lives)
        self.run_id = run_id
        self.asked: list[list[bytes]] = []
        self.applied: list[Any] = []
        self.opened = 0
        self.breaks_when_asked: set[int] = set()
        """The numbers of connections that break when one asks for others."""

    def connect(self) -> Any:
        self.opened += 1
        life = self.lives.pop(0) if self.lives else 10**9
        if life < 0:
            raise LostError("cannot reach it")
        return Line(self, self.opened, life)


class Line:
    """A conversation that answers late: with the wire behind, or when it is drained."""

    name = "server"
    client_name = b"redis-etl-0"

    def __init__(self, network: Network, number: int, life: int) -> None:
        self.client_id = number
        self._network = network
        self._life = life
        self._waiting: list[tuple[Wire, Any]] = []
        self._answered: list[tuple[Wire, Any]] = []
        self._lost = False

    def submit(self, wire: Wire, token: Any) -> Iterator[Response]:
        if self._lost:
            raise LostError("lost")
        words = parse_commands(stream_of(wire))[0]
        if words[0] in (b"CLIENT", b"INFO"):
            if self.client_id in self._network.breaks_when_asked:
                self._lost = True
                raise LostError("lost")
            self._network.asked.append(words)
            reply: Any = b"id=1 name=redis-etl-0" if words[1] == b"LIST" else 1
            reply = b"# Server\r\nrun_id:%b\r\n" % self._network.run_id if words[0] == b"INFO" else reply
            return iter([Response(token, wire, [reply])])
        self._network.applied.append(token)
        self._answered, self._waiting = self._answered + self._waiting, [(wire, token)]
        return self._answers()

    def drain(self) -> Iterator[Response]:
        if self._lost:
            raise LostError("lost")
        self._answered, self._waiting = self._answered + self._waiting, []
        return self._answers()

    def _answers(self) -> Iterator[Response]:
        while self._answered:
            if self._life == 0:
                self._lost = True
                raise LostError("lost")
            self._life -= 1
            wire, token = self._answered.pop(0)
            yield Response(token, wire, None)

    def close(self) -> None:
        self._lost = True


def session_to(
    network: Network, *, retry_for_s: float = 60, server: bytes | None = None
) -> ReconnectingSession:
    return ReconnectingSession(network.connect, Backoff(retry_for_s, Told()), server)


def wire_of(number: int) -> Wire:
    return plain((b"SET", b"%d" % number, b"x"))


def answered(session: ReconnectingSession, count: int) -> list[Any]:
    tokens = []
    for number in range(count):
        tokens += [answer.token for answer in session.submit(wire_of(number), number)]
    return tokens + [answer.token for answer in session.drain()]


@given(st.lists(st.integers(-1, 4), max_size=6), st.integers(0, 12))
def test_every_wire_is_answered_once_in_order_wherever_connections_break(
    lives: list[int], count: int
) -> None:
    network = Network(lives)
    assert answered(session_to(network), count) == list(range(count))
    assert set(network.applied) == set(range(count))


def test_the_old_connection_is_ended_before_anything_is_sent_again() -> None:
    network = Network([1])
    answered(session_to(network), 3)
    assert network.asked == [[b"CLIENT", b"LIST", b"ID", b"1"], [b"CLIENT", b"KILL", b"ID", b"1"]]


def test_a_connection_that_was_not_ended_when_the_next_one_broke_is_ended_by_the_one_after() -> None:
    network = Network([1])
    network.breaks_when_asked = {2}
    assert answered(session_to(network), 3) == [0, 1, 2]
    killed = [words[3] for words in network.asked if words[1] == b"KILL"]
    assert killed == [b"1", b"2"]
    assert network.opened == 3


def test_another_server_than_that_of_the_run_is_sent_nothing() -> None:
    network = Network([1], run_id=b"two")
    with pytest.raises(ServerChangedError, match="server was restarted, or is another server by now"):
        session_to(network, server=b"one")
    assert network.asked == [[b"INFO", b"server"]]
    assert network.applied == []


@pytest.mark.parametrize("come_back", [lambda s: answered(s, 3), lambda s: s.renew()])
def test_a_server_that_was_restarted_ends_the_session_before_anything_is_sent_again(
    come_back: Callable[[ReconnectingSession], Any],
) -> None:
    network = Network([1], run_id=b"one")
    come_back(session_to(network, server=b"one"))
    network = Network([1], run_id=b"one")
    session = session_to(network, server=b"one")
    network.run_id = b"two"
    with pytest.raises(ServerChangedError):
        come_back(session)
    assert network.asked[-1] == [b"INFO", b"server"]


def test_a_server_that_stays_away_is_given_up() -> None:
    with pytest.raises(LostError, match="cannot reach it"):
        session_to(Network([-1]), retry_for_s=0)
    with pytest.raises(TargetError, match="lost"):
        answered(session_to(Network([1]), retry_for_s=0), 3)


def test_the_run_id_is_found_in_what_the_server_says_of_itself() -> None:
    assert server_id(b"# Server\r\nredis_version:7\r\nrun_id:abc\r\n") == b"abc"
    assert server_id(b"") is None
