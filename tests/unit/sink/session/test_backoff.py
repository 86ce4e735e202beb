"""Backoff: pauses that grow, a deadline from the first error on, and an end when the run is to stop."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from etl.errors import (
    HungUpError,
    LostError,
    RefusedForNowError,
    StoppedError,
    TargetError,
    TransientError,
)
from etl.sink.session import backoff as module
from etl.sink.session.backoff import FIRST_PAUSE_S, LONGEST_PAUSE_S, Backoff
from etl.units import format_seconds
from tests.unit.sink.clock import Clock

BROKEN = LostError("the connection broke")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


def wait_till_the_end(backoff: Backoff, limit_s: float | None = None) -> TargetError:
    while True:
        try:
            backoff.wait(BROKEN, limit_s)
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


def test_a_success_gives_the_whole_deadline_again(clock: Clock) -> None:
    backoff = Backoff(20, clock)
    backoff.wait(BROKEN)
    clock.now += 19
    backoff.wait(BROKEN)
    backoff.reset()
    clock.now += 19
    backoff.wait(BROKEN)
    assert clock.pauses[-1] <= FIRST_PAUSE_S
    clock.now += 20
    with pytest.raises(TargetError):
        backoff.wait(BROKEN)


def test_a_shorter_limit_counts_and_a_longer_one_does_not(clock: Clock) -> None:
    assert "tried again for 1.00 s" in str(wait_till_the_end(Backoff(20, clock), limit_s=1))
    assert "tried again for 2.00 s" in str(wait_till_the_end(Backoff(2, clock), limit_s=30))


def test_without_a_deadline_the_error_itself_is_raised_at_once(clock: Clock) -> None:
    assert wait_till_the_end(Backoff(0, clock)) is BROKEN
    assert clock.pauses == []


def test_a_run_that_is_to_stop_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(stops_at=0.0)
    monkeypatch.setattr(module, "time", clock)
    with pytest.raises(StoppedError):
        Backoff(20, clock).wait(BROKEN)
    assert len(clock.pauses) == 1


def attempts(*outcomes: TransientError | str) -> Callable[[], str]:
    """Return an attempt that has these outcomes, one after the other."""
    left = list(outcomes)

    def attempt() -> str:
        outcome = left.pop(0)
        if isinstance(outcome, TransientError):
            raise outcome
        return outcome

    return attempt


def test_an_attempt_is_made_again_after_a_pause_as_long_as_another_may_go_well(clock: Clock) -> None:
    told: list[str] = []
    refused = RefusedForNowError("it is busy")
    assert Backoff(20, clock).retry(attempts(BROKEN, refused, "done"), told=told.append) == "done"
    assert len(clock.pauses) == 2
    assert told == ["the connection broke; trying again for 20.0 s (--retry-for)"]
    assert Backoff(20, clock).retry(attempts("done"), failed=BROKEN) == "done"
    assert len(clock.pauses) == 3


def test_what_no_other_attempt_will_help_is_raised_at_once(clock: Clock) -> None:
    def attempt() -> None:
        raise TargetError("no such user")

    with pytest.raises(TargetError, match="no such user"):
        Backoff(20, clock).retry(attempt)
    with pytest.raises(LostError) as caught:
        Backoff(20, clock).retry(attempts(BROKEN), limit_s=lambda error: 0.0)
    assert caught.value is BROKEN
    assert clock.pauses == []


@pytest.mark.parametrize(
    ("error", "limit_s", "kind", "waited_s"),
    [
        (RefusedForNowError("full", 1.0), None, TargetError, 1.0),
        (HungUpError("it hangs up"), None, HungUpError, 2.0),
        (BROKEN, 0.5, TargetError, 0.5),
    ],
)
def test_the_shortest_limit_ends_the_attempts(
    clock: Clock, error: TransientError, limit_s: float | None, kind: type[TargetError], waited_s: float
) -> None:
    with pytest.raises(TargetError) as caught:
        Backoff(2, clock).retry(attempts(*[error] * 99), limit_s=lambda error: limit_s)
    assert type(caught.value) is kind
    assert str(caught.value) == f"{error}; tried again for {format_seconds(waited_s)} (--retry-for)"
