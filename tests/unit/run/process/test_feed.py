"""Feeding a stream: each block to its own worker, in order, a few ahead, and an end in every case."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from etl.errors import SourceError
from etl.plan import Block, Checkpoint, Completed, Plan
from etl.run.process.feed import MAX_QUEUED_BLOCKS, BlockQueue, Feeder, WorkerPipe
from etl.run.stream import stream_blocks
from etl.worker.messages import BlockStarted, Feed, Stop
from tests.unit.memory import plan_for, tally_of

WAIT_S = 10.0


def block_of(number: int) -> Block:
    return Block(number, 0, number, number + 1, number, payload=b"x", offset=number)


@dataclass
class Stream:
    """A source of ``count`` blocks, or of blocks without an end; ``failure`` comes behind them."""

    count: int | None
    failure: Exception | None = None
    nbytes: int | None = None
    asked: list[int] = field(default_factory=list)
    made: int = 0
    streamed = True

    def blocks(self, block_bytes: int) -> Iterator[Block]:
        self.asked.append(block_bytes)
        self.made = 0
        while self.made != self.count:
            self.made += 1
            yield block_of(self.made - 1)
        if self.failure is not None:
            raise self.failure


class Pipe:
    """The sending end of a Pipe. ``held``: it takes nothing until this is set."""

    def __init__(self, *, broken: bool = False, held: threading.Event | None = None) -> None:
        self.heard: list[Any] = []
        self.changed = threading.Condition()
        self.inside = threading.Event()
        self._broken = broken
        self._held = held

    def send(self, message: Any) -> None:
        self.inside.set()
        if self._held is not None:
            assert self._held.wait(WAIT_S)
        if self._broken:
            raise BrokenPipeError
        with self.changed:
            self.heard.append(message)
            self.changed.notify_all()

    @property
    def numbers(self) -> list[int | None]:
        return [message.block and message.block.number for message in self.heard]

    def wait_for(self, messages: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.heard) >= messages, WAIT_S)


class Feeding:
    """A feeder over pipes in memory."""

    def __init__(self, stream: Stream, workers: int, pipes: list[Pipe] | None, split: str) -> None:
        self.stream = stream
        self.pipes = pipes or [Pipe() for _ in range(workers)]
        self.lines = [WorkerPipe(pipe) for pipe in self.pipes]
        self.feeder = Feeder(replace(plan_of(stream, workers), split=split), self.lines)

    def make_room(self, blocks: int = 1000) -> None:
        for line in self.lines:
            line.room.release(blocks)


def plan_of(stream: Stream, workers: int) -> Plan:
    source: Any = stream
    return plan_for(source, blocks=None, workers=workers)


@contextmanager
def feeding(
    stream: Stream, workers: int, pipes: list[Pipe] | None = None, split: str = "block"
) -> Iterator[Feeding]:
    """Make a feeder, and leave no thread and no socket behind."""
    made = Feeding(stream, workers, pipes, split)
    with closing(made.feeder.ended):
        yield made
        made.feeder.stop()
        if made.feeder.ident is not None:
            made.feeder.join(WAIT_S)
            assert not made.feeder.is_alive()


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_every_block_goes_to_the_worker_of_its_number_in_order_and_then_the_end(workers: int) -> None:
    with feeding(Stream(10), workers) as fed:
        fed.make_room()
        fed.feeder.run()
        assert [pipe.numbers for pipe in fed.pipes] == [
            [*range(worker, 10, workers), None] for worker in range(workers)
        ]
        assert fed.feeder.error is None
        assert fed.feeder.ended.recv(1) == b""


def test_split_by_record_every_block_goes_to_every_worker() -> None:
    with feeding(Stream(4), 3, split="record") as fed:
        fed.make_room()
        fed.feeder.run()
        assert [pipe.numbers for pipe in fed.pipes] == [[0, 1, 2, 3, None]] * 3


def test_a_stream_without_blocks_is_an_end_for_every_worker() -> None:
    with feeding(Stream(0), 2) as fed:
        fed.feeder.run()
        assert [pipe.heard for pipe in fed.pipes] == [[Feed(None)], [Feed(None)]]


def test_no_worker_is_more_than_a_few_blocks_ahead_of_what_it_has_begun() -> None:
    with feeding(Stream(None), 1) as fed:
        (pipe,), (line,) = fed.pipes, fed.lines
        fed.feeder.start()
        for begun in range(5):
            pipe.wait_for(MAX_QUEUED_BLOCKS + begun)
            assert len(pipe.heard) == MAX_QUEUED_BLOCKS + begun
            assert fed.stream.made <= MAX_QUEUED_BLOCKS + begun + 1
            line.room.release()
        pipe.wait_for(MAX_QUEUED_BLOCKS + 5)


def test_a_worker_that_has_begun_nothing_holds_the_others_blocks_back_but_not_for_ever() -> None:
    with feeding(Stream(None), 2) as fed:
        fed.lines[1].room.release(1000)
        fed.feeder.start()
        fed.pipes[1].wait_for(MAX_QUEUED_BLOCKS)
        assert fed.pipes[0].numbers == [0, 2, 4]
        fed.lines[0].room.release()
        fed.pipes[0].wait_for(MAX_QUEUED_BLOCKS + 1)
        assert fed.pipes[0].numbers == [0, 2, 4, 6]


def test_told_to_stop_it_sends_no_further_block_and_ends_for_every_worker() -> None:
    with feeding(Stream(None), 2) as fed:
        fed.feeder.start()
        fed.pipes[1].wait_for(MAX_QUEUED_BLOCKS)
        fed.feeder.stop()
        fed.feeder.join(WAIT_S)
        assert not fed.feeder.is_alive()
        assert [pipe.numbers for pipe in fed.pipes] == [[0, 2, 4, None], [1, 3, 5, None]]
        assert fed.feeder.error is None


@pytest.mark.parametrize("failure", [SourceError("cut short"), ZeroDivisionError("a bug")])
def test_a_stream_that_fails_in_the_middle_is_an_end_for_every_worker_and_tells_why(
    failure: Exception,
) -> None:
    with feeding(Stream(3, failure), 2) as fed:
        fed.feeder.run()
        assert fed.feeder.error is failure
        assert [pipe.numbers for pipe in fed.pipes] == [[0, 2, None], [1, None]]
        assert fed.feeder.ended.recv(1) == b""


def test_a_dead_worker_does_not_keep_the_others_from_their_blocks() -> None:
    with feeding(Stream(6), 2, [Pipe(broken=True), Pipe()]) as fed:
        fed.make_room()
        fed.feeder.run()
        assert fed.pipes[1].numbers == [1, 3, 5, None]
        assert fed.feeder.error is None


def test_a_message_waits_for_the_one_before_it_and_gives_up_when_its_time_is_up() -> None:
    let_go = threading.Event()
    pipe = Pipe(held=let_go)
    line = WorkerPipe(pipe)
    first = threading.Thread(target=line.send, args=(Feed(None),))
    first.start()
    assert pipe.inside.wait(WAIT_S)
    line.send(Stop(), timeout_s=0.001)
    let_go.set()
    first.join(WAIT_S)
    assert pipe.heard == [Feed(None)]
    line.send(Stop(), timeout_s=1)
    assert pipe.heard == [Feed(None), Stop()]


def test_a_line_to_a_dead_worker_takes_every_message() -> None:
    line = WorkerPipe(Pipe(broken=True))
    for _ in range(2):  # the lock is let go of
        line.send(Stop(), timeout_s=0.001)


def test_blocks_of_a_stream_are_cut_as_the_plan_says_and_those_that_are_done_left_out() -> None:
    stream = Stream(3)
    plan = plan_of(stream, 2)
    assert [block.number for block in stream_blocks(plan)] == [0, 1, 2]
    assert stream.asked == [plan.block_bytes]
    done = Completed([Checkpoint(0, 1, workers=3, split="block", block=1)])
    assert [block.number for block in stream_blocks(replace(plan, done=done))] == [0, 2]


def test_a_worker_takes_its_blocks_in_order_and_says_so_for_each() -> None:
    pipe = Pipe()
    queue = BlockQueue(4, pipe, tally_of(5))
    for number in (4, 9):
        queue.put(block_of(number))
    queue.put(None)
    taken = []
    for block in queue:
        taken.append(block.number)
        assert pipe.heard == [BlockStarted(4)] * len(taken)
    assert taken == [4, 9]


def test_a_worker_whose_parent_is_gone_still_ends_its_blocks() -> None:
    queue = BlockQueue(0, Pipe(broken=True), tally_of(1))
    queue.put(block_of(0))
    queue.put(None)
    assert [block.number for block in queue] == [0]


def test_a_worker_waits_for_the_next_block() -> None:
    queue = BlockQueue(0, Pipe(), tally_of(1))
    feeder = threading.Timer(0.001, queue.put, (None,))
    feeder.start()
    assert list(queue) == []
    feeder.join()
