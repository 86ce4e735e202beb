"""Patience: pauses that grow, a deadline from the first bad news on, and an end when the run is to stop."""

from __future__ import annotations

import pytest

from etl.errors import LostError, StoppedError, TargetError
from etl.sink.session import backoff as module
from etl.sink.session.backoff import FIRST_PAUSE_S, LONGEST_PAUSE_S, Backoff

NEWS = LostError("the connection broke")


class Clock:
    """Time that passes only in pauses; ``stops_at`` is when the run is told to stop."""

    def __init__(self, stops_at: float = 1e9) -> None:
        self.now = 100.0
        self.pauses: list[float] = []
        self._stops_at = stops_at

    def monotonic(self) -> float:
        return self.now

    def is_set(self) -> bool:
        return self.now >= self._stops_at

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.pauses.append(timeout)
        self.now += timeout
        return self.is_set()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


def wait_till_the_end(backoff: Backoff, limit_s: float | None = None) -> TargetError:
    while True:
        try:
            backoff.wait(NEWS, limit_s)
        except TargetError as error:
            return error


def test_pauses_double_up_to_a_longest_one_and_no_two_workers_take_the_same(clock: Clock) -> None:
    error = wait_till_the_end(Backoff(20, clock))
    assert str(error) == "the connection broke; tried again for 20.0 s (--retry-for)"
    nominal = FIRST_PAUSE_S
    for pause in clock.pauses:
        assert nominal / 2 <= pause <= nominal
        nominal = min(2 * nominal, LONGEST_PAUSE_S)
    assert 20 <= sum(clock.pauses) <= 20 + LONGEST_PAUSE_S


def test_good_news_gives_the_whole_deadline_again(clock: Clock) -> None:
    backoff = Backoff(20, clock)
    backoff.wait(NEWS)
    clock.now += 19
    backoff.wait(NEWS)
    backoff.reset()
    clock.now += 19
    backoff.wait(NEWS)
    assert clock.pauses[-1] <= FIRST_PAUSE_S
    clock.now += 20
    with pytest.raises(TargetError):
        backoff.wait(NEWS)


def test_a_shorter_limit_counts_and_a_longer_one_does_not(clock: Clock) -> None:
    assert "tried again for 1.00 s" in str(wait_till_the_end(Backoff(20, clock), limit_s=1))
    assert "tried again for 2.00 s" in str(wait_till_the_end(Backoff(2, clock), limit_s=30))


def test_without_a_deadline_the_news_itself_is_raised_at_once(clock: Clock) -> None:
    assert wait_till_the_end(Backoff(0, clock)) is NEWS
    assert clock.pauses == []


def test_a_run_that_is_to_stop_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(stops_at=100.0)
    monkeypatch.setattr(module, "time", clock)
    with pytest.raises(StoppedError):
        Backoff(20, clock).wait(NEWS)
    assert len(clock.pauses) == 1
