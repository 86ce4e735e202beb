"""The inner loop: what is counted, what ends it, and what is said then."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.errors import EtlError, RejectedError, SourceError, TargetError
from etl.plan import Batch, BatchResult, Block, CheckpointWriter, Difference, Plan, Refusal, Reject, Wire
from etl.report import Counters, Example, RejectLimit
from etl.sink.error_replies import error_reply
from etl.source.json.lines import Jsonl
from etl.source.storage.local import OpenFile
from etl.source.text.files import TextFilesReader
from etl.worker import MAX_EXAMPLES, describe
from etl.worker.messages import Finished
from etl.worker.run_shard import run_shard
from tests.cases import cases
from tests.examples import examples
from tests.unit.given import source_of, stream_of
from tests.unit.memory import (
    BAD,
    LACKING,
    REFUSED,
    MemoryTarget,
    PairsEncoder,
    RejectList,
    Told,
    pairs_in,
    plan_for,
    tally_of,
)

LINES = [b"%d" % number for number in range(20)]
OOM = error_reply("OOM command not allowed")
ANY = RejectLimit(percent=100)
GROUPS = PairsEncoder(size=4)


def plan_of(folder: Path, lines: Sequence[bytes] = LINES, *, block_bytes: int = 5, **parts: Any) -> Plan:
    """Make a plan over a file of lines; what is no part of a plan is one of its sessions."""
    names = Plan.__slots__
    session = {name: parts.pop(name) for name in list(parts) if name not in names}
    source = source_of(folder, [b"\n".join(lines)])
    return plan_for(source, MemoryTarget(plan=session), block_bytes=block_bytes, **parts)


def target_of(plan: Plan) -> MemoryTarget:
    assert isinstance(plan.target, MemoryTarget)
    return plan.target


def blocks_of(plan: Plan) -> tuple[Block, ...]:
    assert plan.blocks is not None
    return plan.blocks


@dataclass(slots=True)
class Ran:
    """What became of one shard."""

    counters: Counters
    last_word: Finished | None = None
    error: EtlError | None = None

    @property
    def word(self) -> Finished:
        assert self.last_word is not None, self.error
        return self.last_word


def run(
    plan: Plan,
    worker: int = 0,
    *,
    stop_after: int | None = None,
    counters: Counters | None = None,
    blocks: Iterator[Block] | None = None,
) -> Ran:
    """Run a shard that is told to stop when it has sent ``stop_after`` wires."""
    ran = Ran(counters or tally_of(plan.workers))

    def stop() -> bool:
        return stop_after is not None and sum(len(s.wires) for s in target_of(plan).sessions) >= stop_after

    try:
        ran.last_word = run_shard(plan, worker, ran.counters, Told(stop), blocks)
    except EtlError as error:
        ran.error = error
    return ran


def counts(counters: Counters) -> dict[str, int]:
    names = ("records_read", "records_written", "records_rejected", "blocks_done", "bytes_done", "finished")
    return {name: counters.total(name) for name in names}


def require_reconciled(counters: Counters) -> None:
    outcomes = ("records_written", "records_skipped", "records_rejected")
    assert counters.total("records_read") == sum(map(counters.total, outcomes))


def cut_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every block read in batches of one record."""
    whole = TextFilesReader.read

    def read(reader: TextFilesReader, block: Block) -> Iterator[Batch]:
        for batch in whole(reader, block):
            yield from (batch.take(pa.array([row])) for row in range(len(batch)))
            yield replace(batch.take(pa.array([], pa.int64())), rejects=batch.rejects)

    monkeypatch.setattr(TextFilesReader, "read", read)


@pytest.mark.parametrize("lag", [0, 1, 3, 100])
def test_a_shard_that_went_well_is_counted_whole_however_late_the_answers_come(
    tmp_path: Path, lag: int
) -> None:
    plan = plan_of(tmp_path, lag=lag)
    ran = run(plan)
    assert (ran.word.worker, ran.word.examples, ran.word.present) == (0, (), {})
    assert counts(ran.counters) == {
        "records_read": 20,
        "records_written": 20,
        "records_rejected": 0,
        "blocks_done": len(blocks_of(plan)),
        "bytes_done": plan.source.nbytes,
        "finished": 1,
    }


@pytest.mark.parametrize("split", ["block", "record"])
def test_a_block_of_several_batches_is_done_when_its_last_one_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, split: str
) -> None:
    cut_up(monkeypatch)
    plan = plan_of(tmp_path, workers=2, split=split)
    tallies = [run(plan, worker).counters for worker in range(2)]
    assert sum(counters.total("records_written") for counters in tallies) == 20
    assert sum(counters.total("bytes_done") for counters in tallies) == plan.source.nbytes
    assert [counters.total("blocks_done") for counters in tallies] == [len(plan.shard(w)) for w in range(2)]


@pytest.mark.parametrize("lag", [0, 1, 2])
def test_a_block_is_not_done_while_a_part_of_it_was_not_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lag: int
) -> None:
    cut_up(monkeypatch)
    plan = plan_of(tmp_path, block_bytes=1 << 20, lag=lag, fails_at=19, failure=TargetError("gone"))
    counters = run(plan).counters
    assert counters.total("records_written") == 19
    assert counters.total("blocks_done") == counters.total("bytes_done") == 0


@pytest.mark.parametrize("split", ["block", "record"])
def test_workers_together_count_every_byte_and_record_once(tmp_path: Path, split: str) -> None:
    plan = plan_of(tmp_path, workers=3, split=split)
    tallies = [run(plan, worker).counters for worker in range(3)]
    assert sum(counters.total("bytes_done") for counters in tallies) == plan.source.nbytes
    assert sum(counters.total("records_read") for counters in tallies) == 20


def test_a_worker_names_itself_and_closes_its_session(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, workers=3)
    run(plan, 2)
    (session,) = target_of(plan).sessions
    assert (session.name, session.closed) == ("redis-etl-2", True)


def test_a_worker_without_blocks_connects_to_nobody(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, workers=99)
    counters = run(plan, 98).counters
    assert target_of(plan).sessions == []
    assert counters.of(98, "finished") == 1


def test_a_worker_of_a_stream_takes_the_blocks_that_it_is_given(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    given_to_it = blocks_of(plan)[3:5]
    ran = run(replace(plan, blocks=None), blocks=iter(given_to_it))
    assert [n for n, _ in target_of(plan).pairs] == list(range(given_to_it[0].first_record or 0, 10))
    assert (ran.counters.total("blocks_done"), ran.counters.total("finished")) == (2, 1)


@pytest.mark.parametrize("lag", [0, 2])
def test_told_to_stop_it_sends_nothing_more_and_counts_what_was_in_flight(tmp_path: Path, lag: int) -> None:
    ran = run(plan_of(tmp_path, lag=lag), stop_after=3)
    assert ran.error is None
    assert ran.counters.total("blocks_done") == 3
    assert ran.counters.total("records_written") == ran.counters.total("records_read") > 0
    assert ran.counters.total("finished") == 0


@pytest.mark.parametrize("lag", [0, 2, 100])
def test_an_error_reply_that_every_record_would_get_ends_the_shard_and_what_was_applied_is_counted(
    tmp_path: Path, lag: int
) -> None:
    sink = RejectList()
    plan = plan_of(tmp_path, lag=lag, answers={1: [OOM, "OK"]}, reject_limit=ANY, rejects=sink)
    ran = run(plan)
    assert isinstance(ran.error, TargetError)
    assert str(ran.error).startswith("memory: the server is full")
    sent = target_of(plan).sessions[0].wires
    assert ran.counters.total("records_written") == sum(wire.records for wire in sent) - 1
    assert ran.counters.total("records_read") == ran.counters.total("records_written")
    assert ran.counters.total("finished") == 0
    assert sink.rejects == []


@pytest.mark.parametrize("lag", [0, 1, 3, 100])
def test_commits_that_are_in_flight_when_the_run_fails_are_answered_too(tmp_path: Path, lag: int) -> None:
    pieces: list[Wire] = []

    def answer(wire: Wire) -> Sequence[Any] | None:
        if b"HSET" in stream_of(wire):
            return None
        pieces.append(wire)
        return [OOM, "OK"] if len(pieces) == 3 else None

    plan = plan_of(tmp_path, lag=lag, answer=answer, marks=CheckpointWriter(b"etl:{j}", 0))
    ran = run(plan)
    assert isinstance(ran.error, TargetError)
    assert target_of(plan).sessions[0].waiting == []
    require_reconciled(ran.counters)


def test_a_failure_of_the_target_leaves_what_was_answered_counted(tmp_path: Path) -> None:
    ran = run(plan_of(tmp_path, fails_at=2, failure=TargetError("gone")))
    assert str(ran.error) == "gone"
    assert ran.counters.total("records_written") == 4
    assert ran.counters.total("blocks_done") == 2


def test_a_source_that_changes_ends_the_shard_with_what_is_in_flight_counted(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, lag=100)
    sessions = target_of(plan).sessions
    counters = tally_of(1)

    def stop() -> bool:
        if sessions and len(sessions[0].wires) == 2:
            (tmp_path / "part-0.txt").write_bytes(b"shorter")
        return False

    with pytest.raises(SourceError, match="shrank"):
        run_shard(plan, 0, counters, Told(stop))
    assert counters.total("blocks_done") == 2
    assert counters.total("finished") == 0


# Rejects: of the source, of the encoder, of the server.


def json_plan(folder: Path, lines: Sequence[bytes], *, block_bytes: int = 12, **parts: Any) -> Plan:
    source = source_of(folder, [b"\n".join(lines)], Jsonl())
    return plan_for(source, MemoryTarget(), block_bytes=block_bytes, **parts)


@cases("lag", [0, 3, 100])
@cases("whole", [True, False])
@cases("bad", [LACKING, BAD])
def test_a_refused_record_is_written_down_as_it_stands_in_the_file_and_costs_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: bytes, whole: bool, lag: int
) -> None:
    if not whole:
        cut_up(monkeypatch)
    sink = RejectList()
    lines = [b"a", b"b", bad, b"d", bad, b"f"]
    plan = plan_of(tmp_path, lines, block_bytes=9, lag=lag, reject_limit=ANY, rejects=sink)
    ran = run(plan)
    reason = "it has no field {x}" if bad == LACKING else str(REFUSED)
    file = f"{tmp_path}/part-0.txt"
    offset = 4 + len(bad) + 1
    assert sink.rejects == [
        Reject(file, 2, 4, reason, bad),
        Reject(file, 4, offset + 2, reason, bad),
    ]
    written = {number for number, line in target_of(plan).pairs if line != BAD}
    assert written == {0, 1, 3, 5}
    assert ran.counters.total("records_written") == 4
    assert ran.counters.total("records_rejected") == 2
    assert ran.counters.total("bytes_done") == plan.source.nbytes
    assert (ran.error, ran.counters.total("finished")) == (None, 1)
    require_reconciled(ran.counters)


def test_the_originals_of_all_rejects_of_a_batch_are_found_in_one_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[int] = []
    read = OpenFile.read

    def counted(file: OpenFile, start: int, stop: int) -> bytes:
        reads.append(start)
        return read(file, start, stop)

    plan = plan_of(tmp_path, [BAD] * 500, block_bytes=1 << 20, reject_limit=ANY, rejects=RejectList())
    monkeypatch.setattr(OpenFile, "read", counted)
    assert run(plan).counters.total("records_rejected") == 500
    assert reads == [0, 0]


def test_a_record_that_cannot_be_parsed_is_a_reject_with_the_number_it_has_in_the_file(
    tmp_path: Path,
) -> None:
    sink = RejectList()
    plan = json_plan(tmp_path, [b'{"a":1}', b"oops", b"", b'{"a":2}', b"{"], reject_limit=ANY, rejects=sink)
    ran = run(plan)
    assert [(r.record, r.offset, r.raw) for r in sink.rejects] == [(1, 8, b"oops"), (3, 22, b"{")]
    assert target_of(plan).pairs == [(0, b'{"a":1}'), (2, b'{"a":2}')]
    assert ran.counters.total("records_read") == 4
    assert ran.counters.total("bytes_done") == plan.source.nbytes
    require_reconciled(ran.counters)


def test_a_block_of_rejects_only_is_done_without_a_wire(tmp_path: Path) -> None:
    plan = json_plan(tmp_path, [b"x", b"y"], reject_limit=ANY, rejects=RejectList())
    counters = run(plan).counters
    assert target_of(plan).sessions[0].wires == []
    assert counts(counters) == {
        "records_read": 2,
        "records_written": 0,
        "records_rejected": 2,
        "blocks_done": 1,
        "bytes_done": 3,
        "finished": 1,
    }


@pytest.mark.parametrize("block_bytes", [1, 16, 1000])
def test_with_split_by_record_each_reject_is_counted_by_its_own_worker_only(
    tmp_path: Path, block_bytes: int
) -> None:
    lines = [b'{"a":1}', b"x0", b'{"a":2}', b"x1", b"x2", b'{"a":3}', LACKING, b"x3"]
    sinks = [RejectList() for _ in range(3)]
    for worker, sink in enumerate(sinks):
        plan = json_plan(
            tmp_path,
            lines,
            block_bytes=block_bytes,
            workers=3,
            split="record",
            reject_limit=ANY,
            rejects=sink,
        )
        counters = run(plan, worker).counters
        assert all(number % 3 == worker for number, _ in target_of(plan).pairs)
        assert counters.total("records_rejected") == len(sink.rejects)
        require_reconciled(counters)
    assert [[reject.record for reject in sink.rejects] for sink in sinks] == [[3, 6], [1, 4, 7], []]


def test_nobody_writes_rejects_down_where_nobody_asked(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, [b"a", LACKING, BAD], reject_limit=ANY)
    assert run(plan).counters.total("records_rejected") == 2


@pytest.mark.parametrize("bad", [LACKING, BAD])
def test_without_a_budget_the_first_reject_stops_the_shard_and_is_named(tmp_path: Path, bad: bytes) -> None:
    sink = RejectList()
    lines = [b"a", b"b", bad, *LINES]
    plan = plan_of(tmp_path, lines, block_bytes=8, rejects=sink)
    ran = run(plan)
    assert isinstance(ran.error, RejectedError)
    reason = "it has no field {x}" if bad == LACKING else str(REFUSED)
    assert str(ran.error) == (
        f"stopped: record 2 of {tmp_path}/part-0.txt (byte 4) was refused: {reason};"
        " 0 rejects are allowed (--max-rejects)"
    )
    assert [reject.record for reject in sink.rejects] == [2]
    assert ran.counters.total("records_rejected") == 1
    assert ran.counters.total("finished") == 0
    assert max(number for number, _ in target_of(plan).pairs) < 6
    require_reconciled(ran.counters)


@cases("lag", [0, 5])
@cases(("allowed", "stops"), [(2, True), (3, False), (4, False)])
def test_as_many_records_as_allowed_may_be_refused_and_not_one_more(
    tmp_path: Path, allowed: int, stops: bool, lag: int
) -> None:
    lines = [b"a", BAD, b"b", LACKING, b"c", BAD, b"d"]
    plan = plan_of(tmp_path, lines, block_bytes=8, lag=lag, reject_limit=RejectLimit(count=allowed))
    ran = run(plan)
    assert isinstance(ran.error, RejectedError) == stops
    assert stops or ran.counters.total("records_written") == 4
    require_reconciled(ran.counters)


def test_the_rejects_of_all_workers_count_together(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, [BAD, b"a"], reject_limit=RejectLimit(count=3), workers=2, split="record")
    counters = tally_of(2)
    counters.add(1, "records_rejected", 3)
    assert isinstance(run(plan, 0, counters=counters).error, RejectedError)


def test_a_percentage_stops_no_shard_before_its_end(tmp_path: Path) -> None:
    ran = run(plan_of(tmp_path, [BAD, BAD, b"a"], reject_limit=RejectLimit(percent=0)))
    assert ran.error is None
    assert ran.counters.total("records_rejected") == 2


@pytest.mark.parametrize("bad", [LACKING, BAD])
def test_rejects_that_cannot_be_written_down_end_the_shard(tmp_path: Path, bad: bytes) -> None:
    sink = RejectList(failure=SourceError("disk full"))
    ran = run(plan_of(tmp_path, [b"a", bad, *LINES], reject_limit=ANY, rejects=sink, lag=2))
    assert str(ran.error) == "disk full"
    assert ran.counters.total("finished") == ran.counters.total("records_rejected") == 0
    require_reconciled(ran.counters)


def test_a_reject_that_nobody_counted_is_described_without_number_and_place() -> None:
    assert describe(Reject("f", None, None, "why", b"")) == "a record of f was refused: why"
    assert describe(Reject("f", 1234, 5678, "why", b"")) == "record 1,234 of f (byte 5,678) was refused: why"


# Merged commands that were refused: their records again, one by one.


@cases("lag", [0, 1, 100])
@cases("whole", [True, False])
def test_of_a_merged_command_that_was_refused_each_record_is_sent_again_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lag: int, whole: bool
) -> None:
    if not whole:
        cut_up(monkeypatch)
    sink = RejectList()
    lines = [*LINES[:6], BAD, *LINES[7:]]
    plan = plan_of(tmp_path, lines, block_bytes=30, lag=lag, encoder=GROUPS, reject_limit=ANY, rejects=sink)
    ran = run(plan)
    wires = target_of(plan).sessions[0].wires
    applied = [
        number
        for wire in wires
        for j in range(wire.groups)
        for number, line in pairs_in(wire)[wire.boundaries[j] : wire.boundaries[j + 1]]
        if BAD not in [text for _, text in pairs_in(wire)[wire.boundaries[j] : wire.boundaries[j + 1]]]
    ]
    assert sorted(applied) == [number for number in range(20) if number != 6]
    assert [(reject.record, reject.raw) for reject in sink.rejects] == [(6, BAD)]
    assert counts(ran.counters) == {
        "records_read": 20,
        "records_written": 19,
        "records_rejected": 1,
        "blocks_done": len(blocks_of(plan)),
        "bytes_done": plan.source.nbytes,
        "finished": 1,
    }


def test_records_sent_again_count_in_the_budget(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, [b"a", BAD, b"c", BAD, *LINES], block_bytes=40, encoder=GROUPS)
    ran = run(plan)
    assert isinstance(ran.error, RejectedError)
    assert "record 1 of" in str(ran.error)
    require_reconciled(ran.counters)


def test_a_failure_leaves_records_that_were_to_be_sent_again_uncounted(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        [b"a", BAD, b"c", b"d", b"e"],
        block_bytes=1 << 20,
        encoder=GROUPS,
        fails_at=1,
        failure=TargetError("gone"),
    )
    ran = run(plan)
    assert str(ran.error) == "gone"
    assert ran.counters.total("records_read") == ran.counters.total("records_written") == 1
    assert ran.counters.total("blocks_done") == 0


# Passes before the load.


@dataclass(frozen=True, slots=True)
class Probe:
    """Finds the records of ``there`` present: they are skipped, or refused if ``refuse``."""

    there: frozenset[int]
    refuse: bool = False

    templates = PairsEncoder().templates
    split_encodable = PairsEncoder.split_encodable
    keys = PairsEncoder.keys
    encode = PairsEncoder.encode
    size = 1

    def read_replies(self, batch: Batch, wire: Wire, replies: Sequence[Any] | None) -> BatchResult:
        numbers = [number for number, _ in pairs_in(wire)]
        present = tuple(index for index, number in enumerate(numbers) if number in self.there)
        if self.refuse:
            return BatchResult(refusals=tuple(Refusal(i, "its key exists") for i in present), present=present)
        return BatchResult(skipped=len(present), present=present)


@examples(1.25)
@given(
    there=st.frozensets(st.integers(0, 19)),
    workers=st.integers(1, 3),
    split=st.sampled_from(["block", "record"]),
    block_bytes=st.integers(1, 60),
    pieces=st.booleans(),
)
def test_records_that_a_pass_has_settled_are_passed_over_by_the_load(
    tmp_path: Path, there: frozenset[int], workers: int, split: str, block_bytes: int, pieces: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if pieces:
            cut_up(patch)
        plan = plan_of(tmp_path, block_bytes=block_bytes, workers=workers, split=split)
        probe = replace(plan, encoder=Probe(there), single=Probe(there), preliminary=True)
        bits: dict[int, int] = {}
        for worker in range(workers):
            ran = run(probe, worker)
            own = [number for session in target_of(plan).sessions for number, _ in session.pairs]
            target_of(plan).sessions.clear()
            assert ran.counters.total("records_skipped") == len(there & set(own))
            for number, some in ran.word.present.items():
                bits[number] = bits.get(number, 0) | int.from_bytes(some, "little")
        # Trailing zero bytes are not sent, and a byte more does no harm.
        blocks = tuple(
            replace(block, skip_mask=int.to_bytes(bits[block.number], 9, "little"))
            if block.number in bits
            else block
            for block in blocks_of(plan)
        )
        tallies = [run(replace(plan, blocks=blocks), worker).counters for worker in range(workers)]
    assert sorted(number for number, _ in target_of(plan).pairs) == sorted(set(range(20)) - there)
    assert sum(counters.total("records_written") for counters in tallies) == 20 - len(there)
    assert sum(counters.total("bytes_done") for counters in tallies) == plan.source.nbytes


def test_bits_may_be_fewer_than_records_and_a_block_may_have_none_left(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, block_bytes=1 << 20)
    (block,) = blocks_of(plan)
    for bits, left in ((b"", 20), (b"\x81", 18), (b"\xff\xff\x0f", 0), (b"\0\0\x08", 19)):
        target_of(plan).sessions.clear()
        counters = run(replace(plan, blocks=(replace(block, skip_mask=bits),))).counters
        assert len(target_of(plan).pairs) == counters.total("records_written") == left
        assert counters.total("blocks_done") == 1


def test_rejects_of_the_source_are_no_business_of_passed_over_bits(tmp_path: Path) -> None:
    sink = RejectList()
    plan = json_plan(
        tmp_path, [b"{}", b"x", b'{"a":1}', LACKING], block_bytes=99, reject_limit=ANY, rejects=sink
    )
    (block,) = blocks_of(plan)
    plan = replace(plan, blocks=(replace(block, skip_mask=b"\x01"),))
    counters = run(plan).counters
    assert target_of(plan).pairs == [(2, b'{"a":1}')]
    assert [(r.record, r.raw) for r in sink.rejects] == [(1, b"x"), (3, LACKING)]
    assert counters.total("records_read") == 3


def test_a_preliminary_pass_leaves_bad_records_to_the_load(tmp_path: Path) -> None:
    sink = RejectList()
    plan = json_plan(tmp_path, [b"{}", b"oops", b'{"a":1}'], block_bytes=99, rejects=sink, preliminary=True)
    ran = run(plan)
    assert ran.error is None
    assert [number for number, _ in target_of(plan).pairs] == [0, 2]
    assert sink.rejects == []
    assert ran.counters.total("records_rejected") == 0


def test_a_preliminary_pass_refuses_the_records_that_it_finds(tmp_path: Path) -> None:
    sink = RejectList()
    probe = Probe(frozenset({2, 11}), refuse=True)
    plan = plan_of(tmp_path, encoder=probe, single=probe, preliminary=True, reject_limit=ANY, rejects=sink)
    ran = run(plan)
    assert [(r.record, r.raw, r.reason) for r in sink.rejects] == [
        (2, b"2", "its key exists"),
        (11, b"11", "its key exists"),
    ]
    assert ran.counters.total("records_rejected") == 2
    assert len(ran.word.present) == 2


# What differs from the source.


@dataclass(frozen=True, slots=True)
class Differing:
    """Finds every record different."""

    templates = PairsEncoder().templates
    split_encodable = PairsEncoder.split_encodable
    encode = PairsEncoder.encode
    size = 1

    def read_replies(self, batch: Batch, wire: Wire, replies: Sequence[Any] | None) -> BatchResult:
        differences = tuple(Difference(i, b"k", line, None) for i, (_, line) in enumerate(pairs_in(wire)))
        return BatchResult(missing=1, different=wire.records - 1, differences=differences)


def test_differences_are_counted_and_the_first_are_shown_with_their_numbers(tmp_path: Path) -> None:
    ran = run(plan_of(tmp_path, encoder=Differing(), single=Differing()))
    assert ran.word.examples == tuple(Example(n, b"k", b"%d" % n, None) for n in range(MAX_EXAMPLES))
    assert ran.counters.total("records_missing") + ran.counters.total("records_different") == 20
    assert ran.counters.total("records_read") == 20


def test_all_differences_are_written_in_full_and_examples_are_cut(tmp_path: Path) -> None:
    class Sink:
        def __init__(self) -> None:
            self.found: list[Example] = []

        def write(self, differences: Sequence[Example]) -> None:
            self.found += differences

    sink = Sink()
    lines = [b"%d" % number + b"x" * 500 for number in range(20)]
    ran = run(plan_of(tmp_path, lines, encoder=Differing(), single=Differing(), differences=sink))
    assert sink.found == [Example(number, b"k", line, None) for number, line in enumerate(lines)]
    assert len(ran.word.examples) == MAX_EXAMPLES
    assert ran.word.examples[0].expected == lines[0][:200] + b"..."


def test_what_a_worker_says_at_its_end_travels(tmp_path: Path) -> None:
    probe = Probe(frozenset({3}))
    word = run(plan_of(tmp_path, encoder=probe, single=probe, preliminary=True)).word
    assert pickle.loads(pickle.dumps(word)) == word  # noqa: S301 - our own
