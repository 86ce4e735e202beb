"""What nodes of a cluster confirm of what was done, and what has to be sent once more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.plan import (
    ALL_SLOTS,
    Block,
    Checkpoint,
    Completed,
    Confirmed,
    NodeCheckpoint,
    parse_node_checkpoint,
    slot_bits,
    slot_set,
)
from etl.plan.node_checkpoints import SLOTS, slot_ranges
from tests.examples import examples

LOW, HIGH = slot_set([(0, 8_191)]), slot_set([(8_192, SLOTS - 1)])


def block(number: int) -> Block:
    return Block(number, 0, number * 10, number * 10 + 10, first_record=number)


def mark(attempt: int, worker: int, done: int, workers: int = 2) -> Checkpoint:
    return Checkpoint(attempt, worker, workers, "block", block=done)


@examples(2)
@given(st.sets(st.integers(0, SLOTS - 1), max_size=40))
def test_a_set_of_slots_is_its_ranges_and_its_bits(slots: set[int]) -> None:
    number = sum(1 << slot for slot in slots)
    assert slot_set(slot_ranges(number)) == number
    bits = slot_bits(number)
    assert {slot for slot in range(SLOTS) if bits[slot // 8] >> slot % 8 & 1} == slots


def test_a_checkpoint_is_read_as_it_was_written_and_no_other() -> None:
    written = NodeCheckpoint(3, 1, "run", LOW, 17, slot_set([(5, 5)]), b"node", b"stream")
    assert parse_node_checkpoint(written.field, written.value) == written
    assert (
        parse_node_checkpoint(NodeCheckpoint(0, 0, "r", 0).field, NodeCheckpoint(0, 0, "r", 0).value).slots
        == 0
    )
    with pytest.raises(ValueError, match="check"):
        parse_node_checkpoint(written.field, written.value.replace(b"17", b"18"))


def confirmed(
    *checkpoints: NodeCheckpoint, done: Completed, attempt: int = 0, split: str = "block"
) -> Confirmed:
    return Confirmed(checkpoints, done, attempt, 2, split)


def test_what_every_node_has_confirmed_is_not_missing_anywhere() -> None:
    done = Completed([mark(0, 0, 4), mark(0, 1, 3)])
    at = [NodeCheckpoint(0, worker, "", slots, 4 - worker) for worker in (0, 1) for slots in (LOW, HIGH)]
    held = confirmed(*at, done=done)
    assert held.everywhere
    assert [held.missing(block(number)) for number in range(5)] == [0] * 5


def test_a_node_that_lags_behind_lacks_the_blocks_after_its_checkpoint() -> None:
    done = Completed([mark(0, 0, 4), mark(0, 1, 3)])
    held = confirmed(
        NodeCheckpoint(0, 0, "", LOW, 4),
        NodeCheckpoint(0, 0, "", HIGH, 2),
        NodeCheckpoint(0, 1, "", LOW, 3),
        NodeCheckpoint(0, 1, "", HIGH, -1),
        done=done,
    )
    assert [held.missing(block(number)) for number in range(5)] == [0, HIGH, 0, HIGH, HIGH]


def test_of_slots_that_no_checkpoint_names_everything_is_missing() -> None:
    done = Completed([mark(0, 0, 4), mark(0, 1, 3)])
    held = confirmed(NodeCheckpoint(0, 0, "", LOW, 4), NodeCheckpoint(0, 1, "", LOW, 3), done=done)
    assert not held.everywhere
    assert {held.missing(block(number)) for number in range(5)} == {HIGH}


def test_a_later_attempts_first_checkpoint_confirms_what_earlier_ones_have_done_but_for_what_it_repairs() -> (
    None
):
    done = Completed([mark(0, 0, 4), mark(0, 1, 3), mark(1, 0, -1), mark(1, 1, 5)])
    repaired = slot_set([(0, 9)])
    first = [NodeCheckpoint(1, worker, "", ALL_SLOTS, -1, repaired) for worker in (0, 1)]
    held = confirmed(*first, done=done, attempt=1)
    assert [held.missing(block(number)) for number in range(4)] == [repaired] * 4
    assert held.missing(block(5)) == ALL_SLOTS  # done in this attempt, and nothing of it is confirmed
    later = [NodeCheckpoint(1, worker, "", ALL_SLOTS, 5, repaired) for worker in (0, 1)]
    assert confirmed(*later, done=done, attempt=1).missing(block(2)) == 0


def test_records_split_over_all_workers_are_confirmed_by_all_of_them() -> None:
    done = Completed([Checkpoint(0, worker, 2, "record", block=4) for worker in (0, 1)])
    at = [NodeCheckpoint(0, 0, "", ALL_SLOTS, 4), NodeCheckpoint(0, 1, "", ALL_SLOTS, 1)]
    held = confirmed(*at, done=done, split="record")
    assert [held.missing(block(number)) for number in (1, 2)] == [0, ALL_SLOTS]
