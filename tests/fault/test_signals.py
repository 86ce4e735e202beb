"""Signals that stop a run: the first ends it after what is in flight, the second ends it now."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGQUIT, SIGTERM, Signals

import pytest

from tests.fault.commands import (
    START_METHODS,
    Command,
    StartCommand,
    hold_in_the_middle,
    wait_for_the_middle,
)
from tests.support import REPO, RealServer, RecordingProxy, children_of, data_size, wait_until

WAYS = [("1", "fork"), *(("2", method) for method in START_METHODS)]
"""Workers and start methods: one worker is no process at all."""


def started(start: StartCommand, file: Path, url: str, workers: str, method: str) -> Command:
    return start("load", file, "--to", url, "--workers", workers, "--start-method", method)


def in_the_middle(
    start: StartCommand, file: Path, proxy: RecordingProxy, workers: str, method: str
) -> Command:
    hold_in_the_middle(proxy)
    command = started(start, file, proxy.url, workers, method)
    wait_for_the_middle(proxy, int(workers))
    return command


AT_WORK = [
    *((*way, SIGINT, True) for way in WAYS),  # Ctrl-C
    *((*way, SIGTERM, False) for way in WAYS[:3]),  # kill
    ("2", "forkserver", SIGINT, False),
    ("2", "forkserver", SIGTERM, True),  # systemd
]


@pytest.mark.parametrize(("workers", "method", "number", "to_all"), AT_WORK)
def test_a_signal_ends_the_run_after_what_is_in_flight(
    start: StartCommand,
    big_file: Path,
    real_server: RealServer,
    proxy: RecordingProxy,
    workers: str,
    method: str,
    to_all: bool,
    number: Signals,
) -> None:
    command = in_the_middle(start, big_file, proxy, workers, method)
    command.signal_and_wait(number, to_all=to_all)
    proxy.release()
    ended = command.end()
    assert ended.code == 128 + number
    assert ended.sentence == f"stopped by {number.name}"
    assert ended.report["status"] == "interrupted"
    assert 0 < ended.records["written"] == ended.records["read"] < 36_000
    assert ended.records["written"] == data_size(real_server.client())


@pytest.mark.parametrize(("workers", "method"), [("1", "fork"), ("2", "forkserver")])
@pytest.mark.parametrize("number", [SIGHUP, SIGQUIT], ids=lambda number: number.name)
def test_a_hang_up_or_quit_to_all_ends_a_run_that_can_be_resumed(
    start: StartCommand,
    big_file: Path,
    real_server: RealServer,
    proxy: RecordingProxy,
    workers: str,
    method: str,
    number: Signals,
) -> None:
    command = in_the_middle(start, big_file, proxy, workers, method)
    command.signal_and_wait(number, to_all=True)
    if number == SIGHUP:  # a shell hands on what the kernel has sent already
        command.signal_and_wait(number, to_all=True)
    proxy.release()
    ended = command.end()
    assert ended.code == 128 + number
    assert ended.sentence == f"stopped by {number.name}"
    assert 0 < ended.records["written"] == ended.records["read"] < 36_000
    again = started(start, big_file, proxy.url, "1", "fork").end()
    assert again.code == 0, again
    assert again.report["resumed_from"] == ended.records["read"]
    assert data_size(real_server.client()) == 36_000


ON_A_TERMINAL = """\
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "etl", *sys.argv[1:]])
"""
"""A session's first process, whose terminal is its standard input."""


def on_a_terminal(terminal: int, *args: str | Path) -> Command:
    environment = {name: value for name, value in os.environ.items() if name != "REDIS_URL"}
    process = subprocess.Popen(
        [sys.executable, "-c", ON_A_TERMINAL, *map(str, args)],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env={**environment, "PYTHONPATH": str(REPO)},
        start_new_session=True,
        text=True,
    )
    os.close(terminal)
    return Command(process)


@pytest.mark.parametrize(("workers", "method"), [("1", "fork"), ("2", "forkserver")])
def test_a_terminal_that_is_closed_ends_a_run_that_can_be_resumed(
    start: StartCommand,
    big_file: Path,
    real_server: RealServer,
    proxy: RecordingProxy,
    workers: str,
    method: str,
) -> None:
    hold_in_the_middle(proxy)
    ours, theirs = pty.openpty()
    options = ("--workers", workers, "--start-method", method, "--progress", "bar")
    command = on_a_terminal(theirs, "load", big_file, "--to", proxy.url, *options)
    try:
        wait_for_the_middle(proxy, int(workers))
        os.close(ours)  # the kernel sends SIGHUP; from now on every write to the terminal fails
        proxy.release()
        assert command.end().code == 129
    finally:
        with contextlib.suppress(OSError):
            os.close(ours)
        command.clean_up()
    again = started(start, big_file, proxy.url, "1", "fork").end()
    assert again.code == 0, again
    assert again.report["resumed_from"] > 0
    assert data_size(real_server.client()) == 36_000


def test_a_run_under_nohup_goes_on(start: StartCommand, big_file: Path, proxy: RecordingProxy) -> None:
    hold_in_the_middle(proxy)
    nohup = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    command = start("load", big_file, "--to", proxy.url, "--workers", "2", patch=nohup)
    wait_for_the_middle(proxy, 2)
    command.signal(SIGHUP, to_all=True)
    proxy.release()
    assert command.end().code == 0


@pytest.mark.parametrize(("workers", "method"), WAYS[:3])
def test_two_signals_end_a_run_whose_server_is_frozen(
    start: StartCommand,
    big_file: Path,
    real_server: RealServer,
    proxy: RecordingProxy,
    workers: str,
    method: str,
) -> None:
    command = in_the_middle(start, big_file, proxy, workers, method)
    real_server.freeze()
    proxy.release()
    command.signal_and_wait(SIGINT, to_all=True)
    assert command.running
    command.signal(SIGINT, to_all=True)
    ended = command.end()
    assert ended.code == 130
    assert ended.sentence == "stopped by SIGINT"
    real_server.thaw()
    assert ended.records["written"] <= data_size(real_server.client())


@pytest.mark.parametrize(("first", "second"), [(SIGINT, SIGTERM), (SIGTERM, SIGINT), (SIGTERM, SIGTERM)])
def test_the_first_of_two_signals_gives_the_exit_code(
    start: StartCommand, big_file: Path, proxy: RecordingProxy, first: Signals, second: Signals
) -> None:
    command = in_the_middle(start, big_file, proxy, "2", "forkserver")
    command.signal_and_wait(first)
    command.signal(second)
    ended = command.end()
    assert ended.code == 128 + first
    assert ended.sentence == f"stopped by {first.name}"


@pytest.mark.parametrize(("workers", "method"), WAYS[:2], ids=["inline", "fork"])
def test_a_signal_while_the_server_is_frozen_waits_for_it(
    start: StartCommand,
    big_file: Path,
    real_server: RealServer,
    proxy: RecordingProxy,
    workers: str,
    method: str,
) -> None:
    command = in_the_middle(start, big_file, proxy, workers, method)
    real_server.freeze()
    proxy.release()
    command.signal_and_wait(SIGTERM)
    assert command.running
    real_server.thaw()
    ended = command.end()
    assert ended.code == 143
    assert ended.records["written"] == data_size(real_server.client())


@pytest.mark.parametrize(
    ("workers", "method", "number", "to_all"),
    [("1", "fork", SIGINT, True), ("2", "forkserver", SIGINT, True), ("2", "forkserver", SIGTERM, False)],
)
def test_a_signal_during_planning_ends_it_at_once(
    start: StartCommand,
    big_file: Path,
    proxy: RecordingProxy,
    workers: str,
    method: str,
    number: Signals,
    to_all: bool,
) -> None:
    proxy.hold("to_client")
    command = started(start, big_file, proxy.url, workers, method)
    proxy.wait_for(1)
    command.signal(number, to_all=to_all)
    ended = command.end()
    assert ended.code == 128 + number
    assert ended.sentence == f"stopped by {number.name}"
    assert ended.report["status"] == "interrupted"
    assert ended.records["read"] == 0


STAGES: dict[str, Callable[[Command, RecordingProxy], object]] = {
    "Arrow is imported": lambda command, proxy: command.maps("libarrow"),
    "a first process": lambda command, proxy: children_of(command.pid),
    "the parent connects": lambda command, proxy: proxy.sent,
    "a second process": lambda command, proxy: len(children_of(command.pid)) > 1,
    "a worker starts": lambda command, proxy: command.workers(),
    "a worker connects": lambda command, proxy: len(proxy.sent) > 1,
    "a worker sends": lambda command, proxy: any(len(sent) > 1_000 for sent in proxy.sent),
}


AT_STAGES = [
    *((stage, "forkserver") for stage in STAGES),
    ("a worker starts", "fork"),
    ("a worker starts", "spawn"),
]


@pytest.mark.parametrize(("stage", "method"), AT_STAGES)
def test_ctrl_c_at_any_stage_of_the_start_ends_without_a_traceback(
    start: StartCommand, big_file: Path, proxy: RecordingProxy, stage: str, method: str
) -> None:
    options = ("--to", proxy.url, "--workers", "2", "--start-method", method)
    command = start("load", big_file, *options, fresh=True)
    wait_until(lambda: STAGES[stage](command, proxy), what=stage, closely=True)
    command.signal(SIGINT, to_all=True)
    ended = command.end(soon_s=30)  # a fork server imports to the end before it sees that nobody is there
    assert ended.code == 130
    assert ended.sentence == "stopped by SIGINT"
