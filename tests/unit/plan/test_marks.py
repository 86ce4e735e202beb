"""Marks: whatever runs came before, what they have done and what is left make up all records, each once."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.encode.fence import Move, fence
from etl.encode.resp.protocol import plain
from etl.plan import COUNTS, Block, Checkpoint, Completed, Share, Wire, about_line, parse_checkpoint, seal

RECORDS_A_BLOCK = 7
BLOCKS = [Block(n, 0, n, n + 1, first_record=n * RECORDS_A_BLOCK) for n in range(9)]

Record = tuple[int, int]
"""A record: the number of its block, and its own."""


def records_of(block: Block) -> list[Record]:
    first = block.first_record or 0
    return [(block.number, number) for number in range(first, first + RECORDS_A_BLOCK)]


def left_of(done: Completed) -> list[Block]:
    return [left for block in BLOCKS if (left := done.left(block)) is not None]


def unsettled(block: Block) -> list[Record]:
    return [
        (number, record)
        for number, record in records_of(block)
        if not any(
            record % share.workers == share.worker and (share.below is None or record < share.below)
            for share in block.completed
        )
    ]


def is_own(mark: Checkpoint, block: int, record: int) -> bool:
    return (block if mark.split == "block" else record) % mark.workers == mark.worker


@given(st.data())
def test_every_record_is_done_once_however_many_runs_it_takes(data: st.DataObject) -> None:
    done = Completed(())
    settled: list[Record] = []
    for turn in range(data.draw(st.integers(1, 4), label="runs")):
        workers = data.draw(st.integers(1, 4), label="workers")
        split = data.draw(st.sampled_from(("block", "record")), label="split")
        left = left_of(done)
        marks = []
        for worker in range(workers):
            mark = Checkpoint(turn, worker, workers, split)
            for block in left:
                if split == "block" and block.number % workers != worker:
                    continue
                own = [record for record in unsettled(block) if is_own(mark, *record)]
                fate = data.draw(st.sampled_from(("done", "done", "done", "partly", "not")), label="fate")
                if fate == "done":
                    settled += own
                    mark = replace(mark, block=block.number, partial=-1, below=0)
                    continue
                if fate == "partly" and own:
                    count = data.draw(st.integers(1, len(own)), label="records")
                    settled += own[:count]
                    mark = replace(mark, partial=block.number, below=own[count - 1][1] + 1)
                break
            marks.append(parse_checkpoint(mark.field, mark.value))
        done = Completed((*done.marks, *marks))
    rest = [record for block in left_of(done) for record in unsettled(block)]
    assert sorted(settled + rest) == sorted(record for block in BLOCKS for record in records_of(block))


def test_nothing_is_left_of_a_block_when_all_shares_of_it_are_done() -> None:
    marks = [Checkpoint(0, worker, 2, "record", block=3) for worker in range(2)]
    assert Completed(marks).left(BLOCKS[3]) is None
    assert Completed(marks).left(BLOCKS[4]) == BLOCKS[4]
    assert Completed(marks[:1]).left(BLOCKS[3]) == replace(BLOCKS[3], completed=(Share(2, 0),))


def test_counts_of_all_marks_are_added_up() -> None:
    marks = [Checkpoint(turn, 0, 1, "block", counts=(1, 2, 3, 4, turn)) for turn in (10, 20)]
    assert Completed(marks).counts() == dict(zip(COUNTS, (2, 4, 6, 8, 30), strict=True))
    assert Completed(()).counts() == dict.fromkeys(COUNTS, 0)


@given(
    st.builds(
        Checkpoint,
        attempt=st.integers(0, 10**6),
        worker=st.integers(0, 99),
        workers=st.integers(100, 1_000),
        split=st.sampled_from(("block", "record")),
        block=st.integers(-1, 10**12),
        partial=st.integers(-1, 10**12),
        below=st.integers(0, 10**15),
        counts=st.tuples(*[st.integers(0, 10**15)] * len(COUNTS)),
        token=st.sampled_from(("", "0123456789abcdef")),
    )
)
def test_a_mark_is_read_as_it_was_written(mark: Checkpoint) -> None:
    assert parse_checkpoint(mark.field, mark.value) == mark


NOT_MARKS = (
    (b"mark:0", b"1 block 0 -1 0\n0 0 0 0 0"),
    (b"mark:0:0:", b""),
    (b"mark:0:0:", b"1 block 0 -1\n0"),
    (b"mark:0:0:", b"1 block 0 -1 0\n0 0 0 0"),
    (b"mark:0:0:", b"1 blocks 0 -1 0\n0 0 0 0 0"),
    (b"mark:0:0:", b"1 block -2 -1 0\n0 0 0 0 0"),
    (b"mark:0:0:", b"1 block 0 -1 0\n0 -1 0 0 0"),
    (b"mark:0:0:", b"1000000000 block 0 -1 0\n0 0 0 0 0"),
    (b"mark:0:1:", b"1 block 0 -1 0\n0 0 0 0 0"),
    (b"mark:0:0:", b"1 block 0 -1 0\n0 0 0 0 0\n1  1-999999999999 refuse\n"),
    (b"mark:0:0:", b"1 block 0 -1 0\n0 0 0 0 0\n1  1-2 refuse\n7 ERR no"),
)


def test_what_is_no_mark_is_refused_though_its_check_is_right() -> None:
    parse_checkpoint(b"mark:0:0:", seal(b"mark:0:0:", b"1 block 0 -1 0\n0 0 0 0 0\n1  1-2 refuse\n1 ERR no"))
    for field, content in NOT_MARKS:
        with pytest.raises(ValueError):  # noqa: PT011 - whichever part is wrong
            parse_checkpoint(field, seal(field, content))


@given(st.data())
def test_a_mark_with_a_byte_flipped_or_under_another_name_is_refused(data: st.DataObject) -> None:
    mark = Checkpoint(0, 0, 2, "block", block=4, counts=(10, 9, 0, 1, 77), token="ab")
    value = bytearray(mark.value)
    value[data.draw(st.integers(0, len(value) - 1))] ^= data.draw(st.integers(1, 255))
    for field, damaged in ((mark.field, bytes(value)), (b"mark:0:1:ab", mark.value)):
        with pytest.raises(ValueError, match="check"):
            parse_checkpoint(field, damaged)


def fenced(wire: Wire, numbers: list[int], said: bytes, *, skips: bool = False) -> Checkpoint:
    """Return the mark that stands in Redis behind a fenced piece."""
    mark = Checkpoint(0, 0, 1, "block", block=4, partial=5, below=numbers[-1] + 1, counts=(10, 9, 0, 1, 77))
    about = about_line(wire, pa.array(numbers, pa.int64()), skips=skips)
    value = seal(mark.field, b"\n".join((mark.position, mark.counts_line, about, said)))
    return parse_checkpoint(mark.field, value)


@pytest.mark.parametrize(
    ("said", "refused"),
    [
        (b"", ()),
        (b"1 WRONGTYPE no", ((21, "WRONGTYPE no"),)),
        (b"0 \n3 ERR a b", ((20, "its key exists"), (30, "ERR a b"))),
    ],
)
def test_a_fenced_mark_counts_its_last_piece_whose_answer_may_be_lost(
    said: bytes, refused: tuple[tuple[int, str], ...]
) -> None:
    wire = Wire((b"",), range(5), None, 0)
    mark = fenced(wire, [20, 21, 22, 30], said)
    assert mark.refused == refused
    assert mark.counts == (14, 13 - len(refused), 0, 1 + len(refused), 77)


def test_records_whose_key_is_there_are_skipped_where_they_are_to_be() -> None:
    said = b"0 \n2 BUSYKEY Target key name already exists.\n3 ERR no"
    mark = fenced(Wire((b"",), range(5), None, 0), [20, 21, 22, 30], said, skips=True)
    assert mark.refused == ((30, "ERR no"),)
    assert mark.counts == (14, 10, 2, 2, 77)


def test_a_record_of_several_commands_is_refused_once_by_its_first_error() -> None:
    wire = Wire((b"",), range(3), None, 0, commands_per_group=3)
    assert fenced(wire, [8, 9], b"3 ERR first\n5 ERR last").refused == ((9, "ERR first"),)


def test_all_records_of_a_merged_command_are_refused() -> None:
    wire = Wire((b"",), [0, 2, 3], None, 0, commands_per_group=2)
    assert fenced(wire, [5, 6, 9], b"1 ERR no").refused == ((5, "ERR no"), (6, "ERR no"))


def test_the_fence_says_what_the_mark_keeps() -> None:
    inner = plain((b"RPUSH", b"k", b"a"), (b"RPUSH", b"k", b"b"))
    outer = fence(inner, Move(b"etl:{j}", b"mark:0:0", b"old", b"new", about=b"1\n2"))
    assert outer.expected == b"$1\r\n+\r\n"
    assert (outer.commands, outer.records) == (1, inner.records)
    assert b"".join(inner.buffers) in b"".join(outer.buffers)
