"""Commands that must not be applied twice: exactly once, with exactly the rejects that there are."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from signal import SIGKILL
from typing import Any

import pytest

from tests.fault.commands import Ended, StartCommand, connection_of
from tests.fault.inline import (
    HELD_BYTES,
    RECORDS,
    Here,
    complete,
    hold_worker,
    line,
    meanwhile,
    write_input,
)
from tests.support import RealServer, RecordingProxy, wait_until

BAD = (3, 500, 900)
"""Records whose keys hold something else: of each block at least one."""


def spoil(server: RealServer, prefix: str) -> None:
    for number in BAD:
        server.client().set(f"{prefix}:{number}", "in the way")


def assert_exactly_these_rejects(file: Path, ended: Ended) -> None:
    """Make sure that the bad records were rejected, each once, with number, offset and original bytes."""
    assert ended.code == 1, ended
    written = RECORDS - len(BAD)
    assert ended.records == {"read": RECORDS, "written": written, "skipped": 0, "rejected": len(BAD)}
    entries = [json.loads(entry) for entry in file.read_text().splitlines()]
    assert sorted((entry["record"], entry["offset"], entry["raw"]) for entry in entries) == [
        (number, 100 * number, line(number).decode()) for number in BAD
    ]
    assert all("WRONGTYPE" in entry["reason"] for entry in entries)


def assert_each_once(client: Any, prefix: str) -> None:
    for number in set(range(RECORDS)) - set(BAD):
        assert client.lrange(f"{prefix}:{number}", 0, -1) == [line(number)]
    for number in BAD:
        assert client.get(f"{prefix}:{number}") == b"in the way"


@pytest.mark.parametrize("command", ["SADD", "RPUSH"], ids=["in a pipeline", "inside of the fence"])
def test_wrongtype_rejects_exactly_the_records_it_is_about(
    here: Here, real_server: RealServer, command: str
) -> None:
    spoil(real_server, "l")
    file = write_input(here.folder)
    options = ("--command", command + " l:{#} {line}", "--max-rejects", "10")
    ended = here.run("load", file, "--to", real_server.url, *options)
    assert_exactly_these_rejects(here.folder / "rejects.jsonl", ended)
    if command == "RPUSH":
        assert_each_once(real_server.client(), "l")


def test_wrongtype_is_rejected_once_where_the_answer_was_lost(
    here: Here, real_server: RealServer, proxy: RecordingProxy
) -> None:
    spoil(real_server, "l")
    file, client = write_input(here.folder), real_server.client()
    steps = (
        hold_worker(proxy),
        lambda: proxy.hold("to_client", connection=connection_of(proxy, 0)),
        lambda: proxy.release("to_server"),
        lambda: wait_until(lambda: client.exists("l:1199"), what="the last record"),
        lambda: proxy.cut_now(connection_of(proxy, 0)),
        proxy.release,
    )
    options = ("--command", "RPUSH l:{#} {line}", "--max-rejects", "10")
    with meanwhile(*steps):
        ended = here.run("load", file, "--to", proxy.url, *options)
    assert_exactly_these_rejects(here.folder / "rejects.jsonl", ended)
    assert_each_once(real_server.client(), "l")


def test_wrongtype_is_rejected_once_where_the_worker_was_killed_before_it_read_the_answer(
    start: StartCommand, tmp_path: Path, real_server: RealServer, proxy: RecordingProxy
) -> None:
    spoil(real_server, "l")
    file, rejects, client = write_input(tmp_path), tmp_path / "rejects.jsonl", real_server.client()
    proxy.hold("to_server", after=HELD_BYTES // 5, client="redis-etl-0")
    command = start(
        *("load", file, "--to", proxy.url, "--workers", "2", "--progress", "log"),
        *("--command", "RPUSH l:{#} {line}", "--max-rejects", "10", "--rejects", rejects),
    )
    connection = connection_of(proxy, 0)
    proxy.wait_for(HELD_BYTES // 5 + 1, connection=connection)
    proxy.hold("to_client", connection=connection)
    proxy.release("to_server")
    wait_until(lambda: client.exists("l:599"), what="the end of its block")
    os.kill(command.wait_for_workers(1)[0], SIGKILL)  # the other one has ended
    proxy.release()
    ended = command.end()
    assert "worker 0 was killed by SIGKILL" in ended.stderr
    assert_exactly_these_rejects(rejects, ended)
    assert_each_once(real_server.client(), "l")


COMMANDS: dict[str, tuple[str, Callable[[Any], int]]] = {
    "XADD": ("XADD log * line {line}", lambda client: client.xlen("log")),
    "INCRBY": ("INCRBY counter 1", lambda client: int(client.get("counter"))),
    "APPEND": ("APPEND text x", lambda client: client.strlen("text")),
    "RPUSH": ("RPUSH all {line}", lambda client: client.llen("all")),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_that_add_up_add_up_once_whatever_is_cut(
    here: Here, real_server: RealServer, name: str
) -> None:
    template, look = COMMANDS[name]
    file = write_input(here.folder)
    for after in (5_000, 20_000, 40_000):
        real_server.client().flushall()
        with RecordingProxy(real_server.port) as proxy, meanwhile(hold_worker(proxy, after), proxy.cut_now):
            complete(here.run("load", file, "--to", proxy.url, "--command", template))
        assert look(real_server.client()) == RECORDS


def test_workers_of_a_run_that_lost_its_lock_are_kept_out(
    here: Here, real_server: RealServer, proxy: RecordingProxy
) -> None:
    # As if its parent had stood still for longer than the lock lasts, and another run had gone on.
    file = write_input(here.folder)
    client: Any = real_server.client()

    def another_run_begins() -> None:
        (key,) = (key for key in client.keys("etl:*") if not key.endswith(b":lock"))
        client.hset(key, "run", "another/1")

    with meanwhile(hold_worker(proxy), another_run_begins, proxy.release):
        ended = here.load(file, proxy.url, "list")
    assert ended.code == 4
    assert "another run has written to this job meanwhile" in ended.sentence
    assert client.llen("all") == ended.records["written"] < RECORDS
    again = complete(here.load(file, proxy.url, "list"))
    assert again.report["resumed_from"] == ended.records["written"]
    assert client.llen("all") == RECORDS
