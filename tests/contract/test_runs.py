"""Every way to run a plan carries out the same shards: inline, and processes by each start method."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from etl.control import Failed, Finished, Message
from etl.errors import EtlError, InternalError, TargetError, WorkerError
from etl.options import START_METHODS
from etl.plan import Plan
from etl.report import Tally
from etl.run.inline import run_inline
from etl.run.processes import make_context, run_processes
from etl.run.signals import StopSignals
from etl.source.lines import LinesSource
from tests.contract.folder import SET, BuggyEncoder, FolderTarget, LosingTarget, RefusingTarget
from tests.unit.given import files_of

# From Python 3.12 on a fork warns where there are threads, and Arrow has some.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")

Run = Callable[[Plan], tuple[list[Message], Tally]]

LINES = [b"line %d" % number for number in range(100)]


def inline(plan: Plan) -> tuple[list[Message], Tally]:
    tally = Tally([0] * Tally.size(plan.workers), plan.workers)
    with StopSignals() as signals:
        return run_inline(plan, tally, signals), tally


def processes(method: str) -> Run:
    def run(plan: Plan) -> tuple[list[Message], Tally]:
        with StopSignals() as signals:
            return run_processes(plan, make_context(method), signals)

    return run


IN_PROCESSES = {method: processes(method) for method in START_METHODS}
WAYS: dict[str, Run] = {"inline": inline, **IN_PROCESSES}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=IN_PROCESSES)
def run_apart(request: pytest.FixtureRequest) -> Run:
    return IN_PROCESSES[request.param]


@pytest.fixture(autouse=True)
def nobody_left() -> Iterator[None]:
    yield
    assert multiprocessing.active_children() == []


def plan_of(folder: Path, target: Any, *, workers: int, split: str = "block", **parts: Any) -> Plan:
    (folder / "in").mkdir()
    lines = parts.pop("lines", LINES)
    source = LinesSource(files_of(folder / "in", [b"\n".join(lines)]))
    return Plan(
        job="job",
        source=source,
        target=target,
        encoder=parts.pop("encoder", SET),
        blocks=tuple(source.blocks(parts.pop("block_bytes", 100), numbered=True)),
        workers=workers,
        split=split,
        progress="none",
    )


def folder_target(folder: Path) -> FolderTarget:
    (folder / "out").mkdir()
    return FolderTarget(folder / "out")


@pytest.mark.parametrize("split", ["block", "record"])
def test_every_record_is_loaded_once_by_its_worker_and_all_is_counted(
    way: str, tmp_path: Path, split: str
) -> None:
    workers = 1 if way == "inline" else 3
    target = folder_target(tmp_path)
    plan = plan_of(tmp_path, target, workers=workers, split=split)
    messages, tally = WAYS[way](plan)
    assert [type(message) for message in messages] == [Finished] * workers
    assert sorted(message.worker for message in messages) == list(range(workers))
    sent = target.records()
    assert list(sent) == [f"redis-etl-{worker}" for worker in range(workers)]
    assert sorted(record for records in sent.values() for record in records) == list(enumerate(LINES))
    for worker, records in enumerate(sent.values()):
        numbers = [number for number, _ in records]
        owned = [
            number
            for block in plan.blocks
            for number in numbers_of(block.number, plan)
            if (block.number if split == "block" else number) % workers == worker
        ]
        assert numbers == owned
        assert tally.of(worker, "records_written") == len(records)
    assert tally.finished()
    assert tally.total("bytes_done") == plan.source.nbytes


def numbers_of(block: int, plan: Plan) -> range:
    firsts = [each.first_record or 0 for each in plan.blocks] + [len(LINES)]
    return range(firsts[block], firsts[block + 1])


def test_workers_without_a_shard_are_not_started_and_have_finished(way: str, tmp_path: Path) -> None:
    target = folder_target(tmp_path)
    few = 1 if way == "inline" else 2
    plan = plan_of(tmp_path, target, workers=5, block_bytes=1 << 20 if few == 1 else 700)
    assert len(plan.blocks) == few
    messages, tally = WAYS[way](plan)
    assert len(messages) == few
    assert tally.finished()
    assert list(target.records()) == [f"redis-etl-{worker}" for worker in range(few)]


def test_an_error_arrives_as_what_it_was_and_shows_no_secret(way: str, tmp_path: Path) -> None:
    target = RefusingTarget("redis://:s3cr3t@host")
    messages, tally = WAYS[way](plan_of(tmp_path, target, workers=1 if way == "inline" else 2))
    for message in messages:
        assert isinstance(message, Failed)
        assert type(message.error) is TargetError
        assert str(message.error) == "redis://host:6379/0: nobody is there"
    assert "s3cr3t" not in repr(messages)
    assert not tally.finished()


def failures(messages: list[Message]) -> list[EtlError]:
    return [message.error for message in messages if isinstance(message, Failed)]


def test_one_workers_failure_ends_the_others_and_every_one_has_a_last_word(
    run_apart: Run, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    messages, _ = run_apart(plan_of(tmp_path, LosingTarget(tmp_path / "out"), workers=3))
    assert len(messages) == 3
    assert [str(error) for error in failures(messages)] == ["lost"]


def test_a_bug_in_a_worker_arrives_with_its_traceback(run_apart: Run, tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path, folder_target(tmp_path), workers=2, encoder=BuggyEncoder(), lines=[*LINES, b"bug"]
    )
    (error,) = failures(run_apart(plan)[0])
    assert isinstance(error, InternalError)
    assert "ZeroDivisionError: a bug" in str(error)
    assert "Traceback" in str(error)


def test_a_worker_that_is_killed_is_named_with_its_signal(run_apart: Run, tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path, folder_target(tmp_path), workers=2, encoder=BuggyEncoder(), lines=[b"killed", *LINES]
    )
    (error,) = failures(run_apart(plan)[0])
    assert isinstance(error, WorkerError)
    assert str(error).startswith("worker 0 was killed by SIGKILL")
    assert error.exit_code == 137
