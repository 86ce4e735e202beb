"""Workers that make no progress, workers that wait for good reasons, and loads that are held to a rate."""

from __future__ import annotations

import os
import time
from pathlib import Path
from signal import SIGINT, SIGSTOP

import pytest

from tests.fault.commands import StartCommand, connection_of, hold_in_the_middle, wait_for_the_middle
from tests.fault.inline import RECORDS, Here, assert_loaded, complete, write_input
from tests.support import RealServer, RecordingProxy, data_size, wait_until


def test_a_stalled_worker_shows_where_it_stands_and_is_replaced(
    start: StartCommand, big_file: Path, real_server: RealServer, proxy: RecordingProxy
) -> None:
    # Held for longer than --stall, and for less than the bound on silence.
    proxy.hold("to_server", after=1_500_000, client="redis-etl-1")
    options = ("--workers", "2", "--stall", "3", "--progress", "log")
    ended = start("load", big_file, "--to", proxy.url, *options).end()
    assert ended.code == 0, ended
    assert "worker 1 made no progress for 3.00 s (--stall); where it stood is shown above" in ended.stderr
    assert "resuming from the checkpoints" in ended.stderr
    stacks = ended.stderr.partition("worker 1 made no progress")[0]
    assert "most recent call first" in stacks
    assert "pipelined.py" in stacks
    assert ended.records["written"] == 36_000 == data_size(real_server.client())


def test_a_stopped_worker_is_replaced_though_it_cannot_show_anything(
    start: StartCommand, big_file: Path, real_server: RealServer, proxy: RecordingProxy
) -> None:
    hold_in_the_middle(proxy)
    command = start(
        "load", big_file, "--to", proxy.url, "--workers", "2", "--stall", "3", "--progress", "log"
    )
    wait_for_the_middle(proxy, 2)
    os.kill(command.wait_for_workers(2)[1], SIGSTOP)
    proxy.release()
    ended = command.end()
    assert ended.code == 0, ended
    assert "worker 1 made no progress for 3.00 s (--stall)" in ended.stderr
    assert ended.records["written"] == 36_000 == data_size(real_server.client())


def test_a_worker_that_waits_for_its_rate_is_not_stalled(
    start: StartCommand, tmp_path: Path, real_server: RealServer
) -> None:
    file = write_input(tmp_path)
    options = ("--workers", "2", "--stall", "1", "--max-rate", "40KB")
    ended = complete(start("load", file, "--to", real_server.url, *options).end())
    assert ended.stderr == ""
    assert_loaded(real_server.client(), "strings")


RATES = {
    "records": ("1500", RECORDS / 1_500),
    "bytes": ("150KB", RECORDS * 100 / 150_000),
}


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("unit", RATES)
def test_a_load_is_held_to_its_rate(here: Here, real_server: RealServer, unit: str, workers: str) -> None:
    rate, least_s = RATES[unit]
    started_at = time.monotonic()
    options = ("--max-rate", rate, "--workers", workers)
    complete(here.load(write_input(here.folder), real_server.url, "strings", *options))
    assert time.monotonic() - started_at >= least_s
    assert_loaded(real_server.client(), "strings")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_server_that_stood_still_gets_no_burst(
    start: StartCommand, tmp_path: Path, real_server: RealServer, workers: str
) -> None:
    rate, frozen_s = 1_000, 4.0
    file = write_input(tmp_path, 100_000)
    options = ("--workers", workers, "--max-rate", str(rate))
    command = start("load", file, "--to", real_server.url, *options)
    client = real_server.client()
    wait_until(lambda: client.dbsize() > rate / 2, what="half a second's records")
    before, frozen_at = client.dbsize(), time.monotonic()
    real_server.freeze()
    wait_until(lambda: time.monotonic() - frozen_at > frozen_s, what="the time of the standstill")
    thawed_at = time.monotonic()
    real_server.thaw()
    wait_until(lambda: time.monotonic() - thawed_at > 0.5, what="half a second")
    more, seconds = client.dbsize() - before, time.monotonic() - thawed_at
    assert more <= rate * (seconds + 1.0)  # of frozen_s that were not used
    command.signal(SIGINT)
    assert command.end().code == 130


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_signal_ends_a_wait_for_the_rate(
    start: StartCommand, tmp_path: Path, real_server: RealServer, proxy: RecordingProxy, workers: str
) -> None:
    file = write_input(tmp_path)
    command = start("load", file, "--to", proxy.url, "--workers", workers, "--max-rate", "1")
    connection_of(proxy, 0)
    command.signal(SIGINT)
    ended = command.end()
    assert ended.code == 130
    assert ended.sentence == "stopped by SIGINT"
    assert complete(start("load", file, "--to", proxy.url).end()).report["resumed_from"] is not None


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("begun", [True, False], ids=["in the middle", "before it has begun"])
def test_a_signal_ends_a_wait_for_a_server_that_is_away(
    start: StartCommand, big_file: Path, real_server: RealServer, workers: str, begun: bool
) -> None:
    with RecordingProxy(real_server.port) as proxy:
        if begun:
            hold_in_the_middle(proxy)
        else:
            proxy.hold("to_server", after=60, client="redis-etl-0")
        command = start("load", big_file, "--to", proxy.url, "--workers", workers)
        if begun:
            wait_for_the_middle(proxy, int(workers))
        else:
            connection_of(proxy, 0)
        real_server.kill()
        seen = proxy.refused
        proxy.release()
        proxy.wait_for_refused(seen + 2)
        command.signal(SIGINT)
        ended = command.end()
    assert ended.code == 130
    assert ended.sentence == "stopped by SIGINT"
    assert ended.report["status"] == "interrupted"
