"""What the journal says of the ranges of files. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields

from etl.encode.rdb.file import crc_join

RANGE = b"range"
"""The name of a range in the journal."""


@dataclass(frozen=True, slots=True, order=True)
class Range:
    """Entries in a file: where they are, in bytes, and what they are.

    ``file`` is its place among the files that are built. ``plain_bytes`` and ``crc`` (CRC-64) are those of
    the entries, which may be compressed; ``keys`` is how many they are, ``expires`` how many of these expire.
    ``part`` is the number of the first record in the part that it begins with (``encode/rdb/parts.py``), -1
    without one.
    """

    file: int
    offset: int
    nbytes: int
    plain_bytes: int
    crc: int
    keys: int
    expires: int
    part: int = -1

    @property
    def value(self) -> bytes:
        numbers = astuple(self)
        return b" ".join(b"%d" % number for number in numbers)

    @property
    def end(self) -> int:
        return self.offset + self.nbytes


def parse_range(value: bytes) -> Range:
    """Read a range. Raises ValueError."""
    numbers = tuple(map(int, value.split(b" ")))
    if len(numbers) != len(fields(Range)):
        raise ValueError("it has too few numbers, or too many")
    return Range(*numbers)


@dataclass(frozen=True, slots=True)
class Layout:
    """A file after its header: ``ranges`` in their order, ``gaps`` (offset, bytes) between them."""

    ranges: Sequence[Range]
    gaps: Sequence[tuple[int, int]]
    end: int

    @property
    def keys(self) -> int:
        return sum(found.keys for found in self.ranges)

    @property
    def expires(self) -> int:
        return sum(found.expires for found in self.ranges)


def lay_out(ranges: Iterable[Range], start: int) -> Layout:
    """Return the layout of ranges in a file whose entries begin at ``start``.

    Raises ValueError for ranges that lie in one another.
    """
    gaps, at = [], start
    ordered = sorted(ranges)
    for found in ordered:
        if found.offset < at:
            raise ValueError(f"two ranges of it have byte {found.offset}")
        if found.offset > at:
            gaps.append((at, found.offset - at))
        at = found.end
    return Layout(ordered, gaps, at)


def joined(parts: Iterable[tuple[int, int]]) -> int:
    """Return the CRC-64 of parts one after the other, from each one's CRC and length."""
    crc = 0
    for own, nbytes in parts:
        crc = crc_join(crc, own, nbytes)
    return crc
