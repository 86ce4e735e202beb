"""One run of a job at a time: the second one is refused or waits, a dead one's lock expires."""

from __future__ import annotations

import threading
from pathlib import Path
from signal import SIGINT, SIGKILL
from typing import Any

import pytest

import etl.job.lock as lock
from etl.job.presence import Presence
from etl.job.state import Job
from etl.sink.address import parse_address
from etl.sink.control import ControlConnection
from etl.sink.deployments.standalone import StandaloneTarget
from tests.fault.commands import (
    START_METHODS,
    StartCommand,
    connection_of,
    hold_in_the_middle,
    wait_for_the_middle,
    wait_until_gone,
)
from tests.fault.inline import KINDS, Here, assert_loaded, complete, hold_worker, meanwhile, write_input
from tests.support import RealServer, RecordingProxy, data_size, in_session, wait_until

SHORT = "import etl.job.lock as lock\nlock._LOCK_MS = b'{ms}'\nlock.RENEW_EVERY_S = 0.1\n"


def lock_of(server: RealServer) -> bytes:
    client = server.client()
    keys: Any = wait_until(lambda: client.keys("etl:*:lock"), what="the lock")
    return bytes(keys[0])


def calls_of(client: Any, command: str) -> int:
    return int(client.info("commandstats").get(f"cmdstat_{command}", {}).get("calls", 0))


def wait_for_calls(client: Any, command: str, count: int) -> None:
    wait_until(lambda: calls_of(client, command) >= count, what=f"{count} calls of {command}")


def test_a_second_run_of_a_job_ends_at_once_with_6(
    start: StartCommand, here: Here, big_file: Path, real_server: RealServer, proxy: RecordingProxy
) -> None:
    hold_in_the_middle(proxy)
    command = start("load", big_file, "--to", proxy.url, "--job", "nightly", "--workers", "2")
    wait_for_the_middle(proxy, 2)
    second = here.run("load", big_file, "--to", real_server.url, "--job", "nightly")
    assert second.code == 6
    assert second.sentence.startswith("another run of job nightly is going on: ")
    assert f"process {command.pid};" in second.sentence
    assert second.records["read"] == 0
    other = here.run("load", write_input(here.folder), "--to", real_server.url, "--job", "hourly")
    assert other.code == 0
    proxy.release()
    assert command.end().code == 0
    assert not real_server.client().keys("etl:*:lock")


@pytest.mark.parametrize("skip", [True, False], ids=["skips", "loads"])
def test_a_second_run_that_waits_follows_the_first(
    start: StartCommand, big_file: Path, real_server: RealServer, proxy: RecordingProxy, skip: bool
) -> None:
    hold_in_the_middle(proxy)
    argv = ("load", big_file, "--to", proxy.url, "--job", "nightly")
    first = start(*argv, "--workers", "2")
    wait_for_the_middle(proxy, 2)
    connected = len(proxy.sent)
    options = ("--skip-unchanged",) if skip else ()
    second = start(*argv, "--workers", "1", "--wait-lock", "60", *options)
    proxy.wait_for_connections(connected + 3)  # it has met the server, and asks for the lock again and again
    assert second.running
    proxy.release()
    assert first.end().code == 0
    ended = second.end()
    assert ended.code == 0
    assert ended.records["written"] == (0 if skip else 36_000)
    assert data_size(real_server.client()) == 36_000


def test_waiting_for_the_lock_ends_with_6_after_its_time_and_by_a_signal_at_once(
    start: StartCommand, here: Here, real_server: RealServer, proxy: RecordingProxy
) -> None:
    file = write_input(here.folder)
    real_server.client().set("etl:{nightly}:lock", "elsewhere process 1/0")
    waited = here.run("load", file, "--to", real_server.url, "--job", "nightly", "--wait-lock", "0.3")
    assert waited.code == 6
    assert waited.sentence.startswith(
        "another run of job nightly is going on: elsewhere process 1 (waited 0.30 s)"
    )
    command = start("load", file, "--to", proxy.url, "--job", "nightly", "--wait-lock", "60")
    proxy.wait_for_connections(3)
    command.signal(SIGINT)
    ended = command.end()
    assert ended.code == 130
    assert ended.sentence == "stopped by SIGINT"
    assert real_server.client().get("etl:{nightly}:lock") == b"elsewhere process 1/0"


def test_a_lock_left_by_a_dead_machine_expires(
    start: StartCommand, here: Here, real_server: RealServer, proxy: RecordingProxy
) -> None:
    file = write_input(here.folder)
    proxy.hold("to_server", after=50_000, client="redis-etl-0")
    argv = ("load", file, "--to", proxy.url, "--job", "nightly")
    command = start(*argv, "--workers", "1", patch=SHORT.format(ms=4_000))
    proxy.wait_for(50_001, connection=connection_of(proxy, 0))
    command.signal(SIGKILL)
    wait_until(lambda: not in_session(command.pid), what="its end")
    key = lock_of(real_server)
    assert 0 < real_server.client().pttl(key) <= 4_000
    proxy.release()
    complete(here.run(*argv, "--wait-lock", "30"))
    assert_loaded(real_server.client(), "strings")


FOREIGN = "elsewhere process 1/{token}\n{connection}\nanother-boot/net/host"


def test_a_lock_whose_holder_is_not_on_this_machine_is_taken_over_when_it_has_left_the_server(
    here: Here, real_server: RealServer
) -> None:
    file, client = write_input(here.folder), real_server.client()
    argv = (file, real_server.url, "strings", "--job", "nightly")
    gone, there = "1000000", str(client.client_id())
    cases = (
        (FOREIGN.format(token="a", connection=gone), 9_000, 0),
        (FOREIGN.format(token="a", connection=gone), 25_000, 6),  # it was renewed not long ago
        (FOREIGN.format(token="a", connection=there), 9_000, 6),
        (FOREIGN.format(token="a", connection=""), 9_000, 6),
        ("elsewhere process 1/a", 9_000, 6),  # of an earlier release
        ("", 9_000, 6),
    )
    for value, left_ms, code in cases:
        client.set("etl:{nightly}:lock", value, px=left_ms)
        ended = here.load(*argv)
        assert ended.code == code, (value, left_ms, ended)
        assert client.get("etl:{nightly}:lock") == (value.encode() if code else None)
    client.acl_setuser("loader", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-client|list"])
    client.set("etl:{nightly}:lock", FOREIGN.format(token="a", connection=gone), px=9_000)
    assert here.load(*argv, "--user", "loader").code == 6  # it may not ask who is connected


def test_of_two_runs_that_find_a_dead_ones_lock_one_takes_it(real_server: RealServer) -> None:
    client: Any = real_server.client()
    value = FOREIGN.format(token="a", connection="1000000")
    client.set("etl:{nightly}:lock", value, px=9_000)
    jobs = [Job("nightly", f"run {number}/{number}", console_of(real_server)) for number in range(2)]
    taken = [lock._take_over(job, value.encode(), lock._own(job)) for job in jobs]
    assert taken == [True, False]
    assert lock.Holder.of(client.get("etl:{nightly}:lock")).run == "run 0/0"
    for job in jobs:
        job.control.close()


def console_of(server: RealServer) -> ControlConnection:
    return ControlConnection(StandaloneTarget(parse_address(server.url)), threading.Event())


@pytest.mark.parametrize("method", START_METHODS)
def test_after_a_kill_of_the_parent_the_same_command_waits_for_its_workers_and_goes_on_at_once(
    start: StartCommand, tmp_path: Path, real_server: RealServer, proxy: RecordingProxy, method: str
) -> None:
    file = write_input(tmp_path)
    argv = ("load", file, *KINDS["list"].options, "--job", "nightly", "--workers", "2")
    grace = "import etl.run.process.worker_main as worker_main\nworker_main.ORPHAN_GRACE_S = 2"
    proxy.hold("to_server", after=20_000)
    command = start(*argv, "--to", proxy.url, "--start-method", method, patch=grace)
    for worker in range(2):
        proxy.wait_for(20_001, connection=connection_of(proxy, worker))
    workers = command.wait_for_workers(2)
    command.signal(SIGKILL)
    again = start(*argv, "--to", real_server.url).end()  # its lock would last for half a minute
    wait_until_gone(workers)  # they are let go of a moment before they end
    complete(again)
    proxy.release()  # what the dead ones had still on their way comes too late
    for number in range(2):
        proxy.wait_closed(connection_of(proxy, number))
    assert_loaded(real_server.client(), "list")


def test_a_run_whose_workers_are_there_for_long_is_not_taken_over(
    here: Here, monkeypatch: pytest.MonkeyPatch, real_server: RealServer
) -> None:
    monkeypatch.setattr(lock, "ENDING_S", 0.2)
    worker = Presence("token", shown=True)
    worker.enter_worker()
    here_too = Presence("another")
    here_too.enter()
    value = f"this process 1/token\n\n{here_too.place()}"
    client = real_server.client()
    client.set("etl:{nightly}:lock", value, px=30_000)
    argv = (write_input(here.folder), real_server.url, "strings", "--job", "nightly")
    ended = here.load(*argv)
    assert ended.code == 6
    assert ended.sentence == (
        "another run of job nightly was ended, and workers of it are still there: this process 1; try again"
        " when they are gone"
    )
    worker.close()
    complete(here.load(*argv))
    here_too.close()


def test_the_lock_is_renewed_while_the_run_goes_on(
    here: Here, short_lock: None, real_server: RealServer, proxy: RecordingProxy
) -> None:
    file = write_input(here.folder)
    client = real_server.client()

    def outlive() -> None:
        for renewals in range(1, 31):  # a tenth of a second apart: twice as long as the lock lasts
            wait_for_calls(client, "pexpire", renewals)
            assert client.keys("etl:*:lock")

    with meanwhile(hold_worker(proxy), outlive, proxy.release):
        complete(here.load(file, proxy.url, "strings"))
    assert not client.keys("etl:*:lock")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_run_that_loses_its_lock_stops_with_6_and_leaves_the_lock_alone(
    start: StartCommand, big_file: Path, real_server: RealServer, proxy: RecordingProxy, workers: str
) -> None:
    client = real_server.client()
    hold_in_the_middle(proxy)
    argv = ("load", big_file, "--to", proxy.url, "--job", "nightly", "--workers", workers)
    command = start(*argv, patch=SHORT.format(ms=60_000))
    wait_for_the_middle(proxy, int(workers))
    client.set("etl:{nightly}:lock", "elsewhere process 1/0")
    proxy.wait_for_text(b"elsewhere process 1/0", "to_client")
    proxy.release()
    ended = command.end()
    assert ended.code == 6
    assert ended.sentence == "job nightly lost its lock to another run: this one stops"
    assert ended.records["read"] == ended.records["written"] == data_size(client) < 36_000
    assert client.get("etl:{nightly}:lock") == b"elsewhere process 1/0"
    client.delete("etl:{nightly}:lock")
    again = start(*argv).end()
    assert again.code == 0
    assert again.report["resumed_from"] == ended.records["written"]
    assert data_size(client) == 36_000


def test_a_lock_that_has_expired_is_taken_again_if_nobody_else_ran(
    here: Here, monkeypatch: pytest.MonkeyPatch, real_server: RealServer, proxy: RecordingProxy
) -> None:
    monkeypatch.setattr("etl.job.lock.RENEW_EVERY_S", 0.1)
    client = real_server.client()
    file = write_input(here.folder)
    steps = (
        hold_worker(proxy),
        lambda: client.delete("etl:{nightly}:lock"),
        lambda: wait_until(lambda: client.exists("etl:{nightly}:lock"), what="the lock to be back"),
        proxy.release,
    )
    with meanwhile(*steps):
        complete(here.load(file, proxy.url, "strings", "--job", "nightly"))
    assert_loaded(client, "strings")


def test_runs_at_once_load_everything_once(start: StartCommand, here: Here, real_server: RealServer) -> None:
    file = write_input(here.folder)
    argv = ("load", file, "--to", real_server.url, "--command", "RPUSH all {line}", "--workers", "1")
    commands = [start(*argv, "--wait-lock", "60", "--skip-unchanged") for _ in range(3)]
    ended = [command.end() for command in commands]
    assert [one.code for one in ended] == [0, 0, 0]
    assert sorted(one.records["written"] for one in ended) == [0, 0, 1_200]
    assert_loaded(real_server.client(), "list")
