"""What an RDB file is made of besides its entries: header, padding, end and checksum. All of it is pure.

The format is that of Redis's ``src/rdb.c`` (``rdbSaveRio``, ``rdbLoadRioWithLoadingCtx``)::

    "REDIS" version  0xFA name value ...  0xFE 0  0xFB keys expires   entries ...   0xFF  CRC-64 of it all

A file is header, entries in any order, ``END`` and ``trailer``. Entries are what ``rdb_encoder`` makes; each
key may be in a file once: every server panics at the second.

NOTE(crc join): ranges of a file are written, and their CRCs computed, in any order by any number of
processes. Redis's CRC-64 begins with 0 and xors nothing in at its end, so the CRC of two ranges in a row
follows from the CRC of each and the length of the second: ``crc_join``, some hundred nanoseconds.
"""

from __future__ import annotations

from collections.abc import Mapping

from etl.encode.rdb.crc64 import CRC_BYTES, crc64, crc64_combine
from etl.encode.rdb.length import MAX_SHORT, rdb_length, rdb_string

MAGIC = b"REDIS"
END = b"\xff"

VERSIONS = (9, 10, 11)
"""RDB versions that can be written: 9 (Redis 5.0 to 6.2, ziplists), 10 (7.0, listpacks), 11 (7.2).

A server does not start from a file of a version above its own: Redis 6.2 takes 9 alone, 7.0 up to 10.
"""

DEFAULT_VERSION = 10

TRAILER_BYTES = CRC_BYTES

AUX = b"\xfa"
_SELECT = b"\xfe"
_SIZES = b"\xfb"
_LONG_LENGTH = b"\x81"

MIN_PADDING_BYTES = 3
_UNUSED = b"redis-etl-unused"
_MAX_FIELD_BYTES = 1 << 20  # a server reads a field whole


def header(version: int, aux: Mapping[bytes, bytes], *, keys: int, expires: int) -> bytes:
    """Return what stands before the entries: version, AUX fields, database 0, numbers of keys.

    ``keys`` is how many entries follow, ``expires`` how many of these expire: a server makes its tables for
    so many at once. They always take nine bytes each, so the header's length depends on version and ``aux``
    alone, and it can be written last.
    """
    fields = b"".join(AUX + rdb_string(name) + rdb_string(value) for name, value in aux.items())
    sizes = b"".join(_LONG_LENGTH + number.to_bytes(8, "big") for number in (keys, expires))
    return b"%b%04d%b%b\0%b%b" % (MAGIC, version, fields, _SELECT, _SIZES, sizes)


def padding(nbytes: int) -> bytes:
    """Return exactly so many bytes (MIN_PADDING_BYTES at least, or none) that every server passes over.

    They are AUX fields of a name that servers do not know, which they log at the level "debug" only, with
    zeros in them. Raises ValueError for fewer bytes than a field has.
    """
    if 0 < nbytes < MIN_PADDING_BYTES:
        raise ValueError(f"{nbytes} bytes are too few for an AUX field")
    fields: list[bytes] = []
    while nbytes:
        size = nbytes
        if size > _MAX_FIELD_BYTES:
            size = min(_MAX_FIELD_BYTES, nbytes - MIN_PADDING_BYTES)
        fields.append(_unused_field(size))
        nbytes -= size
    return b"".join(fields)


def _unused_field(nbytes: int) -> bytes:
    name = _UNUSED if nbytes >= len(_UNUSED) + MIN_PADDING_BYTES else b""
    while True:
        start = AUX + rdb_string(name)
        head_bytes = next(size for size, most in MAX_SHORT.items() if nbytes - len(start) - size <= most)
        value_bytes = nbytes - len(start) - head_bytes
        head = rdb_length(value_bytes)
        if len(head) == head_bytes:
            return start + head + bytes(value_bytes)
        name += b"-"  # one byte less of value has a shorter head: the byte between goes into the name


def trailer(crc: int) -> bytes:
    """Return the file's last bytes; ``crc`` is of all before them, with ``END``."""
    return crc.to_bytes(TRAILER_BYTES, "little")


def crc_of(data: bytes | memoryview, crc: int = 0) -> int:
    """Return the CRC-64 of bytes; ``crc`` is that of the bytes before them."""
    return crc64()(data, crc)


def crc_join(first: int, second: int, second_bytes: int) -> int:
    """Return the CRC-64 of two ranges in a row, from that of each and the second's length: NOTE(crc join)."""
    return crc64_combine()(first, second, second_bytes)
