"""Which records of a batch are a worker's to send, and how many at a time. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from etl.plan import Batch, Block, Reject, Share


def own_records(batch: Batch, block: Block, share: Share) -> tuple[Batch, list[Reject]]:
    """Take the records and rejects of a worker's share that are left by earlier attempts and the pre-pass."""
    rejects = [reject for reject in batch.rejects if reject.record is None or _has(share, reject.record)]
    if not _is_all(share):
        batch = _only(batch, share, wanted=True)
    for done in block.completed:
        batch = _only(batch, done, wanted=False)
        rejects = [reject for reject in rejects if reject.record is None or not _has(done, reject.record)]
    if block.skip_mask is not None:
        batch = _without(batch, block, block.skip_mask)
    return batch, rejects


def pieces(batch: Batch, most: int | None) -> Iterator[Batch]:
    """Cut a batch into pieces of at most ``most`` records (None: no limit); rejects stay in their places."""
    if most is None or len(batch) <= most:
        yield batch
        return
    rejects = deque(batch.rejects)
    for start in range(0, len(batch), most):
        stop = min(start + most, len(batch))
        piece = batch.take(pa.array(range(start, stop), pa.int64()))
        last = record_number(piece, len(piece) - 1)
        own: list[Reject] = []
        while rejects and (stop == len(batch) or _is_before(rejects[0], last)):
            own.append(rejects.popleft())
        yield replace(piece, rejects=tuple(own))


def _is_before(reject: Reject, last: int | None) -> bool:
    return reject.record is None or last is None or reject.record < last


def record_number(batch: Batch, index: int) -> int | None:
    """Return the number of a record of the batch through the whole input; None if unknown."""
    if batch.numbers is None:
        return None
    number: int = batch.numbers[index].as_py()
    return number


def _is_all(share: Share) -> bool:
    return share.workers == 1 and share.below is None


def _has(share: Share, number: int) -> bool:
    return number % share.workers == share.worker and (share.below is None or number < share.below)


def _only(batch: Batch, share: Share, *, wanted: bool) -> Batch:
    """Take the records of a share, or (not ``wanted``) all others."""
    if not len(batch):
        return batch
    chosen = pc.equal(_remainder(batch.numbers, share.workers), share.worker)
    if share.below is not None:
        chosen = pc.and_(chosen, pc.less(batch.numbers, share.below))
    return batch.take(pc.indices_nonzero(chosen if wanted else pc.invert(chosen)))


def _without(batch: Batch, block: Block, skip_mask: bytes) -> Batch:
    if not len(batch):
        return batch
    places = pc.subtract(batch.numbers, pa.scalar(block.first_record, pa.int64()))
    padded = skip_mask.ljust(pc.max(places).as_py() // 8 + 1, b"\0")
    bits = pa.Array.from_buffers(pa.bool_(), len(padded) * 8, [None, pa.py_buffer(padded)])
    return batch.take(pc.indices_nonzero(pc.invert(bits.take(places))))


def _remainder(numbers: pa.Array, divisor: int) -> pa.Array:
    quotient = pc.divide(numbers, divisor)
    return pc.subtract(numbers, pc.multiply(quotient, divisor))
