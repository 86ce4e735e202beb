"""Servers that die and come back, with all data, some or none: the run goes on and ends complete."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import etl.pipeline.attempts as attempts
from etl.job.state import Job
from tests.fault.commands import (
    StartCommand,
    hold_in_the_middle,
    wait_for_the_middle,
)
from tests.fault.inline import (
    Here,
    assert_loaded,
    assert_no_leftovers,
    complete,
    hold_worker,
    meanwhile,
    write_input,
)
from tests.support import RealServer, RecordingProxy, StartServer, data_size

AOF = ("--appendonly", "yes", "--appendfsync")
SAVING = {
    "AOF always": (*AOF, "always"),
    "AOF everysec": (*AOF, "everysec"),
    "RDB": ("--save", "3600 1"),
    "nothing": (),
}
both_kinds = pytest.mark.parametrize("kind", ["strings", "list"])


@pytest.mark.parametrize("saving", SAVING)
@both_kinds
def test_a_server_that_is_killed_and_restarted_ends_with_everything_once(
    here: Here, start_server: StartServer, saving: str, kind: str
) -> None:
    server = start_server(*SAVING[saving])
    file = write_input(here.folder)
    with RecordingProxy(server.port) as proxy:
        steps: list[Callable[[], object]] = [hold_worker(proxy)]
        if saving == "RDB":
            steps.append(server.client().save)
        with meanwhile(*steps, server.restart, proxy.release):
            ended = complete(here.load(file, proxy.url, kind, "--progress", "log"))
    assert "was restarted, or is another server by now; resuming from the checkpoints\n" in ended.stderr
    assert_loaded(server.client(), kind)
    assert_no_leftovers(server.client())


@pytest.mark.parametrize("method", ["fork", "forkserver"])
def test_two_workers_outlive_a_restart_together(
    start: StartCommand, big_file: Path, real_server: RealServer, proxy: RecordingProxy, method: str
) -> None:
    hold_in_the_middle(proxy)
    command = start("load", big_file, "--to", proxy.url, "--workers", "2", "--start-method", method)
    wait_for_the_middle(proxy, 2)
    real_server.restart()
    proxy.release()
    ended = command.end()
    assert ended.code == 0, ended
    assert ended.records["written"] == 36_000 == data_size(real_server.client())


def test_a_server_that_stays_away_is_given_up_after_the_deadline_and_the_run_can_be_resumed(
    here: Here, short_lock: None, start_server: StartServer
) -> None:
    server = start_server(*SAVING["AOF always"])
    file = write_input(here.folder)
    with RecordingProxy(server.port) as proxy:
        with meanwhile(hold_worker(proxy), server.kill, proxy.release):
            ended = here.load(file, proxy.url, "list", "--retry-for", "0.5")
        assert ended.code == 4
        assert ended.sentence.startswith(f"cannot reach {proxy.url}: ")
        assert ended.sentence.endswith("; tried again for 0.50 s (--retry-for)")
        server.start()
        again = here.load(file, proxy.url, "list", "--wait-lock", "30")
    complete(again)
    assert again.report["resumed_from"] > 0
    assert_loaded(server.client(), "list")


@both_kinds
def test_a_server_that_loses_everything_behind_the_last_answer_is_loaded_again(
    here: Here, monkeypatch: pytest.MonkeyPatch, real_server: RealServer, kind: str
) -> None:
    whole = Job.complete
    restarts: list[None] = []

    def restart_once(self: Job, counts: Any) -> None:
        if not restarts:
            restarts.append(None)
            real_server.restart()
        whole(self, counts)

    monkeypatch.setattr(Job, "complete", restart_once)
    complete(here.load(write_input(here.folder), real_server.url, kind))
    assert_loaded(real_server.client(), kind)
    assert_no_leftovers(real_server.client())


@both_kinds
def test_a_server_that_loses_everything_before_the_workers_connect_is_noticed(
    here: Here, monkeypatch: pytest.MonkeyPatch, real_server: RealServer, kind: str
) -> None:
    planned = attempts._attempt
    restarts: list[None] = []

    def restart_once(*args: Any) -> Any:
        attempt = planned(*args)
        if not restarts:
            restarts.append(None)
            real_server.restart()
        return attempt

    monkeypatch.setattr(attempts, "_attempt", restart_once)
    complete(here.load(write_input(here.folder), real_server.url, kind))
    assert_loaded(real_server.client(), kind)


def test_data_that_are_flushed_behind_the_last_answer_are_not_called_complete(
    here: Here, monkeypatch: pytest.MonkeyPatch, real_server: RealServer
) -> None:
    whole = Job.complete

    def flush_first(self: Job, counts: Any) -> None:
        real_server.client().flushall()
        whole(self, counts)

    with monkeypatch.context() as patched:
        patched.setattr(Job, "complete", flush_first)
        ended = here.load(write_input(here.folder), real_server.url, "strings")
    assert ended.code == 4
    assert "the record of this job was removed while the run went on" in ended.sentence
    complete(here.load(here.folder / "input.txt", real_server.url, "strings"))
    assert_loaded(real_server.client(), "strings")


SLOW = ("--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024")


@both_kinds
def test_a_long_loading_is_waited_for_in_the_middle(here: Here, start_server: StartServer, kind: str) -> None:
    server = start_server(*SAVING["RDB"])
    client = server.client()
    client.mset({f"etl:{{{number}}}": "x" * 1_000 for number in range(1_000)})
    file = write_input(here.folder)
    with RecordingProxy(server.port) as proxy:
        steps = (
            hold_worker(proxy),
            client.save,
            lambda: server.restart(*SLOW, wait=False),
            proxy.release,
        )
        with meanwhile(*steps):
            complete(here.load(file, proxy.url, kind))
    assert "oading" in server.log()
    assert_loaded(server.client(), kind)


def test_a_server_that_is_loading_at_the_start_is_waited_for(here: Here, start_server: StartServer) -> None:
    server = start_server()
    server.client().mset({f"etl:{{{number}}}": "x" * 1_000 for number in range(1_000)})
    server.client().save()
    server.restart(*SLOW, wait=False)
    server.wait_listening()
    complete(here.load(write_input(here.folder), server.url, "strings"))
    assert_loaded(server.client(), "strings")
