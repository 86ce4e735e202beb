"""One worker's sessions with the nodes of a cluster, without any node."""

from __future__ import annotations

import pytest

from etl.encode.resp.slots import SLOTS
from etl.errors import TargetError
from etl.plan import StopFlag
from etl.sink.session import backoff as waiting
from etl.sink.session.backoff import Backoff
from etl.sink.session.cluster import ClusterSession
from etl.sink.session.reconnecting import ReconnectingSession
from etl.sink.session.slot_map import Node, SlotMap
from tests.unit.sink.clock import Clock

RETRY_FOR_S = 30.0
WHOLE = SlotMap(["a:1"] * SLOTS)
HALF = SlotMap(["a:1"] * (SLOTS - 1) + [None])


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(waiting, "time", clock)
    return clock


def session_of(first: SlotMap, later: list[SlotMap], stop: StopFlag) -> ClusterSession:
    """Return a session that finds ``first``, then the maps of ``later``, the last of them for ever."""

    def read_map(avoid: Node | None, known: tuple[Node, ...]) -> SlotMap:
        return later.pop(0) if len(later) > 1 else later[0]

    def open_node(node: Node, unreached: object) -> ReconnectingSession:
        raise AssertionError(node)

    return ClusterSession(first, read_map, open_node, {}, Backoff(RETRY_FOR_S, stop), read_timeout_s=30.0)


def test_each_time_that_a_slot_is_without_a_node_is_waited_for_as_long_as_the_first(clock: Clock) -> None:
    session = session_of(HALF, [WHOLE, HALF, WHOLE], clock)
    assert session.owner(SLOTS - 1) == "a:1"
    clock.now += 100 * RETRY_FOR_S
    session.renew()
    assert session.owner(SLOTS - 1) == "a:1"


def test_a_slot_that_nobody_takes_is_waited_for_until_the_time_is_up(clock: Clock) -> None:
    with pytest.raises(TargetError, match="serves the slots 16383; tried again for 30"):
        session_of(HALF, [HALF], clock).owner(0)
    assert RETRY_FOR_S <= clock.now <= RETRY_FOR_S + waiting.LONGEST_PAUSE_S
