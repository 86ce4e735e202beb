"""What of a worker's shard is done: counted block by block, and reported in order, as its checkpoint is."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

from etl.plan import COUNTS, Block, Checkpoint, Plan


@dataclass(slots=True)
class _Open:
    """A block on its way. ``outstanding`` pieces of it have no response yet, or are sent again."""

    block: Block
    outstanding: int = 0
    read: bool = False
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        return self.read and not self.outstanding


class Ledger:
    """The blocks of a shard from the first that is not done on; ``checkpoint`` is about those before it."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self._open: deque[_Open] = deque()
        self._by_number: dict[int, _Open] = {}

    @property
    def empty(self) -> bool:
        return not self._open

    def begin(self, block: Block) -> None:
        """Note that a block is being read; blocks come in the order of their numbers."""
        entry = _Open(block)
        self._open.append(entry)
        self._by_number[block.number] = entry

    def sent(self, block: Block) -> None:
        """Note a piece of the block that waits for its response."""
        self._by_number[block.number].outstanding += 1

    def answered(self, block: Block, *, again: int = 0) -> None:
        """Note that a piece was answered, and how many pieces are sent again in its place."""
        self._by_number[block.number].outstanding += again - 1

    def end(self, block: Block) -> None:
        """Note that all of the block has been read and sent."""
        self._by_number[block.number].read = True

    def count(self, block: Block, counter: str, count: int) -> None:
        """Count records (or bytes) of the block."""
        counts = self._by_number[block.number].counts
        counts[counter] = counts.get(counter, 0) + count

    def done(self) -> Block | None:
        """Take the next block off that is done, if all before it are; the checkpoint is then about it too."""
        if not self._open or not self._open[0].done:
            return None
        entry = self._open.popleft()
        del self._by_number[entry.block.number]
        before = zip(self.checkpoint.counts, COUNTS, strict=True)
        counts = tuple(old + entry.counts.get(name, 0) for old, name in before)
        self.checkpoint = replace(
            self.checkpoint, block=entry.block.number, partial=-1, below=0, counts=counts
        )
        return entry.block

    def so_far(self) -> tuple[int, ...]:
        """Return the counts of everything that is completed, also in blocks that are not done."""
        totals = list(self.checkpoint.counts)
        for entry in self._open:
            for place, name in enumerate(COUNTS):
                totals[place] += entry.counts.get(name, 0)
        return tuple(totals)


def first_checkpoint(plan: Plan, worker: int) -> Checkpoint:
    """Return a worker's checkpoint before its first block."""
    attempt, token = (0, "") if plan.marks is None else (plan.marks.attempt, plan.marks.token)
    return Checkpoint(attempt, worker, plan.workers, plan.split, token=token)
