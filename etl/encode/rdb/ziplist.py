"""Ziplists vectorised: the compact form in which servers before Redis 7.0 keep small hashes.

The format stands in Redis's ``src/ziplist.c`` (6.2): the size of it all, the offset of the last entry, each
in four bytes, the number of entries in two (little endian), the entries, 0xFF. An entry is the size of the
one before it (``prevlen``), its encoding, its data.

| part | bytes |
|---|---|
| prevlen below 254 | one byte |
| prevlen from 254 on | ``0xFE``, four bytes |
| encoding of a string of up to 63 bytes | ``00LLLLLL`` |
| of up to 16,383 bytes | ``01LLLLLL LLLLLLLL`` |

Texts stay strings here, numbers too: a server reads them as well, and only writes numbers shorter.

NOTE(ziplist lookups): what stands before a value is the name's entry and the value's encoding. The first
depends on the size of the *value* before it and on nothing else, as no name here is long (MAX_NAME_BYTES); so
it is looked up like everything else that depends on a length (``lookup``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl.encode.resp.lookup import join_lookups, lookup
from etl.encode.resp.protocol import BINARY, join_column

MAX_NAME_BYTES = 240
"""A longer name's entry could have 254 bytes, and the value after it a longer prevlen."""

HEADER_BYTES = 10
END = b"\xff"

LONG_ENTRY = 254
_LONG_STRING = 64
_NONE = pa.array([0], pa.int32())
_NO_OWNER = pa.array([-1], pa.int64())


def prevlen(size: int) -> bytes:
    """Return the size of the entry before, as an entry begins with it."""
    return bytes((size,)) if size < LONG_ENTRY else b"\xfe" + size.to_bytes(4, "little")


def string_head(length: int) -> bytes:
    """Return the encoding of a string of this many bytes, up to 16,383."""
    return bytes((length,)) if length < _LONG_STRING else (0x4000 | length).to_bytes(2, "big")


@lru_cache(maxsize=512)
def name_entry(name: bytes) -> Callable[[int], bytes]:
    """Return the function that makes a name's entry, and the prevlen after it, from its own prevlen.

    Always the same function for a name: tables are kept by its identity.
    """

    def make(before: int) -> bytes:
        entry = prevlen(before) + string_head(len(name)) + name
        return entry + prevlen(len(entry))

    return make


def entries(fields: Sequence[tuple[bytes, pa.Array]], records: int) -> tuple[pa.Array, pa.Array]:
    """Return each record's entries in a row (``binary``), and the size of the last one (int32).

    ``fields`` are names, none longer than MAX_NAME_BYTES, and ``binary`` values (null: no such field).
    """
    pieces: list[Any] = []
    before = pa.repeat(pa.scalar(0, pa.int32()), records)
    for name, values in fields:
        lengths = pc.binary_length(values)
        longest = pc.max(lengths).as_py()
        own = (
            pc.if_else(values.is_valid(), before, pa.scalar(None, pa.int32()))
            if lengths.null_count
            else before
        )
        pieces.append(lookup(name_entry(name), own, pc.max(own).as_py()))
        pieces += [lookup(string_head, lengths, longest), values]
        size = value_sizes(lengths)
        before = pc.coalesce(size, before) if lengths.null_count else size
    return join_column(join_lookups(pieces), records), before


def pieces(fields: Sequence[tuple[bytes, pa.Array]], counts: Any, records: int) -> list[Any]:
    """Return the pieces of ziplists but for their first four bytes; ``counts`` is that of their counts."""
    joined, last = entries(fields, records)
    return [last_offset(joined, last), counts, joined, END]


def value_sizes(lengths: pa.Array) -> pa.Array:
    """Return the sizes of the entries of values (int32), given their lengths, after short names."""
    # One byte of prevlen, one or two of encoding, the value.
    second = pc.greater_equal(lengths, _LONG_STRING).cast(pa.int32())
    return pc.add(pc.add(lengths, second), pa.scalar(2, pa.int32()))


def sizes_before(sizes: pa.Array, bounds: pa.Array) -> pa.Array:
    """Return the size of the entry before each (int32): 0 for the first one after each of the ``bounds``."""
    before = pa.concat_arrays([_NONE, sizes.slice(0, len(sizes) - 1)])
    owners = pc.list_parent_indices(pa.ListArray.from_arrays(bounds, sizes))
    same = pc.equal(owners, pa.concat_arrays([_NO_OWNER, owners.slice(0, len(sizes) - 1)]))
    return pc.if_else(same, before, pa.scalar(0, pa.int32()))


def last_offset(joined: pa.Array, last: pa.Array) -> pa.Array:
    """Return, as a ziplist has it, where its last entry begins, given all its entries and the last's size."""
    # As in ``listpack``, integers are laid out in machine words: NOTE(bytes) there.
    offset = pc.add(pc.subtract(pc.binary_length(joined), last), pa.scalar(HEADER_BYTES, pa.int32()))
    return offset.view(pa.binary(4)).cast(BINARY)
