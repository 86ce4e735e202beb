"""Shards that are killed, come twice, or are asked to stop: run again, they end exact."""

from __future__ import annotations

from pathlib import Path
from signal import SIGKILL
from typing import Any

import pytest

from tests.fake.loaded import called, report_of
from tests.fault.commands import StartCommand
from tests.support import RealServer, wait_until

COUNT = 20_000


@pytest.fixture
def plan(tmp_path: Path, real_server: RealServer) -> Path:
    """A plan whose elements would be doubled by a record that is loaded twice; it takes seconds."""
    source, out = tmp_path / "numbers.txt", tmp_path / "plan.json"
    source.write_text("".join(f"{number:<40}\n" for number in range(COUNT)))
    options = ("--command", "RPUSH all {line}", "--max-rate", "10000", "--job", "numbers", "--shared-path")
    done = called("plan", source, "--to", real_server.url, *options, "--out", out)
    assert done.returncode == 0, done.stderr
    return out


def shard(plan: Path, which: str, code: int = 0) -> dict[str, Any]:
    return report_of("load", "--plan", plan, "--shard", which, "--progress", "none", code=code)


def wait_for_progress(server: RealServer) -> None:
    wait_until(lambda: server.client().llen("all") > 500, what="the first records")


def assert_exact(server: RealServer) -> None:
    lines = server.client().lrange("all", 0, -1)
    assert sorted(map(int, lines)) == list(range(COUNT))
    status = report_of("status", "numbers", "--to", server.url)
    assert status["state"] == "complete"
    assert status["records"]["written"] == COUNT


def test_a_shard_that_is_killed_goes_on_from_its_checkpoint_when_it_is_run_again(
    start: StartCommand, plan: Path, real_server: RealServer
) -> None:
    command = start("load", "--plan", plan, "--shard", "0/2")
    wait_for_progress(real_server)
    assert (
        f"going on: {report_of('status', 'numbers', '--to', real_server.url)['shards'][0]['holder']}"
        in (shard(plan, "0/2", code=6)["error"])
    )
    command.signal(SIGKILL)
    command.end()
    (first, _) = report_of("status", "numbers", "--to", real_server.url)["shards"]
    assert first["state"] == "incomplete"
    assert first["records"]["written"] > 0
    assert shard(plan, "1/2")["status"] == "complete"
    assert shard(plan, "0/2")["resumed_from"] > 0
    assert_exact(real_server)


def test_a_shard_stops_when_it_is_asked_to_and_another_run_of_it_does_not(
    start: StartCommand, plan: Path, real_server: RealServer
) -> None:
    command = start(
        "load", "--plan", plan, "--shard", "0/2", patch="import etl.job.stop as s; s.LOOK_EVERY_S = 0.05"
    )
    wait_for_progress(real_server)
    client = real_server.client()
    key = "etl:{numbers}:shard:0"
    run: Any = client.hget(key, "run")
    client.hset(key, "stop", run.rpartition(b"/")[2])
    ended = command.end()
    assert ended.code == 143
    assert ended.sentence == "job numbers was asked to stop"
    for index in range(2):
        assert shard(plan, f"{index}/2")["status"] == "complete"
    assert_exact(real_server)
