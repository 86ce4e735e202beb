"""A rate is kept to by all workers together, and what was not used is lost. No time passes here."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass

import pytest

from etl.rate import Rate
from etl.report import Counters
from etl.worker.rate_limit import PIECES_A_SECOND, RateLimiter
from etl.worker.waiting import BURST_S, FIRST_PIECE_RECORDS
from tests.unit.memory import Told, tally_of

START = 1_000.0
WINDOW_S = 0.5
MOST = 1.2
"""How many times the rate may go out within the window, beside a piece of each worker that was blocked."""


class Clock:
    """A monotonic clock that a test sets."""

    now = START

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True, slots=True)
class Crew:
    """Workers that send as fast as they may; a frozen server blocks a send until it goes on."""

    rate: float
    workers: int
    frozen: tuple[tuple[float, float], ...] = ()
    gone: tuple[tuple[int, float], ...] = ()
    """Workers that have nothing more to send, and since when."""
    lag_s: float = 0.0
    """How late a worker may wake up, at most."""

    def run(self, seconds: float) -> tuple[list[tuple[float, int]], Counters]:
        """Return what was sent, and when (in seconds from the start)."""
        clock, counters, chance = Clock(), tally_of(self.workers), random.Random(7)
        rate = Rate(self.rate, "records", since=START)
        paces = [RateLimiter(rate, worker, counters, Told(), clock) for worker in range(self.workers)]
        ready = [(START, worker) for worker in range(self.workers)]
        sent: list[tuple[float, int]] = []
        ends = dict(self.gone)
        while ready:
            now, worker = heapq.heappop(ready)
            if now - START >= min(seconds, ends.get(worker, seconds)):
                continue
            clock.now = now
            records = paces[worker].max_records
            due = paces[worker].claim(records, 80 * records)
            leaves = self._taken(max(now, due + chance.uniform(0, self.lag_s)))
            sent.append((leaves - START, records))
            heapq.heappush(ready, (leaves, worker))
        return sorted(sent), counters

    def _taken(self, moment: float) -> float:
        for begin, end in self.frozen:
            if begin <= moment - START < end:
                return START + end
        return moment


def most_in_a_window(sent: list[tuple[float, int]]) -> int:
    """Return the most records that went out within WINDOW_S."""
    most = total = first = 0
    for moment, records in sent:
        total += records
        while sent[first][0] < moment - WINDOW_S:
            total -= sent[first][1]
            first += 1
        most = max(most, total)
    return most


CREWS = {
    "one worker": Crew(1_500, 1),
    "four workers": Crew(20_000, 4),
    "a server that stands still for 8 s": Crew(20_000, 2, frozen=((3, 11),)),
    "one that stands still again and again": Crew(10_000, 4, frozen=((1, 2), (2.1, 4), (4.5, 4.6), (9, 12))),
    "workers that are done one after the other": Crew(20_000, 4, gone=((0, 2), (3, 5), (1, 9))),
    "both": Crew(20_000, 3, frozen=((3, 6),), gone=((2, 4),)),
    "workers that oversleep": Crew(20_000, 2, lag_s=0.09),
    "hardly anything": Crew(2, 2),
}


@pytest.mark.parametrize("name", CREWS)
def test_no_window_has_a_burst_and_the_rate_is_reached(name: str) -> None:
    crew = CREWS[name]
    seconds = 20.0
    sent, counters = crew.run(seconds)
    piece = max(records for _, records in sent)
    assert most_in_a_window(sent) <= MOST * crew.rate * WINDOW_S + piece * crew.workers
    able = seconds - sum(end - begin for begin, end in crew.frozen)
    total = sum(records for _, records in sent)
    assert total >= 0.95 * crew.rate * able - piece * crew.workers
    stops = 1 + len(crew.frozen)
    assert total <= crew.rate * (able + BURST_S * stops) + piece * crew.workers * stops
    assert total == counters.total("sent")


def test_workers_that_find_the_same_allowance_unused_drop_it_once() -> None:
    clock, counters = Clock(), tally_of(3)
    paces = [
        RateLimiter(Rate(100.0, "records", START), worker, counters, Told(), clock) for worker in range(3)
    ]
    clock.now = START + 8
    dues = [pace.claim(1, 80) for pace in paces]
    assert dues == [pytest.approx(clock.now - BURST_S + n / 100) for n in (1, 2, 3)]
    assert counters.highest("dropped_ns") == pytest.approx((8 - BURST_S) * 1e9)


def test_a_worker_waits_for_what_it_has_claimed() -> None:
    clock, waits = Clock(), []

    class Sleeper(Told):
        def wait(self, timeout: float | None = None) -> bool:
            assert timeout is not None
            waits.append(timeout)
            clock.now += timeout
            return False

    counters = tally_of(1)
    RateLimiter(Rate(100.0, "records", START), 0, counters, Sleeper(), clock).wait(50, 4_000)
    assert waits == [pytest.approx(0.5)]
    assert counters.of(0, "idle") == 0


def test_pieces_of_bytes_are_as_long_as_their_records_tell() -> None:
    pace = RateLimiter(Rate(200_000.0, "bytes", START), 0, tally_of(2), Told(), Clock())
    assert pace.max_records == FIRST_PIECE_RECORDS
    pace.claim(100, 100 * 50)
    assert pace.max_records == 200_000 / PIECES_A_SECOND / 2 / 50
    pace.claim(1, 100_000_000)
    assert pace.max_records == 1


def test_what_may_be_under_way_is_a_part_of_the_rate() -> None:
    assert Rate(1_000.0, "records").in_flight(2) == (100, None)
    assert Rate(1_000_000.0, "bytes").in_flight(1) == (None, 200_000)
    assert Rate(1.0, "records").in_flight(8) == (1, None)
