"""Every way to run a plan carries out the same shards: inline, and processes by each start method."""

from __future__ import annotations

import gzip
import hashlib
import json
import multiprocessing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from etl.errors import EtlError, InternalError, SourceError, TargetError, WorkerError
from etl.options import START_METHODS
from etl.output.reject_file import RejectFile
from etl.plan import Plan, Source
from etl.report import Counters, RejectLimit
from etl.run.runners.inline import InlineRunner
from etl.run.runners.processes import ProcessRunner, make_context
from etl.run.signals import StopSignals
from etl.source.json.lines import Jsonl
from etl.source.text.find import find_text
from etl.source.text.lines import Lines
from etl.worker.messages import Failed, Finished, ShardResult
from tests.contract.folder import SET, BuggyEncoder, FolderTarget, LosingTarget, RefusingTarget
from tests.unit.given import source_of
from tests.unit.memory import plan_for

# From Python 3.12 on a fork warns where there are threads, and Arrow has some.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")

Run = Callable[[Plan], tuple[list[ShardResult], Counters]]

LINES = [b"line %d" % number for number in range(100)]


def inline(plan: Plan) -> tuple[list[ShardResult], Counters]:
    runner = InlineRunner()
    counters = runner.counters(plan.workers)
    with StopSignals() as signals:
        return runner.run(plan, counters, signals), counters


def processes(method: str) -> Run:
    def run(plan: Plan) -> tuple[list[ShardResult], Counters]:
        with StopSignals() as signals:
            runner = ProcessRunner(make_context(method))
            counters = runner.counters(plan.workers)
            return runner.run(plan, counters, signals), counters

    return run


IN_PROCESSES = {method: processes(method) for method in START_METHODS}
WAYS: dict[str, Run] = {"inline": inline, **IN_PROCESSES}
WORKERS = {"inline": 1, "fork": 3, "forkserver": 3, "spawn": 2}

# A spawned worker imports everything anew. It is given its plan as one of a fork server is, and then does the
# same: it is tried where records are loaded, from files and streams, and where it dies.
SHARED = ("inline", "fork", "forkserver")


@pytest.fixture(params=WAYS)
def every_way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=SHARED)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["fork", "forkserver"])
def run_shared(request: pytest.FixtureRequest) -> Run:
    return IN_PROCESSES[request.param]


@pytest.fixture(params=IN_PROCESSES)
def run_apart(request: pytest.FixtureRequest) -> Run:
    return IN_PROCESSES[request.param]


@pytest.fixture(autouse=True)
def nobody_left() -> Iterator[None]:
    yield
    assert multiprocessing.active_children() == []


def plan_of(folder: Path, target: Any, **parts: Any) -> Plan:
    """Make a plan over one file of lines."""
    (folder / "in").mkdir()
    lines = parts.pop("lines", LINES)
    source = source_of(folder / "in", [b"\n".join(lines)], parts.pop("format", None))
    made: dict[str, Any] = {"encoder": SET, "single": SET, "block_bytes": 100} | parts
    return plan_for(source, target, **made)


def stream_of(folder: Path, data: bytes) -> Source:
    """Make a source of a compressed file, which is fed by the parent; its blocks are small."""
    path = folder / "in.gz"
    path.write_bytes(data)
    return find_text([str(path)], Lines())


def folder_target(folder: Path) -> FolderTarget:
    (folder / "out").mkdir()
    return FolderTarget(folder / "out")


@pytest.mark.parametrize(
    ("way", "split"), [*((way, "record") for way in WAYS), *((way, "block") for way in SHARED)]
)
def test_every_record_is_loaded_once_by_its_worker_and_all_is_counted(
    way: str, tmp_path: Path, split: str
) -> None:
    workers = WORKERS[way]
    target = folder_target(tmp_path)
    plan = plan_of(tmp_path, target, workers=workers, split=split)
    messages, counters = WAYS[way](plan)
    assert [type(message) for message in messages] == [Finished] * workers
    assert sorted(message.worker for message in messages) == list(range(workers))
    sent = target.records()
    assert list(sent) == [f"redis-etl-{worker}" for worker in range(workers)]
    assert sorted(record for records in sent.values() for record in records) == list(enumerate(LINES))
    assert plan.blocks is not None
    for worker, records in enumerate(sent.values()):
        numbers = [number for number, _ in records]
        owned = [
            number
            for block in plan.blocks
            for number in numbers_of(block.number, plan)
            if (block.number if split == "block" else number) % workers == worker
        ]
        assert numbers == owned
        assert counters.of(worker, "records_written") == len(records)
    assert counters.finished()
    assert counters.total("bytes_done") == plan.source.nbytes


def numbers_of(block: int, plan: Plan) -> range:
    assert plan.blocks is not None
    firsts = [each.first_record or 0 for each in plan.blocks] + [len(LINES)]
    return range(firsts[block], firsts[block + 1])


def test_workers_without_a_shard_are_not_started_and_have_finished(way: str, tmp_path: Path) -> None:
    target = folder_target(tmp_path)
    few = 1 if way == "inline" else 2
    plan = plan_of(tmp_path, target, workers=5, block_bytes=1 << 20 if few == 1 else 700)
    assert plan.blocks is not None
    assert len(plan.blocks) == few
    messages, counters = WAYS[way](plan)
    assert len(messages) == few
    assert counters.finished()
    assert list(target.records()) == [f"redis-etl-{worker}" for worker in range(few)]


def test_an_error_arrives_as_what_it_was_and_shows_no_secret(way: str, tmp_path: Path) -> None:
    target = RefusingTarget("redis://:s3cr3t@host")
    messages, counters = WAYS[way](plan_of(tmp_path, target, workers=1 if way == "inline" else 2))
    for message in messages:
        assert isinstance(message, Failed)
        assert type(message.error) is TargetError
        assert str(message.error) == "redis://host:6379/0: nobody is there"
    assert "s3cr3t" not in repr(messages)
    assert not counters.finished()


def failures(messages: list[ShardResult]) -> list[EtlError]:
    return [message.error for message in messages if isinstance(message, Failed)]


def test_one_workers_failure_ends_the_others_and_every_one_has_a_last_word(
    run_shared: Run, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    messages, _ = run_shared(plan_of(tmp_path, LosingTarget(tmp_path / "out"), workers=3))
    assert len(messages) == 3
    assert [str(error) for error in failures(messages)] == ["lost"]


def test_a_bug_in_a_worker_arrives_with_its_traceback(run_shared: Run, tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path, folder_target(tmp_path), workers=2, encoder=BuggyEncoder(), lines=[*LINES, b"bug"]
    )
    (error,) = failures(run_shared(plan)[0])
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


def test_a_stream_is_loaded_once_each_block_by_its_worker(
    every_way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers = WORKERS[every_way]
    target = folder_target(tmp_path)
    source = stream_of(tmp_path, gzip.compress(b"\n".join(LINES)))
    plan = plan_for(source, target, block_bytes=100, encoder=SET, single=SET, workers=workers)
    messages, counters = WAYS[every_way](plan)
    assert [type(message) for message in messages] == [Finished] * workers
    sent = target.records()
    assert sorted(record for records in sent.values() for record in records) == list(enumerate(LINES))
    owned = {worker: [number for number, _ in records] for worker, records in enumerate(sent.values())}
    for block in source.blocks(100):
        assert block.payload is not None
        first = block.first_record or 0
        assert {*range(first, first + len(block.payload.splitlines()))} <= {*owned[block.number % workers]}
    assert all(numbers == sorted(numbers) for numbers in owned.values())
    assert counters.finished()
    assert counters.total("records_written") == len(LINES)
    assert counters.total("bytes_done") == source.nbytes


def test_a_stream_that_ends_in_the_middle_is_an_error_and_what_came_before_it_is_counted(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [b"%d %s" % (n, hashlib.sha256(b"%d" % n).hexdigest().encode()) for n in range(4000)]
    target = folder_target(tmp_path)
    source = stream_of(tmp_path, gzip.compress(b"\n".join(lines))[:-1000])
    workers = 1 if way == "inline" else 2
    plan = plan_for(source, target, block_bytes=30_000, encoder=SET, single=SET, workers=workers)
    messages, counters = WAYS[way](plan)
    (error,) = failures(messages)
    assert type(error) is SourceError
    assert f"{tmp_path}/in.gz is cut short" in str(error)
    sent = [record for records in target.records().values() for record in records]
    assert counters.total("records_read") == counters.total("records_written") == len(sent)
    assert set(sent) < set(enumerate(lines))
    assert len(sent) == len(set(sent))


def test_rejects_of_all_workers_are_written_down_whole(way: str, tmp_path: Path) -> None:
    sink = RejectFile(str(tmp_path / "rejects"))
    lines = [b"oops %d" % n if n % 3 == 0 else b'{"n":%d}' % n for n in range(100)]
    plan = plan_of(
        tmp_path,
        folder_target(tmp_path),
        workers=1 if way == "inline" else 3,
        lines=lines,
        format=Jsonl(),
        reject_limit=RejectLimit(percent=100),
        rejects=sink,
    )
    _, counters = WAYS[way](plan)
    entries = [json.loads(line) for line in Path(sink.path).read_text().splitlines()]
    assert {entry["record"]: entry["raw"].encode() for entry in entries} == {
        number: line for number, line in enumerate(lines) if line.startswith(b"oops")
    }
    assert counters.total("records_rejected") == len(entries) == 34
    assert counters.total("records_written") == 66
