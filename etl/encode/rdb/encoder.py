"""The contract of an encoder that makes entries of RDB files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from etl.encode.rdb.parts import Part
from etl.plan import Buffer, Encoder, Wire


class RdbEncoder(Encoder, Protocol):
    """An encoder whose wires are entries of an RDB file, in any order; ``read_replies`` needs no reply."""

    @property
    def expires(self) -> bool:
        """Whether the entries have an expiry: all of them, or none."""

    def entries_in(self, wire: Wire) -> int:
        """Return how many entries, each a key of its own, a wire has."""

    def part_of(self, start: Buffer) -> Part | None:
        """Return the part with which a wire, or the range of a file that has it, begins: NOTE(parts)."""

    def completed(self, parts: Iterable[Part]) -> Iterator[Wire]:
        """Yield the same wire by wire; the parts come in the order of their first records, few are held."""

    def complete(self, parts: Sequence[Part]) -> Wire:
        """Return the entries that the parts of a whole stream make; without parts there are none."""
