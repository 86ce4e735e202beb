"""Numbers of records as bits of their blocks."""

from __future__ import annotations

from itertools import accumulate

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from etl.dedupe.masks import skip_masks
from etl.plan import Block
from tests.examples import examples


@given(st.lists(st.integers(0, 30), min_size=1, max_size=8), st.data(), st.sampled_from([1, 100, 10_000]))
@examples(3)
def test_a_bit_is_set_for_each_number_and_no_other(
    lengths: list[int], data: st.DataObject, memory: int
) -> None:
    firsts = [0, *accumulate(lengths)]
    blocks = [Block(3 * at, 0, at, at + 1, first_record=first) for at, first in enumerate(firsts[:-1])]
    numbers = data.draw(st.permutations(range(firsts[-1])))[: data.draw(st.integers(0, firsts[-1]))]
    cuts = [pa.array(numbers[at : at + 5], pa.int64()) for at in range(0, len(numbers), 5)]
    count, masks = skip_masks(blocks, iter(cuts), memory)
    assert count == len(numbers)
    found = [
        blocks[number // 3].first_record + bit  # type: ignore[operator]
        for number, mask in masks.items()
        for bit in range(8 * len(mask))
        if mask[bit // 8] >> bit % 8 & 1
    ]
    assert sorted(found) == sorted(numbers)
