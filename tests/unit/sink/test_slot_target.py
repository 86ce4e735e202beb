"""Targets of a cluster: how long they are waited for, without any node."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from etl.encode.resp.slots import SLOTS
from etl.errors import LostError, TargetError
from etl.plan import NodeIdentity, Target
from etl.sink.address import parse_address
from etl.sink.cluster_nodes import ClusterNodes
from etl.sink.deployments.cluster import ClusterTarget
from etl.sink.deployments.standalone import StandaloneTarget
from etl.sink.session import backoff as waiting
from etl.sink.session.slot_map import Node, SlotMap
from etl.sink.slot_target import SlotTarget
from tests.cases import cases
from tests.unit.sink.clock import Clock

ONE_NODE = SlotMap(["a:1"] * SLOTS)
"""What a node that answers says."""


@dataclass(frozen=True, slots=True)
class Nodes(ClusterNodes):
    """Nodes of which none answers so many questions."""

    silent: int = 0

    def read_map(self, avoid: Node | None = None, more: object = ()) -> SlotMap:
        ASKED.append(self.seed.retry_for_s)
        if len(ASKED) <= self.silent:
            raise LostError("no answer")
        return ONE_NODE

    def identity(self, node: Node) -> NodeIdentity:
        return NodeIdentity(run_id=b"one")


ASKED: list[float] = []


def targets(silent: int) -> list[Target]:
    nodes = Nodes(StandaloneTarget(parse_address("redis://host:1/0"), retry_for_s=100.0), silent=silent)
    return [ClusterTarget(nodes), SlotTarget(nodes, 7)]


@cases("place", [0, 1])
def test_a_target_is_waited_for_as_long_as_it_is_told_when_it_is_identified(
    place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(waiting, "time", clock)
    ASKED.clear()
    with pytest.raises(TargetError, match=r"no answer; tried again for 5[.]00 s"):
        targets(silent=1_000)[place].identify("me", clock, 5.0)
    assert 5.0 <= clock.now < 10.0
    ASKED.clear()
    found = targets(silent=1)[place].identify("me", clock, 5.0)
    assert isinstance(found, (ClusterTarget, SlotTarget))
    assert found.nodes.seed.retry_for_s == 5.0
    assert ASKED == [5.0, 5.0]
