"""The nodes of a Redis Cluster, and what any of them is asked about it."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterable
from dataclasses import dataclass, replace

from etl.encode.resp.protocol import plain
from etl.errors import LostError, TargetError
from etl.plan import NodeIdentity, StopFlag
from etl.plan.error_reply import ErrorReply
from etl.sink.control import ask
from etl.sink.deployments.standalone import StandaloneTarget
from etl.sink.error_replies import failure
from etl.sink.session.backoff import Backoff
from etl.sink.session.pipelined import PipelinedSession
from etl.sink.session.reconnecting import server_id
from etl.sink.session.slot_map import Node, SlotMap, read_slot_map

ASK_TIMEOUT_S = 3.0
"""For how long a node may be silent that is asked about the cluster: another one knows it as well."""


@dataclass(frozen=True, slots=True)
class ClusterNodes:
    """The cluster of the node ``seed``; ``primaries`` and ``replicas`` are those known by now."""

    seed: StandaloneTarget
    primaries: tuple[Node, ...] = ()
    replicas: tuple[Node, ...] = ()

    def __str__(self) -> str:
        return str(self.seed)

    def node(self, node: Node) -> StandaloneTarget:
        """Return one node, as a target of its own."""
        return replace(self.seed, address=self.seed.address.at(node), server_id=None, named=None)

    def waiting(self, retry_for_s: float) -> ClusterNodes:
        """Return the same, which are waited for this long."""
        return replace(self, seed=replace(self.seed, retry_for_s=retry_for_s))

    def bounded(self, records: int | None, nbytes: int | None) -> ClusterNodes:
        """Return the same, for sessions that have no more than this in flight."""
        return replace(self, seed=self.seed.bounded(records, nbytes))

    def backoff(self, stop: StopFlag) -> Backoff:
        return self.seed.backoff(stop)

    def connect(self, client_name: str) -> PipelinedSession:
        """Open a session with any node. Raises LostError, TargetError."""
        lost: LostError | None = None
        for node in self._known(None):
            try:
                return self.node(node).connect(client_name)
            except LostError as error:
                lost = error
        assert lost is not None
        raise lost

    def read_map(self, avoid: Node | None = None, more: Iterable[Node] = ()) -> SlotMap:
        """Ask one node after the other, at last ``avoid``, for the map of slots, until one answers.

        ``more`` are nodes that are known besides. Raises LostError, TargetError.
        """
        lost: LostError | None = None
        for node in self._known(avoid, more):
            try:
                return self._read_map_of(node)
            except LostError as error:
                lost = error
        raise LostError(f"{self}: no node of the cluster answers: {lost}")

    def identity(self, node: Node) -> NodeIdentity:
        """Ask a node who it is. Raises LostError, TargetError."""
        with contextlib.closing(self._impatient(node).connect("redis-etl")) as session:
            info, name = ask(session, plain((b"INFO",), (b"CLUSTER", b"MYID")))
        facts = _facts(info) if isinstance(info, bytes) else {}
        return NodeIdentity(
            run_id=server_id(info) if isinstance(info, bytes) else None,
            name=name if isinstance(name, bytes) else b"",
            streams=tuple(
                facts[fact]
                for fact in (b"master_replid", b"master_replid2")
                if facts.get(fact, b"").strip(b"0")
            ),
        )

    def _known(self, avoid: Node | None, more: Iterable[Node] = ()) -> list[Node]:
        """Return the nodes to ask, in a random order that spreads the questions of all workers."""
        known = list(dict.fromkeys((*self.primaries, *more, *self.replicas)))
        random.shuffle(known)
        nodes = [*known, *([] if self.seed.address.endpoint in known else [self.seed.address.endpoint])]
        return sorted(nodes, key=lambda node: node == avoid)

    def _read_map_of(self, node: Node) -> SlotMap:
        with contextlib.closing(self._impatient(node).connect("redis-etl")) as session:
            (reply,) = ask(session, plain((b"CLUSTER", b"SLOTS")))
        if isinstance(reply, ErrorReply):
            raise failure(reply, self.node(node))
        slot_map = read_slot_map(reply, node)
        if slot_map is None:
            raise TargetError(f"{self.node(node)} does not answer CLUSTER SLOTS as Redis does")
        return slot_map

    def _impatient(self, node: Node) -> StandaloneTarget:
        return replace(self.node(node), read_timeout_s=min(ASK_TIMEOUT_S, self.seed.read_timeout_s))


def _facts(info: bytes) -> dict[bytes, bytes]:
    return dict(line.split(b":", 1) for line in info.splitlines() if b":" in line)
