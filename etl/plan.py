"""What a run is going to do, decided before the first record is read.

A plan is frozen and picklable: a Process, another machine and the calling process itself carry out the
same plan, each its own shard. The three contracts that a plan is made of stand here; their members live in
``source/``, ``encode/`` and ``target/``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import pyarrow as pa

from etl.encode.wire import Wire
from etl.report import Verdict
from etl.units import KIB, MIB

BLOCK_BYTES = MIB
"""Long enough to make Arrow's cost per call vanish, short enough to stay in the processor's cache."""

SMALLEST_BLOCK_BYTES = 64 * KIB
BLOCKS_PER_WORKER = 4


@dataclass(frozen=True, slots=True)
class Block:
    """A run of whole records that is found, read and encoded on its own.

    ``number`` counts through the whole input; ``file`` is an index into the source's files; ``start`` and
    ``stop`` are byte offsets in that file; ``first_record`` is the number of its first record through the
    whole input, or None where nobody asked.
    """

    number: int
    file: int
    start: int
    stop: int
    first_record: int | None = None

    @property
    def nbytes(self) -> int:
        return self.stop - self.start


class Reader(Protocol):
    """An open source, in the process that reads it. Not picklable, not thread-safe."""

    def read(self, block: Block) -> Iterator[pa.RecordBatch]:
        """Yield the block's records in order, as one or more batches of ``binary`` columns.

        The columns are the source's ``fields``, and ``#`` (int64) when the block knows its first record.
        Raises SourceError when the input is not what it was when the plan was made.
        """

    def close(self) -> None:
        """Let go of open files. May be called twice."""


class Source(Protocol):
    """One input in one format: frozen, picklable, opened where it is read."""

    @property
    def fields(self) -> tuple[str, ...]:
        """Names that a template may use, besides ``#``."""

    @property
    def nbytes(self) -> int:
        """Size of the whole input, in the unit of ``Block.nbytes``."""

    def blocks(self, block_bytes: int, *, numbered: bool) -> Iterator[Block]:
        """Cut the input into blocks of about ``block_bytes``, in order, each ending at a record's end.

        With ``numbered`` each block knows its first record's number, which costs a counting pass.
        Called in the parent. Raises SourceError.
        """

    def open(self) -> Reader:
        """Open the input for reading, in the process that calls."""

    def verify_unchanged(self) -> None:
        """Raise SourceError when the input is no longer what the plan was made from."""

    def name_of(self, block: Block) -> str:
        """Name the file a block lies in, for messages."""


class Encoder(Protocol):
    """Turns batches into wire bytes, and replies into verdicts. Pure, picklable: no I/O, no clock."""

    def encode(self, batch: pa.RecordBatch) -> Wire:
        """Make the commands of one batch, and the reply that a server gives when all is well."""

    def judge(self, batch: pa.RecordBatch, wire: Wire, replies: Sequence[Any] | None) -> Verdict:
        """Say what became of each record of ``batch``.

        ``replies`` has one element a command (an exception for an error reply), or is None when the
        server answered exactly ``wire.expected``.
        """


class Session(Protocol):
    """One worker's conversation with the target."""

    def submit(self, wire: Wire, token: Any) -> Iterator[Answer]:
        """Hand one wire to the server; give the answers that have come in meanwhile, oldest first.

        Blocks, before it returns, only while the bounds in flight are reached. Raises TargetError, or has
        the iterator raise it behind the answers that came in before the failure.
        """

    def drain(self) -> Iterator[Answer]:
        """Wait for every outstanding reply and give the answers. Raises TargetError as ``submit`` does."""

    def close(self) -> None:
        """End the conversation. May be called twice."""


class Target(Protocol):
    """Where the records go: frozen, picklable, no secret in its ``repr``."""

    def connect(self, client_name: str) -> Session:
        """Open a session of one's own. Raises TargetError."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The server's answer to one wire: ``replies`` is None when they were exactly the expected bytes."""

    token: Any
    wire: Wire
    replies: Sequence[Any] | None


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a worker must know."""

    job: str
    source: Source
    target: Target
    encoder: Encoder
    blocks: tuple[Block, ...]
    workers: int
    split: str
    progress: str

    @property
    def numbered(self) -> bool:
        return all(block.first_record is not None for block in self.blocks)

    def shard(self, worker: int) -> tuple[Block, ...]:
        """Give the blocks that worker ``worker`` visits.

        ``--split block``: those whose number modulo ``workers`` is ``worker``. ``--split record``: all.
        """
        if self.split == "record":
            return self.blocks
        return tuple(block for block in self.blocks if owner(block, self.workers) == worker)

    def for_worker(self, worker: int) -> Plan:
        """Give the same plan with one worker's blocks only, which is what travels to that worker."""
        return replace(self, blocks=self.shard(worker))

    def busy_workers(self) -> int:
        """Give the number of workers that have anything to do: shards are filled from worker 0 on."""
        if self.split == "record":
            return self.workers if self.blocks else 0
        return min(self.workers, len(self.blocks))


def owner(block: Block, workers: int) -> int:
    """Give the worker a block belongs to: its number modulo the number of workers."""
    return block.number % workers


def block_size(nbytes: int, workers: int) -> int:
    """Choose the size of a block, so that a small input still gives every worker something.

    A big input has blocks of BLOCK_BYTES. A smaller one has BLOCKS_PER_WORKER blocks a worker, and one that
    is too small for blocks of SMALLEST_BLOCK_BYTES has one block a worker.
    """
    if nbytes >= BLOCK_BYTES * BLOCKS_PER_WORKER * workers:
        return BLOCK_BYTES
    size = -(-nbytes // (BLOCKS_PER_WORKER * workers))
    if size < SMALLEST_BLOCK_BYTES:
        size = min(SMALLEST_BLOCK_BYTES, nbytes // workers)
    return max(size, 1)
