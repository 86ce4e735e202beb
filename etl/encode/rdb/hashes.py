"""Hashes as Redis stores them (``src/rdb.c``, ``rdbSaveObject``), vectorised; for RESTORE and for RDB files.

These types serve:

- RDB_TYPE_HASH_LISTPACK: the whole hash as one string, a listpack of names and values by turns. The server
  checks it and takes it as it is.
- RDB_TYPE_HASH_ZIPLIST: the same with a ziplist, for servers before Redis 7.0: see ``HashEncoding``.
- RDB_TYPE_HASH: number of fields, then names and values, each a string with its length. The server builds the
  hash from them. For records that do not suit a listpack: see ``unfit``.

NOTE(body): the bytes before the listpack's elements say how long all of it is, which is known when the
elements (the *body*) are joined, or the lengths of what they are made of added up. What goes before them (the
*start*) is looked up by the body's length. Listpacks and ziplists both begin with their size in four bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl.encode.rdb import ziplist
from etl.encode.rdb.length import rdb_length
from etl.encode.rdb.listpack import END, MAX_STRING_BYTES, element, element_pieces
from etl.encode.rdb.runs import in_order
from etl.encode.resp.lookup import lookup

HASH = b"\x04"
HASH_ZIPLIST = b"\x0d"
HASH_LISTPACK = b"\x10"

SIZE_BYTES = 4

MAX_FIELDS = 512
"""Fields of a hash that is sent as a listpack: Redis's own bound (``hash-max-listpack-entries``)."""

MAX_LISTPACK_BYTES = 64 * 1024
"""Size of a hash that is sent as a listpack: what Redis's own bounds, 512 fields of 64 bytes, come to."""


Fields = Sequence[tuple[bytes, pa.Array]]
"""Names, each once, and their ``binary`` values (null: the record has no such field)."""


@dataclass(frozen=True, slots=True)
class HashEncoding:
    """How small hashes are written: ``encoding`` is what the server's OBJECT ENCODING calls it.

    ``kind`` is the RDB type, ``version`` the first RDB version that has it; servers take those of older ones.
    """

    encoding: str
    kind: bytes
    version: int
    max_name_bytes: int
    pieces: Callable[[Fields, int], list[Any]]


@dataclass(frozen=True, slots=True)
class Written:
    """A value a record, in ``pieces`` for ``join_lookups``; ``lengths`` (int32) are those of the bodies."""

    pieces: tuple[Any, ...]
    lengths: pa.Array


Write = Callable[[bytes, Sequence[Any], int], Written]
"""Puts together values: of an RDB type, from the pieces of their bodies, for so many records."""


def write_hashes(fields: Fields, records: int, form: HashEncoding, write: Write) -> Sequence[Any]:
    """Return the pieces that ``write`` makes of hashes; every record has one field at least.

    Those that suit ``form`` are written in it, the others as hash tables.
    """
    fields = [(name, values) for name, values in fields if values.null_count < len(values)]
    bad = unfit(fields, records, form)
    if bad is None:
        made = write(form.kind, form.pieces(fields, records), records)
        bad = longer(made.lengths, MAX_LISTPACK_BYTES)
        if bad is None:
            return made.pieces
    return _mixed(fields, bad, form, write)


def unfit(fields: Fields, records: int, form: HashEncoding) -> pa.Array | None:
    """Return which records do not suit a listpack or ziplist, but for their size; None: all of them do.

    Those with more than MAX_FIELDS fields, a value of more than MAX_STRING_BYTES, or too long a name.
    """
    masks = [longer(pc.binary_length(values), MAX_STRING_BYTES) for _, values in fields]
    masks += [values.is_valid() for name, values in fields if len(name) > form.max_name_bytes]
    if len(fields) > MAX_FIELDS:
        masks.append(longer(_counts(fields, records), MAX_FIELDS))
    bad: pa.Array | None = None
    for mask in masks:
        if mask is not None:
            bad = mask if bad is None else pc.or_(bad, mask)
    return bad


def longer(lengths: pa.Array, most: int) -> pa.Array | None:
    """Return which lengths are over ``most`` (a null is not); None: none of them."""
    longest = pc.max(lengths).as_py()
    if longest is None or longest <= most:
        return None
    return pc.fill_null(pc.greater(lengths, most), False)


def _counts(fields: Fields, records: int) -> pa.Array:
    """Return the number of fields each record has (int32)."""
    always = sum(not values.null_count for _, values in fields)
    counts = pa.repeat(pa.scalar(always, pa.int32()), records)
    for _, values in fields:
        if values.null_count:
            counts = pc.add(counts, values.is_valid().cast(pa.int32()))
    return counts


def _mixed(fields: Fields, bad: pa.Array, form: HashEncoding, write: Write) -> Sequence[Any]:
    """Write the records that suit ``form`` in it and the ``bad`` ones as hash tables, in their order."""
    rest, others = pc.indices_nonzero(pc.invert(bad)), pc.indices_nonzero(bad)
    large = _taken(fields, others)
    tables = write(HASH, _table_pieces(large, len(others)), len(others)).pieces
    if not len(rest):
        return tables
    small = write_hashes(_taken(fields, rest), len(rest), form, write)
    return in_order([(rest, small), (others, tables)])


def _taken(fields: Fields, indices: pa.Array) -> Fields:
    taken = [(name, values.take(indices)) for name, values in fields]
    return [(name, values) for name, values in taken if values.null_count < len(values)]


def _listpack_pieces(fields: Fields, records: int) -> list[Any]:
    pieces: list[Any] = [_each_count(fields, records, element_count)]
    for name, values in fields:
        pieces += element_pieces(values, before=element(name))
    return [*pieces, END]


def _ziplist_pieces(fields: Fields, records: int) -> list[Any]:
    return ziplist.pieces(fields, _each_count(fields, records, element_count), records)


def _table_pieces(fields: Fields, records: int) -> list[Any]:
    pieces: list[Any] = [_each_count(fields, records, rdb_length)]
    for name, values in fields:
        before = rdb_length(len(name)) + name
        lengths = pc.binary_length(values)
        pieces += [lookup(rdb_length, lengths, pc.max(lengths).as_py(), before=before), values]
    return pieces


def _each_count(fields: Fields, records: int, make: Callable[[int], bytes]) -> Any:
    if not any(values.null_count for _, values in fields):
        return make(len(fields))
    return lookup(make, _counts(fields, records), len(fields))


def element_count(fields: int) -> bytes:
    """Return the number of elements of a hash's listpack or ziplist, as it stands there."""
    return (2 * fields).to_bytes(2, "little")


def box_start(body_bytes: int) -> bytes:
    """Return what stands before the body of a listpack or ziplist: its size, as a string's and as its own."""
    total = SIZE_BYTES + body_bytes
    return rdb_length(total) + total.to_bytes(SIZE_BYTES, "little")


LISTPACK = HashEncoding("listpack", HASH_LISTPACK, 10, MAX_STRING_BYTES, _listpack_pieces)
"""Of Redis 7.0 and later: RDB version 10 is the first that knows listpacks of hashes."""

ZIPLIST = HashEncoding("ziplist", HASH_ZIPLIST, 9, ziplist.MAX_NAME_BYTES, _ziplist_pieces)
"""Of servers before Redis 7.0: RDB version 9 is that of Redis 5.0 to 6.2."""

HASH_ENCODINGS = (LISTPACK, ZIPLIST)
"""What a server is asked for, one after the other."""


def hash_encoding(version: int) -> HashEncoding:
    """Return how small hashes are written in an RDB file of this version."""
    return next(form for form in HASH_ENCODINGS if form.version <= version)
