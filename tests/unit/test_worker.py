"""The inner loop: what is counted, what ends it, and what is said then."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hiredis
import pyarrow as pa
import pytest

from etl.errors import EtlError, RejectedError, SourceError, TargetError
from etl.plan import Block, Plan
from etl.report import Tally
from etl.source.lines import LinesReader, LinesSource
from etl.worker import run_shard
from tests.unit.given import files_of
from tests.unit.memory import MemoryTarget, PairsEncoder

LINES = [b"%d" % number for number in range(20)]
OOM = hiredis.ReplyError("OOM command not allowed")


def plan_of(folder: Path, *, workers: int = 1, split: str = "block", **session: Any) -> Plan:
    source = LinesSource(files_of(folder, [b"\n".join(LINES)]))
    return Plan(
        job="job",
        source=source,
        target=MemoryTarget(plan=session),
        encoder=PairsEncoder(),
        blocks=tuple(source.blocks(5, numbered=True)),
        workers=workers,
        split=split,
        progress="none",
    )


def run(plan: Plan, worker: int = 0, *, stop_after: int | None = None) -> tuple[Tally, EtlError | None]:
    """Run a shard that is told to stop before its block number ``stop_after``; give the counts and error."""
    tally = Tally([0] * Tally.size(plan.workers), plan.workers)
    target = plan.target
    assert isinstance(target, MemoryTarget)

    def stop() -> bool:
        return stop_after is not None and sum(len(s.wires) for s in target.sessions) >= stop_after

    try:
        run_shard(plan, worker, tally, stop)
    except EtlError as error:
        return tally, error
    return tally, None


def counts(tally: Tally) -> dict[str, int]:
    names = ("records_read", "records_written", "records_rejected", "blocks_done", "bytes_done", "finished")
    return {name: tally.total(name) for name in names}


@pytest.mark.parametrize("lag", [0, 1, 3, 100])
def test_a_shard_that_went_well_is_counted_whole_however_late_the_answers_come(
    tmp_path: Path, lag: int
) -> None:
    plan = plan_of(tmp_path, lag=lag)
    tally, error = run(plan)
    assert error is None
    assert counts(tally) == {
        "records_read": 20,
        "records_written": 20,
        "records_rejected": 0,
        "blocks_done": len(plan.blocks),
        "bytes_done": plan.source.nbytes,
        "finished": 1,
    }


@pytest.mark.parametrize("split", ["block", "record"])
def test_a_block_of_several_batches_is_done_when_its_last_one_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, split: str
) -> None:
    whole = LinesReader.read

    def in_pieces(reader: LinesReader, block: Block) -> Iterator[pa.RecordBatch]:
        for batch in whole(reader, block):
            yield from (batch.slice(row, 1) for row in range(batch.num_rows))

    monkeypatch.setattr(LinesReader, "read", in_pieces)
    plan = plan_of(tmp_path, workers=2, split=split)
    tallies = [run(plan, worker)[0] for worker in range(2)]
    assert sum(tally.total("records_written") for tally in tallies) == 20
    assert sum(tally.total("bytes_done") for tally in tallies) == plan.source.nbytes
    assert [tally.total("blocks_done") for tally in tallies] == [len(plan.shard(w)) for w in range(2)]


@pytest.mark.parametrize("split", ["block", "record"])
def test_workers_together_count_every_byte_and_record_once(tmp_path: Path, split: str) -> None:
    plan = plan_of(tmp_path, workers=3, split=split)
    tallies = [run(plan, worker)[0] for worker in range(3)]
    assert sum(tally.total("bytes_done") for tally in tallies) == plan.source.nbytes
    assert sum(tally.total("records_read") for tally in tallies) == 20


def test_a_worker_names_itself_and_closes_its_session(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, workers=3)
    run(plan, 2)
    assert isinstance(plan.target, MemoryTarget)
    (session,) = plan.target.sessions
    assert (session.name, session.closed) == ("redis-etl-2", True)


def test_a_worker_without_blocks_connects_to_nobody(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, workers=99)
    tally, _ = run(plan, 98)
    assert isinstance(plan.target, MemoryTarget)
    assert plan.target.sessions == []
    assert tally.of(98, "finished") == 1


@pytest.mark.parametrize("lag", [0, 2])
def test_told_to_stop_it_sends_nothing_more_and_counts_what_was_in_flight(tmp_path: Path, lag: int) -> None:
    plan = plan_of(tmp_path, lag=lag)
    tally, error = run(plan, stop_after=3)
    assert error is None
    assert tally.total("blocks_done") == 3
    assert tally.total("records_written") == tally.total("records_read") > 0
    assert tally.total("finished") == 0


@pytest.mark.parametrize("lag", [0, 2, 100])
def test_an_error_reply_ends_the_shard_and_what_was_applied_behind_it_is_counted(
    tmp_path: Path, lag: int
) -> None:
    plan = plan_of(tmp_path, lag=lag, answers={1: [OOM, "OK"]})
    tally, error = run(plan)
    assert isinstance(error, TargetError)
    assert str(error).startswith("memory: the server is full")
    sent = plan.target.sessions[0].wires  # type: ignore[attr-defined]
    assert tally.total("records_written") == sum(wire.records for wire in sent) - 1
    assert tally.total("records_read") == tally.total("records_written")
    assert tally.total("finished") == 0


def test_a_refused_record_is_named_by_its_number_and_file_and_all_counts_reconcile(tmp_path: Path) -> None:
    tally, error = run(plan_of(tmp_path, answers={1: ["OK", "its key exists"]}))
    assert isinstance(error, RejectedError)
    assert str(error) == f"record 4 of {tmp_path}/part-0.txt was refused: its key exists"
    assert tally.total("records_read") == tally.total("records_written") + tally.total("records_rejected")
    assert tally.total("records_rejected") == 1


def test_a_failure_of_the_target_leaves_what_was_answered_counted(tmp_path: Path) -> None:
    tally, error = run(plan_of(tmp_path, fails_at=2, failure=TargetError("gone")))
    assert str(error) == "gone"
    assert tally.total("records_written") == 5
    assert tally.total("blocks_done") == 2


def test_a_source_that_changes_ends_the_shard_with_what_is_in_flight_counted(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, lag=100)
    sessions = plan.target.sessions  # type: ignore[attr-defined]
    tally = Tally([0] * Tally.size(1), 1)

    def stop() -> bool:
        if sessions and len(sessions[0].wires) == 2:
            (tmp_path / "part-0.txt").write_bytes(b"shorter")
        return False

    with pytest.raises(SourceError, match="shrank"):
        run_shard(plan, 0, tally, stop)
    assert tally.total("blocks_done") == 2
    assert tally.total("finished") == 0
