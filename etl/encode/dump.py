"""Hashes as RESTORE takes them: the bytes that DUMP gives, made by columns.

A payload is a value as in an RDB file (Redis ``src/rdb.c``, ``rdbSaveObject``): a type, then the value; then
the RDB version in two bytes and the CRC-64 of everything before in eight (``src/cluster.c``,
``createDumpPayload``), both little endian. Two types serve:

- RDB_TYPE_HASH_LISTPACK: the whole hash as one string, a listpack of names and values by turns. The server
  checks it and takes it as it is.
- RDB_TYPE_HASH: number of fields, then names and values, each a string with its length. The server builds the
  hash from them. For records that do not suit a listpack: see ``unfit``.

NOTE(body): the bytes before the listpack's elements say how long all of it is, which is known when the
elements are joined. So elements are joined first (the *body*), and what goes before them (the *start*) is
looked up by the body's length.

NOTE(crc): the one call a record of this package is the CRC of its body. No Arrow function computes one, and
one made of table lookups by column, eight bytes a step, takes half as long again (measured). The CRC is
linear (nothing is xored in at its begin and end): of a start and a body it is the CRC of the start and as
many zeros, looked up by the body's length, xor the CRC of the body.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl.encode.listpack import (
    END,
    HEADER_BYTES,
    MOST_STRING_BYTES,
    element,
    element_pieces,
    header,
)
from etl.encode.lookup import LONGEST_TABLE, fused, lookup, table_size
from etl.encode.resp import BINARY, CRLF, join_column

HASH = b"\x04"
HASH_LISTPACK = b"\x10"
VERSION = (10).to_bytes(2, "little")
"""RDB version 10, of Redis 7.0: the first that knows listpacks of hashes; servers take older ones."""

CRC_BYTES = 8

MOST_FIELDS = 512
"""Fields of a hash that is sent as a listpack: Redis's own bound (``hash-max-listpack-entries``)."""

MOST_LISTPACK_BYTES = 64 * 1024
"""Size of a hash that is sent as a listpack: what Redis's own bounds, 512 fields of 64 bytes, come to."""

_CRC_RECORDS = 256  # bodies that are made bytes at once; so few stay in the processor's cache

Start = Callable[[int], bytes]
"""Gives the bytes before a body, by its length. A module's function: tables are kept by its identity."""

Fields = Sequence[tuple[bytes, pa.Array]]
"""Names, each once, and their ``binary`` values (null: the record has no such field)."""


@dataclass(frozen=True, slots=True)
class Payloads:
    """A payload a record, in three pieces: the argument's length and the start, the body, the CRC."""

    head: Any
    body: pa.Array
    crc: pa.Array

    @property
    def pieces(self) -> list[Any]:
        return [self.head, self.body, self.crc]


def hashes(fields: Fields, records: int) -> Payloads:
    """Make the payloads of hashes; every record has one field at least."""
    fields = [(name, values) for name, values in fields if values.null_count < len(values)]
    bad = unfit(fields, records)
    if bad is None:
        made = _listpacks(fields, records)
        bad = _longer(pc.binary_length(made.body), MOST_LISTPACK_BYTES)
        if bad is None:
            return made
    return _mixed(fields, bad)


def unfit(fields: Fields, records: int) -> pa.Array | None:
    """Say which records do not suit a listpack, but for their size as a whole; None: all of them do.

    Those with more than MOST_FIELDS fields, or a name or value of more than MOST_STRING_BYTES.
    """
    masks = [_longer(pc.binary_length(values), MOST_STRING_BYTES) for _, values in fields]
    masks += [values.is_valid() for name, values in fields if len(name) > MOST_STRING_BYTES]
    if len(fields) > MOST_FIELDS:
        masks.append(_longer(_counts(fields, records), MOST_FIELDS))
    bad: pa.Array | None = None
    for mask in masks:
        if mask is not None:
            bad = mask if bad is None else pc.or_(bad, mask)
    return bad


def _longer(lengths: pa.Array, most: int) -> pa.Array | None:
    """Say which lengths are over ``most`` (a null is not); None: none of them."""
    longest = pc.max(lengths).as_py()
    if longest is None or longest <= most:
        return None
    return pc.fill_null(pc.greater(lengths, most), False)


def _counts(fields: Fields, records: int) -> pa.Array:
    """Give the number of fields each record has (int32)."""
    always = sum(not values.null_count for _, values in fields)
    counts = pa.repeat(pa.scalar(always, pa.int32()), records)
    for _, values in fields:
        if values.null_count:
            counts = pc.add(counts, values.is_valid().cast(pa.int32()))
    return counts


def _mixed(fields: Fields, bad: pa.Array) -> Payloads:
    """Make listpacks of the records that suit one and hash tables of the ``bad`` ones, in their order."""
    rest, others = pc.indices_nonzero(pc.invert(bad)), pc.indices_nonzero(bad)
    tables = _tables(_taken(fields, others), len(others))
    if not len(rest):
        return tables
    listpacks = hashes(_taken(fields, rest), len(rest))
    order = pc.sort_indices(pa.concat_arrays([rest, others]))
    both = [
        pa.concat_arrays([_column(left), _column(right)]).take(order)
        for left, right in zip(listpacks.pieces, tables.pieces, strict=True)
    ]
    return Payloads(*both)


def _taken(fields: Fields, indices: pa.Array) -> Fields:
    taken = [(name, values.take(indices)) for name, values in fields]
    return [(name, values) for name, values in taken if values.null_count < len(values)]


def _column(piece: Any) -> pa.Array:
    return piece if isinstance(piece, pa.Array) else piece.column()


def _listpacks(fields: Fields, records: int) -> Payloads:
    pieces: list[Any] = [_each_count(fields, records, _element_count)]
    for name, values in fields:
        pieces += element_pieces(values, before=element(name))
    return _sealed([*pieces, END], records, _listpack_start, _listpack_head)


def _tables(fields: Fields, records: int) -> Payloads:
    pieces: list[Any] = [_each_count(fields, records, rdb_length)]
    for name, values in fields:
        before = rdb_length(len(name)) + name
        lengths = pc.binary_length(values)
        pieces += [lookup(rdb_length, lengths, pc.max(lengths).as_py(), before=before), values]
    return _sealed(pieces, records, _table_start, _table_head)


def listpacks(elements: pa.Array, fields: int) -> Payloads:
    """Make the payloads of hashes that all have this many fields, given each one's elements in a row."""
    return _sealed([_element_count(fields), elements, END], len(elements), _listpack_start, _listpack_head)


def _each_count(fields: Fields, records: int, make: Callable[[int], bytes]) -> Any:
    if not any(values.null_count for _, values in fields):
        return make(len(fields))
    return lookup(make, _counts(fields, records), len(fields))


def _element_count(fields: int) -> bytes:
    return (2 * fields).to_bytes(2, "little")


def _sealed(pieces: Sequence[Any], records: int, start: Start, head: Start) -> Payloads:
    """Join the bodies, and add what goes before (by ``start`` and ``head``) and behind them: NOTE(body)."""
    body = join_column(fused([*pieces, VERSION]), records)
    lengths = pc.binary_length(body)
    longest = pc.max(lengths).as_py()
    return Payloads(lookup(head, lengths, longest), body, _crcs(body, lengths, longest, start))


def rdb_length(length: int) -> bytes:
    """Give a length as RDB files have it: in one, two or five bytes."""
    if length < 64:
        return bytes((length,))
    if length < 1 << 14:
        return bytes((0x40 | length >> 8, length & 255))
    return b"\x80" + length.to_bytes(4, "big")


def _listpack_start(body_bytes: int) -> bytes:
    """Give the payload's bytes before the body: type, the listpack's length, its header without a count."""
    total = HEADER_BYTES - len(_element_count(0)) + body_bytes - len(VERSION)
    return HASH_LISTPACK + rdb_length(total) + header(total, 0)[:4]


def _table_start(body_bytes: int) -> bytes:
    return HASH


def _listpack_head(body_bytes: int) -> bytes:
    return _argument_head(_listpack_start(body_bytes), body_bytes)


def _table_head(body_bytes: int) -> bytes:
    return _argument_head(_table_start(body_bytes), body_bytes)


def _argument_head(start: bytes, body_bytes: int) -> bytes:
    """Give the start with the RESP length of the whole payload in front."""
    return b"\r\n$%d\r\n%b" % (len(start) + body_bytes + CRC_BYTES, start)


@lru_cache(maxsize=1)
def crc64() -> Callable[..., int]:
    """Give Redis's CRC-64 (of bytes, and the CRC of the bytes before them)."""
    from anycrc import Model

    calc: Callable[..., int] = Model("CRC64-REDIS").calc
    return calc


def _crcs(body: pa.Array, lengths: pa.Array, longest: int, start: Start) -> pa.Array:
    """Give the payloads' last eight bytes; bodies are of these lengths. See NOTE(crc)."""
    if longest < LONGEST_TABLE:
        crcs = pa.Array.from_buffers(pa.uint64(), len(body), [None, pa.py_buffer(_each_crc(body))])
        crcs = pc.bit_wise_xor(crcs, _start_crcs(start, table_size(longest)).take(lengths))
    else:
        seeds = map(crc64(), map(start, lengths.to_pylist()))
        crcs = pa.array(map(crc64(), body.to_pylist(), seeds), pa.uint64())
    return crcs.view(pa.binary(CRC_BYTES)).cast(BINARY)


def _each_crc(body: pa.Array) -> array[int]:
    crcs = array("Q")
    for at in range(0, len(body), _CRC_RECORDS):
        crcs.extend(map(crc64(), body.slice(at, _CRC_RECORDS).to_pylist()))
    return crcs


@lru_cache(maxsize=32)
def _start_crcs(start: Start, size: int) -> pa.Array:
    """Give, for each length of a body, the CRC of its start and so many zeros."""
    return pa.array((crc64()(bytes(length), crc64()(start(length))) for length in range(size)), pa.uint64())


def payload_texts(made: Payloads) -> list[bytes]:
    """Give the payloads themselves, without the length in front (a slow path)."""
    arguments = join_column([_column(piece) for piece in made.pieces], len(made.body)).to_pylist()
    return [found.split(CRLF, 2)[2] for found in arguments]


def payload(fields: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Give the payload of one hash, as DUMP gives it when the server does not compress."""
    columns = [(name, pa.array([value], BINARY)) for name, value in fields]
    (found,) = payload_texts(hashes(columns, 1))
    return found
