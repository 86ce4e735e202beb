"""The one inner loop, whoever runs it: a Process, another machine, or the calling process itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from etl.control import Finished
from etl.errors import EtlError, RejectedError, SourceError
from etl.plan import Answer, Batch, Block, Plan, Reader, Reject, Session, owner
from etl.report import Example, Refusal, Tally, Verdict
from etl.target.replies import explain, fatal

MOST_EXAMPLES = 5
"""Differences that one worker reports in full; the others are counted."""


def run_shard(
    plan: Plan,
    worker: int,
    tally: Tally,
    stop: Callable[[], bool],
    blocks: Iterable[Block] | None = None,
) -> Finished:
    """Carry out one worker's part of a plan: its shard, or ``blocks`` as they come (a stream).

    Counts into ``tally`` only what the server has answered for. Looks at ``stop`` between blocks: when it
    says so, what is in flight is answered and counted first. Raises EtlError, with everything answered
    before it counted.
    """
    started_at = time.monotonic()
    shard = Shard(plan, worker, tally)
    blocks = plan.shard(worker) if blocks is None else blocks
    if blocks != ():
        with closing(plan.target.connect(f"redis-etl-{worker}")) as session:
            shard.run(blocks, session, stop)
    if not stop():
        tally.add(worker, "finished", 1)
    return Finished(worker, time.monotonic() - started_at, tuple(shard.examples), shard.present)


@dataclass(frozen=True, slots=True)
class _Sent:
    """What an answer is about: ``batch`` is a part of ``block``, its last one if ``last``.

    ``single``: its commands carry one record each, sent again because a merged command was refused.
    """

    block: Block
    batch: Batch
    last: bool
    single: bool = False


class Shard:
    """One worker's blocks on their way; counts what comes back."""

    def __init__(self, plan: Plan, worker: int, tally: Tally) -> None:
        self._plan = plan
        self._worker = worker
        self._tally = tally
        self._error: EtlError | None = None
        self._reader: Reader | None = None
        self._again: list[_Sent] = []
        self.examples: list[Example] = []
        self.present: dict[int, bytes] = {}

    def run(self, blocks: Iterable[Block], session: Session, stop: Callable[[], bool]) -> None:
        with closing(self._plan.source.open(self._plan.projection)) as self._reader:
            try:
                for block in blocks:
                    if stop() or self._error is not None:
                        break
                    self._send_block(block, session)
            except (SourceError, RejectedError) as error:
                self._error = self._error or error
            self._finish(session)

    def _finish(self, session: Session) -> None:
        """Take every outstanding answer, also when the run has failed: what was applied is counted."""
        try:
            self._settle(session.drain())
            while self._again and self._error is None:
                self._send_again(session)
                self._settle(session.drain())
        except EtlError as error:
            self._error = self._error or error
        if self._error is not None:
            raise self._error

    def _send_block(self, block: Block, session: Session) -> None:
        assert self._reader is not None
        unsent: Batch | None = None
        for batch in self._reader.read(block):
            good = self._good(block, batch)
            if not len(good):
                continue
            if unsent is not None:
                self._send(_Sent(block, unsent, last=False), session)
            unsent = good
        if unsent is None:
            self._done(block)
        else:
            self._send(_Sent(block, unsent, last=True), session)

    def _good(self, block: Block, batch: Batch) -> Batch:
        """Take this worker's records of a batch that can be encoded; the others are rejects."""
        own = self._own(batch)
        rejects = [reject for reject in batch.rejects if self._owns(reject)]
        if block.passed_over is not None:
            own = self._without(own, block, block.passed_over)
        good, refusals = self._plan.encoder.part(own) if len(own) else (own, [])
        if not self._plan.preliminary:
            self._refuse([*rejects, *(self._reject(block, own, refusal) for refusal in refusals)])
        return good

    def _own(self, batch: Batch) -> Batch:
        """Take this worker's records of a batch: all of them, or with ``--split record`` every N-th."""
        if self._plan.split == "block" or not len(batch):
            return batch
        own = pc.equal(_remainder(batch.numbers, self._plan.workers), self._worker)
        return batch.take(pc.indices_nonzero(own))

    def _owns(self, reject: Reject) -> bool:
        if self._plan.split == "block" or reject.record is None:
            return True
        return reject.record % self._plan.workers == self._worker

    @staticmethod
    def _without(batch: Batch, block: Block, passed_over: bytes) -> Batch:
        if not len(batch):
            return batch
        places = pc.subtract(batch.numbers, pa.scalar(block.first_record, pa.int64()))
        padded = passed_over.ljust(pc.max(places).as_py() // 8 + 1, b"\0")
        bits = pa.Array.from_buffers(pa.bool_(), len(padded) * 8, [None, pa.py_buffer(padded)])
        return batch.take(pc.indices_nonzero(pc.invert(bits.take(places))))

    def _send(self, sent: _Sent, session: Session) -> None:
        encoder = self._plan.encoder if not sent.single else self._plan.single
        wire = encoder.encode(sent.batch)
        self._settle(session.submit(wire, sent))
        if self._again and self._error is None:
            self._send_again(session)

    def _send_again(self, session: Session) -> None:
        again, self._again = self._again, []
        for sent in again:
            self._send(sent, session)

    def _settle(self, answers: Iterable[Answer]) -> None:
        for answer in answers:
            sent: _Sent = answer.token
            encoder = self._plan.encoder if not sent.single else self._plan.single
            verdict = encoder.judge(sent.batch, answer.wire, answer.replies)
            refused, culprit = self._culprits(verdict)
            self._count(verdict, answer.wire.records - len(verdict.refusals) - len(verdict.again))
            self._show(verdict, sent)
            self._note_present(verdict, sent)
            if culprit is not None:
                self._error = self._error or culprit
                continue
            try:
                self._refuse([self._reject(sent.block, sent.batch, refusal) for refusal in refused])
            except EtlError as error:
                self._error = self._error or error
            if verdict.again:
                part = sent.batch.take(pa.array(verdict.again, pa.int64()))
                self._again.append(replace(sent, batch=part, single=True))
            elif sent.last:
                self._done(sent.block)

    def _culprits(self, verdict: Verdict) -> tuple[Sequence[Refusal], EtlError | None]:
        """Part refused records from replies that end the run: those would refuse every record."""
        for refusal in verdict.refusals:
            if isinstance(refusal.reason, Exception):
                error = fatal(refusal.reason, self._plan.target)
                if error is not None:
                    return (), error
        return verdict.refusals, None

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
            record = _record_number(sent.batch, difference.index)
            self.examples.append(Example(record, difference.key, difference.expected, difference.found))

    def _note_present(self, verdict: Verdict, sent: _Sent) -> None:
        """Remember which records a later pass is to pass over: a bit a record of the block."""
        if not verdict.present:
            return
        bits = bytearray(self.present.get(sent.block.number, b""))
        for index in verdict.present:
            number = _record_number(sent.batch, index)
            assert number is not None
            assert sent.block.first_record is not None
            byte, bit = divmod(number - sent.block.first_record, 8)
            bits.extend(bytes(max(0, byte + 1 - len(bits))))
            bits[byte] |= 1 << bit
        self.present[sent.block.number] = bytes(bits)

    def _reject(self, block: Block, batch: Batch, refusal: Refusal) -> Reject:
        assert self._reader is not None
        reason = refusal.reason if isinstance(refusal.reason, str) else explain(refusal.reason)
        number = _record_number(batch, refusal.index)
        if number is None:
            return Reject(self._plan.source.name_of(block), None, None, reason, b"")
        return replace(self._reader.original(block, number), reason=reason)

    def _refuse(self, rejects: list[Reject]) -> None:
        """Count rejects and write them down. Raises RejectedError when there are too many by now."""
        if not rejects:
            return
        if self._plan.rejects is not None:
            self._plan.rejects.write(rejects)
        self._tally.add(self._worker, "records_read", len(rejects))
        self._tally.add(self._worker, "records_rejected", len(rejects))
        rejected = self._tally.total("records_rejected")
        if self._plan.budget.spent(rejected, self._tally.total("records_read"), ended=False):
            raise RejectedError(
                f"stopped: {describe(rejects[0])}; {self._plan.budget} rejects are allowed (--max-rejects)"
            )


def describe(reject: Reject) -> str:
    """Say of a reject where it stands and why it was refused."""
    record = "a record" if reject.record is None else f"record {reject.record:,}"
    where = "" if reject.offset is None else f" (byte {reject.offset:,})"
    return f"{record} of {reject.file}{where} was refused: {reject.reason}"


def _record_number(batch: Batch, index: int) -> int | None:
    if batch.numbers is None:
        return None
    number: int = batch.numbers[index].as_py()
    return number


def _remainder(numbers: pa.Array, divisor: int) -> pa.Array:
    quotient = pc.divide(numbers, divisor)
    return pc.subtract(numbers, pc.multiply(quotient, divisor))
