"""RESP vectorised: one vectorised join makes the bytes of a whole batch.

NOTE(join): ``pyarrow.compute.binary_join_element_wise`` over literals, lengths and columns gives an array
whose data buffer *is* the wire and whose offsets are the record boundaries; no record is touched by Python.

NOTE(leading): a line break is written before each argument instead of after it: ``*3`` then
``\\r\\n$3\\r\\nSET`` and so on, and ``\\r\\n`` at a command's end. So an argument is a prefix and a value;
where the value is null the prefix (taken by the value's length) is null too: the join skips both, and an
absent field leaves no byte.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl.plan import Wire

CRLF = b"\r\n"
BINARY = pa.binary()

_SHORT = 1024
_SHORT_LENGTHS = [b"\r\n$%d\r\n" % length for length in range(_SHORT)]
_PREFIXES = pa.array(_SHORT_LENGTHS, BINARY)
_ARITIES = pa.array([b"*%d" % number for number in range(_SHORT)], BINARY)
_INTEGERS = pa.array([b":%d" % number for number in range(_SHORT)], BINARY)

Piece = Any
"""Bytes (the same for every record) or a ``binary`` array (null: nothing for this record)."""


def argument(value: bytes) -> bytes:
    """Return one constant argument: ``\\r\\n$3\\r\\nSET``. See NOTE(leading)."""
    return b"\r\n$%d\r\n%b" % (len(value), value)


def bulk(value: bytes) -> bytes:
    """Return one bulk string as a reply has it: ``$3\\r\\nabc\\r\\n``."""
    return b"$%d\r\n%b\r\n" % (len(value), value)


def arguments(pieces: Sequence[Piece], *, before: bytes = b"") -> list[Piece]:
    """Return the pieces of one argument a record: its length prefix and the pieces themselves.

    ``before`` are whole constant arguments in front of it, which a null value leaves out as well.
    """
    fixed = sum(len(piece) for piece in pieces if isinstance(piece, bytes))
    arrays = [piece for piece in pieces if not isinstance(piece, bytes)]
    if not arrays:
        return [b"%b\r\n$%d\r\n" % (before, fixed), *pieces]
    lengths = pc.binary_length(arrays[0])
    for array in arrays[1:]:
        lengths = pc.add(lengths, pc.binary_length(array))
    if fixed:
        lengths = pc.add(lengths, pa.scalar(fixed, lengths.type))
    return [_prefix(lengths, before), *pieces]


def _prefix(lengths: pa.Array, before: bytes) -> pa.Array:
    longest = pc.max(lengths).as_py()
    # The table costs a third of the cast; only long values need the cast.
    if longest is None or longest < _SHORT:
        return prefix_table(before, longest or 0).take(lengths)
    text = lengths.cast(pa.string()).cast(BINARY)
    return pc.binary_join_element_wise(_scalar(before + b"\r\n$"), text, _scalar(CRLF), _scalar(b""))


def prefix_table(before: bytes, longest: int) -> pa.Array:
    """Return the length prefixes for 0 up to ``longest``, each with ``before`` in front."""
    if not before:
        return _PREFIXES
    return pa.array([before + prefix for prefix in _SHORT_LENGTHS[: longest + 1]], BINARY)


def arity(fixed: int, counts: pa.Array) -> Piece:
    """Return the head of an array whose number of elements differs: ``*`` and ``fixed + counts``."""
    return _numbered(b"*", _ARITIES, fixed, counts)


def integer_reply(counts: pa.Array) -> list[Piece]:
    """Return an integer as a reply has it: ``:3\\r\\n``."""
    return [_numbered(b":", _INTEGERS, 0, counts), CRLF]


def _numbered(mark: bytes, table: pa.Array, fixed: int, counts: pa.Array) -> Piece:
    bounds = pc.min_max(counts).as_py()
    if bounds["min"] == bounds["max"]:
        return b"%b%d" % (mark, fixed + (bounds["min"] or 0))
    numbers = pc.add(counts, pa.scalar(fixed, counts.type))
    if fixed + bounds["max"] < _SHORT:
        return table.take(numbers)
    text = numbers.cast(pa.string()).cast(BINARY)
    return pc.binary_join_element_wise(_scalar(mark), text, _scalar(b""))


def _scalar(value: bytes) -> pa.Scalar:
    return pa.scalar(value, BINARY)


class Joined:
    """The bytes of a batch: ``data`` from ``offsets[i]`` to ``offsets[i + 1]`` are those of record ``i``."""

    __slots__ = ("data", "offsets")

    def __init__(self, array: pa.Array) -> None:
        _, offsets, data = array.buffers()
        # An array of no records may have no offsets at all.
        self.offsets: Sequence[int] = memoryview(offsets).cast("i")[: len(array) + 1] if len(array) else [0]
        self.data: memoryview = memoryview(data if data is not None else b"").cast("B")[: self.offsets[-1]]

    def slice(self, start: int, stop: int) -> memoryview:
        """Return the bytes of the records from ``start`` up to ``stop``."""
        return self.data[self.offsets[start] : self.offsets[stop]]


def join(pieces: Sequence[Piece], records: int) -> Joined:
    """Join the pieces record by record, in one call: see NOTE(join)."""
    return Joined(join_column(pieces, records))


def join_column(pieces: Sequence[Piece], records: int) -> pa.Array:
    """Join the pieces record by record into one ``binary`` column; a null piece leaves no byte."""
    merged: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, bytes) and merged and isinstance(merged[-1], bytes):
            merged[-1] += piece
        else:
            merged.append(piece)
    if all(isinstance(piece, bytes) for piece in merged):
        merged = [pa.repeat(_scalar(b"".join(merged)), records)]
    if all(not isinstance(piece, bytes) and piece.null_count for piece in merged):
        merged.append(b"")  # Arrow drops a record whose pieces are all null, instead of leaving it empty
    scalars = [_scalar(piece) if isinstance(piece, bytes) else piece for piece in merged]
    return pc.binary_join_element_wise(*scalars, _scalar(b""), null_handling="skip")


def text_column(pieces: Sequence[Piece], records: int) -> pa.Array:
    """Return what the pieces say as one ``binary`` column; null where one of them is."""
    if len(pieces) == 1 and not isinstance(pieces[0], bytes):
        return pieces[0]
    if all(isinstance(piece, bytes) for piece in pieces):
        return pa.repeat(_scalar(b"".join(pieces)), records)
    scalars = [_scalar(piece) if isinstance(piece, bytes) else piece for piece in pieces]
    return pc.binary_join_element_wise(*scalars, _scalar(b""))


def plain(*commands: Sequence[bytes]) -> Wire:
    """Return the wire of some commands, given as their words; their replies are not predicted."""
    sent = b"".join(b"*%d%b%b" % (len(words), b"".join(map(argument, words)), CRLF) for words in commands)
    return Wire((sent,), range(2), None, len(sent), commands_per_group=len(commands))


def commands_in(data: bytes) -> list[tuple[bytes, ...]]:
    """Read RESP arrays of bulk strings, which is all that encoders write, as the words of commands."""
    commands: list[tuple[bytes, ...]] = []
    position = 0

    def number() -> int:
        nonlocal position
        end = data.index(b"\r\n", position)
        value = int(data[position + 1 : end])  # after the * or $
        position = end + 2
        return value

    while position < len(data):
        words: list[bytes] = []
        for _ in range(number()):
            length = number()
            words.append(data[position : position + length])
            position += length + 2
        commands.append(tuple(words))
    return commands


def asking(wire: Wire) -> Wire:
    """Return a wire with an ASKING before each command, whose reply stands before the command's own.

    So a node of a cluster takes it although the slot is not its own yet.
    """
    commands = commands_in(b"".join(wire.buffers))
    return plain(*(words for command in commands for words in ((b"ASKING",), command)))


def groups(offsets: Sequence[int], *, records: int, nbytes: int) -> list[int]:
    """Cut a batch into groups of at most ``records`` records and ``nbytes`` bytes (but at least one record).

    Returns the boundaries: group ``j`` is ``[boundaries[j], boundaries[j + 1])``.
    """
    last = len(offsets) - 1
    boundaries = [0]
    while (start := boundaries[-1]) < last:
        stop = min(start + records, last)
        limit = offsets[start] + nbytes
        if offsets[stop] > limit:
            stop = max(start + 1, bisect_right(offsets, limit, start, stop) - 1)
        boundaries.append(stop)
    return boundaries
