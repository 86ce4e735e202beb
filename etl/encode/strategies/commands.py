"""Any commands: each record becomes one or more commands of its own, made from command templates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl.encode.resp.columns import Columns, key_column
from etl.encode.resp.command import Command
from etl.encode.resp.protocol import Piece, integer_reply, join
from etl.encode.resp.spread import command_pieces, split_spread, spread_counts
from etl.plan import Batch, BatchResult, Refusal, Wire
from etl.template import Template


@dataclass(frozen=True, slots=True)
class CommandsEncoder:
    """``commands`` for each record, in this order.

    A record with any error reply is refused; one of which every command answers nil is skipped:
    ``SET ... NX`` says so of a key that is there.
    """

    commands: tuple[Command, ...]
    integers: tuple[Template, ...] = ()

    @property
    def templates(self) -> tuple[Template, ...]:
        return tuple(word for command in self.commands for word in command.arguments)

    def split_encodable(self, batch: Batch) -> tuple[Batch, list[Refusal]]:
        return split_spread(self.commands, batch, self.integers)

    def keys(self, batch: Batch) -> pa.Array:
        """Return the key of each record's first command: those of the others are in the same slot."""
        return key_column(self.commands[0].key, batch)

    def by_key(self) -> tuple[CommandsEncoder, ...]:
        """Return an encoder for each key, of the commands that have it, in their order."""
        groups: dict[Template, list[Command]] = {}
        for command in self.commands:
            groups.setdefault(command.key, []).append(command)
        return tuple(CommandsEncoder(tuple(commands), self.integers) for commands in groups.values())

    def encode(self, batch: Batch) -> Wire:
        columns = Columns(batch)
        pieces: list[Piece] = []
        replies: list[Piece] | None = []
        for command in self.commands:
            pieces += command_pieces(command, columns)
            reply = likely_reply(command, columns)
            replies = None if replies is None or reply is None else [*replies, *reply]
        joined = join(pieces, columns.records)
        return Wire(
            buffers=(joined.data,),
            boundaries=range(columns.records + 1),
            expected=None if replies is None else join(replies, columns.records).data,
            nbytes=len(joined.data),
            commands_per_group=len(self.commands),
        )

    def read_replies(self, batch: Batch, wire: Wire, replies: Sequence[Any] | None) -> BatchResult:
        if replies is None:
            return BatchResult(written=wire.records)
        refusals: dict[int, Refusal] = {}
        for j, reply in enumerate(replies):
            if isinstance(reply, Exception):
                index = j // wire.commands_per_group
                refusals.setdefault(index, Refusal(index, reply))
        skipped = self._skipped(replies)
        return BatchResult(
            written=wire.records - skipped - len(refusals),
            skipped=skipped,
            refusals=tuple(refusals.values()),
        )

    def _skipped(self, replies: Sequence[Any]) -> int:
        """Count the records of which no command has done anything."""
        if None not in replies or any(map(_answers_old_value, self.commands)):
            return 0
        each = len(self.commands)
        nothing = [None] * each
        return sum(1 for at in range(0, len(replies), each) if replies[at : at + each] == nothing)


def _answers_old_value(command: Command) -> bool:
    """Return True if nil only tells that nothing was there before: ``GETSET``, ``SET ... GET``."""
    options = (
        part.upper() for word in command.arguments[2:] for part in word.parts if isinstance(part, bytes)
    )
    return command.name == b"GETSET" or (command.name == b"SET" and b"GET" in options)


_OK = frozenset((b"SET", b"JSON.SET", b"HMSET", b"PSETEX", b"SETEX", b"LSET", b"JSON.MERGE"))
_ONE = frozenset((b"EXPIRE", b"PEXPIRE", b"EXPIREAT", b"PEXPIREAT"))
_COUNT_FROM = {b"HSET": (1, 2), b"SADD": (1, 1), b"ZADD": (1, 2), b"GEOADD": (1, 3), b"HSETNX": (1, 2)}
"""Commands that answer how many they have added: the first such argument, and how many make one of them."""


def likely_reply(command: Command, columns: Columns) -> list[Piece] | None:
    """Return the pieces of the reply a command has when what it adds was not there before; None: unknown."""
    if command.name in _OK:
        return [b"+OK\r\n"]
    if command.name in _ONE:
        return [b":1\r\n"]
    if command.name == b"DEL":
        return [b":0\r\n"]
    if command.name not in _COUNT_FROM:
        return None
    first, each = _COUNT_FROM[command.name]
    added = command.arguments[first + len(command.flags) :]
    spread = [word for word in added if word.spreads]
    if not spread:
        return [b":%d\r\n" % (len(added) // each)]
    if len(added) > 1:
        return None
    counts = pc.divide(spread_counts(spread[0], columns), pa.scalar(each, pa.int32()))
    return integer_reply(counts)
