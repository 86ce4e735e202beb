"""Signals while the target is an embedded server: the folder stays usable."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from signal import SIGCONT, SIGINT, SIGKILL, SIGSTOP, SIGTERM, Signals
from typing import Any

import pytest
import redis

from tests.fault.commands import LINE_BYTES, Command, StartCommand, write_lines
from tests.support import alive, data_size, wait_until

SLOW = ("--max-rate", "4MB")
"""Lets a load last for some seconds: as long as it takes to look at it and to have something happen."""


RECORDS = 12_000


@pytest.fixture(scope="module")
def some_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """RECORDS lines of 1,000 bytes: a SLOW load of them lasts for three seconds. Not to be changed."""
    return write_lines(tmp_path_factory.mktemp("input") / "some.txt", RECORDS * LINE_BYTES)


@pytest.fixture(autouse=True)
def leaves_no_server(tmp_path: Path) -> Iterator[None]:
    """End the folder's server if the test has failed before it could: it may stand still for ever."""
    yield
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if Path(os.readlink(process / "cwd")) == tmp_path / "db":
                os.kill(int(process.name), SIGKILL)


PAUSE_MS = 3_000


def client_of(folder: Path) -> redis.Redis:
    """Connect to the folder's server, as soon as there is one."""
    client = redis.Redis(unix_socket_path=str(folder / "redis.sock"))

    def answers() -> bool:
        with contextlib.suppress(redis.ConnectionError):
            return bool(client.ping())
        return False

    wait_until(answers, what="the server")
    return client


def started(start: StartCommand, file: Path, folder: Path, *options: str) -> Command:
    # An option for servers: without one no server runs, and the dump of an empty folder is built.
    return start("load", file, "--to", f"embedded:{folder}", "--workers", "2", "--at-least-once", *options)


def in_the_middle(start: StartCommand, file: Path, folder: Path) -> tuple[Command, int]:
    """Bring a load to its middle and have its server stand still; give the server's process id.

    Both workers wait for an answer, so that a signal does not end them at once: the server has put off what
    they have sent (CLIENT PAUSE) before it is stopped, and does it when it goes on.
    """
    command = started(start, file, folder, *SLOW)
    with client_of(folder) as client:
        server = int(client.info("server")["process_id"])
        wait_until(lambda: data_size(client), what="the first records")
        client.client_pause(PAUSE_MS, all=False)
        wait_until(lambda: waiting_workers(client) == {"redis-etl-0", "redis-etl-1"}, what="both workers")
        os.kill(server, SIGSTOP)
    return command, server


def waiting_workers(client: Any) -> set[str]:
    """Return the names of the workers whose command the server has put off."""
    return {
        other["name"]
        for other in client.client_list()
        if other["name"].startswith("redis-etl-") and "b" in other["flags"]
    }


def unaccepted() -> set[str]:
    """Return the connections to embedded servers, any of them, that no server has accepted yet."""
    rows = (line.split() for line in Path("/proc/net/unix").read_text().splitlines())
    connecting = "02"
    return {row[0] for row in rows if row[-1].endswith("redis.sock") and row[5] == connecting}


def assert_usable(start: StartCommand, file: Path, folder: Path) -> None:
    assert started(start, file, folder).end().code == 0
    assert start("verify", file, "--to", f"embedded:{folder}").end().records["equal"] == RECORDS


@pytest.mark.parametrize(
    ("number", "to_all"), [(SIGTERM, False), (SIGINT, True)], ids=["SIGTERM to the parent", "Ctrl-C"]
)
def test_a_signal_keeps_what_was_written(
    start: StartCommand, some_file: Path, tmp_path: Path, number: Signals, to_all: bool
) -> None:
    command, server = in_the_middle(start, some_file, tmp_path / "db")
    command.signal_and_wait(number, to_all=to_all)
    os.kill(server, SIGCONT)
    ended = command.end()
    assert ended.code == 128 + number
    assert not alive(server)
    written = ended.records["written"]
    assert written > 0
    verified = start("verify", some_file, "--to", f"embedded:{tmp_path / 'db'}").end()
    assert verified.code == 1
    assert verified.records["equal"] == written


def test_two_signals_leave_the_folder_usable(start: StartCommand, some_file: Path, tmp_path: Path) -> None:
    command, server = in_the_middle(start, some_file, tmp_path / "db")
    command.signal_and_wait(SIGINT, to_all=True)
    command.signal_and_wait(SIGINT, to_all=True)
    os.kill(server, SIGCONT)
    ended = command.end()
    assert ended.code == 130
    assert ended.sentence == "stopped by SIGINT"
    assert not alive(server)
    assert_usable(start, some_file, tmp_path / "db")


def test_three_signals_end_even_a_server_that_does_not_save(
    start: StartCommand, some_file: Path, tmp_path: Path
) -> None:
    command, server = in_the_middle(start, some_file, tmp_path / "db")
    before = unaccepted()
    command.signal_and_wait(SIGINT)
    command.signal(SIGINT)
    wait_until(lambda: unaccepted() - before, what="the command to ask for a save")
    wait_until(lambda: not command.workers(), what="the end of the workers")
    command.signal(SIGINT)
    ended = command.end()
    assert ended.code == 130
    assert not alive(server)
    assert_usable(start, some_file, tmp_path / "db")


def test_a_signal_while_the_data_are_saved_does_not_lose_them(
    start: StartCommand, some_file: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "db"
    command = started(start, some_file, folder, *SLOW)
    client_of(folder).config_set("rdb-key-save-delay", 150)
    wait_until(lambda: list(folder.glob("temp-*.rdb")), what="the save")
    command.signal(SIGINT)
    ended = command.end()
    assert ended.code == 0
    assert ended.report["status"] == "complete"
    verified = start("verify", some_file, "--to", f"embedded:{folder}").end()
    assert verified.records["equal"] == RECORDS


def test_a_killed_command_leaves_no_server_and_a_usable_folder(
    start: StartCommand, some_file: Path, tmp_path: Path
) -> None:
    command, server = in_the_middle(start, some_file, tmp_path / "db")
    command.signal(SIGKILL)
    os.kill(server, SIGCONT)
    wait_until(lambda: not alive(server), what="the end of the server")
    assert_usable(start, some_file, tmp_path / "db")


def test_a_killed_server_is_told(start: StartCommand, some_file: Path, tmp_path: Path) -> None:
    command, server = in_the_middle(start, some_file, tmp_path / "db")
    os.kill(server, SIGKILL)
    ended = command.end()
    assert ended.code == 4
    assert ended.stderr.count("redis-etl: ") == 1
    assert "was killed by signal 9" in ended.stderr
