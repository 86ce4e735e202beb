"""Workers and parents that are killed, end by themselves or stand still: who notices, and what is left."""

from __future__ import annotations

import os
from pathlib import Path
from signal import SIGCONT, SIGINT, SIGKILL, SIGSEGV, SIGSTOP

import pytest

from tests.fault.commands import (
    MORE_THAN_IN_FLIGHT,
    START_METHODS,
    Command,
    StartCommand,
    hold_in_the_middle,
    wait_for_the_middle,
    wait_until_gone,
)
from tests.support import RealServer, RecordingProxy, alive, data_size, in_session, wait_until

every_method = pytest.mark.parametrize("method", START_METHODS)


def two_workers_in_the_middle(
    start: StartCommand, file: Path, proxy: RecordingProxy, method: str = "forkserver", patch: str = ""
) -> tuple[Command, list[int]]:
    hold_in_the_middle(proxy)
    to = ("--to", proxy.url, "--workers", "2", "--start-method", method)
    command = start("load", file, *to, patch=patch)
    wait_for_the_middle(proxy, 2)
    return command, command.wait_for_workers(2)


@every_method
@pytest.mark.parametrize("worker", [0, 1])
def test_a_killed_worker_ends_the_run_and_is_named(
    start: StartCommand,
    big_file: Path,
    real_server: RealServer,
    proxy: RecordingProxy,
    method: str,
    worker: int,
) -> None:
    command, workers = two_workers_in_the_middle(start, big_file, proxy, method)
    os.kill(workers[worker], SIGKILL)
    proxy.release()
    ended = command.end()
    assert ended.code == 137
    assert ended.sentence == f"worker {worker} was killed by SIGKILL, usually for want of memory"
    assert ended.report["status"] == "failed"
    assert 0 < ended.records["written"] == ended.records["read"] <= data_size(real_server.client())
    assert ended.report["workers"][1 - worker]["seconds"] > 0  # the other one had its say


def test_a_worker_that_crashes_is_named_with_its_signal(
    start: StartCommand, big_file: Path, proxy: RecordingProxy
) -> None:
    command, workers = two_workers_in_the_middle(start, big_file, proxy)
    os.kill(workers[1], SIGSEGV)
    proxy.release()
    ended = command.end()
    assert ended.code == 128 + SIGSEGV
    assert ended.sentence == "worker 1 was killed by SIGSEGV"


@every_method
def test_all_workers_killed_at_once_end_the_run(
    start: StartCommand, big_file: Path, proxy: RecordingProxy, method: str
) -> None:
    command, workers = two_workers_in_the_middle(start, big_file, proxy, method)
    for worker in workers:
        os.kill(worker, SIGKILL)
    ended = command.end()
    assert ended.code == 137
    assert "was killed by SIGKILL" in ended.sentence


LEAVES_AT_BLOCK = """
import os
from etl.worker import Shard
send = Shard._send_block
def leave(self, block, session):
    if block.number == 7:
        os._exit(3)
    send(self, block, session)
Shard._send_block = leave
"""


@every_method
def test_a_worker_that_leaves_by_itself_is_named_with_its_exit_code(
    start: StartCommand, big_file: Path, real_server: RealServer, method: str
) -> None:
    ended = start(
        "load",
        big_file,
        *("--to", real_server.url, "--workers", "2", "--start-method", method),
        patch=LEAVES_AT_BLOCK,
    ).end()
    assert ended.code == 70
    assert ended.sentence == "worker 1 ended with exit code 3 before its shard was done"
    assert ended.records["written"] <= data_size(real_server.client())


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


def test_a_frozen_worker_does_not_keep_a_failed_run_from_its_end(
    start: StartCommand, big_file: Path, proxy: RecordingProxy
) -> None:
    grace = "import etl.run.processes as processes\nprocesses.GRACE_S = 0.5"
    command, workers = two_workers_in_the_middle(start, big_file, proxy, patch=grace)
    os.kill(workers[0], SIGSTOP)
    os.kill(workers[1], SIGKILL)
    ended = command.end()
    assert ended.code == 137
    assert ended.sentence.startswith("worker 1 was killed by SIGKILL")


@every_method
def test_a_killed_parent_leaves_no_worker_behind(
    start: StartCommand, big_file: Path, proxy: RecordingProxy, method: str
) -> None:
    command, workers = two_workers_in_the_middle(start, big_file, proxy, method)
    command.signal(SIGKILL)
    proxy.release()
    wait_until_gone(workers)
    wait_until(lambda: not in_session(command.pid), 2, "the end of everything else")


@every_method
def test_a_killed_parent_leaves_no_worker_behind_that_waits_for_its_server(
    start: StartCommand, big_file: Path, proxy: RecordingProxy, method: str
) -> None:
    grace = "import etl.run.processes as processes\nprocesses.ORPHAN_GRACE_S = 0.5"
    command, workers = two_workers_in_the_middle(start, big_file, proxy, method, patch=grace)
    command.signal(SIGKILL)
    wait_until_gone(workers)
    wait_until(lambda: not in_session(command.pid), 2, "the end of everything else")


@every_method
def test_a_parent_that_stands_still_for_a_while_completes(
    start: StartCommand, big_file: Path, real_server: RealServer, proxy: RecordingProxy, method: str
) -> None:
    command, workers = two_workers_in_the_middle(start, big_file, proxy, method)
    command.signal(SIGSTOP)
    proxy.release()
    records = MORE_THAN_IN_FLIGHT // 1_000
    wait_until(lambda: data_size(real_server.client()) == records, what="the workers to finish without it")
    command.signal(SIGCONT)
    ended = command.end()
    assert ended.code == 0
    assert ended.stderr == ""
    assert ended.records == {"read": records, "written": records, "skipped": 0, "rejected": 0}
    assert not any(map(alive, workers))
