"""Shards that an engine runs: so many at once, none after an error, stopped first by asking."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pytest

import etl.run.engine as engine
from etl.errors import DiedError, EtlError, InterruptedRunError, RejectedError
from etl.run.engine import ShardEnd, ShardLoop, ShardTask
from etl.run.signals import StopSignals

TOLD = InterruptedRunError("told to stop", 15)


@dataclass
class Scripted:
    """An Engine in memory: a task ends when it is waited for, unless it ``hangs``; it says what was done."""

    fails: Mapping[int, EtlError] = field(default_factory=dict)
    lost: frozenset[int] = frozenset()
    hangs: frozenset[int] = frozenset()
    on_start: Callable[[int], None] = lambda shard: None
    done: list[str] = field(default_factory=list)
    running: set[int] = field(default_factory=set)
    most_at_once: int = 0
    asked: bool = False
    cancelled: set[int] = field(default_factory=set)

    def capacity(self) -> int:
        return 2

    def start(self, task: ShardTask, shard: int) -> int:
        self.running.add(shard)
        self.most_at_once = max(self.most_at_once, len(self.running))
        self.on_start(shard)
        return shard

    def wait(self, handles: Sequence[int], timeout_s: float) -> Sequence[int]:
        ended = [shard for shard in handles if shard not in self.hangs or shard in self.cancelled]
        self.running.difference_update(ended[:1])
        return ended[:1]

    def end_of(self, handle: int) -> ShardEnd:
        if handle in self.cancelled or handle in self.lost:
            raise DiedError(f"shard {handle} is gone")
        return ShardEnd(handle, error=TOLD if self.asked else self.fails.get(handle))

    def cancel(self, handle: int) -> None:
        self.cancelled.add(handle)

    def close(self) -> None:
        pass

    def look(self) -> None:
        self.done.append("look")

    def ask_to_stop(self) -> None:
        assert not self.asked
        self.asked = True


def run(scripted: Scripted, shards: int, at_once: int, signals: StopSignals | None = None) -> list[ShardEnd]:
    loop = ShardLoop(scripted, ShardEnd, scripted, signals or StopSignals(), at_once)
    return loop.run(range(shards))


def test_all_shards_run_and_no_more_than_allowed_at_once() -> None:
    scripted = Scripted()
    ends = run(scripted, 7, 3)
    assert sorted(end.shard for end in ends) == list(range(7))
    assert not [end for end in ends if end.error]
    assert (scripted.most_at_once, scripted.asked, len(scripted.done)) == (3, False, 7)


@pytest.mark.parametrize("lost", [False, True])
def test_after_a_failure_or_a_lost_task_no_other_is_begun_and_those_that_run_are_asked_to_stop(
    lost: bool,
) -> None:
    failure = RejectedError("too many")
    scripted = Scripted(lost=frozenset({0})) if lost else Scripted(fails={0: failure})
    ends = run(scripted, 9, 3)
    assert sorted(end.shard for end in ends) == [0, 1, 2]
    assert isinstance(ends[0].error, DiedError if lost else RejectedError)
    assert {type(end.error) for end in ends[1:]} == {InterruptedRunError}
    assert scripted.asked
    assert not scripted.cancelled


def test_what_does_not_end_when_it_is_asked_to_is_cancelled_after_a_while_or_at_a_second_signal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for received, grace_s in (([2], 0.0), ([2, 2], 1e9)):
        signals = StopSignals()
        scripted = Scripted(hangs=frozenset({1}))
        scripted.on_start = lambda shard, signals=signals, all=received: signals.received.extend(  # type: ignore[misc]
            all if shard == 1 else ()
        )
        monkeypatch.setattr(engine, "GRACE_S", grace_s)
        ends = run(scripted, 5, 2, signals)
        assert scripted.asked
        assert 1 in scripted.cancelled
        assert isinstance({end.shard: end for end in ends}[1].error, DiedError)


def test_a_task_that_survives_being_cancelled_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "GRACE_S", 0.0)
    monkeypatch.setattr(engine, "CANCELLED_S", 0.0)
    signals = StopSignals()
    signals.received.append(15)
    assert run(Scripted(hangs=frozenset({0})), 1, 1, signals) == []
