"""The contract of a source and of its reader."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from etl.plan.batch import Batch, Reject
from etl.plan.block import Block
from etl.plan.projection import Projection


class Reader(Protocol):
    """An open source, in the process that reads it. Not picklable, not thread-safe."""

    def read(self, block: Block) -> Iterator[Batch]:
        """Yield the block's records in order, as one or more batches, with what the projection wants.

        A batch of the block has all its records or rejects, each once. Raises SourceError when the input is
        not what it was when the plan was made.
        """

    def originals(self, block: Block, records: Sequence[int]) -> list[Reject]:
        """Return what the source has of some records of a block, in one pass over it.

        ``records`` are numbers through the whole input, ascending, each once. Returns a Reject without a
        reason for each of them, in order: file, number, byte offset and original bytes.
        """

    def close(self) -> None:
        """Let go of open files. May be called twice."""


class Source(Protocol):
    """One input in one format: frozen, picklable, opened where it is read."""

    @property
    def fields(self) -> tuple[str, ...] | None:
        """Names of the fields every record has, or None where only the records tell (JSON)."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names that make this the same input in another run: real paths, URIs; no secrets."""

    @property
    def fingerprint(self) -> str | None:
        """Digest of what tells this input from a changed one: names, sizes, times; None if unknown."""

    @property
    def nbytes(self) -> int | None:
        """Size of the whole input, in the unit of ``Block.nbytes``; None if unknown (a pipe)."""

    @property
    def streamed(self) -> bool:
        """Return True if blocks have payloads: made once, in the parent, in order, and sent to workers."""

    def blocks(self, block_bytes: int) -> Iterator[Block]:
        """Cut the input into blocks of about ``block_bytes``, in order, each ending at a record's end.

        Each knows its first record's number. Called in the parent. Raises SourceError.
        """

    def open(self, projection: Projection) -> Reader:
        """Open the input for reading, in the process that calls."""

    def verify_unchanged(self) -> None:
        """Raise SourceError when the input is no longer what the plan was made from."""

    def name_of(self, block: Block) -> str:
        """Name the file a block lies in, for messages."""
