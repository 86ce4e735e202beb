"""What a check asks the server, and what it finds: the words that all checks share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from etl.encode.resp.columns import Columns
from etl.plan import Buffer


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """``commands`` commands, and the reply stream if all is well (None: it is unknown before)."""

    buffers: tuple[Buffer, ...]
    expected: tuple[Buffer, ...] | None
    commands: int


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One record that is not as the source has it: ``found`` is None where there is nothing in its place.

    ``error`` is why that is unknown (an error reply or a sentence); then nothing else counts.
    """

    index: int
    key: bytes = b""
    expected: bytes = b""
    found: bytes | None = None
    error: Exception | str | None = None

    @property
    def rank(self) -> int:
        """Of several mismatches about a record the highest counts: an error, a difference, an absence."""
        if self.error is not None:
            return 2
        return 0 if self.found is None else 1


class Check(Protocol):
    """Compares what one command has written. Pure, frozen, picklable."""

    def uneven(self, columns: Columns) -> list[int]:
        """Return the records whose arguments do not come out even, which a server refuses."""

    def request(self, columns: Columns) -> ReadRequest:
        """Make the request for a batch."""

    def compare(self, columns: Columns, replies: Iterator[Any]) -> Iterator[Mismatch]:
        """Yield what is not as the source has it; takes as many replies as the request has commands."""
