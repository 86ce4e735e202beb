"""Hashes: HMGET of the fields that the record has, and HLEN where there must be no others.

https://redis.io/docs/latest/commands/hmget/, https://redis.io/docs/latest/commands/hlen/
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl.encode.resp.columns import Columns
from etl.encode.resp.protocol import (
    BINARY,
    CRLF,
    Piece,
    argument,
    arguments,
    arity,
    integer_reply,
    join,
    text_column,
)
from etl.encode.resp.replies import WRONG_TYPE, odd_reply, wrong_type
from etl.encode.resp.spread import spread_counts, spread_fields
from etl.encode.verify.check import Mismatch, ReadRequest
from etl.template import Template


@dataclass(frozen=True, slots=True)
class HashCheck:
    """Compares one hash a record. ``words`` are names and values by turns, or ``{*}`` in place of a pair.

    ``exact``: the hash must have no other fields.
    """

    key: Template
    words: tuple[Template, ...]
    exact: bool

    def uneven(self, columns: Columns) -> list[int]:
        return []

    def request(self, columns: Columns) -> ReadRequest:
        counts = self._counts(columns)
        key = arguments(columns.pieces(self.key))
        names: list[Piece] = []
        values: list[Piece] = []
        for pair in self._pairs(columns):
            names += pair.asked()
            values += arguments(pair.value)
        asked = [arity(2, counts), argument(b"HMGET"), *key, *names, CRLF]
        answer = [arity(0, counts), *values, CRLF]
        if self.exact:
            asked += [b"*2", argument(b"HLEN"), *key, CRLF]
            answer += integer_reply(counts)
        return ReadRequest(
            buffers=(join(asked, columns.records).data,),
            expected=(join(answer, columns.records).data,),
            commands=columns.records * (1 + self.exact),
        )

    def compare(self, columns: Columns, replies: Iterator[Any]) -> Iterator[Mismatch]:
        keys = text_column(columns.pieces(self.key), columns.records).to_pylist()
        pairs = [pair.texts(columns.records) for pair in self._pairs(columns)]
        for index in range(columns.records):
            reply = next(replies)
            length = next(replies) if self.exact else None
            fields = ((names[index], values[index]) for names, values in pairs)
            wanted = [(name, value) for name, value in fields if value is not None]
            mismatch = _judge(index, keys[index], wanted, reply, length)
            if mismatch is not None:
                yield mismatch

    def _counts(self, columns: Columns) -> pa.Array:
        plain = sum(1 for word in self.words if not word.everything) // 2
        counts = pa.repeat(pa.scalar(plain, pa.int32()), columns.records)
        for word in self.words:
            if word.everything:
                counts = pc.add(counts, pc.divide(spread_counts(word, columns), pa.scalar(2, pa.int32())))
        return counts

    def _pairs(self, columns: Columns) -> Iterator[_Pair]:
        words = iter(self.words)
        for word in words:
            if word.everything:
                for name, value in spread_fields(columns):
                    yield _Pair([name], [value])
            else:
                yield _Pair(columns.pieces(word), columns.pieces(next(words)))


@dataclass(frozen=True, slots=True)
class _Pair:
    """A field of every record: the pieces of its name and of its value, a column with nulls if spread."""

    name: list[Piece]
    value: list[Piece]

    def asked(self) -> list[Piece]:
        """Return the name as an argument, for the records that have the field."""
        name = arguments(self.name)
        value = self.value[0] if self.value else b""
        if isinstance(value, bytes) or not value.null_count:
            return name
        constant = pa.scalar(b"".join(name), BINARY)
        return [pc.if_else(value.is_valid(), constant, pa.scalar(None, BINARY))]

    def texts(self, records: int) -> tuple[list[bytes], list[bytes | None]]:
        """Return name and value of every record (a slow path)."""
        names = text_column(self.name, records).to_pylist()
        return names, text_column(self.value, records).to_pylist()


def _judge(
    index: int, key: bytes, wanted: list[tuple[bytes, bytes]], reply: Any, length: Any
) -> Mismatch | None:
    fields = dict(wanted)  # of a name that comes twice the last value stays
    if wrong_type(reply):
        return Mismatch(index, key, _field(*wanted[0]), WRONG_TYPE)
    for error in (reply, length):
        if isinstance(error, Exception):
            return Mismatch(index, error=error)
    if not isinstance(reply, list) or len(reply) != len(wanted):
        return Mismatch(index, error=odd_reply(b"HMGET", reply))
    if not length and all(value is None for value in reply):
        return Mismatch(index, key, _field(*wanted[0]))
    for (name, _), found in zip(wanted, reply, strict=True):
        if found != fields[name]:
            return Mismatch(
                index,
                key,
                _field(name, fields[name]),
                b"no " + name if found is None else _field(name, found),
            )
    if length is None or length == len(fields):
        return None
    return Mismatch(index, key, b"%d fields" % len(fields), b"%d fields" % length)


def _field(name: bytes, value: bytes) -> bytes:
    return b"%b=%b" % (name, value)
