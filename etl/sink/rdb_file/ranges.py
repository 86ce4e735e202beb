"""What a file's journal says of its ranges. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from etl.encode.rdb.file import crc_join

RANGE = b"range"
"""The name of a range in the journal."""


@dataclass(frozen=True, slots=True, order=True)
class Range:
    """Entries in a file: where they are, in bytes, their CRC-64, and the number of their keys."""

    offset: int
    nbytes: int
    crc: int
    keys: int

    @property
    def value(self) -> bytes:
        return b"%d %d %d %d" % (self.offset, self.nbytes, self.crc, self.keys)

    @property
    def end(self) -> int:
        return self.offset + self.nbytes


def parse_range(value: bytes) -> Range:
    """Read a range. Raises ValueError."""
    return Range(*map(int, value.split(b" ", 3)))


@dataclass(frozen=True, slots=True)
class Layout:
    """A file after its header: ``ranges`` in their order, ``gaps`` (offset, bytes) between them."""

    ranges: Sequence[Range]
    gaps: Sequence[tuple[int, int]]
    end: int

    @property
    def keys(self) -> int:
        return sum(found.keys for found in self.ranges)


def lay_out(ranges: Sequence[Range], start: int) -> Layout:
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


def joined(parts: Sequence[tuple[int, int]]) -> int:
    """Return the CRC-64 of parts one after the other, from each one's CRC and length."""
    crc = 0
    for own, nbytes in parts:
        crc = crc_join(crc, own, nbytes)
    return crc
