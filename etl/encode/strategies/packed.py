"""Many small strings, N to a hash: ``--pack N``. A small string in a key of its own is mostly overhead.

Where a record is found afterwards says NOTE(bucket) in ``encode/rdb/buckets.py``.

| a bucket | goes as |
|---|---|
| all its N records are in the batch, and they suit a listpack | ``RESTORE key ttl payload REPLACE`` |
| cut by a batch's edge, with refused records, or the last one | ``HSET`` of what is there |
| with a value of more than 4,095 bytes, or more than 64 KiB as a listpack | ``HSET``, all of it |
| every one, where the server takes no RESTORE or ``--if-exists merge`` | ``HSET`` |

So no two workers overwrite each other's half of a bucket. What ``--if-exists replace`` promises of a string
holds of a packed one: an expiry that was there goes (``PERSIST``), and so does a string in the place of a
bucket, as a load without ``--pack`` leaves it (``GETDEL``, which removes nothing else). What no record has
may stay, as a key would: the fields of an earlier load after the last record.

https://redis.io/docs/latest/commands/restore/, ``hset``, ``persist``, ``pexpire``, ``getdel``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl.encode.rdb.buckets import Buckets, bucket_keys, buckets_of, value_arguments
from etl.encode.rdb.hashes import MAX_LISTPACK_BYTES
from etl.encode.rdb.listpack import END, HEADER_BYTES, MAX_STRING_BYTES, element_pieces
from etl.encode.rdb.payload import listpacks
from etl.encode.resp.columns import Columns, split
from etl.encode.resp.lookup import join_lookups
from etl.encode.resp.protocol import (
    BINARY,
    CRLF,
    Joined,
    Piece,
    argument,
    arguments,
    arity,
    integer_reply,
    join_column,
    text_column,
)
from etl.encode.resp.replies import odd_reply, wrong_type
from etl.plan import Batch, BatchResult, Refusal, Wire
from etl.template import Template

_MAX_ELEMENT_BYTES = MAX_LISTPACK_BYTES - HEADER_BYTES - len(END)
_OK = pa.scalar(b"+OK\r\n", BINARY)


@dataclass(frozen=True, slots=True)
class PackEncoder:
    """Strings in hashes of ``size`` fields; ``key`` has ``{#}`` once and no other field.

    ``ttl`` is the buckets' expiry in milliseconds, from now or, if ``absolute``, since 1970; empty: none.
    ``replaces``: what is there is replaced, not merged into. ``restores``: the server takes RESTORE.
    ``clears`` a string in the place of a bucket first.
    """

    key: Template
    value: Template
    size: int
    ttl: bytes = b""
    absolute: bool = False
    replaces: bool = True
    restores: bool = False
    clears: bool = False

    @property
    def templates(self) -> tuple[Template, ...]:
        return (self.key, self.value)

    def split_encodable(self, batch: Batch) -> tuple[Batch, list[Refusal]]:
        return split(batch, (self.value,))

    def keys(self, batch: Batch) -> pa.Array:
        """Return the key of each record's bucket."""
        return bucket_keys(self.key, batch, self.size)

    def encode(self, batch: Batch) -> Wire:
        """Make the commands of the batch's buckets, in order.

        Of several commands for one bucket (HSET and its PERSIST or PEXPIRE) the last one carries the
        records; those before it are groups without records.
        """
        columns = Columns(batch)
        values = text_column(columns.pieces(self.value), columns.records)
        buckets = buckets_of(batch.numbers, self.size)
        if not self.restores:
            commands, answers = self._sets(buckets, values)
            return self._wire(buckets, commands, answers, pa.array(range(len(buckets)), pa.int64()))
        elements, suited = _elements(buckets, values)
        whole, others = pc.indices_nonzero(suited), pc.indices_nonzero(pc.invert(suited))
        commands, answers = self._restores(buckets, whole, elements)
        if len(others):
            order = pc.sort_indices(pa.concat_arrays([whole, others]))
            more_commands, more_answers = self._sets(*buckets.some(others, values))
            commands = pa.concat_arrays([commands, more_commands]).take(order)
            answers = pa.concat_arrays([answers, more_answers]).take(order)
        return self._wire(buckets, commands, answers, others.cast(pa.int64()))

    def read_replies(self, batch: Batch, wire: Wire, replies: Sequence[Any] | None) -> BatchResult:
        """Count a bucket's records as written, or refuse them all.

        Where HSET found a value of another type that is to be replaced they are sent again, with ``clears``.
        """
        if replies is None:
            return BatchResult(written=wire.records)
        refusals: list[Refusal] = []
        again: list[int] = []
        error: Exception | str | None = None
        first = self.clears  # GETDEL is no error, whatever it answers
        for (start, stop), reply in zip(pairwise(wire.boundaries), replies, strict=True):
            error = error or (None if first else _error(reply))
            first = False
            if start == stop:
                continue
            if error is not None:
                if self.replaces and not self.clears and wrong_type(error):
                    again += range(start, stop)
                else:
                    refusals += [Refusal(index, error) for index in range(start, stop)]
            error, first = None, self.clears
        written = wire.records - len(refusals) - len(again)
        return BatchResult(written=written, refusals=tuple(refusals), again=tuple(again))

    def _wire(self, buckets: Buckets, commands: pa.Array, answers: pa.Array, sets: pa.Array) -> Wire:
        """Make the wire of a command text a bucket; ``sets`` are the indices of those that go by HSET."""
        joined = Joined(commands)
        more = self.clears + (self.replaces or bool(self.ttl))
        at = pa.concat_arrays([pa.array(range(len(buckets) + 1), pa.int64()), *[sets] * more])
        return Wire(
            buffers=(joined.data,),
            boundaries=buckets.bounds.take(at.take(pc.sort_indices(at))).to_pylist(),
            expected=None if self.clears else Joined(answers).data,
            nbytes=len(joined.data),
        )

    def _restores(self, buckets: Buckets, whole: pa.Array, elements: pa.Array) -> tuple[pa.Array, pa.Array]:
        """Return the command and the good answer of each bucket that is ``whole``."""
        if not len(whole):
            return pa.array([], BINARY), pa.array([], BINARY)
        flags = [b"REPLACE", b"ABSTTL"] if self.absolute else [b"REPLACE"]
        pieces = [
            b"*%d%b" % (4 + len(flags), argument(b"RESTORE")),
            *arguments(_taken(buckets.keys(self.key), whole)),
            argument(self.ttl or b"0"),
            *listpacks(elements.take(whole), self.size),
            b"".join(map(argument, flags)) + CRLF,
        ]
        return join_column(join_lookups(pieces), len(whole)), pa.repeat(_OK, len(whole))

    def _sets(self, buckets: Buckets, values: pa.Array) -> tuple[pa.Array, pa.Array]:
        """Return the commands and the good answers of each bucket, by HSET."""
        key = arguments(buckets.keys(self.key))
        pairs = buckets.joined([buckets.arguments, *value_arguments(values)])
        arguments_of = arity(2, pc.multiply(buckets.counts, pa.scalar(2, pa.int32())))
        pieces: list[Piece] = [arguments_of, argument(b"HSET"), *key, pairs, CRLF]
        answer = integer_reply(buckets.counts)
        if self.ttl:
            name = b"PEXPIREAT" if self.absolute else b"PEXPIRE"
            pieces += [b"*3", argument(name), *key, argument(self.ttl), CRLF]
            answer += [b":1\r\n"]
        elif self.replaces:
            # In front: a bucket that expires in between would take what HSET has added with it.
            pieces = [b"*2", argument(b"PERSIST"), *key, CRLF, *pieces]
            answer = [b":0\r\n", *answer]
        if self.clears:
            pieces = [b"*2", argument(b"GETDEL"), *key, CRLF, *pieces]
        return join_column(pieces, len(buckets)), join_column(answer, len(buckets))


def _elements(buckets: Buckets, values: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Return each bucket's listpack elements, and say which buckets are whole and suit a listpack."""
    suited = pc.equal(buckets.counts, buckets.size)
    lengths = pc.binary_length(values)
    if pc.max(lengths).as_py() > MAX_STRING_BYTES:
        long = pc.greater(lengths, MAX_STRING_BYTES)
        suited = pc.and_(suited, buckets.without(long))
        values = pc.if_else(long, pa.scalar(b"", BINARY), values)
    elements = buckets.joined([buckets.elements, *element_pieces(values, before=b"")])
    return elements, pc.and_(suited, pc.less_equal(pc.binary_length(elements), _MAX_ELEMENT_BYTES))


def _taken(pieces: Sequence[Piece], indices: pa.Array) -> list[Piece]:
    return [piece if isinstance(piece, bytes) else piece.take(indices) for piece in pieces]


def _error(reply: Any) -> Exception | str | None:
    """Return what is wrong with a reply to RESTORE, HSET, PERSIST or PEXPIRE; None: nothing."""
    if reply == b"OK" or type(reply) is int:
        return None
    return reply if isinstance(reply, Exception) else odd_reply(b"RESTORE or HSET", reply)
