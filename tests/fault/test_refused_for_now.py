"""Servers that refuse for now: the same is sent again until they take it, or until the patience ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from etl.plan import parse_checkpoint
from etl.plan.error_reply import Action
from etl.sink.error_replies import ERROR_POLICIES
from etl.worker.resend import ELSEWHERE
from tests.fault.commands import StartCommand, hold_in_the_middle, wait_for_the_middle
from tests.fault.inline import (
    RECORDS,
    Here,
    assert_loaded,
    assert_no_leftovers,
    complete,
    every_kind,
    hold_worker,
    line,
    meanwhile,
    write_input,
)
from tests.support import (
    OK,
    RealServer,
    RecordingProxy,
    ScriptedServer,
    StartServer,
    data_size,
    error,
    free_port,
    wait_until,
)

MOVES = [word for word, row in ERROR_POLICIES.items() if row.cause in ELSEWHERE]
"""What only a server says that is a node of a cluster, although it has not said that it is one."""

AGAIN = [word for word, row in ERROR_POLICIES.items() if row.action is Action.AGAIN and word not in MOVES]
STOP = [word for word, row in ERROR_POLICIES.items() if row.action is Action.STOP] + MOVES
SAYS = {"MOVED": "MOVED 3999 127.0.0.1:6381", "ASK": "ASK 3999 127.0.0.1:6381"}


class Refusing:
    """An answer: so many refusals of every command of this name, then OK."""

    def __init__(self, name: bytes, refusal: bytes, times: int) -> None:
        self._name = name
        self._refusal = refusal
        self.left = times
        self.taken: list[list[bytes]] = []

    def __call__(self, command: list[bytes]) -> bytes:
        if command[0] == self._name and self.left:
            self.left -= 1
            return self._refusal
        self.taken.append(command)
        return b"$1\r\n+\r\n" if command[0] == b"EVAL" else OK


def said(word: str) -> str:
    return SAYS.get(word, f"{word} something is wrong")


def keys_taken(answer: Refusing) -> list[bytes]:
    """Return the keys that were written, in order."""
    writing = [command for command in answer.taken if command[0] in (b"MSET", b"SET")]
    return sorted({key for command in writing for key in command[1::2]})


@pytest.mark.parametrize("word", AGAIN)
def test_every_refusal_for_now_is_tried_again(here: Here, word: str) -> None:
    answer = Refusing(b"MSET", error(said(word)), 2)
    with ScriptedServer(answer) as server:
        complete(here.load(write_input(here.folder), server.url, "strings"))
    assert answer.left == 0
    assert keys_taken(answer) == sorted(b"%d" % n for n in range(RECORDS))


@pytest.mark.parametrize("word", AGAIN)
def test_every_refusal_for_now_of_a_fenced_command_is_tried_again(here: Here, word: str) -> None:
    answer = Refusing(b"EVAL", error(said(word)), 2)
    with ScriptedServer(answer) as server:
        complete(here.load(write_input(here.folder), server.url, "list"))
    wires = b"".join(command[-2] for command in answer.taken if command[0] == b"EVAL")
    assert [wires.count(line(number)) for number in range(RECORDS)] == [1] * RECORDS


@pytest.mark.parametrize("word", AGAIN)
def test_every_refusal_for_now_ends_the_run_when_the_patience_ends(here: Here, word: str) -> None:
    answer = Refusing(b"MSET", error(said(word)), 1_000_000)
    file = write_input(here.folder)
    with ScriptedServer(answer) as server:
        ended = here.load(file, server.url, "strings", "--retry-for", "0.2")
        assert ended.code == 4
        meaning = ERROR_POLICIES[word].meaning
        sentence = f"{server.url}: {meaning} ({said(word)}); tried again for 0.20 s (--retry-for)"
        assert ended.sentence == sentence
        assert ended.records == {"read": 0, "written": 0, "skipped": 0, "rejected": 0}
        answer.left = 0
        complete(here.load(file, server.url, "strings"))


@pytest.mark.parametrize("kind", ["strings", "list"])
@pytest.mark.parametrize("word", STOP)
def test_every_refusal_for_good_ends_the_run_at_once(here: Here, word: str, kind: str) -> None:
    name = b"MSET" if kind == "strings" else b"EVAL"
    answer = Refusing(name, error(said(word)), 1_000_000)
    with ScriptedServer(answer) as server:
        ended = here.load(write_input(here.folder), server.url, kind)
        assert ended.code == 4
        assert ended.sentence == f"{server.url}: {ERROR_POLICIES[word].meaning} ({said(word)})"
        assert ended.report["status"] == "failed"


@pytest.mark.parametrize("word", AGAIN)
def test_a_mark_that_is_refused_for_now_is_tried_again(here: Here, word: str) -> None:
    refused: list[list[bytes]] = []

    with ScriptedServer() as server:
        own = server.jobs.answer

        def refusing(command: list[bytes]) -> bytes | None:
            is_mark = command[0] == b"HSET" and command[2].startswith(b"mark:") and len(command) == 4
            if is_mark and len(refused) < 3 and server.commands:
                refused.append(command)
                return error(said(word))
            return own(command)

        server.jobs.answer = refusing  # type: ignore[method-assign]
        complete(here.load(write_input(here.folder), server.url, "strings"))
        (record,) = server.jobs.records.values()
    assert len(refused) == 3
    assert record[b"state"] == b"complete"
    assert record[b"records_written"] == b"%d" % RECORDS


def full(server: RealServer) -> None:
    server.client().config_set("maxmemory", "1")


def roomy(server: RealServer) -> None:
    server.client().config_set("maxmemory", "0")


def follow_nobody(server: RealServer) -> None:
    server.client().replicaof("127.0.0.1", str(free_port()))


def lead(server: RealServer) -> None:
    server.client().replicaof("NO", "ONE")


def want_replicas(server: RealServer) -> None:
    server.client().config_set("min-replicas-to-write", "1")


def want_none(server: RealServer) -> None:
    server.client().config_set("min-replicas-to-write", "0")


def fail_to_save(server: RealServer) -> None:
    (server.folder / "dump.rdb").mkdir()
    server.client().bgsave()
    wait_until(lambda: server.client().info("persistence")["rdb_last_bgsave_status"] == "err")


def save_again(server: RealServer) -> None:
    (server.folder / "dump.rdb").rmdir()
    server.client().save()


def fill_the_disk(server: RealServer) -> None:
    client = server.client()
    client.config_set("appendonly", "yes")
    wait_until(lambda: not client.info("persistence")["aof_rewrite_in_progress"])
    server.limit_files(1)


def make_room_on_disk(server: RealServer) -> None:
    server.limit_files(None)


@dataclass(frozen=True, slots=True)
class Turn:
    """A server refuses with an error of this word, and goes on."""

    word: str
    refuse: Callable[[RealServer], object]
    go_on: Callable[[RealServer], object]


TURNS = {
    "full": Turn("OOM", full, roomy),
    "replica": Turn("READONLY", follow_nobody, lead),
    "too few replicas": Turn("NOREPLICAS", want_replicas, want_none),
    "cannot save": Turn("MISCONF", fail_to_save, save_again),
    "disk full": Turn("MISCONF", fill_the_disk, make_room_on_disk),
}

every_turn = pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)


@pytest.fixture
def saving(start_server: StartServer) -> RealServer:
    return start_server("--save", "3600 1")


@every_kind
@every_turn
def test_a_server_that_refuses_for_a_while_gets_everything_once(
    here: Here, saving: RealServer, turn: Turn, kind: str
) -> None:
    with RecordingProxy(saving.port) as proxy:
        steps = (
            hold_worker(proxy),
            lambda: turn.refuse(saving),
            proxy.release,
            lambda: proxy.wait_for_text(turn.word.encode(), "to_client"),
            lambda: turn.go_on(saving),
        )
        with meanwhile(*steps):
            complete(here.load(write_input(here.folder), proxy.url, kind))
    assert_loaded(saving.client(), kind)
    assert_no_leftovers(saving.client())


@every_kind
@every_turn
def test_a_server_that_goes_on_refusing_ends_the_run_which_can_be_resumed(
    here: Here, short_lock: None, saving: RealServer, turn: Turn, kind: str
) -> None:
    file = write_input(here.folder)
    with RecordingProxy(saving.port) as proxy:
        with meanwhile(hold_worker(proxy), lambda: turn.refuse(saving), proxy.release):
            ended = here.load(file, proxy.url, kind, "--retry-for", "0.3")
        assert ended.code == 4
        assert ERROR_POLICIES[turn.word].meaning in ended.sentence
        assert "tried again for 0.30 s" in ended.sentence
        turn.go_on(saving)
        again = complete(here.load(file, proxy.url, kind, "--wait-lock", "30"))
    assert again.report["resumed_from"] is not None
    assert_loaded(saving.client(), kind)


def test_a_refused_piece_goes_out_again_before_those_behind_it(here: Here) -> None:
    # Several pieces a block: what the first one was refused for is over when the second one would go out.
    answer = Refusing(b"EVAL", error(said("OOM")), 1)
    with ScriptedServer(answer) as server:
        complete(here.load(write_input(here.folder, 25_000), server.url, "list"), 25_000)
    places = [command[5:7] for command in answer.taken]
    assert len(places) > 4
    for (_, new), (place, _) in pairwise(places):
        assert place == new


def test_all_workers_wait_for_a_server_that_is_full(
    start: StartCommand, big_file: Path, real_server: RealServer, proxy: RecordingProxy
) -> None:
    hold_in_the_middle(proxy)
    command = start("load", big_file, "--to", proxy.url, "--workers", "2", "--stall", "3")
    wait_for_the_middle(proxy, 2)
    full(real_server)
    proxy.release()
    proxy.wait_for_text(b"-OOM ", "to_client")
    roomy(real_server)
    ended = command.end()
    assert ended.code == 0, ended
    assert ended.stderr == ""
    assert ended.records["written"] == 36_000 == data_size(real_server.client())


def test_replicas_that_acknowledge_let_the_run_complete(here: Here, start_server: StartServer) -> None:
    primary = start_server("--repl-diskless-sync-delay", "0")
    replica = start_server("--replicaof", f"127.0.0.1 {primary.port}")
    wait_until(lambda: replica.client().info("replication")["master_link_status"] == "up")
    complete(here.load(write_input(here.folder), primary.url, "strings", "--wait-replicas", "1"))
    assert_loaded(replica.client(), "strings")


@pytest.mark.parametrize("kind", ["strings", "list"])
def test_replicas_that_do_not_acknowledge_end_the_run_without_a_mark(
    here: Here, monkeypatch: pytest.MonkeyPatch, real_server: RealServer, kind: str
) -> None:
    monkeypatch.setattr("etl.worker.commit.REPLICAS_WAIT_MS", b"50")
    file = write_input(here.folder)
    replicas = ("--wait-replicas", "1", "--retry-for", "0.3")
    ended = here.load(file, real_server.url, kind, *replicas)
    assert ended.code == 4
    assert "0 of 1 replicas have the data (--wait-replicas); tried again for 0.30 s" in ended.sentence
    if kind == "strings":
        client: Any = real_server.client()
        record = client.hgetall(f"etl:{{{ended.report['job']}}}")
        (mark,) = (parse_checkpoint(*pair) for pair in record.items() if pair[0].startswith(b"mark:"))
        assert (mark.block, mark.partial, sum(mark.counts)) == (-1, -1, 0)
    complete(here.load(file, real_server.url, kind))
    assert_loaded(real_server.client(), kind)
