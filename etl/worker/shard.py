"""One worker's shard: its blocks are read, encoded and sent, and what comes back is judged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import pyarrow as pa

from etl.encode.fence import fence, read_fence
from etl.encode.resp.protocol import plain
from etl.errors import (
    EtlError,
    JobStateLostError,
    RejectedError,
    SourceError,
    StoppedError,
    TargetError,
)
from etl.plan import (
    FENCE_RECORDS,
    Batch,
    BatchResult,
    Block,
    Checkpoint,
    Encoder,
    Plan,
    ReconnectingSession,
    Refusal,
    Reject,
    Response,
    StopFlag,
    Wire,
    about_line,
    owner,
)
from etl.report import Counters
from etl.sink.error_replies import Action, ErrorPolicy, explain, failure, policy_of
from etl.worker.commit import mark_wire
from etl.worker.ledger import Ledger
from etl.worker.rate_limit import RateLimiter
from etl.worker.results import ResultRecorder
from etl.worker.selection import own_records, pieces, record_number
from etl.worker.waiting import idling

WAITING_LOOK_S = 0.05
REPLICAS_WAIT_MS = b"1000"


@dataclass(frozen=True, slots=True)
class InFlight:
    """What an answer is about: ``batch`` is a part of ``block``.

    ``single``: its commands carry one record each, sent again because a merged command was refused. ``mark``
    and ``inner`` are those of a fenced wire. ``news`` is why it has to wait before it goes out again.
    """

    block: Block
    batch: Batch
    single: bool = False
    mark: Checkpoint | None = None
    inner: Wire | None = None
    news: ErrorPolicy | None = None
    why: TargetError | None = None


@dataclass(frozen=True, slots=True)
class PendingCommit:
    """What follows blocks that are done: a WAIT for replicas if ``waits``, then the ``mark``.

    ``why`` is what the last try was answered.
    """

    mark: Checkpoint
    waits: bool
    why: TargetError | None = None


class Shard:
    """One worker's blocks on their way; ``recorder`` says what became of them."""

    def __init__(self, plan: Plan, worker: int, counters: Counters, stop: StopFlag, pauses: StopFlag) -> None:
        self._plan = plan
        self._worker = worker
        self._counters = counters
        self._stop = stop
        self._backoff = plan.target.backoff(pauses)
        self._rate_limiter = None if plan.rate is None else RateLimiter(plan.rate, worker, counters, stop)
        self._error: EtlError | None = None
        self._again: list[InFlight] = []
        self._behind: PendingCommit | None = None
        self._due: PendingCommit | None = None
        self._following = 0
        turn, token = (0, "") if plan.marks is None else (plan.marks.turn, plan.marks.token)
        self._ledger = Ledger(Checkpoint(turn, worker, plan.workers, plan.split, token=token))
        self.recorder = ResultRecorder(plan, worker, counters, self._ledger)
        self._share = self._ledger.mark.share
        self._place = self._ledger.mark.place

    def run(self, blocks: Iterable[Block], session: ReconnectingSession) -> None:
        self._session = session
        with closing(self._plan.source.open(self._plan.projection)) as self._reader:
            try:
                for block in blocks:
                    if self._stop.is_set() or self._error is not None:
                        break
                    self._wait_while_paused()
                    self._send_block(block)
            except (SourceError, RejectedError, TargetError) as error:
                self._error = self._error or error
            except StoppedError:
                pass  # what waits to go out again does not; what is in flight is answered
            self._finish()

    def _finish(self) -> None:
        """Take every outstanding answer, also when the run has failed: what was applied is counted."""
        try:
            self._settle_all()
            while (self._again or self._behind) and self._error is None:
                self._send_again()
                self._settle_all()
        except StoppedError:
            pass
        except EtlError as error:
            self._error = self._error or error
        if self._error is not None:
            raise self._error

    def _wait_while_paused(self) -> None:
        """Send nothing while another worker waits for the server (or all do): it would be answered alike."""
        with idling(self._counters, self._worker):
            while self._counters.held(self._worker):
                if self._stop.wait(WAITING_LOOK_S):
                    return

    def _send_block(self, block: Block) -> None:
        self._ledger.begin(block)
        for batch in self._reader.read(block):
            for piece in pieces(batch, self._most_records()):
                good = self._good(block, piece)
                if len(good):
                    self._ledger.sent(block)
                    self._send(InFlight(block, good))
        if self._counts_bytes_of(block):
            self._ledger.count(block, "bytes_done", block.nbytes)
        self._ledger.end(block)
        self._advance()

    def _most_records(self) -> int | None:
        """Return how many records are sent at a time: few for the fence, and to keep to a rate."""
        most = FENCE_RECORDS if self._plan.fenced else None
        few = None if self._rate_limiter is None else self._rate_limiter.most_records
        return few if most is None else most if few is None else min(few, most)

    def _good(self, block: Block, batch: Batch) -> Batch:
        """Take this worker's records of a batch that can be encoded; the others are rejects."""
        own, rejects = own_records(batch, block, self._share)
        good, refusals = self._plan.encoder.split_encodable(own) if len(own) else (own, [])
        if not self._plan.preliminary:
            self.recorder.refuse(block, [*rejects, *self._rejects(block, own, refusals)])
        return good

    def _encoder(self, sent: InFlight) -> Encoder:
        return self._plan.single if sent.single else self._plan.encoder

    def _send(self, sent: InFlight) -> None:
        """Send a piece; take the answers that have come in meanwhile."""
        wire = self._encoder(sent).encode(sent.batch)
        if self._rate_limiter is not None:
            self._rate_limiter.wait(len(sent.batch), wire.nbytes)
        if self._plan.fenced:
            self._drain_before_fenced()
            sent, wire = self._fenced(sent, wire)
        self._settle(self._session.submit(wire, sent))
        if self._again and self._error is None:
            self._send_again()

    def _drain_before_fenced(self) -> None:
        """Settle every fenced piece before the next one: its place is that of the one before it.

        Marks only move on: what was refused for now goes out before what is behind it.
        """
        self._settle(self._session.drain())
        while self._again and self._error is None:
            self._send_again()
            self._settle(self._session.drain())
        if self._error is not None:
            raise StoppedError("stopped behind an error")

    def _fenced(self, sent: InFlight, wire: Wire) -> tuple[InFlight, Wire]:
        marks = self._plan.marks
        last = record_number(sent.batch, len(sent.batch) - 1)
        assert marks is not None
        assert last is not None
        mark = replace(
            self._ledger.mark, partial=sent.block.number, below=last + 1, counts=self._ledger.so_far()
        )
        about = about_line(wire, sent.batch.numbers, skips=self._plan.skips)
        outer = fence(
            wire,
            key=marks.key,
            field=mark.field,
            place=self._place,
            new=mark.place,
            run=marks.run,
            about=b"%b\n%b" % (mark.counts_line, about),
        )
        return replace(sent, mark=mark, inner=wire), outer

    def _send_again(self) -> None:
        """Send once more what was refused: after a pause, if the server refused it for now."""
        again, self._again = self._again, []
        waits = [sent for sent in again if sent.news is not None]
        behind, self._behind = self._behind, None
        try:
            if waits:
                self._wait(waits[0])
            if behind is not None:
                assert behind.why is not None
                self._backoff.wait(behind.why)
        except TargetError as error:
            self._error = self._error or error  # what is in flight is still answered and counted
            return
        if waits and waits[0].news is not None and waits[0].news.reconnect:
            self._session.renew()
        if behind is not None:
            self._follow(behind)
        for sent in again:
            self._send(replace(sent, news=None, why=None))

    def _wait(self, sent: InFlight) -> None:
        """Wait before the server is asked again, and all other workers with this one."""
        assert sent.news is not None
        assert sent.why is not None
        self._backoff.wait(sent.why, sent.news.patience_s)

    def _settle_all(self) -> None:
        """Take every outstanding answer, also to the marks that follow those."""
        self._settle(self._session.drain())
        while self._following:
            self._settle(self._session.drain())

    def _settle(self, answers: Iterable[Response]) -> None:
        for answer in answers:
            token = answer.token
            if isinstance(token, InFlight):
                self._take(token, answer)
            else:
                self._take_behind(token, answer)
        self._advance()

    def _take(self, sent: InFlight, answer: Response) -> None:
        """Judge and count what became of a piece."""
        replies, wire, moved = answer.replies, answer.wire, False
        if sent.inner is not None and sent.mark is not None:
            fenced = read_fence(sent.inner, answer.replies)
            replies, wire, moved = fenced.replies, sent.inner, fenced.moved
            if moved:
                self._place = sent.mark.place
        result = self._encoder(sent).read_replies(sent.batch, wire, replies)
        refused, later, culprit = self._sorted(result, replies, fenced=self._plan.fenced, moved=moved)
        again = () if self._plan.fenced else result.again
        later_indices = [refusal.index for refusal in later]
        settled = wire.records - len(result.refusals) - len(result.again)
        self.recorder.settle(sent.block, sent.batch, result, settled)
        if culprit is not None:
            self._error = self._error or culprit
            return
        try:
            self.recorder.refuse(sent.block, self._rejects(sent.block, sent.batch, refused))
        except EtlError as error:
            self._error = self._error or error
        if later_indices:
            reason = later[0].reason
            assert isinstance(reason, Exception)
            part = sent.batch.take(pa.array(later_indices, pa.int64()))
            why = failure(reason, self._plan.target)
            self._again.append(InFlight(sent.block, part, single=True, news=policy_of(reason), why=why))
            self._ledger.sent(sent.block)
        elif not again:
            self._backoff.end()
        if again:
            part = sent.batch.take(pa.array(again, pa.int64()))
            self._again.append(InFlight(sent.block, part, single=True))
            self._ledger.sent(sent.block)
        self._ledger.answered(sent.block)

    def _sorted(
        self, result: BatchResult, replies: Sequence[object] | None, *, fenced: bool, moved: bool
    ) -> tuple[list[Refusal], list[Refusal], EtlError | None]:
        """Part refusals into those that stand, those to be tried again, and one that ends the run."""
        refusals = list(result.refusals)
        if fenced and result.again:
            # A merged command has one key, the same for all: none of its records would fare better alone.
            error = next(reply for reply in replies or () if isinstance(reply, Exception))
            refusals += [Refusal(index, error) for index in result.again]
        stand: list[Refusal] = []
        later: list[Refusal] = []
        for refusal in refusals:
            action = policy_of(refusal.reason).action if isinstance(refusal.reason, Exception) else None
            if action is Action.STOP:
                return [], [], failure(refusal.reason, self._plan.target)
            # Behind a fence that has moved on, the same records would not be let through again.
            (later if action is Action.AGAIN and not moved else stand).append(refusal)
        return stand, later, None

    def _advance(self) -> None:
        """Count the blocks that are done by now, and leave a mark behind them."""
        moved = False
        while (block := self._ledger.done()) is not None:
            moved = True
            self._counters.add(self._worker, "blocks_done", 1)
            if self._counts_bytes_of(block):
                self._counters.add(self._worker, "bytes_done", block.nbytes)
        if moved:
            self._due = PendingCommit(self._ledger.mark, waits=bool(self._plan.replicas))
        if self._due is not None and not isinstance(self._error, TargetError):
            behind, self._due = self._due, None
            self._follow(behind)

    def _counts_bytes_of(self, block: Block) -> bool:
        # With --split record every worker visits every block; it is counted once, by its owner.
        return owner(block, self._plan.workers) == self._worker

    def _follow(self, behind: PendingCommit) -> None:
        """Send what follows blocks that are done. A fenced piece has brought its mark with it."""
        marks = self._plan.marks
        if not behind.waits and (marks is None or self._plan.fenced):
            return
        self._following += 1
        if behind.waits:
            number = b"%d" % self._plan.replicas
            self._settle(self._session.submit(plain((b"WAIT", number, REPLICAS_WAIT_MS)), behind))
        elif marks is not None:
            self._settle(self._session.submit(mark_wire(marks, behind.mark), behind))

    def _take_behind(self, behind: PendingCommit, answer: Response) -> None:
        self._following -= 1
        if answer.replies is None:
            self._backoff.end()
            return
        (reply,) = answer.replies
        target = self._plan.target
        if isinstance(reply, Exception):
            error = failure(reply, target)
            if policy_of(reply).action is Action.AGAIN:
                self._behind = replace(behind, why=error)
            else:
                self._error = self._error or error
        elif not behind.waits:
            self._backoff.end()
            assert self._plan.marks is not None
            if reply and not self._plan.marks.may_vanish:  # a field added, where there was one to change
                self._error = self._error or JobStateLostError(
                    f"{target}: the record of this job was removed while the run went on; start again"
                )
        elif reply < self._plan.replicas:
            few = f"{target}: {reply} of {self._plan.replicas} replicas have the data (--wait-replicas)"
            self._behind = replace(behind, why=TargetError(few))
        else:
            self._backoff.end()
            self._due = replace(behind, waits=False)

    def _rejects(self, block: Block, batch: Batch, refusals: Sequence[Refusal]) -> list[Reject]:
        """Return refused records of a batch as their source has them, found in one pass over the block."""
        if not refusals:
            return []
        refusals = sorted(refusals, key=lambda refusal: refusal.index)
        reasons = [_reason(refusal) for refusal in refusals]
        if batch.numbers is None:
            name = self._plan.source.name_of(block)
            return [Reject(name, None, None, reason, b"") for reason in reasons]
        indices = pa.array([refusal.index for refusal in refusals], pa.int64())
        originals = self._reader.originals(block, batch.numbers.take(indices).to_pylist())
        return [replace(reject, reason=why) for reject, why in zip(originals, reasons, strict=True)]


def _reason(refusal: Refusal) -> str:
    return refusal.reason if isinstance(refusal.reason, str) else explain(refusal.reason)
