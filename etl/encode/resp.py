"""RESP made by columns: one vectorised join makes the bytes of a whole batch.

NOTE(join): ``pyarrow.compute.binary_join_element_wise`` over literals, lengths and columns gives an array
whose data buffer *is* the wire and whose offsets are the record boundaries; no record is touched by Python.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl.template import Field, Part, Template

CRLF = b"\r\n"
_BINARY = pa.binary()
_PREFIXES = pa.array([b"$%d\r\n" % length for length in range(1024)], _BINARY)


def array_header(elements: int) -> bytes:
    """Give the head of a RESP array: ``*3\\r\\n``."""
    return b"*%d\r\n" % elements


def bulk(value: bytes) -> bytes:
    """Give one RESP bulk string."""
    return b"$%d\r\n%b\r\n" % (len(value), value)


def command_head(name: bytes, arguments: int) -> bytes:
    """Give the array header and the name of a command that has so many arguments besides."""
    return array_header(arguments + 1) + bulk(name)


def column(batch: pa.RecordBatch, name: str) -> pa.Array:
    """Give a field of the batch as ``binary``; numbers as their decimal text."""
    values = batch.column(name)
    if values.type == _BINARY:
        return values
    return values.cast(pa.string()).cast(_BINARY)


def bulks(template: Template, batch: pa.RecordBatch) -> list[Any]:
    """Give the pieces of one bulk string a record: ``$length\\r\\n``, the template's parts, ``\\r\\n``."""
    pieces = _resolved(template.parts, batch)
    return [*_length_prefix(pieces, batch.num_rows), *pieces, CRLF]


def _resolved(parts: Iterable[Part], batch: pa.RecordBatch) -> list[Any]:
    # A template may name a field twice; it is turned into text once.
    columns: dict[str, pa.Array] = {}
    for part in parts:
        if isinstance(part, Field) and part.name not in columns:
            columns[part.name] = column(batch, part.name)
    return [columns[part.name] if isinstance(part, Field) else part for part in parts]


def _length_prefix(pieces: Sequence[Any], records: int) -> list[Any]:
    fixed = sum(len(piece) for piece in pieces if isinstance(piece, bytes))
    arrays = [piece for piece in pieces if not isinstance(piece, bytes)]
    if not arrays:
        return [b"$%d\r\n" % fixed]
    lengths = pc.binary_length(arrays[0])
    for array in arrays[1:]:
        lengths = pc.add(lengths, pc.binary_length(array))
    if fixed:
        lengths = pc.add(lengths, pa.scalar(fixed, lengths.type))
    # The table costs a third of the cast; only long values need the cast.
    if records and pc.max(lengths).as_py() < len(_PREFIXES):
        return [_PREFIXES.take(lengths)]
    return [b"$", lengths.cast(pa.string()).cast(_BINARY), CRLF]


def join(pieces: Sequence[Any], records: int) -> Joined:
    """Join the pieces record by record, in one call: see NOTE(join)."""
    merged: list[Any] = []
    for piece in pieces:
        if isinstance(piece, bytes) and merged and isinstance(merged[-1], bytes):
            merged[-1] += piece
        else:
            merged.append(piece)
    if len(merged) == 1 and isinstance(merged[0], bytes):
        merged[0] = pa.repeat(pa.scalar(merged[0], _BINARY), records)
    scalars = [pa.scalar(piece, _BINARY) if isinstance(piece, bytes) else piece for piece in merged]
    return Joined(pc.binary_join_element_wise(*scalars, pa.scalar(b"", _BINARY)))


class Joined:
    """The bytes of a batch: ``data`` from ``offsets[i]`` to ``offsets[i + 1]`` are those of record ``i``."""

    __slots__ = ("data", "offsets")

    def __init__(self, array: pa.Array) -> None:
        _, offsets, data = array.buffers()
        self.offsets: Sequence[int] = memoryview(offsets).cast("i")[: len(array) + 1]
        self.data: memoryview = memoryview(data if data is not None else b"").cast("B")[: self.offsets[-1]]


def groups(offsets: Sequence[int], *, records: int, nbytes: int) -> list[int]:
    """Cut a batch into groups of at most ``records`` records and ``nbytes`` bytes (but at least one record).

    Gives the boundaries: group ``j`` is ``[boundaries[j], boundaries[j + 1])``.
    """
    last = len(offsets) - 1
    boundaries = [0]
    while (start := boundaries[-1]) < last:
        stop = min(start + records, last)
        limit = offsets[start] + nbytes
        if offsets[stop] > limit:
            stop = max(start + 1, bisect_right(offsets, limit, start, stop) - 1)
        boundaries.append(stop)
    return boundaries
