"""Strings where MSET cannot serve: SET with an expiry, or only where there is no such key.

https://redis.io/docs/latest/commands/set/
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from etl.encode.resp.columns import Columns, key_column, split
from etl.encode.resp.protocol import CRLF, Piece, argument, arguments, join
from etl.plan import Batch, BatchResult, Refusal, Wire
from etl.template import Template

_OK = b"+OK\r\n"


@dataclass(frozen=True, slots=True)
class SetEncoder:
    """``SET key value [expiry] [NX]``, one command a record; ``if_exists`` is replace, skip or fail.

    ``expiry`` are the words of SET's own expiry: ``PX 60000``, ``EX {ttl}``, ``EXAT {ts}``; none: ().
    """

    key: Template
    value: Template
    expiry: tuple[Template, ...]
    if_exists: str

    @property
    def templates(self) -> tuple[Template, ...]:
        return (self.key, self.value, *self.expiry)

    def split_encodable(self, batch: Batch) -> tuple[Batch, list[Refusal]]:
        return split(batch, self.templates, keys=(self.key,), integers=self.expiry[1:])

    def keys(self, batch: Batch) -> pa.Array:
        return key_column(self.key, batch)

    def encode(self, batch: Batch) -> Wire:
        """Make the batch's SETs, one reply each."""
        columns = Columns(batch)
        words = self.templates
        flag = argument(b"NX") if self.if_exists != "replace" else b""
        pieces: list[Piece] = [b"*%d" % (1 + len(words) + bool(flag)), argument(b"SET")]
        for word in words:
            pieces += arguments(columns.pieces(word))
        joined = join([*pieces, flag + CRLF], columns.records)
        return Wire(
            buffers=(joined.data,),
            boundaries=range(columns.records + 1),
            expected=_OK * columns.records,
            nbytes=len(joined.data),
        )

    def read_replies(self, batch: Batch, wire: Wire, replies: Sequence[Any] | None) -> BatchResult:
        """Count OK as written and, of a SET NX, nil as skipped or refused."""
        if replies is None:
            return BatchResult(written=wire.records)
        written = replies.count(b"OK")
        skipped = replies.count(None) if self.if_exists == "skip" else 0
        if written + skipped == wire.records:
            return BatchResult(written=written, skipped=skipped)
        refusals = tuple(
            Refusal(index, _reason(reply))
            for index, reply in enumerate(replies)
            if reply != b"OK" and not (reply is None and self.if_exists == "skip")
        )
        return BatchResult(written=written, skipped=skipped, refusals=refusals)


def _reason(reply: Any) -> Exception | str:
    if isinstance(reply, Exception):
        return reply
    return "its key exists" if reply is None else f"SET answered {reply!r}"
