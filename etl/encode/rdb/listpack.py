"""Listpacks vectorised: the compact form in which Redis keeps small hashes, lists, sets and sorted sets.

The format stands in Redis's ``src/listpack.c`` and https://github.com/antirez/listpack/blob/master/listpack.md:
four bytes of total size and two bytes of the number of elements (little endian), the elements, 0xFF. An
element is its encoding, its data, and its size again for walking backwards (``backlen``).

| element | bytes |
|---|---|
| string of up to 63 bytes | ``10LLLLLL`` |
| string of up to 4,095 bytes | ``1110LLLL LLLLLLLL`` |
| longer string | ``0xF0``, length in four bytes |
| integer 0 to 127 | ``0NNNNNNN`` |
| 13 bits, signed | ``110NNNNN NNNNNNNN`` |
| 16, 24, 32, 64 bits, signed | ``0xF1``, ``0xF2``, ``0xF3``, ``0xF4``, then little endian |

A text that is the decimal of a 64-bit integer exactly as Redis would write it (no ``+``, no ``007``, no
``-0``) becomes an integer, as ``lpAppend`` makes one of it; it always saves bytes and reads the same. So the
listpack of a hash is, byte for byte, what Redis itself has after HSET of the same fields.

NOTE(bytes): this module lays integers out in machine words, so it is for little-endian machines. On another
one a server refuses what it makes, and the probe (``encode/restore_probe.py``) says so before the load.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl.encode.resp.lookup import lookup
from etl.encode.resp.protocol import BINARY

MAX_STRING_BYTES = 4095
"""Longest string with a two-byte head; ``string_pieces`` makes no longer ones."""

HEADER_BYTES = 6
END = b"\xff"

_CANONICAL = re.compile(rb"0|-?[1-9][0-9]{0,18}", re.ASCII)
_INT64 = range(-(1 << 63), 1 << 63)
_LONGEST_INTEGER = 20
_LARGEST = b"9223372036854775807"
_SMALLEST = b"9223372036854775808"  # without its sign


def backlen(size: int) -> bytes:
    """Return the size of an element's encoding and data for walking backwards, in one to five bytes.

    Seven bits a byte, the last of them first; ``listpack.c`` takes one byte more than needed for 16,383 and
    the like, and so does this.
    """
    if size <= 127:
        return bytes((size,))
    groups = next(
        n for n, limit in ((2, 1 << 14), (3, 1 << 21), (4, 1 << 28), (5, 1 << 35)) if size < limit - 1
    )
    first, *rest = (size >> 7 * at & 127 for at in reversed(range(groups)))
    return bytes((first, *(part | 128 for part in rest)))


def string_head(length: int) -> bytes:
    """Return the encoding of a string of this many bytes."""
    if length < 64:
        return bytes((0x80 | length,))
    if length <= MAX_STRING_BYTES:
        return bytes((0xE0 | length >> 8, length & 255))
    return b"\xf0" + length.to_bytes(4, "little")


def string_tail(length: int) -> bytes:
    """Return the backlen of a string of this many bytes."""
    return backlen(len(string_head(length)) + length)


def integer_element(value: int) -> bytes:
    """Return the element of an integer (64 bits, signed)."""
    if 0 <= value <= 127:
        return bytes((value, 1))
    if -4096 <= value <= 4095:
        bits = value & 0x1FFF
        return bytes((0xC0 | bits >> 8, bits & 255, 2))
    for code, width in ((0xF1, 2), (0xF2, 3), (0xF3, 4), (0xF4, 8)):
        if -(1 << 8 * width - 1) <= value < 1 << 8 * width - 1:
            return bytes((code,)) + value.to_bytes(width, "little", signed=True) + bytes((width + 1,))
    raise OverflowError(value)


def element(text: bytes) -> bytes:
    """Return the element that Redis would make of a text."""
    if len(text) <= _LONGEST_INTEGER and _CANONICAL.fullmatch(text) and int(text) in _INT64:
        return integer_element(int(text))
    return string_head(len(text)) + text + string_tail(len(text))


def element_pieces(values: pa.Array, *, before: bytes) -> list[Any]:
    """Return the pieces of one element a record, with the bytes ``before`` in front; nothing where null.

    ``values`` is ``binary``, no value longer than MAX_STRING_BYTES. Pieces are for ``lookup.join_lookups``.
    """
    lengths = pc.binary_length(values)
    bounds = pc.min_max(lengths).as_py()
    if bounds["max"] is None:
        return []
    integers = integer_mask(values, lengths, bounds["min"], bounds["max"])
    if integers is None:
        return string_pieces(values, lengths, bounds["min"], bounds["max"], before)
    if integers.true_count == len(values) - values.null_count:
        return _numbered(before, integer_elements(values.view(pa.string()).cast(pa.int64())))
    numbers = pc.if_else(integers, values.view(pa.string()), pa.scalar(None, pa.string())).cast(pa.int64())
    others = pc.if_else(integers, pa.scalar(None, BINARY), values)
    lengths = pc.binary_length(others)
    strings = string_pieces(others, lengths, 0, bounds["max"], before)
    return _numbered(before, integer_elements(numbers)) + strings


def _numbered(before: bytes, elements: pa.Array) -> list[Any]:
    if not elements.null_count:
        return [before, elements]
    joined = pc.binary_join_element_wise(pa.scalar(before, BINARY), elements, pa.scalar(b"", BINARY))
    return [joined]


def string_pieces(
    values: pa.Array, lengths: pa.Array, shortest: int, longest: int, before: bytes
) -> list[Any]:
    """Return the pieces of string elements: head, value, backlen; ``lengths`` and their bounds are known."""
    if shortest == longest and not values.null_count:
        return [before + string_head(longest), values, string_tail(longest)]
    head = lookup(string_head, lengths, longest, before=before)
    return [head, values, lookup(string_tail, lengths, longest)]


def integer_mask(values: pa.Array, lengths: pa.Array, shortest: int, longest: int) -> pa.Array | None:
    """Return which values Redis would keep as integers: a boolean column, false or null for null values.

    None stands for none of them, which most columns of text are found to be in two cheap looks.
    """
    if shortest > _LONGEST_INTEGER:
        return None
    text = values.view(pa.string())  # digits and signs only are looked for, so no UTF-8 is needed
    digits, found = text, pc.ascii_is_decimal(text)
    if found.true_count < len(values) - values.null_count:
        signed = pc.starts_with(text, "-")
        if signed.true_count:
            digits = pc.ascii_ltrim(text, "-")
            found = pc.ascii_is_decimal(digits)
    if not found.true_count:
        return None
    if digits is not text:
        found = pc.and_(found, pc.less_equal(pc.subtract(lengths, pc.binary_length(digits)), 1))
    zero_first = pc.starts_with(digits, "0")
    if zero_first.true_count:
        found = pc.and_(found, pc.or_(pc.invert(zero_first), pc.equal(lengths, 1)))
    if longest >= len(_LARGEST):
        found = pc.and_(found, _in_range(digits, pc.not_equal(pc.binary_length(digits), lengths)))
    return found if found.true_count else None


def _in_range(digits: pa.Array, signed: pa.Array) -> pa.Array:
    """Return which decimals without sign and leading zeros fit into 64 bits; ``signed``: which had a sign."""
    lengths = pc.binary_length(digits)
    limit = pc.if_else(signed, pa.scalar(_SMALLEST.decode()), pa.scalar(_LARGEST.decode()))
    just = pc.and_(pc.equal(lengths, len(_LARGEST)), pc.less_equal(digits, limit))
    return pc.or_(pc.less(lengths, len(_LARGEST)), just)


@dataclass(frozen=True, slots=True)
class _Width:
    """An integer encoding of up to 32 bits: ``head`` and ``tail`` around the value's lowest ``bits``."""

    lowest: int
    highest: int
    bits: int
    head: int
    tail: int
    size: int

    def words(self, numbers: pa.Array) -> pa.Array:
        """Return the elements of ``numbers`` (uint64) as the low bytes of words."""
        value = pc.bit_wise_and(numbers, _word((1 << self.bits) - 1))
        if self.bits == 7:
            return pc.bit_wise_or(value, _word(self.tail << 8))
        if self.bits == 13:  # the only one with its high bits first
            swapped = pc.shift_left(pc.bit_wise_and(value, _word(255)), _word(8))
            value = pc.bit_wise_or(swapped, pc.shift_right(value, _word(8)))
            return pc.bit_wise_or(value, _word(self.head | self.tail << 16))
        constant = _word(self.head | self.tail << 8 + self.bits)
        return pc.bit_wise_or(pc.shift_left(value, _word(8)), constant)


_WIDTHS = (
    _Width(-(1 << 31), (1 << 31) - 1, 32, 0xF3, 5, 6),
    _Width(-(1 << 23), (1 << 23) - 1, 24, 0xF2, 4, 5),
    _Width(-(1 << 15), (1 << 15) - 1, 16, 0xF1, 3, 4),
    _Width(-(1 << 12), (1 << 12) - 1, 13, 0xC0, 2, 3),
    _Width(0, 127, 7, 0, 1, 2),
)
"""From wide to narrow: each next one takes what fits into it."""


def _word(value: int) -> pa.Scalar:
    return pa.scalar(value, pa.uint64())


def integer_elements(numbers: pa.Array) -> pa.Array:
    """Return the elements of integers (int64) as a ``binary`` column; null where null."""
    bounds = pc.min_max(numbers).as_py()
    if bounds["max"] is None:
        return pa.nulls(len(numbers), BINARY)
    lowest, highest = bounds["min"], bounds["max"]
    if _WIDTHS[0].lowest <= lowest and highest <= _WIDTHS[0].highest:
        return _short_elements(numbers, lowest, highest)
    short = _between(numbers, _WIDTHS[0])
    eight = numbers.view(pa.binary(8)).cast(BINARY)
    long = pc.binary_join_element_wise(
        pa.scalar(b"\xf4", BINARY), eight, pa.scalar(b"\x09", BINARY), pa.scalar(b"", BINARY)
    )
    if not short.true_count:
        return long
    numbers = pc.if_else(short, numbers, pa.scalar(None, pa.int64()))
    return pc.if_else(short, _short_elements(numbers, lowest, highest), long)


def _between(numbers: pa.Array, width: _Width) -> pa.Array:
    above = pc.greater_equal(numbers, pa.scalar(width.lowest, pa.int64()))
    return pc.and_(above, pc.less_equal(numbers, pa.scalar(width.highest, pa.int64())))


def _short_elements(numbers: pa.Array, lowest: int, highest: int) -> pa.Array:
    """Return the elements of integers of up to 32 bits: words of which so many low bytes are kept."""
    unsigned = numbers.view(pa.uint64())
    widths = _possible(lowest, highest)
    words = widths[0].words(unsigned)
    kept = pc.if_else(pc.is_valid(numbers), _bits(widths[0]), pa.scalar(0, pa.uint8()))
    for width in widths[1:]:
        fits = pc.fill_null(_between(numbers, width), False)
        words = pc.if_else(fits, width.words(unsigned), words)
        kept = pc.if_else(fits, _bits(width), kept)
    return low_bytes(pc.fill_null(words, 0), kept, numbers)


def _possible(lowest: int, highest: int) -> list[_Width]:
    """Return the widths, from wide to narrow, that numbers between these two may need."""
    widest = max(
        at
        for at, width in enumerate(_WIDTHS)
        if (width.lowest <= lowest and highest <= width.highest) or at == 0
    )
    return [width for width in _WIDTHS[widest:] if highest >= width.lowest and lowest <= width.highest]


def _bits(width: _Width) -> pa.Scalar:
    return pa.scalar((1 << width.size) - 1, pa.uint8())


_SIZES = pa.array([mask.bit_count() for mask in range(256)], pa.int32())
_ZERO = pa.array([0], pa.int32())


def low_bytes(words: pa.Array, kept: pa.Array, like: pa.Array) -> pa.Array:
    """Return of each word the low bytes whose bit is set in ``kept``, as ``binary``; null where ``like`` is.

    The bits of all words in a row are the bitmap of a filter over the bytes of all words in a row.
    """
    records = len(words)
    octets = pa.Array.from_buffers(
        pa.uint8(), 8 * records, [None, words.buffers()[1]], offset=8 * words.offset
    )
    bitmap = pa.Array.from_buffers(pa.bool_(), 8 * records, [None, kept.buffers()[1]], offset=8 * kept.offset)
    data = octets.filter(bitmap)
    ends = pa.concat_arrays([_ZERO, pc.cumulative_sum(_SIZES.take(kept))])
    valid = pc.is_valid(like).buffers()[1] if like.null_count else None
    return pa.Array.from_buffers(BINARY, records, [valid, ends.buffers()[1], data.buffers()[1]])
