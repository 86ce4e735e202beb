"""A part of a Redis Cluster: whichever primary has one slot, as the state of a job lies in one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, TypeVar

from etl.encode.resp.slots import slot_of
from etl.errors import LostError, ServerChangedError
from etl.plan import StopFlag, Target
from etl.sink.cluster_nodes import ClusterNodes
from etl.sink.session.backoff import Backoff
from etl.sink.session.following import FollowingSession
from etl.sink.session.pipelined import PipelinedSession
from etl.sink.session.reconnecting import ReconnectingSession
from etl.sink.session.slot_map import Node, SlotMap

Itself = TypeVar("Itself", bound="InCluster")


@dataclass(frozen=True, slots=True)
class InCluster(ABC):
    """What a whole cluster and a slot of it have in common as Targets (``etl/plan/target.py``)."""

    nodes: ClusterNodes

    takes: ClassVar[frozenset[str]] = frozenset(("cluster",))
    embedded: ClassVar[bool] = False

    def __str__(self) -> str:
        return str(self.nodes)

    @property
    def name(self) -> str:
        return self.nodes.seed.name

    def holding(self, key: bytes) -> SlotTarget:
        return SlotTarget(self.nodes, slot_of(key))

    def replicas(self) -> tuple[Target, ...]:
        """Return the replicas that may take the place of a primary. None of them is waited for."""
        nodes = self.nodes.waiting(0.0)
        return tuple(nodes.node(node) for node in nodes.replicas)

    def backoff(self, stop: StopFlag) -> Backoff:
        return self.nodes.backoff(stop)

    def identify(
        self: Itself,
        client_name: str,
        stop: StopFlag,
        retry_for_s: float | None = None,
        told: Callable[[str], None] = lambda text: None,
    ) -> Itself:
        """Ask what is where; return the target that knows it, and is waited for so long from then on.

        A cluster that cannot tell is waited for. Raises TargetError.
        """
        nodes = self.nodes if retry_for_s is None else self.nodes.waiting(retry_for_s)
        unknown = replace(self, nodes=nodes)
        return unknown.backoff(stop).retry(unknown.identified, told=told)

    @abstractmethod
    def identified(self: Itself) -> Itself:
        """Ask once what is where. Raises LostError, TargetError."""


@dataclass(frozen=True, slots=True)
class SlotTarget(InCluster):
    """A Target: whichever primary of a cluster has the slot ``slot`` when a connection is made.

    ``known`` is the primary that it was identified with, and its run id. The slot may move from there to
    another one, and takes its keys along; where that primary has restarted, or is none any more, some may be
    lost.
    """

    slot: int
    known: tuple[Node, bytes | None] | None = None

    clustered: ClassVar[bool] = False

    def primaries(self) -> tuple[Target, ...]:
        return (self,)

    def first_slots(self) -> tuple[int]:
        return (self.slot,)

    def connect(self, client_name: str) -> FollowingSession:
        owner = self._owner(self.nodes.read_map())
        return self._following(self.nodes.node(owner).connect(client_name), client_name)

    def identified(self) -> SlotTarget:
        owner = self._owner(self.nodes.read_map())
        return replace(self, known=(owner, self.nodes.identity(owner).run_id))

    def connect_reconnecting(self, client_name: str, stop: StopFlag) -> FollowingSession:
        known = self.known

        def connect() -> PipelinedSession:
            nonlocal known
            slot_map = self.nodes.read_map()
            owner = self._owner(slot_map)
            if known is not None:
                found = (owner, self.nodes.identity(owner).run_id)
                if known != found and (owner == known[0] or known[0] not in slot_map.nodes):
                    raise ServerChangedError(f"{known[0]} was restarted, or a replica has taken its place")
                known = found
            return self.nodes.node(owner).connect(client_name)

        return self._following(ReconnectingSession(connect, self.backoff(stop), None), client_name)

    def connect_routed(self, client_name: str, stop: StopFlag) -> None:
        return None

    def bounded(self, records: int | None, nbytes: int | None) -> SlotTarget:
        return replace(self, nodes=self.nodes.bounded(records, nbytes))

    def _following(
        self, session: PipelinedSession | ReconnectingSession, client_name: str
    ) -> FollowingSession:
        return FollowingSession(
            session, lambda node: self.nodes.node(node).connect(client_name), self.nodes.seed.address.endpoint
        )

    def _owner(self, slot_map: SlotMap) -> Node:
        owner = slot_map.owner(self.slot)
        if owner is None:
            raise LostError(f"{self}: no node serves the slot {self.slot}")
        return owner
