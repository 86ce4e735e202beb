"""Every redirection that a node of a Redis Cluster may answer with, from nodes that a test scripts."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import pytest

from etl.sink.session.backoff import Backoff
from tests.cases import cases
from tests.fault.commands import Ended, run_here
from tests.support import CLOSE, OK, error
from tests.support.jobs import Command, JobKeys
from tests.support.scripted_node import (
    CLUSTERDOWN,
    SLOT_NOT_SERVED,
    TRYAGAIN,
    ScriptedNode,
    owner_of,
    share_slots,
)

COUNT = 60
TAGS = 3
WANTED = {b"{t%d}:%d" % (number % TAGS, number): b"v%d" % number for number in range(COUNT)}

Answer = Callable[[Command], bytes | None]


@dataclass(slots=True)
class Keeping:
    """A scripted node with the strings that it was given; ``first`` may answer in its place."""

    node: ScriptedNode
    first: Answer = lambda command: None
    held: dict[bytes, bytes] = field(default_factory=dict)

    def answer(self, command: Command) -> bytes | None:
        if command[0] == b"ASKING":
            return OK
        assert command[0] in (b"SET", b"MSET"), command
        if (said := self.first(command)) is not None:
            return said
        self.held.update(zip(command[1::2], command[2::2], strict=True))
        return OK


@dataclass(frozen=True, slots=True)
class Scripted:
    """Scripted nodes of a cluster, and a load into it."""

    nodes: list[Keeping]
    file: Path
    capsys: pytest.CaptureFixture[str]

    def home(self, key: bytes = b"{t0}:0") -> Keeping:
        home = owner_of(key, [each.node for each in self.nodes])
        return next(each for each in self.nodes if each.node is home)

    def other(self, than: Keeping) -> Keeping:
        return next(each for each in self.nodes if each is not than)

    def load(self, *options: str) -> Ended:
        key = ("--key", "{{{tag}}}:{id}", "--as", "string", "--value", "{value}")
        return run_here(self.capsys, "load", self.file, "--to", self.nodes[0].node.url, *key, *options)

    def load_all(self) -> None:
        ended = self.load()
        assert ended.code == 0, ended
        assert ended.records == {"read": COUNT, "written": COUNT, "skipped": 0, "rejected": 0}
        held: dict[bytes, bytes] = {}
        for each in self.nodes:
            assert not held.keys() & each.held.keys()
            held |= each.held
        assert held == WANTED


@contextlib.contextmanager
def scripted_cluster(
    capsys: pytest.CaptureFixture[str], folder: Path, *, host: str | None = "127.0.0.1", count: int = 2
) -> Iterator[Scripted]:
    with contextlib.ExitStack() as opened:
        nodes = [opened.enter_context(ScriptedNode(name=f"node {at}")) for at in range(count)]
        share_slots(nodes, host)
        keeping = [Keeping(node) for node in nodes]
        jobs = JobKeys()  # slots move with their keys
        for each in keeping:
            each.node.answer = each.answer
            each.node.jobs = jobs
        file = folder / "rows.csv"
        rows = "".join(f"{number},t{number % TAGS},v{number}\n" for number in range(COUNT))
        file.write_text("id,tag,value\n" + rows)
        yield Scripted(keeping, file, capsys)


@pytest.fixture
def scripted(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Scripted]:
    with scripted_cluster(capsys, tmp_path) as scripted:
        yield scripted


def times(count: int, reply: Callable[[Command], bytes]) -> Answer:
    """Return an answer that is ``reply`` so often, and from then on none."""
    left = count

    def answer(command: Command) -> bytes | None:
        nonlocal left
        left -= 1
        return reply(command) if left >= 0 else None

    return answer


@cases("host", ["127.0.0.1", "", "?", None, "localhost"])
def test_nodes_are_found_however_they_are_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, host: str | None
) -> None:
    with scripted_cluster(capsys, tmp_path, host=host, count=3) as scripted:
        scripted.load_all()
        for each in scripted.nodes:
            assert bool(each.held) == any(scripted.home(key) is each for key in WANTED)


def test_what_was_moved_goes_to_where_it_is_and_the_map_is_changed(scripted: Scripted) -> None:
    home = scripted.home()
    other = scripted.other(home)

    def move_all(command: Command) -> bytes:
        for each in scripted.nodes:
            each.node.slots = [
                type(slots)(slots.first, slots.last, (other.node.endpoint(),)) for slots in each.node.slots
            ]
        return other.node.moved(command[1])

    home.first = times(1, move_all)
    scripted.load_all()
    assert not home.held


def test_what_is_asked_for_elsewhere_goes_there_with_asking_and_changes_no_map(scripted: Scripted) -> None:
    home = scripted.home()
    other = scripted.other(home)
    home.first = lambda command: other.node.ask(command[1]) if command[1].startswith(b"{t0}") else None
    scripted.load_all()
    for heard in other.node.conversations:
        for before, command in zip([[], *heard], heard, strict=False):
            if command[0] != b"ASKING" and command[1].startswith(b"{t0}"):
                assert before == [b"ASKING"]


def test_keys_of_one_command_that_are_told_to_try_again_go_one_by_one(scripted: Scripted) -> None:
    for each in scripted.nodes:
        each.first = lambda command: TRYAGAIN if command[0] == b"MSET" else None
    scripted.load_all()
    names = [command[0] for each in scripted.nodes for command in each.node.commands]
    assert names.count(b"SET") == COUNT


@cases("reply", [CLUSTERDOWN, SLOT_NOT_SERVED, TRYAGAIN, error("MOVED"), error("ASK 1")])
def test_what_is_refused_a_few_times_is_sent_again(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, reply: bytes
) -> None:
    with scripted_cluster(capsys, tmp_path) as scripted:
        for each in scripted.nodes:
            each.first = times(2, lambda command: reply)
        scripted.load_all()


@cases("name", ["moved", "ask"])
def test_nodes_that_send_each_key_to_one_another_are_given_up_in_time(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str
) -> None:
    with scripted_cluster(capsys, tmp_path) as scripted:
        for each in scripted.nodes:
            redirect = getattr(scripted.other(each).node, name)
            each.first = lambda command, redirect=redirect: redirect(command[1])  # type: ignore[misc]
        ended = scripted.load("--retry-for", "0.5")
        assert ended.code == 4, ended
        assert "Redis Cluster" in ended.sentence
        assert "--retry-for" in ended.sentence
        assert sum(len(each.node.commands) for each in scripted.nodes) < 100 * COUNT


@cases(
    "reply", [error("ERR unknown command"), b"*1\r\n*1\r\n:5\r\n", b"*1\r\n*3\r\n:0\r\n:99999\r\n*0\r\n", OK]
)
def test_a_map_of_slots_that_is_none_is_one_clear_error(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, reply: bytes
) -> None:
    with scripted_cluster(capsys, tmp_path) as scripted:
        for each in scripted.nodes:
            each.node.slots_reply = reply
        ended = scripted.load("--retry-for", "0")
        assert ended.code == 4, ended
        assert scripted.nodes[0].node.url in ended.sentence


def test_what_other_nodes_answer_after_one_has_failed_is_counted(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering, failing = scripted.nodes  # the first is sent its records first
    failed = threading.Event()
    give_up = Backoff._give_up

    def noted(*args: Any) -> NoReturn:
        failed.set()
        give_up(*args)

    def wait_for_it(command: Command) -> None:
        assert failed.wait(30)

    monkeypatch.setattr(Backoff, "_give_up", noted)
    answering.first = wait_for_it
    failing.node.answer = lambda command: CLOSE
    ended = scripted.load("--retry-for", "0")
    assert ended.code == 4, ended
    assert 0 < ended.records["written"] == len(answering.held) < COUNT


@cases(("known", "evicted_before", "code"), [(True, 3, 0), (True, 2, 4), (False, 3, 4), (False, 0, 0)])
def test_keys_that_are_evicted_by_a_node_that_has_taken_over_fail_the_load(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, known: bool, evicted_before: int, code: int
) -> None:
    with scripted_cluster(capsys, tmp_path, count=3) as scripted:
        first, second, spare = (each.node for each in scripted.nodes)
        share_slots([first, second], replicas=[spare] if known else [])
        spare.slots = first.slots
        for node in (first, second, spare):
            node.memory = (1 << 40, b"allkeys-lru", evicted_before)

        def hand_over(command: Command) -> bytes:
            share_slots([spare, second])
            first.slots = second.slots
            spare.memory = (1 << 40, b"allkeys-lru", 3 if known or evicted_before else 0)
            return spare.moved(command[1])

        scripted.nodes[0].first = hand_over
        ended = scripted.load()
        assert ended.code == code, ended
        if code:
            evicted = 3 - evicted_before if known else 3
            assert f"evicted {evicted} key" in ended.sentence
            assert f":{spare.port}" in ended.sentence
        assert {**scripted.nodes[1].held, **scripted.nodes[2].held} == WANTED
