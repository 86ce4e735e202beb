"""A Redis Cluster: found out by asking the node that a URL leads to, whichever node that is.

https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/. A worker has one connection to
each primary that it has something for (``etl/sink/session/cluster.py``). What lies in one slot, as the state
of a job does, is asked of the primary that has this slot when the connection is made (``SlotTarget``).
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import ClassVar, TypeVar

from etl.encode.resp.protocol import plain
from etl.encode.resp.slots import slot_of
from etl.errors import LostError, ServerChangedError, TargetError, UsageError
from etl.options import TargetOptions
from etl.plan import NodeIdentity, StopFlag, Target
from etl.plan.error_reply import ErrorReply
from etl.sink.control import ask
from etl.sink.deployments.standalone import StandaloneTarget
from etl.sink.error_replies import failure
from etl.sink.session.backoff import Backoff
from etl.sink.session.cluster import ClusterSession
from etl.sink.session.pipelined import PipelinedSession
from etl.sink.session.reconnecting import ReconnectingSession, server_id
from etl.sink.session.slot_map import Node, SlotMap, format_ranges, read_slot_map

SCHEMES: dict[str, str] = {}
NOUN = "a Redis Cluster"
OPTIONS = ("user", "password_file", "ask_password", "tls_insecure")

ASK_TIMEOUT_S = 3.0
"""For how long a node may be silent that is asked for the map of slots: another one knows it as well."""
T = TypeVar("T")


def open(url: str, options: TargetOptions) -> contextlib.AbstractContextManager[Target]:
    """Raise UsageError: no URL is a cluster's alone."""
    raise UsageError("--to: a Redis Cluster is loaded by the redis:// URL of any of its nodes")


def found_at(target: Target) -> Target | None:
    """Return the cluster that a server is a node of; None where it is of none."""
    if isinstance(target, StandaloneTarget) and target.in_cluster:
        return ClusterTarget(target)
    return None


@dataclass(frozen=True, slots=True)
class ClusterTarget:
    """A Target (``etl/plan/target.py``): the cluster that the node ``seed`` belongs to.

    ``identities`` are its primaries once it is identified, ``slots`` one slot of each, ``replicas`` those
    that may take over.
    """

    seed: StandaloneTarget
    identities: tuple[tuple[Node, NodeIdentity], ...] = ()
    replicas: tuple[Node, ...] = ()
    slots: tuple[int, ...] = ()

    takes: ClassVar[frozenset[str]] = frozenset(("cluster",))
    embedded: ClassVar[bool] = False
    clustered: ClassVar[bool] = True
    slot: ClassVar[None] = None

    def __str__(self) -> str:
        return str(self.seed)

    @property
    def name(self) -> str:
        return self.seed.name

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Return its primaries, as far as it is identified."""
        return tuple(node for node, _ in self.identities)

    def node(self, node: Node) -> StandaloneTarget:
        """Return one node, as a target of its own."""
        return replace(self.seed, address=self.seed.address.at(node), server_id=None, named=None)

    def primaries(self) -> tuple[Target, ...]:
        # Each was there a moment ago; one that is gone by now is replaced, and need not be waited for.
        retry_for_s = min(ASK_TIMEOUT_S, self.seed.retry_for_s)
        return tuple(replace(self.node(node), retry_for_s=retry_for_s) for node in self.nodes)

    def first_slots(self) -> tuple[int, ...]:
        return self.slots

    def holding(self, key: bytes) -> SlotTarget:
        return SlotTarget(self, slot_of(key))

    def connect(self, client_name: str) -> PipelinedSession:
        """Open a session with any node."""
        lost: LostError | None = None
        for node in self._known(None):
            try:
                return self.node(node).connect(client_name)
            except LostError as error:
                lost = error
        assert lost is not None
        raise lost

    def identify(
        self,
        client_name: str,
        stop: StopFlag,
        retry_for_s: float | None = None,
        told: Callable[[str], None] = lambda text: None,
    ) -> ClusterTarget:
        """Ask which primaries there are; return the target that knows them.

        A cluster without a primary for each slot is waited for. Raises TargetError.
        """
        if retry_for_s is not None:
            seed = replace(self.seed, retry_for_s=retry_for_s)
            return replace(self, seed=seed).identify(client_name, stop, told=told)

        def attempt() -> ClusterTarget:
            slot_map = self.read_map(None)
            if slot_map.unserved:
                raise LostError(
                    f"{self}: no node of the cluster serves the slots {format_ranges(slot_map.unserved)}"
                )
            identities = tuple((node, self.identity(node)) for node in slot_map.nodes)
            slots = tuple(slot_map.slots()[node][0][0] for node in slot_map.nodes)
            return replace(self, identities=identities, replicas=slot_map.replicas, slots=slots)

        return self.backoff(stop).retry(attempt, told=told)

    def connect_reconnecting(self, client_name: str, stop: StopFlag) -> ReconnectingSession:
        """Open a session with any node."""
        return ReconnectingSession(lambda: self.connect(client_name), self.backoff(stop), None)

    def connect_routed(self, client_name: str, stop: StopFlag) -> ClusterSession:
        """Open sessions with its nodes. Raises ServerChangedError where a known primary is none any more."""
        known = dict(self.identities)

        def open_node(node: Node, unreached: Callable[[], None]) -> ReconnectingSession:
            target = self.node(node)

            def reach(ask_it: Callable[[], T]) -> T:
                try:
                    return ask_it()
                except LostError:
                    unreached()
                    raise

            backoff = self.backoff(stop)
            if node not in known:
                known[node] = backoff.retry(lambda: reach(lambda: self.identity(node)))
                backoff.reset()
            return ReconnectingSession(
                lambda: reach(lambda: target.connect(client_name)), backoff, known[node].run_id
            )

        slot_map = self.backoff(stop).retry(lambda: self.read_map(None))
        for node in self.nodes:
            if node not in slot_map.nodes:  # it may have answered for what its replica never got
                raise ServerChangedError(f"{node} is no longer a primary of {self}")
        return ClusterSession(
            slot_map,
            self.read_map,
            open_node,
            known,
            self.backoff(stop),
            read_timeout_s=self.seed.read_timeout_s,
        )

    def bounded(self, records: int | None, nbytes: int | None) -> ClusterTarget:
        """Return the same, for sessions that share what may be in flight among the nodes."""
        nodes = max(1, len(self.nodes))
        shares = (None if whole is None else max(1, whole // nodes) for whole in (records, nbytes))
        return replace(self, seed=self.seed.bounded(*shares))

    def backoff(self, stop: StopFlag) -> Backoff:
        return self.seed.backoff(stop)

    def read_map(self, avoid: Node | None, more: Iterable[Node] = ()) -> SlotMap:
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
        known = list(dict.fromkeys((*self.nodes, *more, *self.replicas)))
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


@dataclass(frozen=True, slots=True)
class SlotTarget:
    """A Target: whichever primary of a cluster has the slot ``slot`` when a connection is made.

    ``known`` is the primary that it was identified with, and its run id. The slot may move from there to
    another one, and takes its keys along; where that primary has restarted, or is none any more, some may be
    lost.
    """

    cluster: ClusterTarget
    slot: int
    known: tuple[Node, bytes | None] | None = None

    takes: ClassVar[frozenset[str]] = frozenset(("cluster",))
    embedded: ClassVar[bool] = False
    clustered: ClassVar[bool] = False

    def __str__(self) -> str:
        return str(self.cluster)

    @property
    def name(self) -> str:
        return self.cluster.name

    def primaries(self) -> tuple[Target, ...]:
        return (self,)

    def first_slots(self) -> tuple[int]:
        return (self.slot,)

    def holding(self, key: bytes) -> SlotTarget:
        return SlotTarget(self.cluster, slot_of(key))

    def connect(self, client_name: str) -> PipelinedSession:
        return self.cluster.node(self._owner(self.cluster.read_map(None))).connect(client_name)

    def identify(
        self,
        client_name: str,
        stop: StopFlag,
        retry_for_s: float | None = None,
        told: Callable[[str], None] = lambda text: None,
    ) -> SlotTarget:
        def attempt() -> SlotTarget:
            owner = self._owner(self.cluster.read_map(None))
            return replace(self, known=(owner, self.cluster.identity(owner).run_id))

        return self.backoff(stop).retry(attempt, told=told)

    def connect_reconnecting(self, client_name: str, stop: StopFlag) -> ReconnectingSession:
        known = self.known

        def connect() -> PipelinedSession:
            nonlocal known
            slot_map = self.cluster.read_map(None)
            owner = self._owner(slot_map)
            if known is not None:
                found = (owner, self.cluster.identity(owner).run_id)
                if known != found and (owner == known[0] or known[0] not in slot_map.nodes):
                    raise ServerChangedError(f"{known[0]} was restarted, or a replica has taken its place")
                known = found
            return self.cluster.node(owner).connect(client_name)

        return ReconnectingSession(connect, self.backoff(stop), None)

    def connect_routed(self, client_name: str, stop: StopFlag) -> None:
        return None

    def bounded(self, records: int | None, nbytes: int | None) -> SlotTarget:
        return replace(self, cluster=replace(self.cluster, seed=self.cluster.seed.bounded(records, nbytes)))

    def backoff(self, stop: StopFlag) -> Backoff:
        return self.cluster.backoff(stop)

    def _owner(self, slot_map: SlotMap) -> Node:
        owner = slot_map.owner(self.slot)
        if owner is None:
            raise LostError(f"{self}: no node serves the slot {self.slot}")
        return owner


def _facts(info: bytes) -> dict[bytes, bytes]:
    return dict(line.split(b":", 1) for line in info.splitlines() if b":" in line)
