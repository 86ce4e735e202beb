"""Hashes of keys: the same for the same key wherever it stands, another one for another."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import given
from hypothesis import strategies as st

from etl.encode.key_hash import hashes_of

KEYS = st.one_of(st.binary(max_size=20), st.binary(min_size=120, max_size=140))


def hashed(keys: Sequence[bytes]) -> list[int]:
    hashes: list[int] = hashes_of(pa.array(keys, pa.binary())).to_pylist()
    return hashes


@given(st.lists(KEYS, max_size=8), st.lists(KEYS, max_size=8))
def test_a_key_has_one_hash_whatever_stands_beside_it(some: list[bytes], others: list[bytes]) -> None:
    alone = [hash_ for key in some for hash_ in hashed([key])]
    assert hashed(some) == alone
    column = pa.array([*others, *some], pa.binary())
    assert hashes_of(column.slice(len(others))).to_pylist() == alone
    assert hashes_of(column).to_pylist()[len(others) :] == alone


@given(st.sets(KEYS, max_size=50))
def test_keys_have_hashes_of_their_own(keys: set[bytes]) -> None:
    assert len(set(hashed(list(keys)))) == len(keys)


def test_zero_bytes_at_an_end_count() -> None:
    keys = [bytes(length) for length in range(300)]
    assert len(set(hashed(keys))) == len(keys)


def test_alike_keys_have_hashes_that_are_spread_over_all_bits() -> None:
    numbers = pa.arange(0, 1 << 16).cast(pa.string()).cast(pa.binary())
    keys = pc.binary_join_element_wise(pa.scalar(b"session:2030-01-01:"), numbers, pa.scalar(b""))
    for column in (numbers, keys):
        hashes = hashes_of(column)
        assert pc.count_distinct(hashes).as_py() == len(hashes)
        for shift in range(0, 64, 8):
            byte = pc.bit_wise_and(
                pc.shift_right(hashes, pa.scalar(shift, pa.uint64())), pa.scalar(255, pa.uint64())
            )
            counts = pc.value_counts(byte).flatten()[1].to_pylist()
            assert len(counts) == 256
            assert all(180 < count < 340 for count in counts)  # 256 each, give or take five deviations


def test_a_hash_is_the_same_in_every_process() -> None:
    # Workers compare hashes: one that depended on a process (as hash() does) would find nothing.
    assert hashed([b"user:1", b"x" * 200]) == [0x9B98C3D03BCECB0B, 0x56304C0E1B76A18D]
