"""Buckets of strings (``--pack``) as the values of an RDB file: hashes of numbered fields, vectorised.

As records' own hashes they are listpacks, or for servers before Redis 7.0 ziplists, and hash tables where a
value or the whole is large (``hashes.py``).
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl.encode.rdb import ziplist
from etl.encode.rdb.buckets import Buckets
from etl.encode.rdb.entries import Values, boxed, plain, values_of
from etl.encode.rdb.hashes import (
    HASH,
    LISTPACK,
    MAX_LISTPACK_BYTES,
    HashEncoding,
    element_count,
)
from etl.encode.rdb.length import rdb_length, rdb_string
from etl.encode.rdb.listpack import END, MAX_STRING_BYTES, element_pieces
from etl.encode.rdb.runs import in_order
from etl.encode.resp.lookup import lookup
from etl.encode.resp.protocol import BINARY

_EMPTY = pa.scalar(b"", BINARY)
_HEAD_BYTES = 16  # at most, of what is in a listpack or ziplist besides the elements


def bucket_values(buckets: Buckets, values: pa.Array, form: HashEncoding) -> Values:
    """Return the value of each bucket; ``values`` (``binary``) are the records', one after the other."""
    lengths = pc.binary_length(values)
    suited: pa.Array | None = None
    small = values
    if pc.max(lengths).as_py() > MAX_STRING_BYTES:
        long = pc.greater(lengths, MAX_STRING_BYTES)
        suited = buckets.without(long)
        small = pc.if_else(long, _EMPTY, values)
    elements, more = _listpack(buckets, small) if form == LISTPACK else _ziplist(buckets, small)
    sizes = pc.binary_length(elements)
    if pc.max(sizes).as_py() > MAX_LISTPACK_BYTES - _HEAD_BYTES:
        fit = pc.less_equal(sizes, MAX_LISTPACK_BYTES - _HEAD_BYTES)
        suited = fit if suited is None else pc.and_(suited, fit)
    pieces = [*more, lookup(element_count, buckets.counts, buckets.size), elements]
    if suited is None:
        return values_of(boxed(form.kind, [*pieces, END], len(buckets)).pieces)
    whole, others = pc.indices_nonzero(suited), pc.indices_nonzero(pc.invert(suited))
    tables = _tables(*buckets.some(others, values))
    if not len(whole):
        return values_of(tables)
    taken = [piece.take(whole) for piece in (*more, elements)]
    counts = lookup(element_count, buckets.counts.take(whole), buckets.size)
    compact = boxed(form.kind, [*taken[:-1], counts, taken[-1], END], len(whole)).pieces
    return values_of(in_order([(whole, compact), (others, tables)]))


def _listpack(buckets: Buckets, values: pa.Array) -> tuple[pa.Array, list[pa.Array]]:
    """Return each bucket's elements in a row, and what stands before their number: nothing."""
    return buckets.joined([buckets.elements, *element_pieces(values, before=b"")]), []


def _ziplist(buckets: Buckets, values: pa.Array) -> tuple[pa.Array, list[pa.Array]]:
    """Return each bucket's entries in a row, and what stands before their number: where the last begins."""
    lengths = pc.binary_length(values)
    longest = pc.max(lengths).as_py()
    sizes = ziplist.value_sizes(lengths)
    before = ziplist.sizes_before(sizes, buckets.bounds)
    long = pc.greater_equal(before, ziplist.LONG_ENTRY).cast(pa.int32())
    names = pc.add(pc.multiply(buckets.fields, pa.scalar(2, pa.int32())), long)
    entries = buckets.joined(
        [
            lookup(ziplist.prevlen, before, pc.max(before).as_py()),
            lookup(_field_entry, names, 2 * buckets.size),
            lookup(ziplist.string_head, lengths, longest),
            values,
        ]
    )
    last = sizes.take(pc.subtract(buckets.bounds.slice(1), pa.scalar(1, pa.int32())))
    return entries, [ziplist.last_offset(entries, last)]


def _field_entry(field_and_long: int) -> bytes:
    """Return the entry of a field (half the number) after its prevlen (odd: a long one), and one more."""
    field, long = divmod(field_and_long, 2)
    text = b"%d" % field
    entry = ziplist.string_head(len(text)) + text
    return entry + ziplist.prevlen(len(entry) + len(ziplist.prevlen(long * ziplist.LONG_ENTRY)))


def _tables(buckets: Buckets, values: pa.Array) -> tuple[Any, ...]:
    lengths = pc.binary_length(values)
    names = lookup(_field_string, buckets.fields, buckets.size - 1)
    pairs = buckets.joined([names, lookup(rdb_length, lengths, pc.max(lengths).as_py()), values])
    return plain(HASH, [lookup(rdb_length, buckets.counts, buckets.size), pairs], len(buckets)).pieces


def _field_string(field: int) -> bytes:
    return rdb_string(b"%d" % field)
