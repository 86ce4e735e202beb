"""CRC-64 of many payloads at once, as Redis computes it (Jones, reflected)."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from etl.encode.resp.lookup import LONGEST_TABLE, table_size
from etl.encode.resp.protocol import BINARY

CRC_BYTES = 8


_CRC_RECORDS = 256  # bodies that are made bytes at once; so few stay in the processor's cache


Start = Callable[[int], bytes]
"""Returns the bytes before a body, by its length. A module's function: tables are kept by its identity."""


@lru_cache(maxsize=1)
def crc64() -> Callable[..., int]:
    """Return Redis's CRC-64 (of bytes, and the CRC of the bytes before them)."""
    from anycrc import Model

    calc: Callable[..., int] = Model("CRC64-REDIS").calc
    return calc


@lru_cache(maxsize=1)
def crc64_combine() -> Callable[[int, int, int], int]:
    """Return what makes the CRC of two texts in a row of the CRC of each and the second one's length."""
    from anycrc import Model

    combine: Callable[[int, int, int], int] = Model("CRC64-REDIS").combine
    return combine


def crcs(body: pa.Array, lengths: pa.Array, longest: int, start: Start) -> pa.Array:
    """Return the payloads' last eight bytes; bodies are of these lengths. See NOTE(crc)."""
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
    """Return, for each length of a body, the CRC of its start and so many zeros."""
    return pa.array((crc64()(bytes(length), crc64()(start(length))) for length in range(size)), pa.uint64())
