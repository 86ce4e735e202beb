"""Passes over the keys before a load that may hold each key once: they write Arrow batches, no commands.

The first writes a hash of every key, 8 bytes, and roughly where its record is. What that finds to occur more
than once the second writes whole, with the records' numbers: ``etl/dedupe/`` decides on that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl.encode.key_hash import HASH, HASH_BITS, hashes_of
from etl.encode.keys import identity_column
from etl.encode.resp.columns import key_column, split
from etl.plan import Batch, BatchResult, Encoder, Refusal, Wire
from etl.template import Template

PLACE_BITS = 12
"""A place is a run of 4,096 record numbers: less than a block has, and its number is short."""

HASHES = pa.schema([("hash", HASH), ("place", pa.uint32())])
KEYS = pa.schema([("hash", HASH), ("number", pa.int64()), ("key", pa.binary())])


@dataclass(frozen=True, slots=True)
class KeyHashEncoder:
    """Writes HASHES: every record that has a key, also one that the load will refuse."""

    key: Template

    @property
    def templates(self) -> tuple[Template, ...]:
        return (self.key,)

    def split_encodable(self, batch: Batch) -> tuple[Batch, list[Refusal]]:
        return split(batch, (self.key,), keys=(self.key,))[0], []

    def keys(self, batch: Batch) -> pa.Array:
        return key_column(self.key, batch)

    def encode(self, batch: Batch) -> Wire:
        places = pc.shift_right(_numbers(batch), pa.scalar(PLACE_BITS, pa.int64())).cast(pa.uint32())
        return _wire(batch, [hashes_of(identity_column(self.key, batch)), places], HASHES)

    def read_replies(self, batch: Batch, wire: Wire, replies: Sequence[Any] | None) -> BatchResult:
        return BatchResult(written=len(batch))


@dataclass(frozen=True, slots=True)
class HashFilter:
    """Hashes that may be among some: all that are, and few others. ``bits`` has one for each first few bits.

    ``size``: how many first bits of a hash tell its place in ``bits``.
    """

    bits: bytes = field(repr=False)
    size: int

    def passes(self, hashes: pa.Array) -> pa.Array:
        """Return for each hash whether it may be one of them (bool)."""
        bitmap = pa.Array.from_buffers(pa.bool_(), 1 << self.size, [None, pa.py_buffer(self.bits)])
        shift = pa.scalar(HASH_BITS - self.size, HASH)
        return pc.take(bitmap, pc.shift_right(hashes, shift), boundscheck=False)


@dataclass(frozen=True, slots=True)
class CandidateEncoder:
    """Writes KEYS: of the records that ``load`` can encode those whose key passes ``suspects``."""

    key: Template
    load: Encoder
    suspects: HashFilter

    @property
    def templates(self) -> tuple[Template, ...]:
        return self.load.templates

    def split_encodable(self, batch: Batch) -> tuple[Batch, list[Refusal]]:
        return self.load.split_encodable(batch)[0], []

    def keys(self, batch: Batch) -> pa.Array:
        return key_column(self.key, batch)

    def encode(self, batch: Batch) -> Wire:
        hashes = hashes_of(identity_column(self.key, batch))
        found = pc.indices_nonzero(self.suspects.passes(hashes))
        some = batch.take(found)
        return _wire(batch, [hashes.take(found), _numbers(some), key_column(self.key, some)], KEYS)

    def read_replies(self, batch: Batch, wire: Wire, replies: Sequence[Any] | None) -> BatchResult:
        return BatchResult(written=len(batch))


def _numbers(batch: Batch) -> pa.Array:
    assert batch.numbers is not None  # the source has blocks, and they know their first record
    return batch.numbers


def _wire(batch: Batch, columns: list[pa.Array], schema: pa.Schema) -> Wire:
    data = memoryview(pa.RecordBatch.from_arrays(columns, schema=schema).serialize())
    return Wire((data,), range(len(batch) + 1), None, len(data))
