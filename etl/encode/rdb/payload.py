"""Hashes as RESTORE takes them: the bytes that DUMP gives, vectorised.

A payload is a value as in an RDB file (Redis ``src/rdb.c``, ``rdbSaveObject``): a type, then the value; then
the RDB version in two bytes and the CRC-64 of everything before in eight (``src/cluster.c``,
``createDumpPayload``), both little endian. These types serve:

- RDB_TYPE_HASH_LISTPACK: the whole hash as one string, a listpack of names and values by turns. The server
  checks it and takes it as it is.
- RDB_TYPE_HASH_ZIPLIST: the same with a ziplist, for servers before Redis 7.0: see ``HashEncoding``.
- RDB_TYPE_HASH: number of fields, then names and values, each a string with its length. The server builds the
  hash from them. For records that do not suit a listpack: see ``unfit``.

NOTE(body): the bytes before the listpack's elements say how long all of it is, which is known when the
elements are joined. So elements are joined first (the *body*), and what goes before them (the *start*) is
looked up by the body's length. Listpacks and ziplists both begin with their size in four bytes.

NOTE(crc): the one call a record of this package is the CRC of its body. No Arrow function computes one, and
one made of table lookups by column, eight bytes a step, takes half as long again (measured). The CRC is
linear (nothing is xored in at its begin and end): of a start and a body it is the CRC of the start and as
many zeros, looked up by the body's length, xor the CRC of the body.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl.encode.rdb import ziplist
from etl.encode.rdb.crc64 import CRC_BYTES, Start, crcs
from etl.encode.rdb.length import rdb_length
from etl.encode.rdb.listpack import END, MAX_STRING_BYTES, element, element_pieces
from etl.encode.resp.lookup import join_lookups, lookup
from etl.encode.resp.protocol import BINARY, CRLF, join_column

HASH = b"\x04"
HASH_ZIPLIST = b"\x0d"
HASH_LISTPACK = b"\x10"
VERSION_BYTES = 2

_SIZE_BYTES = 4

MAX_FIELDS = 512
"""Fields of a hash that is sent as a listpack: Redis's own bound (``hash-max-listpack-entries``)."""

MAX_LISTPACK_BYTES = 64 * 1024
"""Size of a hash that is sent as a listpack: what Redis's own bounds, 512 fields of 64 bytes, come to."""


Fields = Sequence[tuple[bytes, pa.Array]]
"""Names, each once, and their ``binary`` values (null: the record has no such field)."""


@dataclass(frozen=True, slots=True)
class HashEncoding:
    """How small hashes are written: ``encoding`` is what the server's OBJECT ENCODING calls it.

    ``version`` is the RDB version of the payload; servers take those of older ones. ``start`` and ``head``
    return what is before a body, without and with the RESP length of the argument.
    """

    encoding: str
    version: bytes
    max_name_bytes: int
    pieces: Callable[[Fields, int], list[Any]]
    start: Start
    head: Start


@dataclass(frozen=True, slots=True)
class Payloads:
    """A payload a record, in three pieces: the argument's length and the start, the body, the CRC."""

    head: Any
    body: pa.Array
    crc: pa.Array

    @property
    def pieces(self) -> list[Any]:
        return [self.head, self.body, self.crc]


def hashes(fields: Fields, records: int, form: HashEncoding) -> Payloads:
    """Make the payloads of hashes; every record has one field at least."""
    fields = [(name, values) for name, values in fields if values.null_count < len(values)]
    bad = unfit(fields, records, form)
    if bad is None:
        made = _sealed(form.pieces(fields, records), records, form.start, form.head, form.version)
        bad = _longer(pc.binary_length(made.body), MAX_LISTPACK_BYTES)
        if bad is None:
            return made
    return _mixed(fields, bad, form)


def unfit(fields: Fields, records: int, form: HashEncoding) -> pa.Array | None:
    """Return which records do not suit a listpack or ziplist, but for their size; None: all of them do.

    Those with more than MAX_FIELDS fields, a value of more than MAX_STRING_BYTES, or too long a name.
    """
    masks = [_longer(pc.binary_length(values), MAX_STRING_BYTES) for _, values in fields]
    masks += [values.is_valid() for name, values in fields if len(name) > form.max_name_bytes]
    if len(fields) > MAX_FIELDS:
        masks.append(_longer(_counts(fields, records), MAX_FIELDS))
    bad: pa.Array | None = None
    for mask in masks:
        if mask is not None:
            bad = mask if bad is None else pc.or_(bad, mask)
    return bad


def _longer(lengths: pa.Array, most: int) -> pa.Array | None:
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


def _mixed(fields: Fields, bad: pa.Array, form: HashEncoding) -> Payloads:
    """Write the records that suit ``form`` in it and the ``bad`` ones as hash tables, in their order."""
    rest, others = pc.indices_nonzero(pc.invert(bad)), pc.indices_nonzero(bad)
    tables = _tables(_taken(fields, others), len(others), form)
    if not len(rest):
        return tables
    small = hashes(_taken(fields, rest), len(rest), form)
    order = pc.sort_indices(pa.concat_arrays([rest, others]))
    both = [
        pa.concat_arrays([_column(left), _column(right)]).take(order)
        for left, right in zip(small.pieces, tables.pieces, strict=True)
    ]
    return Payloads(*both)


def _taken(fields: Fields, indices: pa.Array) -> Fields:
    taken = [(name, values.take(indices)) for name, values in fields]
    return [(name, values) for name, values in taken if values.null_count < len(values)]


def _column(piece: Any) -> pa.Array:
    return piece if isinstance(piece, pa.Array) else piece.column()


def _listpack_pieces(fields: Fields, records: int) -> list[Any]:
    pieces: list[Any] = [_each_count(fields, records, _element_count)]
    for name, values in fields:
        pieces += element_pieces(values, before=element(name))
    return [*pieces, END]


def _ziplist_pieces(fields: Fields, records: int) -> list[Any]:
    return ziplist.pieces(fields, _each_count(fields, records, _element_count), records)


def _tables(fields: Fields, records: int, form: HashEncoding) -> Payloads:
    pieces: list[Any] = [_each_count(fields, records, rdb_length)]
    for name, values in fields:
        before = rdb_length(len(name)) + name
        lengths = pc.binary_length(values)
        pieces += [lookup(rdb_length, lengths, pc.max(lengths).as_py(), before=before), values]
    return _sealed(pieces, records, _table_start, _table_head, form.version)


def listpacks(elements: pa.Array, fields: int) -> Payloads:
    """Make the payloads of hashes that all have this many fields, given each one's elements in a row."""
    pieces = [_element_count(fields), elements, END]
    return _sealed(pieces, len(elements), LISTPACK.start, LISTPACK.head, LISTPACK.version)


def _each_count(fields: Fields, records: int, make: Callable[[int], bytes]) -> Any:
    if not any(values.null_count for _, values in fields):
        return make(len(fields))
    return lookup(make, _counts(fields, records), len(fields))


def _element_count(fields: int) -> bytes:
    return (2 * fields).to_bytes(2, "little")


def _sealed(pieces: Sequence[Any], records: int, start: Start, head: Start, version: bytes) -> Payloads:
    """Join the bodies, and add what goes before (by ``start`` and ``head``) and after them: NOTE(body)."""
    body = join_column(join_lookups([*pieces, version]), records)
    lengths = pc.binary_length(body)
    longest = pc.max(lengths).as_py()
    return Payloads(lookup(head, lengths, longest), body, crcs(body, lengths, longest, start))


def _string_start(kind: bytes, body_bytes: int) -> bytes:
    """Return the payload's bytes before the body: type, length of the string, its own first four bytes."""
    total = _SIZE_BYTES + body_bytes - VERSION_BYTES
    return kind + rdb_length(total) + total.to_bytes(_SIZE_BYTES, "little")


def _listpack_start(body_bytes: int) -> bytes:
    return _string_start(HASH_LISTPACK, body_bytes)


def _ziplist_start(body_bytes: int) -> bytes:
    return _string_start(HASH_ZIPLIST, body_bytes)


def _table_start(body_bytes: int) -> bytes:
    return HASH


def _listpack_head(body_bytes: int) -> bytes:
    return _argument_head(_listpack_start(body_bytes), body_bytes)


def _ziplist_head(body_bytes: int) -> bytes:
    return _argument_head(_ziplist_start(body_bytes), body_bytes)


def _table_head(body_bytes: int) -> bytes:
    return _argument_head(_table_start(body_bytes), body_bytes)


def _argument_head(start: bytes, body_bytes: int) -> bytes:
    """Return the start with the RESP length of the whole payload in front."""
    return b"\r\n$%d\r\n%b" % (len(start) + body_bytes + CRC_BYTES, start)


LISTPACK = HashEncoding(
    "listpack",
    (10).to_bytes(VERSION_BYTES, "little"),
    MAX_STRING_BYTES,
    _listpack_pieces,
    _listpack_start,
    _listpack_head,
)
"""Of Redis 7.0 and later: RDB version 10 is the first that knows listpacks of hashes."""

ZIPLIST = HashEncoding(
    "ziplist",
    (9).to_bytes(VERSION_BYTES, "little"),
    ziplist.MAX_NAME_BYTES,
    _ziplist_pieces,
    _ziplist_start,
    _ziplist_head,
)
"""Of servers before Redis 7.0: RDB version 9 is that of Redis 5.0 to 6.2."""

HASH_ENCODINGS = (LISTPACK, ZIPLIST)
"""What a server is asked for, one after the other."""


def payload_texts(made: Payloads) -> list[bytes]:
    """Return the payloads themselves, without the length in front (a slow path)."""
    arguments = join_column([_column(piece) for piece in made.pieces], len(made.body)).to_pylist()
    return [found.split(CRLF, 2)[2] for found in arguments]


def payload(fields: Sequence[tuple[bytes, bytes]], form: HashEncoding) -> bytes:
    """Return the payload of one hash, as DUMP gives it when the server does not compress."""
    columns = [(name, pa.array([value], BINARY)) for name, value in fields]
    (found,) = payload_texts(hashes(columns, 1, form))
    return found
