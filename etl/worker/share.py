"""A worker's share of the source: its records, block by block, and the rejects among them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from etl.encode.resp.slots import slots_of
from etl.plan import Batch, Block, Plan, Refusal, Reject, Share
from etl.sink.error_replies import explain
from etl.worker.encoding import PieceEncoder
from etl.worker.selection import own_records, pieces


class ShareReader:
    """An open source that gives one worker the records of its share."""

    def __init__(self, plan: Plan, share: Share) -> None:
        self._plan = plan
        self._share = share
        self._reader = plan.source.open(plan.projection)

    def pieces(self, block: Block, encoding: PieceEncoder) -> Iterator[tuple[Batch, list[Reject]]]:
        """Yield the worker's records of a block that can be encoded, piece by piece, and its other ones.

        A piece is as large as ``encoding`` allows when the batch was read. Raises SourceError.
        """
        for batch in self._reader.read(block):
            for piece in pieces(batch, encoding.max_records):
                yield self._encodable(block, piece)

    def lost(self, block: Block, slots: bytes, encoding: PieceEncoder) -> Iterator[Batch]:
        """Yield the records of a block whose keys are in ``slots`` (a bit for each), piece by piece.

        Of every worker's share; rejects are left out: they were noted when the block was first done.
        """
        wanted = pa.Array.from_buffers(pa.bool_(), 8 * len(slots), [None, pa.py_buffer(slots)])
        whole = replace(block, completed=())
        for batch in self._reader.read(block):
            for piece in pieces(batch, encoding.max_records):
                own, _ = own_records(piece, whole, Share(1, 0))
                good = self._plan.encoder.split_encodable(own)[0] if len(own) else own
                if len(good):
                    good = good.take(pc.indices_nonzero(wanted.take(slots_of(self._plan.encoder.keys(good)))))
                if len(good):
                    yield good

    def _encodable(self, block: Block, batch: Batch) -> tuple[Batch, list[Reject]]:
        own, rejects = own_records(batch, block, self._share)
        good, refusals = self._plan.encoder.split_encodable(own) if len(own) else (own, [])
        if self._plan.preliminary:  # rejects are left to the load
            return good, []
        return good, [*rejects, *self.rejects(block, own, refusals)]

    def rejects(self, block: Block, batch: Batch, refusals: Sequence[Refusal]) -> list[Reject]:
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

    def close(self) -> None:
        """Close the source. May be called twice."""
        self._reader.close()


def _reason(refusal: Refusal) -> str:
    return refusal.reason if isinstance(refusal.reason, str) else explain(refusal.reason)
