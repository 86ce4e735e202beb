"""Streams of one entry as an RDB file holds them, vectorised: ``src/t_stream.c``, ``src/rdb.c``.

RDB_TYPE_STREAM_LISTPACKS, which every server since Redis 5.0 reads: the number of nodes; of each the id of
its first entry in 16 bytes, and a listpack; the number of entries, the last id, the number of groups. The
listpack of a node has how many entries it has and how many are deleted, the names of the fields that its
entries have in common, a zero; then each entry: flags, how far its id is from the node's, the values, and of
how many elements that was.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl.encode.rdb.compact import count_bytes
from etl.encode.rdb.entries import Values, boxed
from etl.encode.rdb.length import rdb_length, rdb_string
from etl.encode.rdb.listpack import END, element, element_pieces
from etl.encode.resp.columns import Columns
from etl.encode.resp.lookup import lookup
from etl.encode.resp.protocol import BINARY
from etl.encode.resp.spread import spread_fields

STREAM = b"\x0f"

_ONE, _ZERO = element(b"1"), element(b"0")
_SAME_FIELDS = element(b"2")
_ALSO = 8  # elements of a node of one entry besides names and values


@dataclass(frozen=True, slots=True)
class StreamLayout:
    """A stream of one entry, of the fields ``{*}``; its id is ``id_ms`` (since 1970) and 0."""

    id_ms: int

    def values(self, columns: Columns) -> Values:
        fields = [
            (name, values)
            for name, values in dict(spread_fields(columns)).items()
            if values.null_count < len(values)
        ]
        counts = pa.repeat(pa.scalar(0, pa.int32()), columns.records)
        for _, values in fields:
            counts = pc.add(counts, values.is_valid().cast(pa.int32()))
        many = pc.max(counts).as_py()
        pieces: list[Any] = [lookup(_master_head, counts, many)]
        pieces += [_where_valid(element(name), values) for name, values in fields]
        pieces.append(_ZERO + _SAME_FIELDS + 2 * _ZERO)
        for _, values in fields:
            pieces += element_pieces(values, before=b"")
        pieces.append(lookup(_entry_tail, counts, many))
        first = rdb_string(struct.pack(">QQ", self.id_ms, 0))
        node = boxed(STREAM, pieces, columns.records, before=rdb_length(1) + first)
        last = rdb_length(1) + rdb_length(self.id_ms) + rdb_length(0) + rdb_length(0)
        return Values(STREAM, [*node.pieces[1:], last])


def _where_valid(text: bytes, values: pa.Array) -> Any:
    if not values.null_count:
        return text
    return pc.if_else(values.is_valid(), pa.scalar(text, BINARY), pa.scalar(None, BINARY))


def _master_head(fields: int) -> bytes:
    return count_bytes(2 * fields + _ALSO) + _ONE + _ZERO + element(b"%d" % fields)


def _entry_tail(fields: int) -> bytes:
    return element(b"%d" % (fields + 3)) + END
