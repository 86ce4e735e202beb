"""Many records into one constant key: their members merged into commands of many members each.

``SADD all-users 1 2 3 ...`` instead of a command a record: https://redis.io/docs/latest/commands/sadd/,
``rpush``, ``zadd``, ``hset``, ``pfadd``, ``geoadd``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pyarrow as pa

from etl.encode.resp.columns import Columns, key_column, split
from etl.encode.resp.command import Command
from etl.encode.resp.protocol import CRLF, Piece, argument, arguments, groups, join
from etl.plan import Batch, BatchResult, Buffer, Refusal, Wire
from etl.template import Template
from etl.units import MIB

GROUP_RECORDS = 512
GROUP_BYTES = MIB

MERGEABLE = {
    b"SADD": 1,
    b"RPUSH": 1,
    b"LPUSH": 1,
    b"ZADD": 2,
    b"HSET": 2,
    b"PFADD": 1,
    b"GEOADD": 3,
    b"SREM": 1,
    b"ZREM": 1,
    b"HDEL": 1,
    b"DEL": 1,
    b"UNLINK": 1,
}
"""Commands that take many members, and how many arguments make one member."""


def mergeable(command: Command) -> bool:
    """Return True if a command's records can be merged: all but its last member's arguments are constant."""
    each = MERGEABLE.get(command.name)
    if each is None or any(word.spreads for word in command.arguments):
        return False
    if b"INCR" in command.flags:  # ZADD INCR takes one member
        return False
    head = command.arguments[:-each] if len(command.arguments) >= each else command.arguments
    return len(head) >= (not takes_many_keys(command)) and all(word.constant for word in head)


def takes_many_keys(command: Command) -> bool:
    """Return True if the members of a ``mergeable`` command are keys."""
    return command.name in (b"DEL", b"UNLINK")


@dataclass(frozen=True, slots=True)
class MembersEncoder:
    """A ``mergeable`` command for groups of records; ``expire`` is a constant command after each group."""

    command: Command
    expire: Command | None = None

    @property
    def templates(self) -> tuple[Template, ...]:
        return self.command.arguments

    def split_encodable(self, batch: Batch) -> tuple[Batch, list[Refusal]]:
        return split(batch, self.templates, keys=self.templates[:1])

    def keys(self, batch: Batch) -> pa.Array:
        return key_column(self.command.key, batch)

    def encode(self, batch: Batch) -> Wire:
        columns = Columns(batch)
        each = MERGEABLE[self.command.name]
        head = self.command.arguments[:-each]
        members: list[Piece] = []
        for word in self.command.arguments[-each:]:
            members += arguments(columns.pieces(word))
        joined = join(members, columns.records)
        boundaries = groups(joined.offsets, records=GROUP_RECORDS, nbytes=GROUP_BYTES)
        start_of = argument(self.command.name) + b"".join(map(_constant, head))
        expire = b"" if self.expire is None else _whole(self.expire)
        buffers: list[Buffer] = []
        for start, stop in pairwise(boundaries):
            buffers.append(b"*%d%b" % (1 + len(head) + each * (stop - start), start_of))
            buffers.append(joined.slice(start, stop))
            buffers.append(CRLF + expire)
        return Wire(
            buffers=tuple(buffers),
            boundaries=boundaries,
            expected=self._expected(boundaries),
            nbytes=sum(map(len, buffers)),
            commands_per_group=1 if self.expire is None else 2,
        )

    def read_replies(self, batch: Batch, wire: Wire, replies: Sequence[Any] | None) -> BatchResult:
        """A group with an error reply was not applied at all: its records are to be sent one by one."""
        if replies is None:
            return BatchResult(written=wire.records)
        again: list[int] = []
        for j in range(wire.groups):
            answers = replies[j * wire.commands_per_group : (j + 1) * wire.commands_per_group]
            if any(isinstance(answer, Exception) for answer in answers):
                again += range(wire.boundaries[j], wire.boundaries[j + 1])
        return BatchResult(written=wire.records - len(again), again=tuple(again))

    def _expected(self, boundaries: Sequence[int]) -> bytes | None:
        if self.command.name not in (b"SADD", b"ZADD", b"HSET", b"GEOADD"):
            return None
        expire = b"" if self.expire is None else b":1\r\n"
        return b"".join(b":%d\r\n%b" % (stop - start, expire) for start, stop in pairwise(boundaries))


def _constant(word: Template) -> bytes:
    return argument(b"".join(part for part in word.parts if isinstance(part, bytes)))


def _whole(command: Command) -> bytes:
    words = b"".join(map(_constant, command.words))
    return b"*%d%b\r\n" % (len(command.words), words)
