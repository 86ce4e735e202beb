"""What of a worker's shard is done: counted block by block, and told in order, as its mark is."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

from etl.plan import COUNTS, Block, Checkpoint


@dataclass(slots=True)
class _Open:
    """A block on its way. ``outstanding`` pieces of it have no answer yet, or go out once more."""

    block: Block
    outstanding: int = 0
    read: bool = False
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        return self.read and not self.outstanding


class Ledger:
    """The blocks of a shard from the first that is not done on; ``mark`` speaks of those before it."""

    def __init__(self, mark: Checkpoint) -> None:
        self.mark = mark
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
        """Note a piece of the block that waits for its answer."""
        self._by_number[block.number].outstanding += 1

    def answered(self, block: Block) -> None:
        """Note that a piece is settled: answered, and nothing of it goes out once more."""
        self._by_number[block.number].outstanding -= 1

    def end(self, block: Block) -> None:
        """Note that all of the block has been read and sent."""
        self._by_number[block.number].read = True

    def count(self, block: Block, counter: str, count: int) -> None:
        """Count records (or bytes) of the block."""
        counts = self._by_number[block.number].counts
        counts[counter] = counts.get(counter, 0) + count

    def done(self) -> Block | None:
        """Take the next block off that is done, if all before it are; the mark then speaks of it too."""
        if not self._open or not self._open[0].done:
            return None
        entry = self._open.popleft()
        del self._by_number[entry.block.number]
        counts = (old + entry.counts.get(name, 0) for old, name in zip(self.mark.counts, COUNTS, strict=True))
        self.mark = replace(self.mark, block=entry.block.number, partial=-1, below=0, counts=tuple(counts))
        return entry.block

    def so_far(self) -> tuple[int, ...]:
        """Return the counts of everything that is settled, also in blocks that are not done."""
        totals = list(self.mark.counts)
        for entry in self._open:
            for place, name in enumerate(COUNTS):
                totals[place] += entry.counts.get(name, 0)
        return tuple(totals)
