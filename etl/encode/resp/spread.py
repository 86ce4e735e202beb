"""Templates that stand for several arguments: ``{*}`` and ``{x[]}``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from etl.encode.resp.columns import Columns, split
from etl.encode.resp.command import Command
from etl.encode.resp.protocol import BINARY, CRLF, Piece, argument, arguments, arity, join
from etl.plan import Batch, Refusal
from etl.template import Field, Template


def split_spread(
    commands: Sequence[Command], batch: Batch, integers: Sequence[Template] = ()
) -> tuple[Batch, list[Refusal]]:
    """Part the records that these commands can be made of from those that lack a field.

    ``{*}`` needs one field at least, ``{x[]}`` one member.
    """
    words = [word for command in commands for word in command.arguments]
    columns = Columns(batch)
    empty: list[Refusal] = []
    for word in words:
        if word.spreads and not _is_always_there(word, columns):
            none = pc.indices_nonzero(pc.less(spread_counts(word, columns), 1)).to_pylist()
            empty += [Refusal(index, _nothing(word)) for index in none]
    plain = [word for word in words if not word.spreads]
    # The first argument is the key, or (BITOP, XGROUP) a word of the command's, which is constant.
    keys = dict.fromkeys(command.arguments[0] for command in commands if command.arguments)
    keyed = [key for key in keys if not key.spreads]
    return split(batch, plain, keys=keyed, integers=integers, more=empty)


def _is_always_there(word: Template, columns: Columns) -> bool:
    """Return True if every record has one of the fields of ``{*}``, as it is told without counting them."""
    return not word.lists and any(not value.null_count for _, value in spread_fields(columns))


def _nothing(word: Template) -> str:
    return "it has no fields" if word.everything else f"{{{next(iter(word.lists))}[]}} has no members"


def command_pieces(command: Command, columns: Columns) -> list[Piece]:
    """Return the pieces of one command a record."""
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
    """Return the names and columns that ``{*}`` stands for, of those that any record of the batch has."""
    for name in columns.batch.spread:
        value = columns.field(name)
        if value is not None:
            yield name.encode("utf-8", "surrogateescape"), value


def spread_counts(word: Template, columns: Columns) -> pa.Array:
    """Return how many arguments ``{*}`` (names and values) or ``{x[]}`` stands for, a record (int32)."""
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
    """Return all members of an array field as arguments, one piece a record."""
    members = columns.members(next(iter(word.lists)))
    assert members is not None  # ``split_spread`` has refused the others
    values = members.flatten()
    parts = [values if isinstance(part, Field) else part for part in word.parts]
    each = join(arguments(parts), len(values))
    # Members lie one after the other in the buffer, so a record's are the bytes between two of its ends.
    ends = pc.cumulative_sum(pc.list_value_length(members)).to_pylist()
    offsets = [0, *(each.offsets[end] for end in ends)]
    return pa.Array.from_buffers(
        BINARY, len(members), [None, pa.array(offsets, pa.int32()).buffers()[1], pa.py_buffer(each.data)]
    )
