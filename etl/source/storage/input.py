"""One input of bytes that is read from its beginning to its end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from etl.source.storage.compression import ByteStream
from etl.source.storage.local import digest


class Input(Protocol):
    """One input of a stream: picklable, though perhaps of use in the process that made it only."""

    @property
    def name(self) -> str:
        """Its name for people: no secret in it."""

    @property
    def identity(self) -> str:
        """What makes it the same input in another run: a real path, a URI; no secret in it."""

    @property
    def fingerprint(self) -> str | None:
        """Digest of what tells it from a changed one; None if unknown."""

    @property
    def nbytes(self) -> int | None:
        """Its size as it is stored (compressed); None if unknown."""

    def open(self) -> ByteStream:
        """Open its text from the beginning, decompressed. Raises SourceError."""

    def release(self, stream: ByteStream, head: bytes) -> None:
        """Take back a stream of which only ``head`` was read; the next ``open`` begins with it again."""

    def verify_unchanged(self) -> None:
        """Raise SourceError when it is no longer what it was when this was made."""


def joint_fingerprint(inputs: Iterable[Input]) -> str | None:
    """Return one digest of what tells inputs from changed ones; None where it cannot be told of one."""
    prints = [input.fingerprint for input in inputs]
    known = [one for one in prints if one is not None]
    return digest(known) if len(known) == len(prints) else None
