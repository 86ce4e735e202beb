"""What the journal says of the ranges of files. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from etl.encode.rdb.file import crc_join

RANGE = b"range"
"""The name of a range in the journal."""


@dataclass(frozen=True, slots=True, order=True)
class Range:
    """Entries in a file: where they are, in bytes, and what they are.

    ``file`` is its place among the files that are built. ``plain_bytes`` and ``crc`` (CRC-64) are those of
    the entries, which may be compressed; ``keys`` is how many they are, ``expires`` how many of these expire.
    ``parts``: 1 if it begins with a part (``encode/rdb/parts.py``), else 0.
    """

    file: int
    offset: int
    nbytes: int
    plain_bytes: int
    crc: int
    keys: int
    expires: int
    parts: int = 0

    @property
    def value(self) -> bytes:
        numbers = (
            self.file,
            self.offset,
            self.nbytes,
            self.plain_bytes,
            self.crc,
            self.keys,
            self.expires,
            self.parts,
        )
        return b" ".join(b"%d" % number for number in numbers)

    @property
    def end(self) -> int:
        return self.offset + self.nbytes


def parse_range(value: bytes) -> Range:
    """Read a range. Raises ValueError."""
    file, offset, nbytes, plain_bytes, crc, keys, expires, parts = map(int, value.split(b" "))
    return Range(file, offset, nbytes, plain_bytes, crc, keys, expires, parts)


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
