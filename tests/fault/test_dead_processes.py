"""Workers and parents that are killed, end by themselves or stand still: who notices, and what is left."""

from __future__ import annotations

import os
from pathlib import Path
from signal import SIGCONT, SIGINT, SIGKILL, SIGSEGV, SIGSTOP

import pytest

from etl.plan import BLOCK_BYTES
from tests.fault.commands import (
    MORE_THAN_IN_FLIGHT,
    START_METHODS,
    Command,
    Ended,
    StartCommand,
    hold_in_the_middle,
    wait_for_the_middle,
    wait_until_gone,
)
from tests.support import RealServer, RecordingProxy, alive, data_size, in_session, wait_until

RECORDS = MORE_THAN_IN_FLIGHT // 1_000
BLOCK_RECORDS = BLOCK_BYTES // 1_000

every_method = pytest.mark.parametrize("method", START_METHODS)


def two_workers_in_the_middle(
    start: StartCommand,
    file: Path,
    proxy: RecordingProxy,
    method: str = "forkserver",
    progress: str = "none",
    patch: str = "",
) -> tuple[Command, list[int]]:
    hold_in_the_middle(proxy)
    to = ("--to", proxy.url, "--workers", "2", "--start-method", method, "--progress", progress)
    command = start("load", file, *to, patch=patch)
    wait_for_the_middle(proxy, 2)
    return command, command.wait_for_workers(2)


def completed(command: Command, server: RealServer) -> Ended:
    """Make sure that the command loads everything, whatever has happened to its workers."""
    ended = command.end()
    assert ended.code == 0, ended
    assert ended.records == {"read": RECORDS, "written": RECORDS, "skipped": 0, "rejected": 0}
    assert data_size(server.client()) == RECORDS
    return ended


@pytest.mark.parametrize(
    ("worker", "method"), [*((1, method) for method in START_METHODS), (0, "forkserver")]
)
def test_a_killed_worker_is_named_and_the_run_goes_on(
    start: StartCommand,
    big_file: Path,
    real_server: RealServer,
    proxy: RecordingProxy,
    method: str,
    worker: int,
) -> None:
    command, workers = two_workers_in_the_middle(start, big_file, proxy, method, "log")
    os.kill(workers[worker], SIGKILL)
    proxy.release()
    ended = completed(command, real_server)
    assert (
        f"redis-etl: worker {worker} was killed by SIGKILL, usually for want of memory;"
        " resuming from the checkpoints\n"
    ) in ended.stderr


def test_a_worker_that_crashes_is_named_with_its_signal(
    start: StartCommand, big_file: Path, real_server: RealServer, proxy: RecordingProxy
) -> None:
    command, workers = two_workers_in_the_middle(start, big_file, proxy, progress="log")
    os.kill(workers[1], SIGSEGV)
    proxy.release()
    ended = completed(command, real_server)
    assert "worker 1 was killed by SIGSEGV; resuming from the checkpoints\n" in ended.stderr


def test_all_workers_killed_at_once_are_replaced(
    start: StartCommand, big_file: Path, real_server: RealServer, proxy: RecordingProxy
) -> None:
    command, workers = two_workers_in_the_middle(start, big_file, proxy)
    for worker in workers:
        os.kill(worker, SIGKILL)
    proxy.release()
    completed(command, real_server)


LEAVES_AT_BLOCK = """
import os, signal
from etl.worker.shard import Shard
send = Shard._send_block
def leave(self, block):
    if block.number == 7:
        {leave}
    send(self, block)
Shard._send_block = leave
"""

LEAVES: dict[str, tuple[str, int, str]] = {
    "exits": ("os._exit(3)", 70, "worker 1 ended with exit code 3 before its shard was done"),
    "is killed": (
        "os.kill(os.getpid(), signal.SIGKILL)",
        137,
        "worker 1 was killed by SIGKILL, usually for want of memory",
    ),
}


@pytest.mark.parametrize(
    ("leave", "method"), [("exits", "fork"), ("exits", "forkserver"), ("is killed", "forkserver")]
)
def test_a_worker_that_ends_again_and_again_ends_the_run_and_is_named(
    start: StartCommand, big_file: Path, real_server: RealServer, leave: str, method: str
) -> None:
    how, code, sentence = LEAVES[leave]
    ended = start(
        "load",
        big_file,
        *("--to", real_server.url, "--workers", "2", "--start-method", method),
        patch=LEAVES_AT_BLOCK.format(leave=how),
    ).end()
    assert ended.code == code
    assert ended.sentence == sentence
    assert ended.report["status"] == "failed"
    assert 0 < ended.records["written"] == ended.records["read"] <= data_size(real_server.client()) < RECORDS
    again = start("load", big_file, "--to", real_server.url, "--workers", "2").end()
    assert again.code == 0
    assert again.report["resumed_from"] >= ended.records["read"] - 8 * BLOCK_RECORDS
    assert again.records["written"] == RECORDS == data_size(real_server.client())


def test_a_frozen_worker_is_ended_by_the_second_signal(
    start: StartCommand, big_file: Path, real_server: RealServer, proxy: RecordingProxy
) -> None:
    command, workers = two_workers_in_the_middle(start, big_file, proxy)
    os.kill(workers[1], SIGSTOP)
    proxy.release()
    command.signal_and_wait(SIGINT)
    wait_until(lambda: not alive(workers[0]), what="the end of the other worker")
    assert command.running
    command.signal(SIGINT)
    ended = command.end()
    assert ended.code == 130
    assert ended.sentence == "stopped by SIGINT"
    assert ended.records["written"] <= data_size(real_server.client())


def test_a_frozen_worker_does_not_keep_a_run_from_going_on(
    start: StartCommand, big_file: Path, real_server: RealServer, proxy: RecordingProxy
) -> None:
    grace = "import etl.run.process.supervisor as supervisor\nsupervisor.GRACE_S = 0.5"
    command, workers = two_workers_in_the_middle(start, big_file, proxy, patch=grace)
    os.kill(workers[0], SIGSTOP)
    os.kill(workers[1], SIGKILL)
    proxy.release()
    completed(command, real_server)


@every_method
def test_a_killed_parent_leaves_no_worker_behind(
    start: StartCommand, big_file: Path, proxy: RecordingProxy, method: str
) -> None:
    command, workers = two_workers_in_the_middle(start, big_file, proxy, method)
    command.signal(SIGKILL)
    proxy.release()
    wait_until_gone(workers)
    wait_until(lambda: not in_session(command.pid), what="the end of everything else")


@every_method
def test_a_killed_parent_leaves_no_worker_behind_that_waits_for_its_server(
    start: StartCommand, big_file: Path, proxy: RecordingProxy, method: str
) -> None:
    grace = "import etl.run.process.worker_main as worker_main\nworker_main.ORPHAN_GRACE_S = 0.5"
    command, workers = two_workers_in_the_middle(start, big_file, proxy, method, patch=grace)
    command.signal(SIGKILL)
    wait_until_gone(workers)
    wait_until(lambda: not in_session(command.pid), what="the end of everything else")


@every_method
def test_a_parent_that_stands_still_for_a_while_completes(
    start: StartCommand, big_file: Path, real_server: RealServer, proxy: RecordingProxy, method: str
) -> None:
    command, workers = two_workers_in_the_middle(start, big_file, proxy, method)
    command.signal(SIGSTOP)
    proxy.release()
    wait_until(lambda: data_size(real_server.client()) == RECORDS, what="the workers to finish without it")
    command.signal(SIGCONT)
    ended = command.end()
    assert ended.code == 0
    assert ended.stderr == ""
    assert ended.records == {"read": RECORDS, "written": RECORDS, "skipped": 0, "rejected": 0}
    assert not any(map(alive, workers))
