"""A Redis Cluster: found out by asking the node that a URL leads to, whichever node that is.

https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/. A worker has one connection to
each primary that it has something for (``etl/sink/session/cluster.py``). What lies in one slot, as the state
of a job does, is asked of the primary that has this slot when the connection is made
(``etl/sink/slot_target.py``).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, TypeVar

from etl.errors import LostError, ServerChangedError, UsageError
from etl.options import TargetOptions
from etl.plan import NodeIdentity, StopFlag, Target
from etl.sink.cluster_nodes import ASK_TIMEOUT_S, ClusterNodes
from etl.sink.deployments.standalone import OPTIONS as OF_A_SERVER
from etl.sink.deployments.standalone import StandaloneTarget
from etl.sink.session.cluster import ClusterSession
from etl.sink.session.pipelined import PipelinedSession
from etl.sink.session.reconnecting import ReconnectingSession
from etl.sink.session.slot_map import Node, format_ranges
from etl.sink.slot_target import InCluster

SCHEMES: dict[str, str] = {}
NOUN = "a Redis Cluster"
OPTIONS = OF_A_SERVER

T = TypeVar("T")


def open(url: str, options: TargetOptions) -> contextlib.AbstractContextManager[Target]:
    """Raise UsageError: no URL is a cluster's alone."""
    raise UsageError("--to: a Redis Cluster is loaded by the redis:// URL of any of its nodes")


def found_at(target: Target) -> Target | None:
    """Return the cluster that a server is a node of; None where it is of none."""
    if isinstance(target, StandaloneTarget) and target.in_cluster:
        return ClusterTarget(ClusterNodes(target))
    return None


@dataclass(frozen=True, slots=True)
class ClusterTarget(InCluster):
    """A Target (``etl/plan/target.py``): all nodes of a cluster.

    Once it is identified, ``identities`` are its primaries, and ``slots`` one slot of each.
    """

    identities: tuple[tuple[Node, NodeIdentity], ...] = ()
    slots: tuple[int, ...] = ()

    clustered: ClassVar[bool] = True
    slot: ClassVar[None] = None

    def primaries(self) -> tuple[Target, ...]:
        # Each was there a moment ago; one that is gone by now is replaced, and need not be waited for.
        retry_for_s = min(ASK_TIMEOUT_S, self.nodes.seed.retry_for_s)
        nodes = self.nodes.waiting(retry_for_s)
        return tuple(nodes.node(node) for node in nodes.primaries)

    def first_slots(self) -> tuple[int, ...]:
        return self.slots

    def connect(self, client_name: str) -> PipelinedSession:
        """Open a session with any node."""
        return self.nodes.connect(client_name)

    def identified(self) -> ClusterTarget:
        """Ask once which primaries there are; there must be one for each slot."""
        slot_map = self.nodes.read_map()
        if slot_map.unserved:
            raise LostError(
                f"{self}: no node of the cluster serves the slots {format_ranges(slot_map.unserved)}"
            )
        return replace(
            self,
            nodes=replace(self.nodes, primaries=slot_map.nodes, replicas=slot_map.replicas),
            identities=tuple((node, self.nodes.identity(node)) for node in slot_map.nodes),
            slots=tuple(slot_map.slots()[node][0][0] for node in slot_map.nodes),
        )

    def connect_reconnecting(self, client_name: str, stop: StopFlag) -> ReconnectingSession:
        """Open a session with any node."""
        return ReconnectingSession(lambda: self.connect(client_name), self.backoff(stop), None)

    def connect_routed(self, client_name: str, stop: StopFlag) -> ClusterSession:
        """Open sessions with its nodes. Raises ServerChangedError where a known primary is none any more."""
        known = dict(self.identities)

        def open_node(node: Node, unreached: Callable[[], None]) -> ReconnectingSession:
            target = self.nodes.node(node)

            def reach(ask_it: Callable[[], T]) -> T:
                try:
                    return ask_it()
                except LostError:
                    unreached()
                    raise

            backoff = self.backoff(stop)
            if node not in known:
                known[node] = backoff.retry(lambda: reach(lambda: self.nodes.identity(node)))
                backoff.reset()
            return ReconnectingSession(
                lambda: reach(lambda: target.connect(client_name)), backoff, known[node].run_id
            )

        slot_map = self.backoff(stop).retry(self.nodes.read_map)
        for node in self.nodes.primaries:
            if node not in slot_map.nodes:  # it may have answered for what its replica never got
                raise ServerChangedError(f"{node} is no longer a primary of {self}")
        return ClusterSession(
            slot_map,
            self.nodes.read_map,
            open_node,
            known,
            self.backoff(stop),
            read_timeout_s=self.nodes.seed.read_timeout_s,
        )

    def bounded(self, records: int | None, nbytes: int | None) -> ClusterTarget:
        """Return the same, for sessions that share what may be in flight among the nodes."""
        nodes = max(1, len(self.nodes.primaries))
        shares = (None if whole is None else max(1, whole // nodes) for whole in (records, nbytes))
        return replace(self, nodes=self.nodes.bounded(*shares))
