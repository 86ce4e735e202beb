"""Bytes that depend on nothing but a length: made once for every length, then looked up.

NOTE(joined lookups): every piece of a join costs about as much as a short value does. What stands between
two values (the end of one, a constant, the head of the next) depends on their two lengths only, so it is
*one* lookup in a table of all pairs of lengths. ``join_lookups`` joins neighbours where the table is small.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl.encode.resp.protocol import BINARY

LONGEST_TABLE = 1 << 13
"""Longer values are rare or worth their while: their bytes are made for the lengths that occur."""

MAX_PAIRS = 1 << 12
MAX_JOINED = 32
_SMALLEST = 16


@dataclass(frozen=True, slots=True)
class Span:
    """What ``make`` gives for each length from 0 up to (not including) ``size``."""

    make: Callable[[int], bytes]
    size: int


Part = bytes | Span


@dataclass(frozen=True, slots=True)
class Lookup:
    """A piece made of ``parts``; ``index`` says which entry of their table a record has (null: nothing)."""

    parts: tuple[Part, ...]
    index: pa.Array

    @property
    def entries(self) -> int:
        entries = 1
        for part in self.parts:
            entries *= 1 if isinstance(part, bytes) else part.size
        return entries

    def column(self) -> pa.Array:
        """Look the bytes up: a ``binary`` column."""
        table = joined_texts if len(self.spans) > 1 else texts
        return table(self.parts).take(self.index)

    @property
    def spans(self) -> list[Span]:
        return [part for part in self.parts if isinstance(part, Span)]


def lookup(
    make: Callable[[int], bytes], lengths: pa.Array, longest: int, *, before: bytes = b"", after: bytes = b""
) -> Any:
    """Return ``before + make(length) + after`` for each length (int32), null for null.

    The piece is a Lookup, or a ``binary`` column where a table would be long. ``make`` is a pure function
    of the module's, because tables are kept by its identity.
    """
    if longest >= LONGEST_TABLE:
        return _by_value(make, lengths, before, after)
    return Lookup((before, Span(make, table_size(longest)), after), lengths)


def with_length(pieces: Sequence[Any], head: Callable[[int], bytes]) -> list[Any]:
    """Return the pieces of one text a record, of bytes and columns, and in front ``head`` of its length."""
    arrays = [piece for piece in pieces if not isinstance(piece, bytes)]
    fixed = sum(len(piece) for piece in pieces if isinstance(piece, bytes))
    if not arrays:
        return [head(fixed), *pieces]
    lengths = pa.scalar(fixed, pa.int32())
    for array in arrays:
        lengths = pc.add(lengths, pc.binary_length(array))
    return [lookup(head, lengths, pc.max(lengths).as_py()), *pieces]


def table_size(longest: int) -> int:
    """Return the size of a table that has an entry for ``longest``; few sizes, so that tables are kept."""
    return max(_SMALLEST, 1 << longest.bit_length())


def _by_value(make: Callable[[int], bytes], lengths: pa.Array, before: bytes, after: bytes) -> pa.Array:
    encoded = pc.dictionary_encode(lengths)
    made = [before + make(length) + after for length in encoded.dictionary.to_pylist()]
    return pa.array(made, BINARY).take(encoded.indices)


def join_lookups(pieces: Sequence[Any]) -> list[Any]:
    """Return the same pieces in fewer, as bytes and columns: see NOTE(joined lookups)."""
    merged: list[Any] = []
    joins_made = 0
    for piece in pieces:
        both = _together(merged[-1], piece, joins_made < MAX_JOINED) if merged else None
        if both is None:
            merged.append(piece)
        else:
            merged[-1] = both
            joins_made += isinstance(both, Lookup) and len(both.spans) > 1
    return [piece.column() if isinstance(piece, Lookup) else piece for piece in merged]


def _together(left: Any, right: Any, may_join: bool) -> Any:
    if isinstance(left, bytes) and isinstance(right, bytes):
        return left + right
    if isinstance(left, bytes) and _everywhere(right):
        return Lookup((left, *right.parts), right.index)
    if _everywhere(left) and isinstance(right, bytes):
        return Lookup((*left.parts, right), left.index)
    if may_join and _everywhere(left) and _everywhere(right) and left.entries * right.entries <= MAX_PAIRS:
        index = pc.add(pc.multiply(left.index, pa.scalar(right.entries, pa.int32())), right.index)
        return Lookup(left.parts + right.parts, index)
    return None


def _everywhere(piece: Any) -> bool:
    """Return True if a piece is a lookup that every record has; of another, neighbours must stay apart."""
    return isinstance(piece, Lookup) and not piece.index.null_count


def _table(parts: tuple[Part, ...]) -> pa.Array:
    choices = [
        [part] if isinstance(part, bytes) else list(map(part.make, range(part.size))) for part in parts
    ]
    return pa.array(map(b"".join, product(*choices)), BINARY)


# A process keeps the tables of its columns: at most some ten megabytes for very wide or very long records.
texts = lru_cache(maxsize=512)(_table)
joined_texts = lru_cache(maxsize=2 * MAX_JOINED)(_table)
