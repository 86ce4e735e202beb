"""Hashes as RESTORE takes them: the bytes that DUMP gives, vectorised.

A payload is a value as in an RDB file (``hashes.py``): a type, then the value; then the RDB version in two
bytes and the CRC-64 of everything before in eight (``src/cluster.c``, ``createDumpPayload``), both little
endian.

NOTE(crc): the one call a record of this package is the CRC of its body. No Arrow function computes one, and
one made of table lookups by column, eight bytes a step, takes half as long again (measured). The CRC is
linear (nothing is xored in at its begin and end): of a start and a body it is the CRC of the start and as
many zeros, looked up by the body's length, xor the CRC of the body.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl.encode.rdb.crc64 import CRC_BYTES, Start, crcs
from etl.encode.rdb.hashes import (
    HASH,
    HASH_LISTPACK,
    HASH_ZIPLIST,
    LISTPACK,
    Fields,
    HashEncoding,
    Written,
    box_start,
    element_count,
    write_hashes,
)
from etl.encode.rdb.listpack import END
from etl.encode.resp.lookup import join_lookups, lookup
from etl.encode.resp.protocol import BINARY, CRLF, join_column

VERSION_BYTES = 2


def hashes(fields: Fields, records: int, form: HashEncoding) -> Sequence[Any]:
    """Return the payloads of hashes as arguments of RESTORE, in pieces for ``join_lookups``.

    Every record has one field at least.
    """
    return write_hashes(fields, records, form, partial(_sealed, form.version))


def listpacks(elements: pa.Array, fields: int) -> Sequence[Any]:
    """Return the payloads of hashes that all have this many fields, given each one's elements in a row."""
    pieces = [element_count(fields), elements, END]
    return _sealed(LISTPACK.version, HASH_LISTPACK, pieces, len(elements)).pieces


def _sealed(version: int, kind: bytes, pieces: Sequence[Any], records: int) -> Written:
    """Join the bodies, and add what goes before and after them: NOTE(body) in ``encode/rdb/hashes.py``.

    The pieces are three: the argument's length with the start, the body, the CRC.
    """
    body = join_column(join_lookups([*pieces, version.to_bytes(VERSION_BYTES, "little")]), records)
    lengths = pc.binary_length(body)
    longest = pc.max(lengths).as_py()
    start, head = _STARTS[kind]
    return Written((lookup(head, lengths, longest), body, crcs(body, lengths, longest, start)), lengths)


def _listpack_start(body_bytes: int) -> bytes:
    return HASH_LISTPACK + box_start(body_bytes - VERSION_BYTES)


def _ziplist_start(body_bytes: int) -> bytes:
    return HASH_ZIPLIST + box_start(body_bytes - VERSION_BYTES)


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


_STARTS: Mapping[bytes, tuple[Start, Callable[[int], bytes]]] = {
    HASH: (_table_start, _table_head),
    HASH_ZIPLIST: (_ziplist_start, _ziplist_head),
    HASH_LISTPACK: (_listpack_start, _listpack_head),
}
"""For each type what stands before a body, by its length, without and with the RESP length in front."""


def payload_texts(made: Sequence[Any], records: int) -> list[bytes]:
    """Return the payloads themselves, without the length in front (a slow path)."""
    arguments = join_column(join_lookups(made), records).to_pylist()
    return [found.split(CRLF, 2)[2] for found in arguments]


def payload(fields: Sequence[tuple[bytes, bytes]], form: HashEncoding) -> bytes:
    """Return the payload of one hash, as DUMP gives it when the server does not compress."""
    columns = [(name, pa.array([value], BINARY)) for name, value in fields]
    (found,) = payload_texts(hashes(columns, 1, form), 1)
    return found
