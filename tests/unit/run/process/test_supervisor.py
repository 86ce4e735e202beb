"""The supervisor's step, called by hand: who is told what, and when it is enough."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from etl.errors import DiedError, InterruptedRunError, SourceError, TargetError, WorkerError
from etl.run.process.child import Child
from etl.run.process.feed import MAX_QUEUED_BLOCKS, WorkerPipe
from etl.run.process.supervisor import GRACE_S, Supervisor
from etl.run.process.worker_main import SHOW_STACK
from etl.run.signals import StopSignals
from etl.source.objects.records import open_records
from etl.worker.messages import BlockStarted, Failed, Finished, ShardResult, Stop
from tests.unit.memory import plan_for, tally_of

SOURCE = open_records([], "list")


class Process:
    """A worker process as the parent sees it."""

    def __init__(self) -> None:
        self.exitcode: int | None = None
        self.killed = False

        self.pid = os.getpid()

    def kill(self) -> None:
        self.killed = True
        self.exitcode = -signal.SIGKILL

    def join(self, timeout: float | None = None) -> None:
        assert timeout is not None or self.exitcode is not None


class Pipe:
    """The parent's end of a worker's Pipe."""

    def __init__(self) -> None:
        self.said: list[Any] = []
        self.heard: list[Any] = []
        self.closed = False
        self.broken = False

    def poll(self) -> bool:
        return bool(self.said)

    def recv(self) -> Any:
        return self.said.pop(0)

    def send(self, message: Any) -> None:
        if self.broken:
            raise BrokenPipeError
        self.heard.append(message)

    def close(self) -> None:
        self.closed = True


class Feeder:
    """Stands in for the thread that feeds a stream."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.stopped = 0
        self.ended = Pipe()

    def stop(self) -> None:
        self.stopped += 1


class Crew:
    """A supervisor over so many workers that were never started."""

    def __init__(self, workers: int, stall_s: float | None = None) -> None:
        self.signals = StopSignals()
        self.counters = tally_of(workers)
        plan = plan_for(SOURCE, workers=workers, blocks=(), stall_s=stall_s)
        self.supervisor = Supervisor(plan, None, self.counters.slots, self.signals)
        for worker in range(workers):
            child = Child.__new__(Child)
            child.worker = worker
            child.message = None
            child.process = Process()
            pipe: Any = Pipe()
            child.connection = pipe
            child.pipe = WorkerPipe(pipe)
            self.children.append(child)

    @property
    def children(self) -> list[Child]:
        return self.supervisor._children

    def say(self, worker: int, message: ShardResult | BlockStarted) -> None:
        self.children[worker].connection.said.append(message)

    def end(self, worker: int, code: int) -> None:
        self.children[worker].process.exitcode = code

    def heard(self) -> list[int]:
        return [len(child.connection.heard) for child in self.children]

    def killed(self) -> list[bool]:
        return [child.process.killed for child in self.children]


@pytest.fixture
def crew() -> Crew:
    return Crew(3)


def test_nobody_is_told_anything_while_somebody_works(crew: Crew) -> None:
    crew.say(1, Finished(1, 1.0))
    crew.supervisor.step(0)
    assert crew.heard() == [0, 0, 0]
    assert crew.children[1].message == Finished(1, 1.0)


def test_when_all_have_finished_all_are_let_go_once(crew: Crew) -> None:
    for worker in range(3):
        crew.say(worker, Finished(worker, 1.0))
    for _ in range(3):
        crew.supervisor.step(0)
    assert crew.heard() == [1, 1, 1]
    assert all(child.connection.heard == [Stop()] for child in crew.children)
    crew.supervisor.step(GRACE_S * 100)
    assert crew.killed() == [False] * 3


def test_a_failure_stops_the_others_and_after_the_grace_kills_them(crew: Crew) -> None:
    crew.say(1, Failed(1, 1.0, TargetError("gone")))
    crew.supervisor.step(100)
    assert crew.heard() == [1, 1, 1]
    crew.supervisor.step(100 + GRACE_S)
    assert crew.killed() == [False] * 3
    crew.supervisor.step(100 + GRACE_S + 0.1)
    assert crew.killed() == [True] * 3
    for child in crew.children:
        assert isinstance(child.message, Failed)
    assert isinstance(crew.children[1].message, Failed)
    assert isinstance(crew.children[1].message.error, TargetError)


@pytest.mark.parametrize(
    ("exit_code", "code", "says"),
    [
        (-9, 137, "worker 2 was killed by SIGKILL, usually for want of memory"),
        (-11, 139, "worker 2 was killed by SIGSEGV"),
        (1, 70, "worker 2 ended with exit code 1 before its shard was done"),
        (0, 70, "worker 2 ended with exit code 0 before its shard was done"),
    ],
)
def test_a_worker_that_ends_without_a_word_is_a_failure_that_says_how(
    crew: Crew, exit_code: int, code: int, says: str
) -> None:
    crew.end(2, exit_code)
    crew.supervisor.step(0)
    message = crew.children[2].message
    assert isinstance(message, Failed)
    assert isinstance(message.error, WorkerError)
    assert (str(message.error), message.error.exit_code) == (says, code)
    assert crew.heard()[:2] == [1, 1]


def test_a_worker_killed_by_a_signal_without_a_name_is_a_failure_as_well(crew: Crew) -> None:
    crew.end(2, -(signal.SIGRTMIN + 1))
    crew.supervisor.step(0)
    message = crew.children[2].message
    assert isinstance(message, Failed)
    assert str(signal.SIGRTMIN + 1) in str(message.error)


def test_the_last_word_of_a_worker_counts_even_if_it_has_ended(crew: Crew) -> None:
    crew.say(0, Finished(0, 1.0))
    crew.end(0, 0)
    crew.supervisor.step(0)
    assert crew.children[0].message == Finished(0, 1.0)


def test_results_are_given_in_the_order_in_which_they_came(crew: Crew) -> None:
    crew.say(2, Failed(2, 1.0, TargetError("first")))
    crew.supervisor.step(0)
    crew.say(0, Finished(0, 1.0))
    crew.end(1, 1)
    crew.supervisor.step(0)
    assert [word.worker for word in crew.supervisor._results] == [2, 0, 1]


def test_one_signal_asks_all_to_stop_and_waits_for_them(crew: Crew) -> None:
    crew.signals.received.append(signal.SIGTERM)
    crew.supervisor.step(0)
    crew.supervisor.step(GRACE_S * 100)
    assert crew.heard() == [1, 1, 1]
    assert crew.killed() == [False] * 3


def test_two_signals_end_all_at_once_and_say_which_was_the_first(crew: Crew) -> None:
    crew.say(0, Finished(0, 1.0))
    crew.signals.received += [signal.SIGINT, signal.SIGTERM]
    crew.supervisor.step(0)
    assert crew.killed() == [True] * 3
    assert crew.children[0].message == Finished(0, 1.0)
    for child in crew.children[1:]:
        assert isinstance(child.message, Failed)
        assert isinstance(child.message.error, InterruptedRunError)
        assert child.message.error.exit_code == 130


def test_a_worker_whose_pipe_is_broken_does_not_keep_the_others_from_being_told(crew: Crew) -> None:
    crew.children[0].connection.broken = True
    crew.say(1, Failed(1, 1.0, TargetError("gone")))
    crew.supervisor.step(0)
    assert crew.heard() == [0, 1, 1]


def test_in_the_end_every_worker_that_lives_is_killed_and_every_pipe_closed(crew: Crew) -> None:
    crew.end(0, 0)
    crew.supervisor.kill()
    assert crew.killed() == [False, True, True]
    assert all(child.connection.closed for child in crew.children)


def fed(crew: Crew) -> Feeder:
    feeder = Feeder()
    crew.supervisor._feeder = feeder  # type: ignore[assignment]
    return feeder


def test_a_worker_that_begins_a_block_makes_room_for_one_more(crew: Crew) -> None:
    fed(crew)
    room = crew.children[1].pipe.room
    for _ in range(MAX_QUEUED_BLOCKS):
        assert room.acquire(blocking=False)
    assert not room.acquire(blocking=False)
    crew.say(1, BlockStarted(1))
    crew.say(1, BlockStarted(1))
    crew.supervisor.step(0)
    assert room.acquire(blocking=False)
    assert room.acquire(blocking=False)
    assert not room.acquire(blocking=False)
    assert crew.children[1].message is None
    assert crew.heard() == [0, 0, 0]


def test_what_a_worker_says_behind_its_blocks_is_its_last_word(crew: Crew) -> None:
    fed(crew)
    crew.say(1, BlockStarted(1))
    crew.say(1, Finished(1, 1.0))
    crew.supervisor.step(0)
    assert crew.children[1].message == Finished(1, 1.0)


def test_a_stream_that_fails_stops_all_workers_and_its_error_is_the_last_word_of_all(crew: Crew) -> None:
    feeder = fed(crew)
    feeder.error = SourceError("cut short")
    crew.supervisor.step(0)
    crew.supervisor.step(GRACE_S * 100)
    assert crew.heard() == [1, 1, 1]
    assert crew.killed() == [False] * 3
    assert feeder.stopped == 1
    (word,) = crew.supervisor._feeder_result()
    assert isinstance(word, Failed)
    assert word.error is feeder.error


def test_a_bug_in_cutting_a_stream_is_raised_as_what_it_is(crew: Crew) -> None:
    fed(crew).error = ZeroDivisionError("a bug")
    with pytest.raises(ZeroDivisionError, match="a bug"):
        crew.supervisor._feeder_result()


def test_a_stream_that_went_well_adds_no_word(crew: Crew) -> None:
    assert crew.supervisor._feeder_result() == []
    fed(crew)
    assert crew.supervisor._feeder_result() == []


def test_whatever_stops_the_workers_stops_the_feeding(crew: Crew) -> None:
    feeder = fed(crew)
    crew.signals.received.append(signal.SIGTERM)
    crew.supervisor.step(0)
    assert feeder.stopped == 1
    crew.supervisor.kill()
    assert feeder.stopped == 2
    assert feeder.ended.closed


class Stalling:
    """A crew whose second worker does nothing, and who was asked to show its stack."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[int] = []
        monkeypatch.setattr(os, "kill", lambda pid, number: self.asked.append(number))
        self.crew = Crew(2, stall_s=10)

    def step(self, now: float) -> None:
        self.crew.counters.add(0, "records_read", 1)
        self.crew.supervisor.step(now)


def test_a_worker_that_makes_no_progress_shows_its_stack_and_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stalling = Stalling(monkeypatch)
    for now in (0, 5, 9.9):
        stalling.step(now)
    assert stalling.crew.killed() == [False, False]
    stalling.step(10)
    assert stalling.asked == [SHOW_STACK]
    assert stalling.crew.killed() == [False, True]
    message = stalling.crew.children[1].message
    assert isinstance(message, Failed)
    assert isinstance(message.error, DiedError)
    assert "worker 1 made no progress for 10" in str(message.error)


def test_a_worker_that_computes_without_counting_anything_is_not_stalled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stalling = Stalling(monkeypatch)
    for now in range(0, 100, 5):
        stalling.crew.counters.add(1, "cpu_ms", 500)
        stalling.step(now)
    assert stalling.crew.killed() == [False, False]
    for now in range(100, 115, 5):
        stalling.crew.counters.add(1, "cpu_ms", 5)  # as a thread does that only looks around
        stalling.step(now)
    assert stalling.crew.killed() == [False, True]


@pytest.mark.parametrize("counter", ["waiting", "idle"])
def test_a_worker_that_waits_for_its_server_or_its_stream_is_not_stalled(
    monkeypatch: pytest.MonkeyPatch, counter: str
) -> None:
    stalling = Stalling(monkeypatch)
    stalling.crew.counters.set(1, counter, 1)
    for now in (0, 11, 22):
        stalling.step(now)
    assert stalling.crew.killed() == [False, False]
    stalling.crew.counters.set(1, counter, 0)
    stalling.step(31)
    assert stalling.crew.killed() == [False, False]
    stalling.step(32)
    assert stalling.crew.killed() == [False, True]


def test_workers_that_wait_for_the_end_of_the_others_are_not_stalled(monkeypatch: pytest.MonkeyPatch) -> None:
    stalling = Stalling(monkeypatch)
    stalling.crew.say(1, Finished(1, 1.0))
    for now in (0, 11, 22):
        stalling.step(now)
    assert stalling.crew.killed() == [False, False]
