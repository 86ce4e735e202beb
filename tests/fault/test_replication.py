"""A load by replication that goes wrong, anywhere: the server is a primary with its old data and settings."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from signal import SIGCONT, SIGINT, SIGKILL, SIGSTOP

import pytest

from etl.encode.rdb.file import END, TRAILER_BYTES
from etl.encode.rdb.length import rdb_string
from etl.errors import TargetError
from etl.sink.address import parse_address
from etl.sink.deployments.standalone import StandaloneTarget
from etl.sink.replication.replacement import Asked, Replacement, ask_state
from tests.fault.commands import Command, StartCommand, wait_until_gone, write_lines
from tests.fault.inline import Here, meanwhile
from tests.server.test_replication import every_version, fill, replaced, state
from tests.support import RealServer, StartServer, alive, children_of, wait_until
from tests.support.versions import NEW, OLD, SYSTEM, binary_of

LOAD = ("--key", "k:{#}", "--wire", "replication", "--replace-all", "--job", "nightly")
SLOWLY = ("--workers", "2", "--max-rate", "2000")
NEVER = threading.Event()


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    return write_lines(tmp_path / "lines.txt", 20_000_000)


def in_sync(server: RealServer) -> bool:
    """Return True if the server takes a data set just now."""
    try:
        return bool(server.client(socket_timeout=2).info("replication").get("master_sync_in_progress"))
    except Exception:  # noqa: BLE001 - 6.2 says LOADING, or is busy
        return True


def started(start: StartCommand, server: RealServer, lines: Path, *options: str) -> tuple[Command, list[int]]:
    """Start a load; return it in its middle, with its workers."""
    command = start("load", lines, "--to", server.url, *LOAD, *SLOWLY, *options)
    workers = [pid for pid in command.wait_for_workers(3) if pid not in watchers(command)]
    wait_until(lambda: in_sync(server), what="the replication")
    return command, workers


def watchers(command: Command) -> list[int]:
    def told(pid: int) -> str:
        try:
            return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
        except OSError:
            return ""

    return [child for child in children_of(command.pid) if "after_the_end" in told(child)]


@every_version
@pytest.mark.parametrize("whom", ["worker", "parent", "signal"])
def test_whoever_is_killed_in_the_middle_the_server_is_what_it_was(
    start: StartCommand, start_server: StartServer, lines: Path, version: str, whom: str
) -> None:
    server = start_server(binary=binary_of(version))
    fill(server, 50)
    before = state(server)
    command, workers = started(start, server, lines)
    watching = watchers(command)
    assert len(watching) == 1
    if whom == "worker":
        os.kill(workers[1], SIGKILL)
        ended = command.end()
        assert ended.code == 137
        assert "was killed by SIGKILL" in ended.stderr
    elif whom == "signal":
        command.signal(SIGINT, to_all=True)
        ended = command.end()
        assert ended.code == 130
        assert "stopped by SIGINT" in ended.stderr
    else:
        command.signal(SIGKILL)
        wait_until_gone([command.pid])
    wait_until(lambda: not alive(watching[0]), 30, "the watcher's end")
    assert state(server) == before


def test_the_next_run_finds_what_a_run_has_left_of_which_nothing_lives(
    start: StartCommand, start_server: StartServer, tmp_path: Path, lines: Path
) -> None:
    server = start_server()
    fill(server, 50)
    before = state(server)
    command, workers = started(start, server, lines)
    for pid in (*watchers(command), command.pid, *workers):
        os.kill(pid, SIGKILL)
    wait_until_gone([command.pid, *workers])
    wait_until(lambda: not in_sync(server), what="the end of the stream")
    assert server.client().role()[0] == b"slave"
    few = write_lines(tmp_path / "few.txt", 10_000)
    command = start("load", few, "--to", server.url, *LOAD[:-3], "--job", "nightly", "--progress", "log")
    ended = command.end()
    # Without --replace-all it is refused, but put back as it was.
    assert ended.code == 4
    assert "was left a replica by a run that has died: it is a primary again" in ended.stderr
    assert state(server) == before
    command = start("load", few, "--to", server.url, *LOAD)
    assert command.end().code == 0
    assert server.client().dbsize() == 11


@every_version
def test_a_server_that_takes_no_byte_any_more_is_given_up_and_put_back_when_it_answers(
    here: Here, impatient: None, start_server: StartServer, lines: Path, version: str
) -> None:
    server = start_server(binary=binary_of(version))
    fill(server, 50)
    before = state(server)

    def freeze() -> None:
        wait_until(lambda: in_sync(server), what="the replication")
        server.freeze()

    def thaw() -> None:
        wait_until(lambda: "replication" not in {one.name for one in threading.enumerate()}, 20)
        server.thaw()

    with meanwhile(freeze, thaw):
        ended = here.run("load", lines, "--to", server.url, *LOAD, "--max-rate", "500")
    assert ended.code == 4
    assert "has taken no byte of the data set for 0.30 s" in ended.stderr
    assert state(server) == before


def test_a_parent_that_stands_still_for_longer_than_the_server_waits(
    start: StartCommand, start_server: StartServer, lines: Path
) -> None:
    server = start_server("--repl-timeout", "1")
    fill(server, 50)
    before = state(server)
    command, workers = started(start, server, lines)
    for pid in (command.pid, *workers):
        os.kill(pid, SIGSTOP)
    wait_until(lambda: not in_sync(server), what="the server to give up")
    for pid in (command.pid, *workers):
        os.kill(pid, SIGCONT)
    ended = command.end()
    assert ended.code == 4
    assert "broke off the replication" in ended.stderr
    assert state(server) == before


@every_version
def test_a_source_that_stands_still_for_longer_than_the_server_waits_breaks_nothing(
    start_server: StartServer, version: str
) -> None:
    server = start_server("--repl-timeout", "1", binary=binary_of(version))

    def records() -> Iterator[dict[str, int]]:
        for number in range(10):
            if number == 5:
                NEVER.wait(3.5)
            yield {"n": number}

    report = replaced(server, records(), key="n:{#}")  # type: ignore[arg-type]
    assert report.records["written"] == 10
    assert server.client().dbsize() == 11


def test_a_server_that_dies_is_seen_to_when_it_is_back(
    start: StartCommand, start_server: StartServer, lines: Path
) -> None:
    server = start_server("--save", "3600 1000000")
    fill(server, 50)
    server.client().save()
    before = state(server)
    command, _ = started(start, server, lines, "--retry-for", "0.5")
    watching = watchers(command)
    server.kill()
    ended = command.end()
    assert ended.code == 4
    assert "a process that is left behind goes on trying; by hand: redis-cli REPLICAOF NO ONE" in ended.stderr
    assert alive(watching[0])
    server.restart()
    wait_until(lambda: not alive(watching[0]), what="the watcher's end")
    assert state(server) == before


@every_version
def test_every_byte_of_the_stream_may_be_the_last(start_server: StartServer, version: str) -> None:
    server = start_server(binary=binary_of(version))
    fill(server, 50)
    before = state(server)
    found = StandaloneTarget(parse_address(server.url)).identify("redis-etl", NEVER)
    entries = b"".join(b"\0" + rdb_string(b"k:%d" % n) + rdb_string(b"v" * 30) for n in range(6))
    stream = entries + END + bytes(TRAILER_BYTES)
    step = {OLD: 120, SYSTEM: 25, NEW: 40}[version]
    streams = [stream[:cut] for cut in range(0, len(stream), step)]
    if version != OLD:  # which has the new data set before it looks at the mark
        streams.append(stream)
    for sent in streams:
        asked = ask_state(found, NEVER)
        assert asked is not None
        key = b"etl:{x}:replication"
        replacement = Replacement(found, asked, Asked(0, key), lambda error: None)
        replacement.begin(NEVER)
        replacement.ended_turns()
        assert replacement._writing is not None
        try:
            replacement._writing.write(sent)
            if sent == stream:
                replacement._writing.write(b"not the mark" * 10)
        except TargetError:
            pass
        replacement.abandon(NEVER)
        assert state(server) == before, sent
        assert server.client().get(key) is None
