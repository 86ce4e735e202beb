"""Inline: one shard in the calling process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from etl.errors import SourceError, TargetError
from etl.plan import Block, Plan
from etl.run.runners.inline import InlineRunner
from etl.run.signals import StopSignals
from etl.worker.messages import Failed, Finished
from tests.unit.given import source_of
from tests.unit.memory import MemoryTarget, plan_for, tally_of


def plan_of(folder: Path, content: bytes, target: MemoryTarget, workers: int = 1) -> Plan:
    return plan_for(source_of(folder, [content]), target, workers=workers)


def test_a_shard_is_run_and_the_idle_workers_have_finished(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, b"a\nb\n", MemoryTarget(), workers=3)
    counters = tally_of(3)
    (message,) = InlineRunner().run(plan, counters, StopSignals())
    assert isinstance(message, Finished)
    assert counters.finished()
    assert [counters.of(worker, "records_written") for worker in range(3)] == [2, 0, 0]


def test_nothing_to_read_is_done_at_once(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, b"", MemoryTarget())
    counters = tally_of(1)
    assert isinstance(InlineRunner().run(plan, counters, StopSignals())[0], Finished)
    assert counters.finished()


def test_a_failure_is_the_last_word(tmp_path: Path) -> None:
    target = MemoryTarget(plan={"fails_at": 0, "failure": TargetError("gone")})
    counters = tally_of(1)
    (message,) = InlineRunner().run(plan_of(tmp_path, b"a\n", target), counters, StopSignals())
    assert isinstance(message, Failed)
    assert str(message.error) == "gone"
    assert not counters.finished()


def test_a_stop_that_was_asked_for_before_is_obeyed(tmp_path: Path) -> None:
    signals = StopSignals()
    signals.received.append(15)
    target = MemoryTarget()
    counters = tally_of(1)
    InlineRunner().run(plan_of(tmp_path, b"a\n", target), counters, signals)
    assert target.sessions[0].wires == []
    assert not counters.finished()


class Stream:
    """A source of lines whose blocks come one by one; ``failure`` comes behind them."""

    nbytes = None
    streamed = True

    def __init__(self, plan: Plan, failure: Exception | None = None) -> None:
        self._plan = plan
        self._failure = failure
        self.open = plan.source.open

    def blocks(self, block_bytes: int) -> Iterator[Block]:
        assert self._plan.blocks is not None
        yield from self._plan.blocks
        if self._failure is not None:
            raise self._failure


def stream_plan(folder: Path, target: MemoryTarget, failure: Exception | None = None) -> Plan:
    stream: Any = Stream(plan_of(folder, b"a\nb\n", target), failure)
    return plan_for(stream, target)


def test_a_stream_is_cut_and_loaded_by_turns(tmp_path: Path) -> None:
    target = MemoryTarget()
    counters = tally_of(1)
    (message,) = InlineRunner().run(stream_plan(tmp_path, target), counters, StopSignals())
    assert isinstance(message, Finished)
    assert target.pairs == [(0, b"a"), (1, b"b")]
    assert counters.finished()


def test_a_stream_that_fails_in_the_middle_is_a_failure_with_what_came_before_counted(tmp_path: Path) -> None:
    target = MemoryTarget(plan={"lag": 5})
    counters = tally_of(1)
    plan = stream_plan(tmp_path, target, SourceError("cut short"))
    (message,) = InlineRunner().run(plan, counters, StopSignals())
    assert isinstance(message, Failed)
    assert str(message.error) == "cut short"
    assert counters.total("records_written") == 2
    assert not counters.finished()


def test_a_signal_ends_a_wait_for_a_stream_and_what_came_before_counts(tmp_path: Path) -> None:
    """The handler is called where the stream waits, as by a signal during a read."""
    signals = StopSignals()

    class Idle(Stream):
        def blocks(self, block_bytes: int) -> Iterator[Block]:
            yield from super().blocks(block_bytes)
            signals._note(2, None)
            raise AssertionError("the wait goes on")

    target = MemoryTarget(plan={"lag": 5})
    counters = tally_of(1)
    idle: Any = Idle(plan_of(tmp_path, b"a\nb\n", target))
    (message,) = InlineRunner().run(plan_for(idle, target), counters, signals)
    assert isinstance(message, Finished)
    assert counters.total("records_written") == 2
    assert not counters.finished()
    assert str(signals.error()) == "stopped by SIGINT"
