"""The way back: MGET of the keys, and the very bytes that a server answers when it holds what the source has.

https://redis.io/docs/latest/commands/mget/
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pyarrow as pa

from etl.encode.resp import array_header, bulks, column, command_head, groups, join
from etl.encode.wire import Buffer, Wire
from etl.report import Difference, Refusal, Verdict
from etl.template import Field, Template
from etl.units import MIB

GROUP_RECORDS = 512
GROUP_REPLY_BYTES = MIB


@dataclass(frozen=True, slots=True)
class MgetVerifier:
    """``MGET key [key ...]``, compared with the values as the source has them."""

    key: Template
    value: Template

    def encode(self, batch: pa.RecordBatch) -> Wire:
        """Make the batch's MGETs, grouped so that no reply is much over GROUP_REPLY_BYTES."""
        keys = join(bulks(self.key, batch), batch.num_rows)
        values = join(bulks(self.value, batch), batch.num_rows)
        boundaries = groups(values.offsets, records=GROUP_RECORDS, nbytes=GROUP_REPLY_BYTES)
        buffers: list[Buffer] = []
        expected: list[Buffer] = []
        for start, stop in pairwise(boundaries):
            buffers.append(command_head(b"MGET", stop - start))
            buffers.append(keys.data[keys.offsets[start] : keys.offsets[stop]])
            expected.append(array_header(stop - start))
            expected.append(values.data[values.offsets[start] : values.offsets[stop]])
        return Wire(
            buffers=tuple(buffers),
            boundaries=boundaries,
            expected=b"".join(expected),
            nbytes=sum(map(len, buffers)),
        )

    def judge(self, batch: pa.RecordBatch, wire: Wire, replies: Sequence[Any] | None) -> Verdict:
        """Count the records that are equal, missing and different; one by one only where they differ."""
        if replies is None:
            return Verdict(equal=wire.records)
        wanted = _text(self.value, batch)
        refusals: list[Refusal] = []
        differences: list[Difference] = []
        keys: list[bytes] | None = None
        for j, reply in enumerate(replies):
            start, stop = wire.boundaries[j], wire.boundaries[j + 1]
            if not isinstance(reply, list) or len(reply) != stop - start:
                reason = reply if isinstance(reply, Exception) else f"MGET answered {type(reply).__name__}"
                refusals += [Refusal(index, reason) for index in range(start, stop)]
                continue
            if reply == wanted[start:stop]:
                continue
            keys = keys or _text(self.key, batch)
            differences += [
                Difference(index, keys[index], wanted[index], found)
                for index, found in enumerate(reply, start)
                if found != wanted[index]
            ]
        missing = sum(difference.found is None for difference in differences)
        return Verdict(
            equal=wire.records - len(differences) - len(refusals),
            missing=missing,
            different=len(differences) - missing,
            refusals=tuple(refusals),
            differences=tuple(differences),
        )


def _text(template: Template, batch: pa.RecordBatch) -> list[bytes]:
    pieces = [column(batch, part.name) if isinstance(part, Field) else part for part in template.parts]
    joined = join(pieces or [b""], batch.num_rows)
    return [bytes(joined.data[a:b]) for a, b in pairwise(joined.offsets)]
