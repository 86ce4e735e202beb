"""Packed strings: HGETALL of whole buckets, HMGET of parts. See NOTE(bucket) in ``encode/rdb/buckets.py``.

https://redis.io/docs/latest/commands/hgetall/, https://redis.io/docs/latest/commands/hmget/

A server searches a listpack from its begin for each field of an HMGET: for all of 128 fields that takes four
times as long as HGETALL, for 512 eighteen times (measured). What HGETALL answers of a listpack is predicted:
records in order. A hash table has them in any order; then field by field is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl.encode.rdb.buckets import Buckets, buckets_of, value_arguments
from etl.encode.rdb.hashes import MAX_LISTPACK_BYTES
from etl.encode.resp.columns import Columns
from etl.encode.resp.protocol import BINARY, CRLF, argument, arguments, arity, join, join_column, text_column
from etl.encode.resp.replies import WRONG_TYPE, odd_reply, wrong_type
from etl.encode.verify.check import Mismatch, ReadRequest
from etl.template import Template


@dataclass(frozen=True, slots=True)
class PackCheck:
    """Compares one field a record, asked for a bucket at a time; fields that no record has are not."""

    key: Template
    value: Template
    size: int

    def uneven(self, columns: Columns) -> list[int]:
        return []

    def request(self, columns: Columns) -> ReadRequest:
        buckets, values = self._buckets(columns)
        counts = buckets.counts
        pairs = buckets.joined([buckets.arguments, *value_arguments(values)])
        whole = _whole(buckets, pairs)
        others = pc.indices_nonzero(pc.invert(whole))
        heads = pa.repeat(pa.scalar(b"*2" + argument(b"HGETALL"), BINARY), len(buckets))
        fields: pa.Array | bytes = b""
        if len(others):
            part, part_values = buckets.some(others, values)
            mask = pc.invert(whole)
            part_heads = join_column([arity(2, part.counts), argument(b"HMGET")], len(part))
            heads = pc.replace_with_mask(heads, mask, part_heads)
            fields = pc.replace_with_mask(pa.nulls(len(buckets), BINARY), mask, part.joined([part.arguments]))
            pairs = pc.replace_with_mask(pairs, mask, part.joined(value_arguments(part_values)))
        key = arguments(buckets.keys(self.key))
        asked = join([heads, *key, fields, CRLF], len(buckets))
        answers = pc.if_else(whole, pc.multiply(counts, pa.scalar(2, pa.int32())), counts)
        expected = join([arity(0, answers), pairs, CRLF], len(buckets))
        return ReadRequest((asked.data,), (expected.data,), len(buckets))

    def compare(self, columns: Columns, replies: Iterator[Any]) -> Iterator[Mismatch]:
        buckets, values = self._buckets(columns)
        keys = text_column(buckets.keys(self.key), len(buckets)).to_pylist()
        wanted: list[bytes] = values.to_pylist()
        fields = buckets.fields.to_pylist()
        pairs = buckets.joined([buckets.arguments, *value_arguments(values)])
        bounds = pairwise(buckets.bounds.to_pylist())
        for key, whole, (start, stop) in zip(keys, _whole(buckets, pairs).to_pylist(), bounds, strict=True):
            answers = _answers(next(replies), fields[start:stop], whole)
            if answers == wanted[start:stop]:
                continue
            for index, answer in enumerate(answers, start):
                if answer != wanted[index]:
                    yield _mismatch(index, key, b"%d=" % fields[index], wanted[index], answer)

    def _buckets(self, columns: Columns) -> tuple[Buckets, pa.Array]:
        values = text_column(columns.pieces(self.value), columns.records)
        return buckets_of(columns.batch.numbers, self.size), values


def _whole(buckets: Buckets, pairs: pa.Array) -> pa.Array:
    """Return which buckets are asked for with HGETALL: whole ones that are likely to be listpacks."""
    return pc.and_(
        pc.equal(buckets.counts, buckets.size), pc.less_equal(pc.binary_length(pairs), MAX_LISTPACK_BYTES)
    )


def _answers(reply: Any, fields: list[int], whole: bool) -> list[Any]:
    """Return the answer to each of these fields of one bucket."""
    if not isinstance(reply, list) or (not whole and len(reply) != len(fields)):
        error = reply if isinstance(reply, Exception) else odd_reply(b"HGETALL" if whole else b"HMGET", reply)
        return [error] * len(fields)
    if not whole:
        return reply
    there = dict(zip(reply[::2], reply[1::2], strict=False))
    return [there.get(b"%d" % field) for field in fields]


def _mismatch(index: int, key: bytes, field: bytes, wanted: bytes, answer: Any) -> Mismatch:
    if wrong_type(answer):
        return Mismatch(index, key, field + wanted, WRONG_TYPE)
    if isinstance(answer, Exception | str):
        return Mismatch(index, error=answer)
    if answer is None:
        return Mismatch(index, key, field + wanted)
    if not isinstance(answer, bytes):
        return Mismatch(index, error=odd_reply(b"HMGET", answer))
    return Mismatch(index, key, field + wanted, field + answer)
