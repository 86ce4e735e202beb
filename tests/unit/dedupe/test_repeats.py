"""Hashes that occur more than once, found range by range."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.dedupe import repeats
from etl.dedupe.repeats import find_repeats, repeated_rows
from etl.encode.strategies.key_hashes import HASHES
from tests.examples import examples
from tests.unit.dedupe.given import counting, runs_of

WHOLE = st.integers(0, (1 << 64) - 1)
CLOSE = st.integers(0, 40).map(lambda number: number << 40)  # alike in all bits that are sorted by
ALIKE = st.integers(0, 15).map(lambda number: number << 60)
LOW = st.integers(0, 15)
SOME = st.one_of(*(st.lists(kind, max_size=60) for kind in (WHOLE, CLOSE, ALIKE, LOW)))


@given(SOME, st.lists(st.integers(0, 59), max_size=20))
@examples(5)
def test_rows_whose_hash_is_there_again_are_found_and_no_others(hashes: list[int], again: list[int]) -> None:
    hashes = hashes + [hashes[place] for place in again if place < len(hashes)]
    counts = Counter(hashes)
    found = repeated_rows(pa.array(hashes, pa.uint64())).to_pylist()
    assert sorted(found) == [row for row, hash_ in enumerate(hashes) if counts[hash_] > 1]


@given(SOME, st.lists(st.integers(0, 59), max_size=20), st.sampled_from([1, 600, 1 << 20]), st.integers(1, 9))
@examples(5)
def test_repeats_of_many_runs_are_found_with_little_memory(
    tmp_path: Path, hashes: list[int], again: list[int], memory: int, size: int
) -> None:
    hashes = hashes + [hashes[place] for place in again if place < len(hashes)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repeats, "_MIN_ROWS", 4)
        require_found(tmp_path, hashes, memory, size)


def require_found(tmp_path: Path, hashes: list[int], memory: int, size: int) -> None:
    places = [row // 3 for row in range(len(hashes))]
    calls, check = counting()
    found = find_repeats(runs_of(tmp_path, HASHES, hashes, places, size=size), memory, check)
    counts = Counter(hashes)
    twice = {hash_ for hash_, count in counts.items() if count > 1}
    assert bool(found.hashes) == bool(twice)
    assert found.hashes >= len(twice)
    assert found.places == {place for hash_, place in zip(hashes, places, strict=True) if hash_ in twice}
    passes = dict(zip(hashes, found.filter.passes(pa.array(hashes, pa.uint64())).to_pylist(), strict=True))
    assert all(passes[hash_] for hash_ in twice)
    if not twice:
        assert not any(found.bits)
    assert calls


def test_a_hash_that_is_nearly_all_there_is_takes_no_more_memory_than_others(tmp_path: Path) -> None:
    hashes = [5] * 4000 + list(range(1000, 1100))
    found = find_repeats(runs_of(tmp_path, HASHES, hashes, [0] * 4100, size=64), 1, lambda: None)
    assert found.hashes >= 1
    assert found.places == {0}


def test_few_repeats_among_many_leave_most_others_out(tmp_path: Path) -> None:
    hashes = [number * 0x9E3779B97F4A7C15 % (1 << 64) for number in range(20_000)]
    found = find_repeats(
        runs_of(tmp_path, HASHES, [*hashes, hashes[7]], [0] * 20_001, size=5000), 1 << 20, lambda: None
    )
    assert found.hashes == 1
    assert sum(found.filter.passes(pa.array(hashes, pa.uint64())).to_pylist()) < 10


def test_whoever_asks_may_end_it(tmp_path: Path) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find_repeats(runs_of(tmp_path, HASHES, [1], [0]), 1, stop)
