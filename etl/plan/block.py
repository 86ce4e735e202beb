"""A run of whole records, and whose they are."""

from __future__ import annotations

from dataclasses import dataclass, field

from etl.units import KIB, MIB

BLOCK_BYTES = MIB
"""Long enough to make Arrow's cost per call vanish, short enough for the processor's cache."""


SMALLEST_BLOCK_BYTES = 64 * KIB


BLOCKS_PER_WORKER = 4


@dataclass(frozen=True, slots=True)
class Share:
    """Records of a block: those whose number modulo ``workers`` is ``worker``, and is under ``below``."""

    workers: int
    worker: int
    below: int | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """A run of whole records that is found, read and encoded without others.

    ``number`` counts through the whole input; ``file`` is an index into the source's files; ``start`` and
    ``stop`` are offsets in that file (bytes; what a unit is otherwise, the source says); ``first_record`` is
    the number of its first record through the whole input, or None if unknown. ``payload`` is the
    block itself where it cannot be read again (a stream): the parent sends it to the block's worker, with
    ``offset``, where the payload begins in the file's decompressed text.
    ``records`` is how many there are, where whoever cut the block has counted them.
    ``skip_mask`` has a bit for each record that the pre-pass has decided (None: none of them);
    ``completed`` are the shares of it that an earlier attempt has done. ``long_bytes`` is the length of the
    one record that it is, where that is longer than ``--max-record`` allows; None for all other blocks.
    ``repair`` has a bit for each slot of a cluster whose records of the block are sent once more: an earlier
    attempt has written and counted them, and their node may have lost them. ``spooled`` is where the payload
    is in a file (offset, bytes), where it is not in the block.
    """

    number: int
    file: int
    start: int
    stop: int
    first_record: int | None = None
    payload: bytes | None = field(default=None, repr=False)
    skip_mask: bytes | None = field(default=None, repr=False)
    offset: int | None = None
    completed: tuple[Share, ...] = ()
    records: int | None = None
    long_bytes: int | None = None
    repair: bytes | None = field(default=None, repr=False)
    spooled: tuple[int, int] | None = None

    @property
    def nbytes(self) -> int:
        return self.stop - self.start


def owner(block: Block, workers: int) -> int:
    """Return the worker a block belongs to: its number modulo the number of workers."""
    return block.number % workers


def block_size(nbytes: int, workers: int, largest: int = BLOCK_BYTES) -> int:
    """Choose the size of a block, so that a small input still gives every worker something.

    A big input has blocks of ``largest`` bytes. A smaller one has BLOCKS_PER_WORKER blocks a worker, and one
    that is too small for blocks of SMALLEST_BLOCK_BYTES has one block a worker.
    """
    if nbytes >= largest * BLOCKS_PER_WORKER * workers:
        return largest
    size = -(-nbytes // (BLOCKS_PER_WORKER * workers))
    if size < SMALLEST_BLOCK_BYTES:
        size = min(SMALLEST_BLOCK_BYTES, nbytes // workers)
    return max(size, 1)
