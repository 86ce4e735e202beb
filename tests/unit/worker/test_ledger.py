"""The ledger: a mark speaks of blocks only when all before them are done, with exactly their counts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from etl.plan import COUNTS, Block, Checkpoint
from etl.worker.ledger import Ledger

START = Checkpoint(3, 1, 2, "block", block=7, counts=(5, 5, 0, 0, 50))


def block_of(number: int) -> Block:
    return Block(number, 0, 0, 10)


def test_a_block_is_done_when_all_of_it_was_sent_and_answered() -> None:
    ledger = Ledger(START)
    block = block_of(9)
    ledger.begin(block)
    ledger.sent(block)
    ledger.sent(block)
    ledger.answered(block)
    ledger.end(block)
    assert ledger.done() is None
    ledger.answered(block)
    assert ledger.done() == block
    assert ledger.checkpoint.block == 9
    assert ledger.done() is None


def test_a_block_without_a_record_of_ones_own_is_done_when_it_was_read() -> None:
    ledger = Ledger(START)
    ledger.begin(block_of(9))
    assert ledger.done() is None
    ledger.end(block_of(9))
    assert ledger.done() == block_of(9)


@given(st.permutations(range(5)))
def test_blocks_are_told_in_order_whatever_the_order_of_their_answers(order: list[int]) -> None:
    ledger = Ledger(START)
    blocks = [block_of(number) for number in range(5)]
    for block in blocks:
        ledger.begin(block)
        ledger.sent(block)
        ledger.end(block)
    answered: set[int] = set()
    told: list[int] = []
    for number in order:
        ledger.answered(blocks[number])
        ledger.count(blocks[number], "records_read", 10**number)
        answered.add(number)
        while (done := ledger.done()) is not None:
            told.append(done.number)
        assert told == list(range(next((n for n in range(5) if n not in answered), 5)))
        assert ledger.checkpoint.counts[0] == 5 + sum(10**number for number in told)
        assert ledger.so_far()[0] == 5 + sum(10**number for number in answered)


def test_what_no_mark_counts_is_left_out() -> None:
    ledger = Ledger(START)
    ledger.begin(block_of(9))
    ledger.count(block_of(9), "records_equal", 3)
    ledger.count(block_of(9), "bytes_done", 10)
    ledger.end(block_of(9))
    ledger.done()
    assert dict(zip(COUNTS, ledger.checkpoint.counts, strict=True))["bytes_done"] == 60
    assert sum(ledger.checkpoint.counts) == sum(START.counts) + 10
