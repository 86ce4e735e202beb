"""Sources that come once, from the parent to its workers: stopped, cut short, and without one of the two."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from etl.options import START_METHODS
from tests.fault.commands import Command
from tests.support import RealServer, data_size, people, start_cli, wait_until
from tests.support.people import hashes
from tests.unit.source.streams import compress


class Fed:
    """A load of CSV from standard input, in a session of its own."""

    def __init__(self, server: RealServer, workers: int, *options: str) -> None:
        argv = ("load", "-", "--format", "csv", "--to", server.url, "--key", "p:{id}", "--json")
        self.process = start_cli(
            *argv, "--workers", str(workers), "--progress", "none", *options, stdin=subprocess.PIPE
        )
        self.command = Command(self.process)
        self.client = server.client()

    def write(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def close_stdin(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.stdin = None  # communicate() would write to it

    def wait_for_records(self) -> None:
        wait_until(lambda: data_size(self.client), what="the first records")


@pytest.fixture
def feds() -> Iterator[list[Fed]]:
    """Loads that are ended whatever happens."""
    started: list[Fed] = []
    yield started
    for fed in started:
        fed.command.clean_up()


def rows(first: int, count: int) -> str:
    return "".join(f"{n},{'x' * 200}\n" for n in range(first, first + count))


MANY = 30_000
"""Rows of some MB: more than the block that the stream is read ahead of."""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("begun", [False, True], ids=["before the first byte", "in the middle"])
def test_a_signal_ends_a_load_whose_stdin_is_idle(
    real_server: RealServer, feds: list[Fed], begun: bool, workers: int, number: signal.Signals
) -> None:
    fed = Fed(real_server, workers)
    feds.append(fed)
    if begun:
        fed.write("id,name\n" + rows(0, MANY))
        fed.wait_for_records()
    else:
        wait_until(lambda: fed.command.maps("libarrow"), what="the command to be at work")
        wait_until(lambda: _waits_for_a_pipe(fed.command.pid), what="the command to read stdin")
    fed.command.signal(number)
    ended = fed.command.end()
    assert ended.code == 128 + number
    assert ended.sentence == f"stopped by {number.name}"
    if begun:
        records = ended.records
        assert records["read"] == records["written"] == data_size(fed.client) > 0


def _waits_for_a_pipe(pid: int) -> bool:
    """Return True if a process sleeps until a descriptor is readable (in ``pselect6`` of x86-64)."""
    try:
        words = Path(f"/proc/{pid}/syscall").read_text().split()
    except OSError:
        return False
    return words[:2] == ["270", "0x1"]  # descriptors below 1: standard input alone


@pytest.mark.parametrize("method", START_METHODS)
def test_a_killed_worker_of_a_stream_ends_the_run_and_is_named(
    real_server: RealServer, feds: list[Fed], method: str
) -> None:
    fed = Fed(real_server, 2, "--start-method", method)
    feds.append(fed)
    fed.write("id,name\n" + rows(0, MANY))
    fed.wait_for_records()
    victim = fed.command.wait_for_workers(2)[1]
    os.kill(victim, signal.SIGKILL)
    ended = fed.command.end()
    assert ended.code == 128 + signal.SIGKILL
    assert ended.sentence == "worker 1 was killed by SIGKILL, usually for want of memory"
    records = ended.records
    assert records["read"] == records["written"] + records["skipped"] + records["rejected"]
    assert records["written"] <= data_size(fed.client)


@pytest.mark.parametrize("method", START_METHODS)
def test_workers_end_when_their_parent_is_killed_while_it_feeds_them(
    real_server: RealServer, feds: list[Fed], method: str
) -> None:
    fed = Fed(real_server, 2, "--start-method", method)
    feds.append(fed)
    fed.write("id,name\n" + rows(0, MANY))
    fed.wait_for_records()
    fed.command.wait_for_workers(2)
    fed.command.signal(signal.SIGKILL)
    assert fed.command.end().code == -signal.SIGKILL  # and looks that no process is left


@pytest.mark.parametrize("codec", ["gzip", "bz2", "xz", "zstd", "lz4"])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_file_that_was_cut_short_is_exit_code_3_and_the_counts_reconcile(
    real_server: RealServer, feds: list[Fed], tmp_path: Path, codec: str, workers: int
) -> None:
    draw = random.Random(1)
    lines = "".join(f"{n},{draw.randbytes(60).hex()}\n" for n in range(8_000))
    whole = compress(codec, ("id,name\n" + lines).encode())
    path = tmp_path / f"cut.csv.{ {'gzip': 'gz', 'zstd': 'zst'}.get(codec, codec) }"
    path.write_bytes(whole[: len(whole) * 9 // 10])
    argv = ("load", path, "--to", real_server.url, "--key", "p:{id}", "--workers", str(workers), "--json")
    command = Command(start_cli(*argv, "--progress", "none"))
    try:
        ended = command.end()
    finally:
        command.clean_up()
    assert ended.code == 3, ended.stderr
    assert str(path) in ended.sentence
    assert ended.report["status"] == "failed"
    records = ended.records
    # How many were sent before the cut was met is a matter of timing; that all are accounted for is not.
    assert records["read"] == records["written"] == data_size(real_server.client()) < 8_000
    assert records["rejected"] == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_a_pipe_that_ends_in_the_middle_of_a_record_is_a_reject(
    real_server: RealServer, feds: list[Fed], tmp_path: Path, workers: int
) -> None:
    fed = Fed(real_server, workers, "--max-rejects", "1", "--rejects", str(tmp_path / "rejects.jsonl"))
    feds.append(fed)
    fed.write("id,name\n" + rows(0, 10) + '10,"cut in the mid')
    fed.close_stdin()
    ended = fed.command.end()
    assert ended.code == 1
    assert ended.records == {"read": 11, "written": 10, "skipped": 0, "rejected": 1}
    assert '"file": "standard input", "record": 10' in (tmp_path / "rejects.jsonl").read_text()
    assert len(hashes(fed.client)) == 10


def test_a_slow_pipe_is_loaded_as_it_comes(real_server: RealServer, feds: list[Fed]) -> None:
    fed = Fed(real_server, 2)
    feds.append(fed)
    fed.write("id,name\n" + rows(0, MANY))
    fed.wait_for_records()  # although nobody has said that it ends
    fed.write(rows(MANY, 10))
    fed.close_stdin()
    ended = fed.command.end()
    assert ended.code == 0
    assert ended.records["written"] == MANY + 10 == data_size(fed.client)


@pytest.mark.parametrize(
    "options",
    [("--as", "list", "--value", "{name}"), ("--as", "set", "--value", "{name}", "--if-exists", "skip")],
)
def test_what_needs_a_pass_before_it_cannot_come_from_a_stream(
    real_server: RealServer, feds: list[Fed], options: tuple[str, ...]
) -> None:
    fed = Fed(real_server, 1, *options)
    feds.append(fed)
    fed.write("id,name\n1,a\n")
    fed.close_stdin()
    ended = fed.command.end()
    assert ended.code == 2
    assert "a stream can be read only once" in ended.sentence
    assert data_size(fed.client) == 0


def test_people_by_pipe_are_the_same_people(real_server: RealServer, feds: list[Fed], tmp_path: Path) -> None:
    fed = Fed(real_server, 3)
    feds.append(fed)
    fed.write(people.text_of(".csv", people.people(200)).decode())
    fed.close_stdin()
    assert fed.command.end().code == 0
    path = people.write(tmp_path / "people.csv", people.people(200))
    assert hashes(fed.client) == people.by_id(people.read_by_python(path))
