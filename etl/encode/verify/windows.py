"""Windows of lists that Redis holds, as a source: a record names a list and a range of its elements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from etl.encode.verify.list import FIRST, KEY, LAST
from etl.plan import Batch, Block, Projection, Reject

Window = tuple[bytes, int, int]


@dataclass(frozen=True, slots=True)
class Windows:
    """The elements of ``lists`` (keys and lengths), at most ``elements`` of one list to a window.

    Blocks count windows; short lists share a block, which has about ``elements`` elements.
    """

    lists: tuple[tuple[bytes, int], ...] = field(repr=False)
    elements: int

    fields = (KEY, FIRST, LAST)
    names = ("lists",)
    fingerprint = None
    streamed = False

    @property
    def nbytes(self) -> int:
        return len(self.windows())

    def windows(self) -> list[Window]:
        """Return every window, list by list."""
        return [
            (key, first, min(first + self.elements, length) - 1)
            for key, length in self.lists
            for first in range(0, length, self.elements)
        ]

    def blocks(self, block_bytes: int) -> Iterator[Block]:
        start = number = elements = 0
        windows = self.windows()
        for at, (_, first, last) in enumerate(windows, 1):
            elements += last - first + 1
            if elements >= self.elements or at == len(windows):
                yield Block(number, 0, start, at, first_record=start)
                start, number, elements = at, number + 1, 0

    def open(self, projection: Projection) -> WindowsReader:
        return WindowsReader(self.windows())

    def verify_unchanged(self) -> None:
        """Somebody may write to the lists meanwhile; then they are compared as they were read."""

    def name_of(self, block: Block) -> str:
        return "the lists"


class WindowsReader:
    """Reads nothing: a window is known by its numbers."""

    def __init__(self, windows: Sequence[Window]) -> None:
        self._windows = windows

    def read(self, block: Block) -> Iterator[Batch]:
        keys, firsts, lasts = zip(*self._windows[block.start : block.stop], strict=True)
        columns = [keys, [b"%d" % first for first in firsts], [b"%d" % last for last in lasts]]
        arrays = [pa.array(column, pa.binary()) for column in columns]
        yield Batch(
            pa.RecordBatch.from_arrays(arrays, names=[KEY, FIRST, LAST]),
            numbers=pa.array(range(block.start, block.stop), pa.int64()),
        )

    def originals(self, block: Block, records: Sequence[int]) -> list[Reject]:
        return [Reject("the lists", record, None, "", self._windows[record][0]) for record in records]

    def close(self) -> None:
        """Nothing is open."""
