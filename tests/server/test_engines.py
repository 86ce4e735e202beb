"""Loads whose shards an engine runs: the same counts, state and errors as those of shards run by hand."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest

from etl.run.engine import ShardEnd, ShardTask
from etl.run.runners import ray
from tests.cases import cases
from tests.fake.loaded import called, report_of
from tests.support import RealServer, data_size

COUNT = 20_000


class ThreadEngine:
    """An Engine (``etl/run/engine.py``) of two threads of this process."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(2)

    def capacity(self) -> int:
        return 2

    def start(self, task: ShardTask, shard: int) -> Future[ShardEnd]:
        return self._threads.submit(task, shard)

    def wait(self, handles: Sequence[Any], timeout_s: float) -> Sequence[Any]:
        return list(wait(handles, timeout_s, FIRST_COMPLETED).done)

    def end_of(self, handle: Future[ShardEnd]) -> ShardEnd:
        return handle.result()

    def cancel(self, handle: Future[ShardEnd]) -> None:
        handle.cancel()

    def close(self) -> None:
        self._threads.shutdown()


@pytest.fixture
def csv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(ray, "open_engine", ThreadEngine)
    path = tmp_path / "x.csv"
    path.write_text("id,name\n" + "".join(f"{number},name {number}\n" for number in range(COUNT)))
    return path


def argv(csv: Path, server: RealServer, *options: str) -> tuple[str, ...]:
    common = ("--to", server.url, "--key", "{id}", "--job", "people", "--progress", "none")
    return ("load", str(csv), *common, "--runner", "ray", "--shared-path", *options)


def test_all_shards_load_the_source_and_a_complete_job_is_not_done_again(
    csv: Path, real_server: RealServer
) -> None:
    report = report_of(*argv(csv, real_server, "--shards", "3"))
    assert report["records"] == {"read": COUNT, "written": COUNT, "skipped": 0, "rejected": 0}
    assert len(report["workers"]) == 3
    assert sum(worker["records"] for worker in report["workers"]) == data_size(real_server.client()) == COUNT
    assert report_of(*argv(csv, real_server))["records"]["read"] == 0
    assert report_of(*argv(csv, real_server, "--restart", "--workers", "1"))["records"]["read"] == COUNT
    status = report_of("status", "people", "--to", real_server.url)
    assert [shard["state"] for shard in status["shards"]] == ["complete"]
    assert not real_server.client().keys("etl:*:lock")


def test_what_was_broken_off_goes_on_in_as_many_shards_as_it_was_begun_in(
    csv: Path, real_server: RealServer
) -> None:
    out = csv.with_name("plan.json")
    plan = ("--to", real_server.url, "--key", "{id}", "--job", "people", "--shared-path", "--out", out)
    assert called("plan", csv, *plan).returncode == 0
    first = report_of("load", "--plan", out, "--shard", "2/5", "--progress", "none")["records"]["read"]
    report = report_of(*argv(csv, real_server))
    assert (report["resumed_from"], report["records"]["read"]) == (first, COUNT)
    assert len(report["workers"]) == 5
    assert report_of("load", "--plan", out, "--runner", "ray", "--restart")["records"]["written"] == COUNT


def test_a_failure_in_a_shard_is_the_run_s_with_its_exit_code_and_its_reject_file(
    csv: Path, real_server: RealServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    csv.write_text(csv.read_text() + "1,2,3\n")
    report = report_of(*argv(csv, real_server), code=5)
    assert "it has 3 fields instead of 2" in report["error"]
    assert report["rejects"]["file"].endswith("rejects-people-shard-0.jsonl")
    again = report_of(*argv(csv, real_server, "--max-rejects", "1"), code=1)
    assert again["records"] == {"read": COUNT + 1, "written": COUNT, "skipped": 0, "rejected": 1}


def test_two_runs_of_a_job_at_once_are_refused(csv: Path, real_server: RealServer) -> None:
    real_server.client().set("etl:{people}:driver:lock", "host process 1/token\n\n")
    assert "another run of driver of job people" in report_of(*argv(csv, real_server), code=6)["error"]


@cases(
    ("options", "says"),
    [
        (("load", "{csv}", "--runner", "ray"), "give --shared-path"),
        (
            ("load", "{csv}", "--runner", "ray", "--shared-path", "--start-method", "spawn"),
            "--start-method has no",
        ),
        (("load", "{csv}", "--runner", "ray", "--shared-path", "--ask-password"), "--ask-password asks here"),
        (("load", "--plan", "p", "--shard", "0/2", "--runner", "ray"), "--shard is one of the shards"),
        (("load", "{csv}", "--shards", "2"), "--shards has no effect without --runner ray"),
        (
            ("load", "{csv}", "--shards", "2", "--runner", "inline"),
            "--shards has no effect with --runner inline",
        ),
        (("verify", "{csv}", "--shared-path"), "--shared-path has no effect without --runner ray"),
        (("verify", "{csv}", "--runner", "ray"), "--runner ray is for load"),
    ],
)
def test_what_an_engine_cannot_do_is_a_usage_error(
    csv: Path, real_server: RealServer, options: tuple[str, ...], says: str
) -> None:
    words = [str(csv) if word == "{csv}" else word for word in options]
    key = () if "--plan" in words else ("--key", "{id}")
    done = called(*words, "--to", real_server.url, *key)
    assert done.returncode == 2
    assert says in done.stderr
