"""Any commands: each record becomes one or more commands of its own, made from command templates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl.encode.resp.columns import Columns, split
from etl.encode.resp.command import Command
from etl.encode.resp.protocol import BINARY, CRLF, Piece, argument, arguments, arity, integer_reply, join
from etl.plan import Batch, Wire
from etl.report import Refusal, Verdict
from etl.template import Field, Template


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

    def part(self, batch: Batch) -> tuple[Batch, list[Refusal]]:
        return part_spread(self.commands, batch, self.integers)

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

    def judge(self, batch: Batch, wire: Wire, replies: Sequence[Any] | None) -> Verdict:
        if replies is None:
            return Verdict(written=wire.records)
        refusals: dict[int, Refusal] = {}
        for j, reply in enumerate(replies):
            if isinstance(reply, Exception):
                index = j // wire.commands_per_group
                refusals.setdefault(index, Refusal(index, reply))
        skipped = self._skipped(replies)
        return Verdict(
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


def part_spread(
    commands: Sequence[Command], batch: Batch, integers: Sequence[Template] = ()
) -> tuple[Batch, list[Refusal]]:
    """Part the records that these commands can be made of from those that lack a field.

    ``{*}`` needs one field at least, ``{x[]}`` one member.
    """
    words = [word for command in commands for word in command.arguments]
    columns = Columns(batch)
    empty: list[Refusal] = []
    for word in words:
        if word.spreads:
            none = pc.indices_nonzero(pc.less(spread_counts(word, columns), 1)).to_pylist()
            empty += [Refusal(index, _nothing(word)) for index in none]
    plain = [word for word in words if not word.spreads]
    # The first argument is the key, or (BITOP, XGROUP) a word of the command's, which is constant.
    keys = dict.fromkeys(command.arguments[0] for command in commands if command.arguments)
    keyed = [key for key in keys if not key.spreads]
    return split(batch, plain, keys=keyed, integers=integers, more=empty)


def _nothing(word: Template) -> str:
    return "it has no fields" if word.everything else f"{{{next(iter(word.lists))}[]}} has no members"


def command_pieces(command: Command, columns: Columns) -> list[Piece]:
    """Give the pieces of one command a record."""
    spread = [word for word in command.arguments if word.spreads]
    fixed = 1 + len(command.arguments) - len(spread)
    pieces: list[Piece] = []
    if not spread:
        pieces.append(b"*%d" % fixed)
    else:
        counts = spread_counts(spread[0], columns)
        for word in spread[1:]:
            counts = pc.add(counts, spread_counts(word, columns))
        pieces.append(arity(fixed, counts))
    pieces.append(argument(command.name))
    for word in command.arguments:
        pieces += _word_pieces(word, columns)
    pieces.append(CRLF)
    return pieces


def _word_pieces(word: Template, columns: Columns) -> list[Piece]:
    if word.everything:
        pieces: list[Piece] = []
        for name, value in spread_fields(columns):
            pieces += arguments([value], before=argument(name))
        return pieces
    if word.lists:
        return [_members(word, columns)]
    return arguments(columns.pieces(word))


def spread_fields(columns: Columns) -> Iterator[tuple[bytes, pa.Array]]:
    """Give the names and columns that ``{*}`` stands for, of those that any record of the batch has."""
    for name in columns.batch.spread:
        value = columns.field(name)
        if value is not None:
            yield name.encode("utf-8", "surrogateescape"), value


def spread_counts(word: Template, columns: Columns) -> pa.Array:
    """Give how many arguments ``{*}`` (names and values) or ``{x[]}`` stands for, a record (int32)."""
    if word.lists:
        members = columns.members(next(iter(word.lists)))
        if members is None:
            return pa.repeat(pa.scalar(0, pa.int32()), columns.records)
        return pc.fill_null(pc.list_value_length(members), 0).cast(pa.int32())
    values = [value for _, value in spread_fields(columns)]
    always = sum(1 for value in values if not value.null_count)
    counts = pa.repeat(pa.scalar(2 * always, pa.int32()), columns.records)
    for value in values:
        if value.null_count:
            there = value.is_valid().cast(pa.int32())
            counts = pc.add(counts, pc.multiply(there, pa.scalar(2, pa.int32())))
    return counts


def _members(word: Template, columns: Columns) -> pa.Array:
    """Give all members of an array field as arguments, one piece a record."""
    members = columns.members(next(iter(word.lists)))
    assert members is not None  # ``part_spread`` has refused the others
    values = members.flatten()
    parts = [values if isinstance(part, Field) else part for part in word.parts]
    each = join(arguments(parts), len(values))
    # Members lie one behind the other in the buffer, so a record's are the bytes between two of its ends.
    ends = pc.cumulative_sum(pc.list_value_length(members)).to_pylist()
    offsets = [0, *(each.offsets[end] for end in ends)]
    return pa.Array.from_buffers(
        BINARY, len(members), [None, pa.array(offsets, pa.int32()).buffers()[1], pa.py_buffer(each.data)]
    )


def _answers_old_value(command: Command) -> bool:
    """Say whether nil only tells that nothing was there before: ``GETSET``, ``SET ... GET``."""
    options = (
        part.upper() for word in command.arguments[2:] for part in word.parts if isinstance(part, bytes)
    )
    return command.name == b"GETSET" or (command.name == b"SET" and b"GET" in options)


_OK = frozenset((b"SET", b"JSON.SET", b"HMSET", b"PSETEX", b"SETEX", b"LSET", b"JSON.MERGE"))
_ONE = frozenset((b"EXPIRE", b"PEXPIRE", b"EXPIREAT", b"PEXPIREAT"))
_COUNT_FROM = {b"HSET": (1, 2), b"SADD": (1, 1), b"ZADD": (1, 2), b"GEOADD": (1, 3), b"HSETNX": (1, 2)}
"""Commands that answer how many they have added: the first such argument, and how many make one of them."""


def likely_reply(command: Command, columns: Columns) -> list[Piece] | None:
    """Give the pieces of the reply a command has when what it adds was not there before; None: unknown."""
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
