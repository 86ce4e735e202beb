"""The source of a plan that was made earlier: its blocks are known, and a shard has some of them.

NOTE(shards): shard I of N has the blocks whose number modulo N is I. Inside, they are numbered anew from 0
on: the shard's own workers share them out, and its checkpoints speak of them, as if they were a whole input.
The numbers of records stay those of the whole input.

A stream has no blocks that are known beforehand. It is cut wherever it is read: each shard reads all of it,
and has its workers encode and send its own blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from etl.plan import Block, Projection, Source
from etl.plan.source import Reader
from etl.shards import ShardNumber
from etl.source.of_another import OfAnotherSource

WHOLE = ShardNumber(0, 1)


@dataclass(frozen=True, slots=True)
class PlannedSource(OfAnotherSource):
    """A Source (``etl/plan/source.py``): a shard of ``source``, whose blocks are ``known`` (None: a stream).

    A copy that travels to a worker has no blocks: the worker's plan has those that it needs.
    """

    source: Source
    known: tuple[Block, ...] | None = field(repr=False)
    shard: ShardNumber = WHOLE

    def __reduce__(self) -> tuple[Any, ...]:
        return PlannedSource, (self.source, None, self.shard)

    @property
    def nbytes(self) -> int | None:
        """Return the size of the shard; of a stream's shard it is unknown."""
        if self.shard.count == 1:
            return self.source.nbytes
        return None if self.known is None else sum(block.nbytes for block in self._own(iter(self.known)))

    @property
    def streamed(self) -> bool:
        return self.source.streamed

    @property
    def whole(self) -> PlannedSource:
        """Return the same with all blocks, under the numbers that they have there."""
        return replace(self, shard=WHOLE)

    def blocks(self, block_bytes: int) -> Iterator[Block]:
        return self._own(self.source.blocks(block_bytes) if self.known is None else iter(self.known))

    def open(self, projection: Projection) -> Reader:
        return self.source.open(projection)

    def _own(self, blocks: Iterator[Block]) -> Iterator[Block]:
        for block in blocks:
            if self.shard.has(block.number):
                yield replace(block, number=self.shard.inner(block.number))
