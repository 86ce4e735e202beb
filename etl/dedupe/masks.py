"""Numbers of records that a load passes over, as a bit for each record of a block (``Block.skip_mask``)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from etl.plan import Block

_NUMBER_BYTES = 8


def skip_masks(
    blocks: Sequence[Block], numbers: Iterable[pa.Array], memory: int
) -> tuple[int, dict[int, bytes]]:
    """Return how many numbers (int64) there are, and the masks of the blocks they are in, by block number.

    ``blocks`` are in the order of their records, and know their first one.
    """
    masks: dict[int, bytes] = {}
    total = count = 0
    waiting: list[pa.Array] = []
    for some in numbers:
        waiting.append(some)
        count += len(some)
        if count * _NUMBER_BYTES > memory:
            _mark(blocks, pa.concat_arrays(waiting), masks)
            total, count, waiting = total + count, 0, []
    if waiting:
        _mark(blocks, pa.concat_arrays(waiting), masks)
    return total + count, masks


def _mark(blocks: Sequence[Block], numbers: pa.Array, masks: dict[int, bytes]) -> None:
    firsts = [block.first_record or 0 for block in blocks]
    numbers = numbers.take(pc.array_sort_indices(numbers))
    sorted_numbers = memoryview(numbers.buffers()[1]).cast("q")[: len(numbers)]
    start = 0
    while start < len(numbers):
        place = bisect_right(firsts, sorted_numbers[start]) - 1
        stop = len(numbers)
        if place + 1 < len(firsts):
            stop = bisect_left(sorted_numbers, firsts[place + 1], lo=start)
        mask = _mask(pc.subtract(numbers.slice(start, stop - start), pa.scalar(firsts[place], pa.int64())))
        number = blocks[place].number
        masks[number] = either(masks.get(number, b""), mask)
        start = stop


def _mask(places: pa.Array) -> bytes:
    """Return a bit for each place (ascending, from 0) up to the last one."""
    nbytes = places[-1].as_py() // 8 + 1
    bits = pc.is_in(pa.arange(0, 8 * nbytes), value_set=places)
    mask: bytes = bits.buffers()[1].to_pybytes()[:nbytes]
    return mask


def either(one: bytes, other: bytes) -> bytes:
    """Return the bits that are set in one or the other."""
    length = max(len(one), len(other))
    joined = int.from_bytes(one, "little") | int.from_bytes(other, "little")
    return joined.to_bytes(length, "little")
