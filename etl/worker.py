"""The one inner loop, whoever runs it: a Process, another machine, or the calling process itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass

import pyarrow as pa

from etl.control import Finished
from etl.errors import EtlError, RejectedError, SourceError
from etl.plan import Answer, Block, Plan, Session, owner
from etl.report import Example, Tally, Verdict
from etl.target.replies import failure
from etl.template import NUMBER

MOST_EXAMPLES = 5
"""Differences that one worker reports in full; the others are counted."""


def run_shard(plan: Plan, worker: int, tally: Tally, stop: Callable[[], bool]) -> Finished:
    """Carry out one worker's part of a plan.

    Counts into ``tally`` only what the server has answered for. Looks at ``stop`` between blocks: when it
    says so, what is in flight is answered and counted first. Raises EtlError, with everything answered
    before it counted.
    """
    started_at = time.monotonic()
    shard = Shard(plan, worker, tally)
    blocks = plan.shard(worker)
    if blocks:
        with closing(plan.target.connect(f"redis-etl-{worker}")) as session:
            shard.run(blocks, session, stop)
    if not stop():
        tally.add(worker, "finished", 1)
    return Finished(worker, time.monotonic() - started_at, tuple(shard.examples))


@dataclass(frozen=True, slots=True)
class _Sent:
    """What an answer is about: ``batch`` is a part of ``block``, its last one if ``last``."""

    block: Block
    batch: pa.RecordBatch
    last: bool


class Shard:
    """One worker's blocks on their way; counts what comes back."""

    def __init__(self, plan: Plan, worker: int, tally: Tally) -> None:
        self._plan = plan
        self._worker = worker
        self._tally = tally
        self._error: EtlError | None = None
        self.examples: list[Example] = []

    def run(self, blocks: Iterable[Block], session: Session, stop: Callable[[], bool]) -> None:
        with closing(self._plan.source.open()) as reader:
            for block in blocks:
                if stop() or self._error is not None:
                    break
                try:
                    batches = [self._own(batch) for batch in reader.read(block)]
                except SourceError as error:
                    self._error = error
                    break
                self._send(block, batches, session)
        self._finish(session)

    def _finish(self, session: Session) -> None:
        """Take every outstanding answer, also when the run has failed: what was applied is counted."""
        try:
            self._settle(session.drain())
        except EtlError as error:
            self._error = self._error or error
        if self._error is not None:
            raise self._error

    def _own(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Take this worker's records of a batch: all of them, or with ``--split record`` every N-th."""
        if self._plan.split == "block" or not batch.num_rows:
            return batch
        first = batch.column(NUMBER)[0].as_py()
        start = (self._worker - first) % self._plan.workers
        return batch.take(pa.arange(start, batch.num_rows, self._plan.workers))

    def _send(self, block: Block, batches: list[pa.RecordBatch], session: Session) -> None:
        batches = [batch for batch in batches if batch.num_rows]
        if not batches:
            self._done(block)
        for batch in batches:
            wire = self._plan.encoder.encode(batch)
            sent = _Sent(block, batch, last=batch is batches[-1])
            self._settle(session.submit(wire, sent))

    def _settle(self, answers: Iterable[Answer]) -> None:
        for answer in answers:
            sent: _Sent = answer.token
            verdict = self._plan.encoder.judge(sent.batch, answer.wire, answer.replies)
            self._count(verdict, answer.wire.records - len(verdict.refusals))
            self._show(verdict, sent)
            if verdict.refusals:
                self._error = self._error or self._refused(verdict, sent)
            elif sent.last:
                self._done(sent.block)

    def _count(self, verdict: Verdict, read: int) -> None:
        for counter, count in (
            ("records_read", read),
            ("records_written", verdict.written),
            ("records_skipped", verdict.skipped),
            ("records_equal", verdict.equal),
            ("records_missing", verdict.missing),
            ("records_different", verdict.different),
        ):
            if count:
                self._tally.add(self._worker, counter, count)

    def _done(self, block: Block) -> None:
        # With --split record every worker visits every block; it is counted once, by its owner.
        if owner(block, self._plan.workers) == self._worker:
            self._tally.add(self._worker, "bytes_done", block.nbytes)
        self._tally.add(self._worker, "blocks_done", 1)

    def _show(self, verdict: Verdict, sent: _Sent) -> None:
        for difference in verdict.differences[: MOST_EXAMPLES - len(self.examples)]:
            record = self._record_number(sent.batch, difference.index)
            self.examples.append(Example(record, difference.key, difference.expected, difference.found))

    def _refused(self, verdict: Verdict, sent: _Sent) -> EtlError:
        refusal = verdict.refusals[0]
        if isinstance(refusal.reason, Exception):
            return failure(refusal.reason, self._plan.target)
        number = self._record_number(sent.batch, refusal.index)
        block = sent.block
        record = (
            f"a record between bytes {block.start:,} and {block.stop:,}"
            if number is None
            else f"record {number:,}"
        )
        self._tally.add(self._worker, "records_read", len(verdict.refusals))
        self._tally.add(self._worker, "records_rejected", len(verdict.refusals))
        return RejectedError(f"{record} of {self._plan.source.name_of(block)} was refused: {refusal.reason}")

    @staticmethod
    def _record_number(batch: pa.RecordBatch, index: int) -> int | None:
        if NUMBER not in batch.schema.names:
            return None
        number: int = batch.column(NUMBER)[index].as_py()
        return number
