"""A session that follows its keys to where their slot moves, without any node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from etl.encode.resp.protocol import plain
from etl.errors import LostError
from etl.plan import Response, Wire
from etl.sink.control import ask
from etl.sink.error_replies import error_reply
from etl.sink.session.following import FollowingSession
from tests.cases import cases
from tests.unit.given import parse_commands, stream_of

ASK = error_reply("ASK 7 b:2")
ABORTED = error_reply("EXECABORT Transaction discarded because of previous errors.")
SEED = "a:1"


class Node:
    """A session with a node that answers what a test says; ``asked`` is what it was sent."""

    client_id = 5

    def __init__(self, *replies: list[Any] | Exception) -> None:
        self._replies = list(replies)
        self._responses: list[Response] = []
        self.asked: list[list[bytes]] = []
        self.closed = 0

    def submit(self, wire: Wire, token: Any) -> Iterator[Response]:
        self.asked += parse_commands(stream_of(wire))
        said = self._replies.pop(0)
        if isinstance(said, Exception):
            raise said
        self._responses.append(Response(token, wire, said))
        return iter(())

    def drain(self) -> Iterator[Response]:
        while self._responses:
            yield self._responses.pop(0)

    def renew(self) -> None:
        self.closed += 1

    def close(self) -> None:
        self.closed += 1


def session_of(here: Node, *there: Node) -> tuple[FollowingSession, list[str]]:
    opened: list[str] = []
    nodes = list(there)

    def open_node(node: str) -> Any:
        opened.append(node)
        return nodes.pop(0)

    return FollowingSession(here, open_node, SEED), opened


def test_only_what_is_sent_elsewhere_is_asked_there_and_each_reply_stands_in_its_place() -> None:
    here, there = Node([b"kept", ASK, ASK]), Node([b"OK", 1, b"OK", b"new"])
    session, opened = session_of(here, there)
    wire = plain((b"GET", b"a"), (b"HSET", b"b", b"f", b"v"), (b"GET", b"c"))
    assert ask(session, wire) == [b"kept", 1, b"new"]
    assert there.asked == [[b"ASKING"], [b"HSET", b"b", b"f", b"v"], [b"ASKING"], [b"GET", b"c"]]
    assert opened == ["b:2"]
    session.close()
    assert (here.closed, there.closed) == (1, 1)


@cases("watched", ["there", "here"])
def test_a_transaction_goes_where_its_keys_are_watched_and_is_left_undone_elsewhere(watched: str) -> None:
    refused = [b"OK", ASK, ABORTED]
    here = Node([b"OK", b"value"] if watched == "here" else [ASK, ASK], refused)
    there = Node([b"OK", b"OK", b"OK", b"value"], [b"OK", b"OK", b"QUEUED", [1]])
    session, _ = session_of(here, there)
    assert ask(session, plain((b"WATCH", b"k"), (b"GET", b"k"))) == [b"OK", b"value"]
    replies = ask(session, plain((b"MULTI",), (b"DEL", b"k"), (b"EXEC",)))
    if watched == "here":
        assert replies == [None, None, None]
        assert there.asked == []
    else:
        assert replies == [b"OK", b"QUEUED", [1]]
        assert there.asked[4:] == [[b"ASKING"], [b"MULTI"], [b"DEL", b"k"], [b"EXEC"]]


def test_a_redirection_without_a_host_is_to_the_same_one_and_one_that_is_none_is_returned() -> None:
    session, opened = session_of(Node([error_reply("ASK 7 :2")]), Node([b"OK", b"new"]))
    assert ask(session, plain((b"GET", b"k"))) == [b"new"]
    assert opened == ["a:2"]
    odd = error_reply("ASK me")
    session, opened = session_of(Node([odd]))
    assert ask(session, plain((b"GET", b"k"))) == [odd]
    assert opened == []


def test_another_node_whose_connection_breaks_is_connected_to_anew_the_next_time() -> None:
    broken = Node(LostError("it broke"))
    session, opened = session_of(Node([ASK], [ASK]), broken, Node([b"OK", b"new"]))
    with pytest.raises(LostError):
        ask(session, plain((b"GET", b"k")))
    assert broken.closed == 1
    session.renew()
    assert ask(session, plain((b"GET", b"k"))) == [b"new"]
    assert opened == ["b:2", "b:2"]
