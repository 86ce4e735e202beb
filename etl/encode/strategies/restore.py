"""Hashes as finished things: RESTORE of what DUMP would return, instead of HSET.

https://redis.io/docs/latest/commands/restore/. Most of a server's work on HSET is to parse the arguments and
to build the hash; a listpack made here (before Redis 7.0: a ziplist) it only checks and copies. It also stays
one where HSET would make a hash table of it (a value of more than 64 bytes), which takes less than half of
the memory; a later HSET of such a value makes the hash table then. And a key is replaced, with its expiry, in
one step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl.encode.rdb.hashes import HashEncoding
from etl.encode.rdb.payload import hashes
from etl.encode.resp.columns import Columns, key_column, survivors
from etl.encode.resp.command import command
from etl.encode.resp.lookup import join_lookups, with_length
from etl.encode.resp.protocol import CRLF, Piece, argument, join
from etl.encode.resp.spread import split_spread, spread_fields
from etl.plan import Batch, BatchResult, Refusal, Wire
from etl.plan.error_reply import Cause, has_cause
from etl.template import ALL, Field, Template
from etl.units import MAX_RECORD_BYTES, MIB

_OK = b"+OK\r\n"
_ALL = Template((Field(ALL),))
_MILLISECONDS = {b"PX": b"", b"EX": b"000", b"PXAT": b"", b"EXAT": b"000"}
_ABSOLUTE = frozenset((b"PXAT", b"EXAT"))


@dataclass(frozen=True, slots=True)
class RestoreEncoder:
    """``RESTORE key ttl payload [REPLACE] [ABSTTL]``, one command a record; the hash has the fields ``{*}``.

    ``expiry`` are the words of SET's own expiry: ``PX 60000``, ``EX {ttl}``, ``EXAT {ts}``; none: ().
    ``if_exists`` is replace, skip or fail. Without REPLACE the server answers BUSYKEY where the key exists,
    also where an earlier record of the same run has made it. ``form`` is how the server keeps small hashes.
    """

    key: Template
    expiry: tuple[Template, ...]
    if_exists: str
    form: HashEncoding

    @property
    def templates(self) -> tuple[Template, ...]:
        return (self.key, _ALL, *self.expiry)

    def split_encodable(self, batch: Batch) -> tuple[Batch, list[Refusal]]:
        """Part as HSET does; a hash of more than a server takes as one argument is refused too."""
        commands = [command("HSET", self.key, _ALL), command("EXPIRE", self.key, *self.expiry[1:])]
        integers = self.expiry[1:]
        large = _too_large(batch)
        if not large:
            return split_spread(commands, batch, integers)
        rest = survivors(len(batch), large)
        good, refusals = split_spread(commands, batch.take(pa.array(rest, pa.int64())), integers)
        reason = f"its hash has more than {MAX_RECORD_BYTES // MIB} MB, the most that RESTORE can carry"
        refusals = [Refusal(rest[refusal.index], refusal.reason) for refusal in refusals]
        refusals += [Refusal(index, reason) for index in large]
        return good, sorted(refusals, key=lambda refusal: refusal.index)

    def keys(self, batch: Batch) -> pa.Array:
        return key_column(self.key, batch)

    def encode(self, batch: Batch) -> Wire:
        """Make the batch's RESTOREs, one reply each."""
        columns = Columns(batch)
        payloads = hashes(list(dict(spread_fields(columns)).items()), columns.records, self.form)
        flags = self._flags()
        end = b"".join(map(argument, flags)) + CRLF
        # A command's end stands before the next one: together with its beginning it is one constant.
        pieces = [
            b"%b*%d%b" % (end, 4 + len(flags), argument(b"RESTORE")),
            *with_length(columns.pieces(self.key), _argument_head),
            *self._ttl(columns),
            *payloads,
        ]
        joined = join(join_lookups(pieces), columns.records)
        return Wire(
            buffers=(joined.data[len(end) :], end),
            boundaries=range(columns.records + 1),
            expected=_OK * columns.records,
            nbytes=len(joined.data),
        )

    def read_replies(self, batch: Batch, wire: Wire, replies: Sequence[Any] | None) -> BatchResult:
        """Count OK as written and BUSYKEY, unless the key is to be replaced, as skipped or refused."""
        if replies is None:
            return BatchResult(written=wire.records)
        written = replies.count(b"OK")
        busy = [_busy(reply) for reply in replies]
        skipped = sum(busy) if self.if_exists == "skip" else 0
        refusals = tuple(
            Refusal(index, _reason(reply, is_busy))
            for index, (reply, is_busy) in enumerate(zip(replies, busy, strict=True))
            if reply != b"OK" and not (is_busy and self.if_exists == "skip")
        )
        return BatchResult(written=written, skipped=skipped, refusals=refusals)

    def _flags(self) -> list[bytes]:
        absolute = self.expiry and _word(self.expiry[0]) in _ABSOLUTE
        return [*([b"REPLACE"] if self.if_exists == "replace" else []), *([b"ABSTTL"] if absolute else [])]

    def _ttl(self, columns: Columns) -> list[Piece]:
        if not self.expiry:
            return [argument(b"0")]
        word, value = self.expiry
        return with_length([*columns.pieces(value), _MILLISECONDS[_word(word)]], _argument_head)


def _word(word: Template) -> bytes:
    (text,) = word.parts
    assert isinstance(text, bytes)
    return text


def _argument_head(length: int) -> bytes:
    return b"\r\n$%d\r\n" % length


def _too_large(batch: Batch) -> dict[int, None]:
    """Find the records whose hash would not fit into one argument: seldom more than a look at all."""
    most = MAX_RECORD_BYTES - MIB
    if batch.fields.nbytes <= most:
        return {}
    columns = Columns(batch)
    sizes = pa.repeat(pa.scalar(0, pa.int64()), columns.records)
    for name, values in spread_fields(columns):
        lengths = pc.add(pc.binary_length(values).cast(pa.int64()), len(name) + 10)
        sizes = pc.add(sizes, pc.fill_null(lengths, 0))
    return dict.fromkeys(pc.indices_nonzero(pc.greater(sizes, most)).to_pylist())


def _busy(reply: Any) -> bool:
    return has_cause(reply, Cause.KEY_EXISTS)


def _reason(reply: Any, busy: bool) -> Exception | str:
    if busy:
        return "its key exists"
    return reply if isinstance(reply, Exception) else f"RESTORE answered {reply!r}"
