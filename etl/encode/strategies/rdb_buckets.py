"""Small strings, N to a hash (``--pack N``), as entries of an RDB file: a bucket is one entry.

Where a record is found afterwards says NOTE(bucket) in ``encode/rdb/buckets.py``; what becomes of a bucket
whose records are in two batches, NOTE(parts) in ``encode/rdb/parts.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from etl.encode.rdb.bucket_values import bucket_values
from etl.encode.rdb.buckets import Buckets, buckets_of
from etl.encode.rdb.entries import expiry_pieces, join_entries
from etl.encode.rdb.hashes import HashEncoding
from etl.encode.rdb.parts import Part, joined_parts, read_part, whole_buckets
from etl.encode.resp.columns import Columns
from etl.encode.resp.protocol import Joined, text_column
from etl.encode.strategies.packed import PackEncoder
from etl.encode.strategies.rdb_entries import OfLoad
from etl.plan import Batch, Buffer, Wire


@dataclass(frozen=True, slots=True)
class RdbBucketsEncoder(OfLoad):
    """The strings of ``load`` in buckets, an entry each; ``expiry_ms`` (since 1970) is that of all of them.

    A wire begins with a part where the batch has records of a bucket that may be in another batch too.
    """

    load: PackEncoder
    form: HashEncoding
    expiry_ms: int | None

    @property
    def expires(self) -> bool:
        return self.expiry_ms is not None

    def encode(self, batch: Batch) -> Wire:
        """Make the entries of the batch's buckets; a group is a bucket, also one that is in a part."""
        columns = Columns(batch)
        values = text_column(columns.pieces(self.load.value), columns.records)
        buckets = buckets_of(batch.numbers, self.load.size)
        cut = _cut(buckets)
        if not cut:
            return self._wire(buckets, values, [])
        indices = pa.array([at for at in range(len(buckets)) if at in cut], pa.int64())
        numbers, texts = (buckets.some(indices, column)[1] for column in (batch.numbers, values))
        part = Part(numbers, texts, len(cut)).to_bytes()
        whole = pa.array([at for at in range(len(buckets)) if at not in cut], pa.int64())
        made = self._wire(*buckets.some(whole, values), [part]) if len(whole) else _only(part)
        return Wire(made.buffers, buckets.bounds.to_pylist(), None, made.nbytes)

    def entries_in(self, wire: Wire) -> int:
        """Return how many keys a wire has: those that are in its part do not count yet."""
        part = self.part_of(wire.buffers[0]) if wire.buffers else None
        return wire.groups - (0 if part is None else part.buckets)

    def part_of(self, start: Buffer) -> Part | None:
        """Return the part with which a wire, or the range of a file that it is in, begins."""
        return read_part(start)

    def completed(self, parts: Iterable[Part]) -> Iterator[Wire]:
        return (self.complete([some]) for some in whole_buckets(parts, self.load.size))

    def complete(self, parts: Sequence[Part]) -> Wire:
        """Make the entries of the buckets in all parts of a stream, or in all those of some buckets."""
        if not parts:
            return Wire((), range(1), None, 0)
        all = joined_parts(parts)
        return self._wire(buckets_of(all.numbers, self.load.size), all.values, [])

    def _wire(self, buckets: Buckets, values: pa.Array, before: list[Buffer]) -> Wire:
        made = bucket_values(buckets, values, self.form)
        key = buckets.keys(self.load.key)
        joined = Joined(join_entries(expiry_pieces(self.expiry_ms), key, made, len(buckets)))
        buffers = (*before, joined.data)
        return Wire(buffers, buckets.bounds.to_pylist(), None, sum(map(len, buffers)))


def _only(part: bytes) -> Wire:
    return Wire((part,), range(1), None, len(part))


def _cut(buckets: Buckets) -> set[int]:
    """Return which buckets may have records in another batch: the first or the last one, or none.

    First and last by their numbers, as records of a cluster's node are in the order of their slots.
    """
    bounds = pc.min_max(buckets.numbers).as_py()
    first, last = (buckets.numbers.index(bounds[which]).as_py() for which in ("min", "max"))
    starts = buckets.fields[buckets.bounds[first].as_py()].as_py() == 0
    ends = buckets.fields[buckets.bounds[last + 1].as_py() - 1].as_py() == buckets.size - 1
    return {at for at, whole in ((first, starts), (last, ends)) if not whole}
