"""Files that change while they are read: exit code 3, and one sentence that says what happened."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import pytest

from tests.fault.commands import (
    MORE_THAN_IN_FLIGHT,
    StartCommand,
    connection_of,
    hold_in_the_middle,
    wait_for_the_middle,
    write_lines,
)
from tests.support import RealServer, RecordingProxy, data_size


def shrink(path: Path) -> None:
    os.truncate(path, 30_000_000)


def grow(path: Path) -> None:
    with open(path, "ab") as file:
        file.write(b"one more line\n")


def replace(path: Path) -> None:
    write_lines(path.with_name("other.txt"), MORE_THAN_IN_FLIGHT).replace(path)


def rewrite(path: Path) -> None:
    with open(path, "r+b") as file:
        file.write(b"x")


def remove(path: Path) -> None:
    path.unlink()


CHANGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "shrinks": (shrink, "shrank from 36,000,000 to 30,000,000 bytes"),
    "grows": (grow, "grew from 36,000,000 to 36,000,014 bytes"),
    "is replaced": (replace, "was replaced by another file"),
    "is rewritten with the same size": (rewrite, "was written to"),
    "is removed": (remove, "went away while it was read"),
}


@pytest.mark.parametrize(
    ("change", "workers"), [*((change, 1) for change in CHANGES), ("shrinks", 2), ("is removed", 2)]
)
def test_a_file_that_changes_while_it_is_loaded_is_noticed(
    start: StartCommand,
    tmp_path: Path,
    real_server: RealServer,
    proxy: RecordingProxy,
    change: str,
    workers: int,
) -> None:
    file = write_lines(tmp_path / "input.txt", MORE_THAN_IN_FLIGHT)
    act, said = CHANGES[change]
    hold_in_the_middle(proxy)
    command = start("load", file, "--to", proxy.url, "--workers", str(workers))
    wait_for_the_middle(proxy, workers)
    # A file is given its new time before its new size: who looks in between cannot see that it grew.
    command.signal(SIGSTOP, to_all=True)
    act(file)
    command.signal(SIGCONT, to_all=True)
    proxy.release()
    ended = command.end()
    assert ended.code == 3
    assert ended.sentence.startswith(str(file))
    assert said in ended.sentence
    assert ended.report["status"] == "failed"
    assert 0 < ended.records["written"] == ended.records["read"] == data_size(real_server.client())


def test_a_file_that_changes_behind_its_last_byte_read_is_noticed(
    start: StartCommand, tmp_path: Path, proxy: RecordingProxy
) -> None:
    # All of it is in flight when it grows: nothing will be read any more.
    file = write_lines(tmp_path / "input.txt", 3_000_000)
    hold_in_the_middle(proxy)
    command = start("load", file, "--to", proxy.url, "--workers", "1")
    proxy.wait_for_text(b"2999 ")
    grow(file)
    proxy.release()
    ended = command.end()
    assert ended.code == 3
    assert "grew from 3,000,000 to 3,000,014 bytes" in ended.sentence
    assert ended.records["written"] == 3_000


def test_a_file_that_changes_while_it_is_verified_is_noticed(
    start: StartCommand, tmp_path: Path, real_server: RealServer, proxy: RecordingProxy
) -> None:
    file = write_lines(tmp_path / "input.txt", MORE_THAN_IN_FLIGHT)
    assert start("load", file, "--to", real_server.url).end().code == 0
    proxy.hold("to_client", after=500_000)
    command = start("verify", file, "--to", proxy.url, "--workers", "1")
    proxy.wait_for(500_001, "to_client", connection=connection_of(proxy, 0))
    rewrite(file)
    proxy.release()
    ended = command.end()
    assert ended.code == 3
    assert "was written to while it was read" in ended.sentence


def test_one_of_several_files_that_goes_away_is_named(
    start: StartCommand, tmp_path: Path, proxy: RecordingProxy
) -> None:
    first = write_lines(tmp_path / "1.txt", MORE_THAN_IN_FLIGHT)
    second = write_lines(tmp_path / "2.txt", 1_000_000)
    hold_in_the_middle(proxy)
    command = start("load", first, second, "--to", proxy.url, "--workers", "1")
    wait_for_the_middle(proxy, 1)
    second.unlink()
    proxy.release()
    ended = command.end()
    assert ended.code == 3
    assert str(second) in ended.sentence
    assert str(first) not in ended.sentence
