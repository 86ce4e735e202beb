"""The memory guard: workers are held while there is hardly any room, but not for ever."""

from __future__ import annotations

import pytest

from etl.sink.preflight.facts import UNKNOWN, Info
from etl.sink.preflight.memory_watch import MemoryGuard, has_little_room
from etl.units import MIB
from tests.cases import cases
from tests.unit.memory import tally_of

FULL = Info(used_memory=99, maxmemory=100, policy="noeviction")
ROOMY = Info(used_memory=50, maxmemory=100, policy="noeviction")


@cases(
    ("info", "little"),
    [
        (FULL, True),
        (ROOMY, False),
        (Info(used_memory=98, maxmemory=100), False),
        (Info(used_memory=120, maxmemory=100), True),
        (Info(used_memory=99, maxmemory=100, policy="allkeys-lru"), False),
        (Info(used_memory=10**12, maxmemory=0), False),
        (Info(maxmemory=100), False),
        (UNKNOWN, False),
        (Info(used_memory=10**11 - 64 * MIB, maxmemory=10**11), False),
        (Info(used_memory=10**11 - 64 * MIB + 1, maxmemory=10**11), True),
    ],
)
def test_there_is_little_room_only_where_the_server_would_refuse_writes(info: Info, little: bool) -> None:
    assert has_little_room(info) is little


def test_workers_are_held_while_there_is_little_room() -> None:
    counters = tally_of(2)
    found = [ROOMY, FULL, FULL, ROOMY, FULL]
    guard = MemoryGuard(counters, lambda: found.pop(0), limit_s=10)
    held = []
    for now in range(5):
        guard.look(now)
        held.append([counters.paused(worker) for worker in range(2)])
    assert held == [[False] * 2, [True] * 2, [True] * 2, [False] * 2, [True] * 2]
    guard.leave()
    assert not counters.paused(0)


@pytest.mark.parametrize(("limit_s", "lasts_s"), [(10, 10), (120, 30)])
def test_after_a_while_the_load_goes_on_all_the_same(limit_s: float, lasts_s: float) -> None:
    counters = tally_of(1)
    guard = MemoryGuard(counters, lambda: FULL, limit_s)
    guard.look(5)
    assert counters.paused(0)
    guard.look(5 + lasts_s - 0.1)
    assert counters.paused(0)
    guard.look(5 + lasts_s)
    assert not counters.paused(0)


def test_a_worker_is_held_by_another_one_that_waits_and_not_by_itself() -> None:
    counters = tally_of(2)
    counters.set(0, "waiting", 1)
    assert (counters.paused(0), counters.paused(1)) == (False, True)
