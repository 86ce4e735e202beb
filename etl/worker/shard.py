"""One worker's shard: its blocks are read, encoded and sent, and what comes back is counted.

Others say what is to be sent besides: ``resend`` (records that are sent again), ``fencing`` (pieces that must
not be applied twice) and ``commit`` (what is sent after blocks that are completed). Only the shard sends, and
it takes one response at a time: what a response leads to is kept, and sent when all of them are taken.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import replace

from etl.encode.resp.protocol import asking
from etl.errors import EtlError, StoppedError, TargetError
from etl.plan import (
    Batch,
    BatchResult,
    Block,
    Plan,
    Refusal,
    Response,
    StopFlag,
    Wire,
    owner,
)
from etl.report import Counters
from etl.sink.error_replies import failure
from etl.worker.commit import PendingCommit
from etl.worker.encoding import PieceEncoder
from etl.worker.fencing import fencing_of
from etl.worker.in_flight import InFlight
from etl.worker.joint import Joint
from etl.worker.ledger import Ledger, first_checkpoint
from etl.worker.resend import Refused, Resends, sort_refusals
from etl.worker.results import ResultRecorder
from etl.worker.sending import Sending
from etl.worker.share import ShareReader
from etl.worker.waiting import wait_while_paused


class Shard:
    """One worker's blocks on their way; ``recorder`` says what became of their records."""

    def __init__(self, plan: Plan, worker: int, counters: Counters, stop: StopFlag, pauses: StopFlag) -> None:
        self._plan = plan
        self._worker = worker
        self._counters = counters
        self._stop = stop
        self._error: EtlError | None = None
        self._ledger = Ledger(first_checkpoint(plan, worker))
        self.recorder = ResultRecorder(plan, worker, counters, self._ledger)
        self.encoding = PieceEncoder(plan, worker, counters, stop)
        self._fencing = fencing_of(plan, self._ledger, self.encoding)
        self._backoff = plan.target.backoff(pauses)
        self._pieces = 0

    def run(self, blocks: Iterable[Block], sending: Sending) -> None:
        """Send all blocks. Raises EtlError once everything sent before it was answered and counted."""
        self._sending = sending
        self._commits = sending.commits
        self._resends = Resends(
            self._plan.target,
            self.encoding.keys if self._plan.last_wins else None,
            routed=sending.routed,
        )
        with closing(ShareReader(self._plan, self._ledger.checkpoint.share)) as self._reader:
            try:
                for block in blocks:
                    if self._stop.is_set() or self._error is not None:
                        break
                    wait_while_paused(self._counters, self._worker, self._stop)
                    self._send_block(block)
            except StoppedError:
                pass  # what waits to be sent again is not; what is in flight is answered
            except EtlError as error:
                self._error = self._error or error
            self._finish()

    def _send_block(self, block: Block) -> None:
        self._ledger.begin(block)
        if block.repair is not None and owner(block, self._plan.workers) == self._worker:
            for batch in self._reader.lost(block, block.repair, self.encoding):
                self._send_first(InFlight(block, batch, counted=False))
                if self._error is not None:
                    return
        for good, rejects in self._reader.pieces(block, self.encoding):
            self.recorder.refuse(block, rejects)
            if len(good):
                self._send_first(InFlight(block, good))
            if self._error is not None:
                return
        self.recorder.end_block(block)
        self._exchange(())

    def _send_first(self, piece: InFlight) -> None:
        """Send a piece for the first time."""
        self._pieces += 1
        self._ledger.sent(piece.block)
        self._send(replace(piece, number=self._pieces))

    def _send(self, *pieces: InFlight) -> None:
        """Send pieces, and before each of them, and after the last, whatever is to be sent again by then."""
        waiting = deque(pieces)
        while self._error is None and (waiting or self._resends):
            if self._resends:
                self._drain()  # what else is refused goes in its place: NOTE(order) in ``resend``
                waiting.extendleft(reversed(self._wait_to_resend()))
                continue
            if not self._drain_before_fenced():
                continue
            piece = waiting.popleft()
            parts = self._sending.parts(piece)
            self._ledger.answered(piece.block, again=len(parts))
            if piece.joint is not None:
                piece.joint.outstanding += len(parts) - 1
            for part in parts:
                self._send_part(part)
            if piece.single:
                self._drain()

    def _send_part(self, piece: InFlight) -> None:
        wire = self.encoding.encode(piece)
        self.encoding.keep_to_rate(piece, wire)
        if self._fencing is not None:
            piece, wire = self._fencing.fenced(piece, wire)
        elif piece.asking:
            piece, wire = replace(piece, inner=wire), asking(wire)
        self._exchange(self._sending.submit(wire, piece))

    def _drain_before_fenced(self) -> bool:
        """Take the response to the piece before, if fenced; return True if the next one may be sent now.

        A checkpoint only moves on: what was refused for now of a piece is sent before the next piece.
        """
        if self._fencing is None:
            return True
        self._exchange(self._sending.drain())
        return self._error is None and not self._resends

    def _wait_to_resend(self) -> list[InFlight]:
        """Pause, if the server refuses anything for now; return the pieces that are sent again then."""
        refused = self._resends.refused or self._commits.refused
        again = self._resends.take()
        if refused is not None:
            self._backoff.wait(refused)
            self._commits.retry()
            if refused.reconnect:
                self._sending.renew()
        return again

    def _exchange(self, responses: Iterable[Response]) -> bool:
        """Take responses, and send the commits that are due after them; return True if there were any."""
        self._receive(responses)
        sent = False
        while (commit := self._next_commit()) is not None:
            self._receive(self._sending.submit(*commit))
            sent = True
        return sent

    def _receive(self, responses: Iterable[Response]) -> None:
        for response in responses:
            token = response.token
            if isinstance(token, InFlight):
                self._on_reply(token, response)
            else:
                self._on_commit_reply(token, response)

    def _on_reply(self, piece: InFlight, response: Response) -> None:
        """Record what became of a piece; keep what is to be sent again of it."""
        wire, replies, applied = response.wire, response.replies, False
        if self._fencing is not None:
            wire, replies, applied = self._fencing.read(piece, response)
        elif piece.asking:
            assert piece.inner is not None
            wire, replies = piece.inner, (replies or ())[1::2]
        result = self.encoding.encoder(piece).read_replies(piece.batch, wire, replies)
        refused = sort_refusals(
            result,
            replies,
            fenced=self._fencing is not None,
            applied=applied,
            clustered="cluster" in self._plan.target.takes,
        )
        if piece.node:
            self.recorder.note_node(piece.node, wire.records - len(result.refusals) - len(result.again))
        if piece.counted and piece.joint is None:
            self.recorder.record(piece.block, piece.batch, result, wire.records)
        if refused.fatal is not None:
            self._error = self._error or failure(refused.fatal, self._plan.target)
            return
        try:
            if piece.counted and piece.joint is None:
                self._refuse(piece.block, piece.batch, refused.rejected)
            again = self._resends.add(
                piece, refused, lambda reply: self._sending.redirected(reply, piece.node)
            )
            if piece.joint is not None:
                self._join(
                    piece, piece.joint, result, refused, sum(one.joint is piece.joint for one in again)
                )
        except EtlError as error:  # the other responses still count
            self._error = self._error or error
            return
        if not again:
            self._backoff.reset()
        self._ledger.answered(piece.block, again=len(again))

    def _join(self, piece: InFlight, joint: Joint, result: BatchResult, refused: Refused, again: int) -> None:
        """Record what became of records with several keys, once the commands of all keys were answered."""
        assert piece.places is not None
        joint.add(result, refused.rejected, piece.places, again)
        if not joint.outstanding:
            whole = joint.result()
            self.recorder.record(piece.block, joint.batch, whole, len(joint.batch))
            self._refuse(piece.block, joint.batch, whole.refusals)

    def _refuse(self, block: Block, batch: Batch, refusals: Sequence[Refusal]) -> None:
        self.recorder.refuse(block, self._reader.rejects(block, batch, refusals))

    def _on_commit_reply(self, commit: PendingCommit, response: Response) -> None:
        error = self._commits.on_commit_reply(commit, response)
        self._error = self._error or error
        if error is None and self._commits.refused is None:
            self._backoff.reset()

    def _next_commit(self) -> tuple[Wire, PendingCommit] | None:
        """Take the commit that is due, if any, now that some blocks may be completed."""
        if (checkpoint := self.recorder.complete_blocks()) is not None:
            self._commits.on_completed(checkpoint)
        return None if isinstance(self._error, TargetError) else self._commits.next_commit()

    def _finish(self) -> None:
        """Take every outstanding response, also when the run has failed: what was applied is counted."""
        try:
            self._drain()
            while self._error is None and (self._resends or self._commits.refused):
                self._send(*self._wait_to_resend())
                self._drain()
        except StoppedError:
            pass
        except EtlError as error:
            self._error = self._error or error
        if self._error is not None:
            raise self._error

    def _drain(self) -> None:
        """Take every outstanding response, also those to the commits that follow from them."""
        while self._exchange(self._sending.drain()):
            pass
