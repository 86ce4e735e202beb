"""The contract of a sink: of a Target and its Sessions (``etl/plan/target.py``), against a real server."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from etl.encode.resp.protocol import plain
from etl.errors import StoppedError, TransientError
from etl.plan import Response, Session, Target, Wire

_EXPECTED: dict[bytes, bytes] = {b"SET": b"+OK\r\n", b"PING": b"+PONG\r\n"}


class SinkContract:
    """Subclass it as ``TestMine`` with a fixture ``target`` that yields a Target of an empty server.

    ``secret`` is a text that must never be shown, where there is one.
    """

    secret: str | None = None

    @pytest.fixture
    def target(self) -> Target:
        raise NotImplementedError("a subclass has a fixture of this name")

    @pytest.fixture
    def session(self, target: Target) -> Iterator[Session]:
        with closing(target.connect("contract-0")) as session:
            yield session

    def test_a_target_travels_and_shows_no_secret(self, target: Target) -> None:
        travelled: Target = pickle.loads(pickle.dumps(target))  # noqa: S301 - our own
        assert travelled == target
        assert travelled.name == target.name
        if self.secret is not None:
            for shown in (repr(target), str(target), target.name):
                assert self.secret not in shown
        with closing(travelled.connect("contract-1")) as session:
            assert [one.replies for one in ask(session, b"PING")] == [None]

    def test_answers_come_in_order_one_for_each_wire_with_its_token(self, session: Session) -> None:
        wires = [wire_of([b"SET", b"k:%d" % number, b"x" * number]) for number in range(300)]
        answers = [one for number, wire in enumerate(wires) for one in session.submit(wire, number)]
        answers += session.drain()
        assert [one.token for one in answers] == list(range(300))
        assert [one.wire for one in answers] == wires
        assert {one.replies for one in answers} == {None}
        assert list(session.drain()) == []

    def test_other_replies_than_expected_are_parsed_and_an_error_among_them_ends_nothing(
        self, session: Session
    ) -> None:
        (_,) = ask(session, b"SET", b"text", b"old")
        commands = ([b"SET", b"a", b"1"], [b"RPUSH", b"text", b"x"], [b"GET", b"text"], [b"GET", b"nothing"])
        answers = [*session.submit(wire_of(*commands), "mixed"), *session.submit(wire_of([b"PING"]), "next")]
        answers += session.drain()
        assert [one.token for one in answers] == ["mixed", "next"]
        replies: Any = answers[0].replies
        assert [replies[0], *replies[2:]] == [b"OK", b"old", None]
        assert isinstance(replies[1], Exception)
        assert str(replies[1]).startswith("WRONGTYPE")
        assert answers[1].replies in (None, [b"PONG"])

    def test_bytes_go_and_come_as_they_are(self, session: Session) -> None:
        value = bytes(range(256)) * 5_000 + b"\r\n*1\r\n$8\r\nFLUSHALL\r\n"
        (_,) = ask(session, b"SET", b"any", value)
        (answer,) = ask(session, b"GET", b"any")
        assert answer.replies == [value]

    def test_more_than_may_be_under_way_is_answered_too(self, target: Target) -> None:
        for bounded in (target.bounded(1, None), target.bounded(None, 1), target.bounded(None, None)):
            with closing(bounded.connect("contract-2")) as session:
                answers = [one for n in range(20) for one in session.submit(wire_of([b"PING"]), n)]
                answers += session.drain()
                assert [one.token for one in answers] == list(range(20))

    def test_a_session_may_be_closed_twice_and_another_one_opened(self, target: Target) -> None:
        session = target.connect("contract-3")
        session.close()
        session.close()
        with closing(target.connect("contract-3")) as another:
            assert [one.replies for one in ask(another, b"PING")] == [None]

    def test_a_target_knows_its_server_after_it_was_identified_and_comes_back_to_it(
        self, target: Target
    ) -> None:
        known = target.identify("contract-4", threading.Event(), 5.0)
        assert (known.name, known.embedded, known.takes) == (target.name, target.embedded, target.takes)
        with closing(known.connect_reconnecting("contract-5", threading.Event())) as session:
            assert [one.replies for one in ask(session, b"SET", b"k", b"v")] == [None]
            session.renew()
            (answer,) = ask(session, b"GET", b"k")
            assert answer.replies == [b"v"]

    def test_whoever_waits_for_a_server_stops_when_told(self, target: Target) -> None:
        stop = threading.Event()
        stop.set()
        with pytest.raises(StoppedError):
            target.backoff(stop).wait(TransientError("it loads its data set"))


def wire_of(*commands: list[bytes]) -> Wire:
    """Return a wire of these commands; a SET and a PING are expected to be answered as they usually are."""
    known = [_EXPECTED.get(command[0]) for command in commands]
    return replace(
        plain(*commands), expected=None if None in known else b"".join(reply or b"" for reply in known)
    )


def ask(session: Session, *command: bytes) -> list[Response]:
    """Send one command and return what is answered."""
    return [*session.submit(wire_of(list(command)), None), *session.drain()]
