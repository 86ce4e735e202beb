"""Asking a server that answers all, some or none of the questions: only who cannot connect is told so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from etl.errors import LostError, TargetError
from etl.plan import Response, Wire
from etl.sink.error_replies import error_reply
from etl.sink.preflight.facts import UNKNOWN, Denial, Findings, Info
from etl.sink.preflight.survey import info_now, read_server_facts
from tests.cases import cases
from tests.unit.given import parse_commands, stream_of
from tests.unit.memory import Near, Told

COMMANDS = ((b"MSET", b"k:0", b"v"), (b"DEL", b"k:0"))

INFO = b"role:master\r\nevicted_keys:7\r\n"
KNOWN = [b"ping", 1]

ERROR = error_reply("ERR unknown command")


def redis(command: list[bytes]) -> Any:
    """Answer as a Redis without DEL, to a user who may not MSET."""
    if command == [b"INFO"]:
        return INFO
    if command[:3] == [b"COMMAND", b"INFO", b"PING"]:
        return [KNOWN, *(None if name == b"DEL" else KNOWN for name in command[3:])]
    if command == [b"ACL", b"WHOAMI"]:
        return b"loader"
    assert command[:3] == [b"ACL", b"DRYRUN", b"loader"]
    return b"This user has no permissions to run the 'mset' command" if command[3] == b"MSET" else b"OK"


@dataclass(frozen=True, slots=True)
class Asked(Near):
    """A Target and Session that keeps the questions; it hangs up on the ``hang_up``-th command."""

    answer: Callable[[list[bytes]], Any] = redis
    hang_up: int = 1_000
    questions: list[list[bytes]] = field(default_factory=list)
    rounds: list[int] = field(default_factory=list)
    closed: list[bool] = field(default_factory=list)
    waiting: list[Response] = field(default_factory=list)

    def connect(self, client_name: str) -> Asked:
        return self

    def submit(self, wire: Wire, token: Any) -> Iterator[Response]:
        replies: list[Any] = []
        for command in parse_commands(stream_of(wire)):
            self.questions.append(command)
            if len(self.questions) >= self.hang_up:
                raise LostError("gone")
            replies.append(self.answer(command))
        self.waiting.append(Response(token, wire, replies))
        return iter(())

    def drain(self) -> Iterator[Response]:
        self.rounds.append(len(self.waiting))
        while self.waiting:
            yield self.waiting.pop(0)

    def close(self) -> None:
        self.closed.append(True)


def test_a_redis_tells_all_in_two_round_trips() -> None:
    target = Asked()
    assert read_server_facts(target, COMMANDS, Told()) == Findings(
        info=Info(replica=False, evicted_keys=7),
        missing=frozenset({b"DEL"}),
        denials=(Denial("loader", b"MSET"),),
    )
    assert target.questions == [
        [b"INFO"],
        [b"COMMAND", b"INFO", b"PING", b"DEL", b"MSET"],
        [b"ACL", b"WHOAMI"],
        [b"ACL", b"DRYRUN", b"loader", b"MSET", b"k:0", b"v"],
        [b"ACL", b"DRYRUN", b"loader", b"DEL", b"k:0"],
    ]
    assert target.rounds == [3, 1]
    assert target.closed == [True]


def test_a_server_that_knows_no_question_is_unknown() -> None:
    target = Asked(lambda command: ERROR)
    assert read_server_facts(target, COMMANDS, Told()) == Findings()
    assert target.closed == [True]


@cases("hang_up", [1, 2, 3, 4, 5])
def test_a_server_that_hangs_up_on_a_question_is_unknown(hang_up: int) -> None:
    target = Asked(hang_up=hang_up)
    assert read_server_facts(target, COMMANDS, Told()).denials == ()
    assert target.closed == [True]


@dataclass(frozen=True, slots=True)
class CutShort(Asked):
    """It answers the first question, and hangs up."""

    def drain(self) -> Iterator[Response]:
        yield self.waiting.pop(0)
        raise LostError("gone")


def test_what_was_answered_before_the_server_hung_up_counts() -> None:
    assert read_server_facts(CutShort(), COMMANDS, Told()) == Findings(
        info=Info(replica=False, evicted_keys=7)
    )


def test_without_commands_nothing_is_tried() -> None:
    target = Asked()
    assert read_server_facts(target, (), Told()).denials == ()
    assert target.rounds == [3]


@dataclass(frozen=True, slots=True)
class Unreachable(Near):
    def connect(self, client_name: str) -> Asked:
        raise TargetError("refused")


def test_a_server_that_cannot_be_reached_is_an_error_before_the_load_and_none_behind_it() -> None:
    with pytest.raises(TargetError, match="refused"):
        read_server_facts(Unreachable(), COMMANDS, Told())
    assert info_now(Unreachable(), Told()) == UNKNOWN
    assert info_now(Asked(lambda command: ERROR), Told()) == UNKNOWN
    assert info_now(Asked(hang_up=1), Told()) == UNKNOWN
    assert info_now(Asked(), Told()).evicted_keys == 7
