"""Hash slots by columns are those that redis-py computes key by key."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from etl.encode.resp.slots import SLOTS, ranges_of, slot_of, slots_of, spread, tag_of
from tests.cases import cases
from tests.examples import examples

KEYS = st.lists(st.one_of(st.binary(max_size=12), st.text("ab{}", max_size=8).map(str.encode)), max_size=30)


def slots(keys: list[bytes]) -> list[int]:
    found: list[int] = slots_of(pa.array(keys, pa.binary())).to_pylist()
    return found


@examples(5)
@given(KEYS)
def test_a_batch_of_keys_has_the_slots_of_its_keys(keys: list[bytes]) -> None:
    assert slots(keys) == [key_slot(key) for key in keys] == [slot_of(key) for key in keys]


def test_the_hash_tag_is_what_is_between_the_first_brace_and_the_next_closing_one() -> None:
    for key, hashed in {
        b"{user1000}.following": b"user1000",
        b"foo{}{bar}": b"foo{}{bar}",
        b"foo{{bar}}zap": b"{bar",
        b"foo{bar}{zap}": b"bar",
        b"\n\xff{\x00\xfe\n}x": b"\x00\xfe\n",
        b"}{a": b"}{a",
    }.items():
        assert slots([key, b"x"])[0] == slot_of(key) == slot_of(hashed)


def test_long_keys_and_a_part_of_a_column_are_as_good() -> None:
    keys = [b"x" * length for length in range(600)]
    assert slots(keys) == [key_slot(key) for key in keys]
    whole = pa.array([b"user:%d" % number for number in range(40)])
    assert slots_of(whole.slice(7, 9)).to_pylist() == [slot_of(key.as_py()) for key in whole.slice(7, 9)]
    assert slots([]) == []


def test_every_slot_has_a_tag() -> None:
    for slot in (0, 1, 8_191, SLOTS - 1):
        assert slot_of(b"etl:{%b}:x" % tag_of(slot)) == slot


def test_runs_of_slots_are_ranges() -> None:
    assert ranges_of([0, 1, 2, 7, 9, 10]) == [(0, 2), (7, 7), (9, 10)]
    assert ranges_of([]) == []


@cases(
    ("ranges", "most", "slots"),
    [
        ([(5, 5)], 8, [5]),
        ([(0, 3), (10, 11)], 6, [0, 1, 2, 3, 10, 11]),
        ([(0, 3), (10, 11)], 3, [0, 2, 10]),
        ([(0, 5460)], 4, [0, 1365, 2730, 4095]),
        ([], 8, []),
    ],
)
def test_some_slots_are_taken_from_all_over_the_ranges(
    ranges: list[tuple[int, int]], most: int, slots: list[int]
) -> None:
    assert spread(ranges, most) == slots
