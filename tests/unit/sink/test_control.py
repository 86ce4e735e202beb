"""Questions that go over one connection, without any server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from etl.errors import LostError, RefusedForNowError, ServerChangedError, TargetError
from etl.plan import Response, Wire
from etl.sink.control import ControlConnection
from etl.sink.error_replies import error_reply
from etl.sink.session.backoff import Backoff
from tests.unit.given import parse_commands, stream_of
from tests.unit.sink.clock import Clock

LOADING = error_reply("LOADING Redis is loading the dataset in memory")
WRONG = error_reply("ERR syntax error")


class Session:
    """A connection that answers what a test says, and breaks where that is an error."""

    def __init__(self, *said: Any) -> None:
        self._said = list(said)
        self.asked: list[bytes] = []
        self.closed = False

    def submit(self, wire: Wire, token: Any) -> Iterator[Response]:
        self.asked += [command[0] for command in parse_commands(stream_of(wire))]
        said = self._said.pop(0)
        if isinstance(said, Exception):
            raise said
        return iter((Response(token, wire, said),))

    def drain(self) -> Iterator[Response]:
        return iter(())

    def close(self) -> None:
        self.closed = True


class Place:
    """A target with these sessions, one after the other; ``changed`` is how it has become another server."""

    takes = frozenset(("cluster",))

    def __init__(self, *sessions: Session) -> None:
        self.sessions = list(sessions)
        self.changed: TargetError | None = None

    def connect(self, client_name: str) -> Session:
        return self.sessions.pop(0)

    def connect_reconnecting(self, client_name: str, stop: Any) -> Session:
        if self.changed is not None:
            raise self.changed
        return Session()

    def backoff(self, stop: Any) -> Backoff:
        return Backoff(30.0, stop)


def transact(control: ControlConnection) -> Any:
    control.execute((b"WATCH", b"k"), (b"GET", b"k"))
    return control.execute((b"MULTI",), (b"EXEC",))[-1]


WATCHED = [b"OK", b"v"]


def control_of(place: Any) -> ControlConnection:
    return ControlConnection(place, Clock())


@pytest.mark.parametrize("broken", [LostError("it broke"), [LOADING, LOADING]], ids=["lost", "refused"])
def test_a_transaction_whose_connection_breaks_begins_anew_with_its_watch(broken: Any) -> None:
    first, second = Session(WATCHED, broken), Session(WATCHED, [b"OK", [1]])
    assert control_of(Place(first, second)).alone(transact) == [1]
    assert first.asked == second.asked == [b"WATCH", b"GET", b"MULTI", b"EXEC"]
    assert first.closed
    assert second.closed


def test_what_will_not_be_otherwise_another_time_is_raised() -> None:
    session = Session([WRONG, WRONG])
    with pytest.raises(TargetError, match="syntax") as caught:
        control_of(Place(session)).alone(transact)
    assert not isinstance(caught.value, RefusedForNowError)
    assert session.closed


def test_nothing_is_asked_of_a_server_that_is_another_one_by_now() -> None:
    place = Place()
    place.changed = ServerChangedError("another one")
    with pytest.raises(ServerChangedError):
        control_of(place).alone(transact)
