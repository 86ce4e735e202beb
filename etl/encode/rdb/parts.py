"""Records of buckets that a batch has only in part: kept in the stream itself until all parts are there.

NOTE(parts): a key may be in an RDB file once, but a bucket of ``--pack`` whose records lie in two batches is
made by two workers. A batch's wire then begins with an AUX field of the name PART, which servers pass over,
with the records of its first and last bucket; whoever writes the stream reads it there (``read_part``), and
adds the entries of all these buckets at the end (``RdbBucketsEncoder.complete``). So what was begun and is
gone on with later has them where the rest is, and nothing has to be kept in memory.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from etl.encode.rdb.length import rdb_length, rdb_string
from etl.encode.resp.protocol import BINARY

PART = b"redis-etl-part"
_START = b"\xfa" + rdb_string(PART)
_COUNTS = struct.Struct("<II")


@dataclass(frozen=True, slots=True)
class Part:
    """Records (``numbers``, int64, and ``values``, binary) of so many buckets."""

    numbers: pa.Array
    values: pa.Array
    buckets: int

    def to_bytes(self) -> bytes:
        """Return the AUX field."""
        values = pa.concat_arrays([self.values])  # from the first byte of buffers of its own
        _, offsets, data = values.buffers()
        numbers = pa.concat_arrays([self.numbers]).buffers()[1]
        records = len(values)
        ends = memoryview(offsets)[: 4 * (records + 1)]
        texts = b"" if data is None else memoryview(data)[: ends.cast("i")[records]]
        head = _COUNTS.pack(self.buckets, records)
        content = b"".join((head, memoryview(numbers)[: 8 * records], ends, texts))
        return _START + rdb_length(len(content)) + content


def read_part(data: bytes | memoryview) -> Part | None:
    """Return the part with which a batch's bytes begin, or None."""
    view = memoryview(data)
    if view[: len(_START)] != _START:
        return None
    at, size = _length(view, len(_START))
    buckets, records = _COUNTS.unpack_from(view, at)
    ends = at + _COUNTS.size + 8 * records
    texts = ends + 4 * (records + 1)
    # Copies: numbers want to begin at an even address, and the range may be gone when they are read.
    numbers, offsets, data = (
        pa.py_buffer(bytes(view[start:stop]))
        for start, stop in ((at + _COUNTS.size, ends), (ends, texts), (texts, at + size))
    )
    return Part(
        pa.Array.from_buffers(pa.int64(), records, [None, numbers]),
        pa.Array.from_buffers(BINARY, records, [None, offsets, data]),
        buckets,
    )


def _length(view: memoryview, at: int) -> tuple[int, int]:
    """Return where a string begins whose length is at ``at``, and the length."""
    first = view[at]
    if first < 0x40:
        return at + 1, first
    if first < 0x80:
        return at + 2, (first & 0x3F) << 8 | view[at + 1]
    return at + 5, int.from_bytes(view[at + 1 : at + 5], "big")


def joined_parts(parts: Sequence[Part]) -> Part:
    """Return several parts, one at least, as one in the order of their records."""
    numbers = pa.concat_arrays([part.numbers for part in parts])
    order = pc.sort_indices(numbers)
    values = pa.concat_arrays([part.values for part in parts])
    return Part(numbers.take(order), values.take(order), sum(part.buckets for part in parts))


PARTS_AT_ONCE = 256
"""Parts that are held in memory, of some ten kilobytes each."""


def whole_buckets(parts: Iterable[Part], size: int) -> Iterator[Part]:
    """Yield what parts have of some buckets (of ``size`` records) at a time, and of each bucket all of it.

    ``parts`` come in the order of their first records. A batch has no bucket but its first and its last in a
    part: so what comes later has nothing of a bucket that is before the last one so far.
    """
    held: list[Part] = []
    for part in parts:
        held.append(part)
        if len(held) < PARTS_AT_ONCE:
            continue
        all = joined_parts(held)
        last = all.numbers[-1].as_py() // size * size
        before = pc.sum(pc.less(all.numbers, last)).as_py()
        if before:
            yield Part(all.numbers.slice(0, before), all.values.slice(0, before), 0)
        held = [Part(all.numbers.slice(before), all.values.slice(before), 0)]
    if held:
        yield joined_parts(held)
