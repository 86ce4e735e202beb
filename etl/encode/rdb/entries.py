"""Keys with their values as an RDB file holds them, vectorised: expiry, type, key, value.

``src/rdb.c``, ``rdbSaveKeyValuePair``: where a key expires, 0xFC and the milliseconds since 1970 in eight
bytes, little endian; the type in one byte, the key as a string, the value. It depends on no neighbour.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl.encode.rdb.hashes import HASH, Written, box_start
from etl.encode.rdb.length import rdb_length
from etl.encode.resp.lookup import join_lookups, lookup, with_length
from etl.encode.resp.protocol import BINARY, Piece, join_column

STRING = b"\0"

EXPIRES = b"\xfc"
_EXPIRY_BYTES = 8


@dataclass(frozen=True, slots=True)
class Values:
    """A value a record: its RDB type, and the pieces (for ``join_lookups``) of what comes after the key."""

    kind: Piece
    pieces: Sequence[Any]


def join_entries(expiry: Sequence[Any], key: Sequence[Piece], values: Values, records: int) -> pa.Array:
    """Return the entries (``binary``); ``expiry`` and ``key`` are pieces, as of ``expiry_pieces``."""
    pieces = [*expiry, values.kind, *string_pieces(key), *values.pieces]
    return join_column(join_lookups(pieces), records)


def expiry_pieces(milliseconds: pa.Array | int | None) -> list[Any]:
    """Return the pieces of expiries: when, since 1970 (int64); of one number: that of every record."""
    if milliseconds is None:
        return []
    if isinstance(milliseconds, int):
        return [EXPIRES + milliseconds.to_bytes(_EXPIRY_BYTES, "little", signed=True)]
    # As in ``listpack``, integers are laid out in machine words: NOTE(bytes) there.
    return [EXPIRES, milliseconds.view(pa.binary(_EXPIRY_BYTES)).cast(BINARY)]


def string_pieces(pieces: Sequence[Piece]) -> list[Any]:
    """Return the pieces of one string a record, with its length in front."""
    return with_length(pieces, rdb_length)


def boxed(
    kind: bytes,
    pieces: Sequence[Any],
    records: int,
    *,
    before: bytes = b"",
    size: Callable[[int], bytes] = box_start,
) -> Written:
    """Add what goes before the bodies: NOTE(body) in ``encode/rdb/hashes.py``.

    The pieces are the type, ``before`` with the ``size`` of the body, and those of the body: how long it is
    they tell without being joined, which saves copying it.
    """
    made = join_lookups(pieces)
    lengths = _joined_lengths(made, records)
    return Written((kind, lookup(size, lengths, pc.max(lengths).as_py(), before=before), *made), lengths)


def plain(kind: bytes, pieces: Sequence[Any], records: int) -> Written:
    """Return values that do not say how long they are: the type, nothing, and the pieces of the body."""
    made = join_lookups(pieces)
    return Written((kind, b"", *made), _joined_lengths(made, records))


def _joined_lengths(pieces: Sequence[Piece], records: int) -> pa.Array:
    """Return how many bytes pieces make when they are joined (int32)."""
    fixed = sum(len(piece) for piece in pieces if isinstance(piece, bytes))
    lengths = pa.repeat(pa.scalar(fixed, pa.int32()), records)
    for piece in pieces:
        if not isinstance(piece, bytes):
            own = pc.binary_length(piece)
            lengths = pc.add(lengths, pc.fill_null(own, 0) if own.null_count else own)
    return lengths


def write_hash(kind: bytes, pieces: Sequence[Any], records: int) -> Written:
    """Put together hashes of an RDB type, for ``write_hashes``."""
    return plain(kind, pieces, records) if kind == HASH else boxed(kind, pieces, records)


def values_of(pieces: Sequence[Any]) -> Values:
    """Return the values whose type is the first of the pieces."""
    kind, *rest = pieces
    return Values(kind, rest)
