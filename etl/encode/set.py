"""Strings where MSET cannot serve: SET with an expiry, or only where there is no such key.

https://redis.io/docs/latest/commands/set/
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from etl.encode.resp import bulk, bulks, command_head, join
from etl.encode.wire import Wire
from etl.report import Refusal, Verdict
from etl.template import Template

_OK = b"+OK\r\n"


@dataclass(frozen=True, slots=True)
class SetEncoder:
    """``SET key value [PX ttl_ms] [NX]``, one command a record; ``if_exists`` is replace, skip or fail."""

    key: Template
    value: Template
    ttl_ms: int | None
    if_exists: str

    def encode(self, batch: pa.RecordBatch) -> Wire:
        """Make the batch's SETs, one reply each."""
        tail: list[bytes] = []
        if self.ttl_ms is not None:
            tail += [b"PX", b"%d" % self.ttl_ms]
        if self.if_exists != "replace":
            tail.append(b"NX")
        commands = join(
            [
                command_head(b"SET", 2 + len(tail)),
                *bulks(self.key, batch),
                *bulks(self.value, batch),
                b"".join(map(bulk, tail)),
            ],
            batch.num_rows,
        )
        return Wire(
            buffers=(commands.data,),
            boundaries=range(batch.num_rows + 1),
            expected=_OK * batch.num_rows,
            nbytes=len(commands.data),
        )

    def judge(self, batch: pa.RecordBatch, wire: Wire, replies: Sequence[Any] | None) -> Verdict:
        """Count OK as written and, of a SET NX, nil as skipped or refused."""
        if replies is None:
            return Verdict(written=wire.records)
        written = replies.count(b"OK")
        skipped = replies.count(None) if self.if_exists == "skip" else 0
        if written + skipped == wire.records:
            return Verdict(written=written, skipped=skipped)
        refusals = tuple(
            Refusal(index, _reason(reply))
            for index, reply in enumerate(replies)
            if reply != b"OK" and not (reply is None and self.if_exists == "skip")
        )
        return Verdict(written=written, skipped=skipped, refusals=refusals)


def _reason(reply: Any) -> Exception | str:
    if isinstance(reply, Exception):
        return reply
    return "its key exists" if reply is None else f"SET answered {reply!r}"
