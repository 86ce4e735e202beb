"""One worker's sessions with the nodes of a Redis Cluster, one for each node that it has something for.

All of them are served at once: while one node takes its time, the others are sent to and read from. Whatever
waits looks after all.

NOTE(failover): a primary that has lost its slots to a replica may have answered for writes that the replica
never got. So a node that is no longer a primary ends the run's attempt (ServerChangedError), and the next one
begins with what the checkpoints at the new primary say. A slot that merely moves to another primary took its
keys along: then only the map changes.
"""

from __future__ import annotations

import contextlib
import random
import select
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl.errors import LostError, ServerChangedError, TargetError, TransientError
from etl.plan import NodeIdentity, Response, RetryTimer, Wire
from etl.plan.error_reply import Cause, ErrorReply
from etl.sink.session.pipelined import PipelinedSession
from etl.sink.session.reconnecting import ReconnectingSession
from etl.sink.session.responses import ResponseQueue
from etl.sink.session.slot_map import Node, SlotMap, format_ranges, redirection

REFRESH_EVERY_S = 1.0
"""How often the map of slots is asked for at most; a random part more, as all workers would ask at once."""

SUSPICIOUS_S = 2.0
"""After so long a silence of a node the others are asked whether it is still a primary."""

HEAR_OUT_S = 5.0
"""How long, after one node has failed, the others have to answer for what they were sent: it counts."""

_SLICE_S = 0.5

OpenNode = Callable[[Node, Callable[[], None]], ReconnectingSession]
"""Opens a session with a node; the function that it is given is called at each failure to connect."""


class ClusterSession:
    """A RoutedSession (``etl/plan/target.py``). ``read_map`` asks the cluster, rather not the node given."""

    def __init__(
        self,
        slot_map: SlotMap,
        read_map: Callable[[Node | None, tuple[Node, ...]], SlotMap],
        open_node: OpenNode,
        identities: Mapping[Node, NodeIdentity],
        backoff: RetryTimer,
        *,
        read_timeout_s: float,
    ) -> None:
        self._map = slot_map
        self._identities = identities
        self._ask_for_map = read_map
        self._open_node = open_node
        self._backoff = backoff
        self._read_timeout_s = read_timeout_s
        self._sessions: dict[Node, ReconnectingSession] = {}
        self._moved_at: dict[Node, float] = {}
        self._primaries = set(slot_map.nodes)
        self._responses = ResponseQueue()
        self._replaced: set[Node] = set()
        self._unsettled = 0
        self._next_refresh = 0.0
        self._next_look = 0.0

    def submit(self, wire: Wire, token: Any, node: Node) -> Iterator[Response]:
        """Send one wire to a node; return the responses that have come in meanwhile, from any node."""
        with self._responses.failure_kept():
            session = self._session(node)
            while not session.present.has_room(wire):
                self._serve(wait=True)
            if not session.present.outstanding:
                self._moved_at[node] = time.monotonic()
            session.queue(wire, token)
            self._serve(wait=False)
        return self._responses.take()

    def drain(self) -> Iterator[Response]:
        """Wait for every outstanding response; after a failure for those that the other nodes still send."""
        if not self._responses.failed:
            with self._responses.failure_kept():
                while any(session.present.outstanding for session in self._sessions.values()):
                    self._serve(wait=True)
        if self._responses.failed:
            self._hear_out()
        return self._responses.take()

    def renew(self) -> None:
        """Ask for the map of slots anew, unless that was done a moment ago.

        Raises ServerChangedError where a primary is none any more: see NOTE(failover).
        """
        now = time.monotonic()
        if now >= self._next_refresh:
            self._next_refresh = now + _pause_s()
            self._refresh()

    def parts(self, slots: pa.Array) -> list[tuple[Node, pa.Array]]:
        places = self._served().places.take(slots)
        nodes = self._map.nodes
        present = sorted(pc.unique(places).to_pylist())
        return [(nodes[place], pc.indices_nonzero(pc.equal(places, place))) for place in present]

    def slots(self) -> Mapping[Node, Sequence[tuple[int, int]]]:
        return self._served().slots()

    def owner(self, slot: int) -> Node:
        owner = self._served().owner(slot)
        assert owner is not None
        return owner

    def unsettled(self) -> int:
        return self._unsettled

    def identity(self, node: Node) -> NodeIdentity:
        self._session(node)
        return self._identities[node]

    def redirected(self, reply: ErrorReply, node: Node) -> Node | None:
        """Note a MOVED or ASK of ``node``; return the node that is to be asked in its place, for an ASK.

        Raises ServerChangedError as ``renew`` does.
        """
        try:
            slot, there = redirection(str(reply), node)
        except ValueError:
            return None
        if reply.policy.cause is Cause.ASK:
            self._unsettled |= 1 << slot
            return there
        self._unsettled &= ~(1 << slot)
        if self._map.move(slot, there) and there not in self._primaries:
            # A new primary, or a replica that has taken over: only the whole map can tell.
            self._refresh()
        return None

    def close(self) -> None:
        for session in self._sessions.values():
            session.close()

    def _served(self) -> SlotMap:
        """Return the map, once it has a node for every slot. Raises TargetError when the time is up."""
        while self._map.unserved:
            error = LostError(f"no node of the cluster serves the slots {format_ranges(self._map.unserved)}")
            self._backoff.wait(error)
            self._refresh()
        return self._map

    def _refresh(self) -> None:
        self._use(self._backoff.retry(lambda: self._read_map(None)))

    def _read_map(self, avoid: Node | None) -> SlotMap:
        return self._ask_for_map(avoid, (*self._map.nodes, *self._map.replicas))

    def _use(self, slot_map: SlotMap, *unreached: Node) -> None:
        """Use a map from now on. Raises ServerChangedError: see NOTE(failover).

        ``unreached`` are primaries that it must have besides, though they may have been sent nothing yet.
        """
        known = self._primaries.intersection((*self._sessions, *unreached))
        self._replaced = known.difference(slot_map.nodes)
        if self._replaced:
            node = min(self._replaced)
            raise ServerChangedError(
                f"{node} is no longer a primary of the cluster: a replica has taken over, or its slots"
                " were moved"
            )
        self._map = slot_map
        self._primaries.update(slot_map.nodes)
        if not slot_map.unserved:
            self._backoff.reset()  # the next trouble has the whole --retry-for again

    def _session(self, node: Node) -> ReconnectingSession:
        session = self._sessions.get(node)
        if session is None:
            session = self._open_node(node, lambda: self._on_unreached(node))
            self._sessions[node] = session
        return session

    def _on_unreached(self, node: Node) -> None:
        """Ask the others about a node that cannot be reached. Raises ServerChangedError."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + _pause_s()
        with contextlib.suppress(TransientError):  # they cannot be asked: it is tried again
            slot_map = self._read_map(node)
            if not slot_map.unserved:
                self._use(slot_map, node)

    def _serve(self, *, wait: bool) -> None:
        """Send and receive what can be, of all nodes; wait, if asked to, until there is a response."""
        before = len(self._responses)
        while True:
            for node, session in self._sessions.items():
                if session.present.outstanding:
                    self._advance(node, session)
            if not wait or len(self._responses) > before:
                return
            self._wait()

    def _advance(self, node: Node, session: ReconnectingSession) -> None:
        before, progress = session.present, session.present.progress
        for response in session.advance():
            self._responses.add(response)
        if session.present is not before or session.present.progress != progress:
            self._moved_at[node] = time.monotonic()

    def _wait(self) -> None:
        """Wait until a node can be read from, or written to; give up one that is silent for too long."""
        waiting = [(n, s.present) for n, s in self._sessions.items() if s.present.outstanding]
        if _ready([session for _, session in waiting]):
            return
        now = time.monotonic()
        for node, session in waiting:
            silent_s = now - self._moved_at[node]
            if silent_s >= self._read_timeout_s:
                session.give_up()
            elif silent_s >= SUSPICIOUS_S:
                self._on_unreached(node)

    def _hear_out(self) -> None:
        """Take what primaries answer that have not failed, for HEAR_OUT_S at most. None is connected anew."""
        until = time.monotonic() + min(HEAR_OUT_S, self._read_timeout_s)
        waiting = [s.present for node, s in self._sessions.items() if node not in self._replaced]
        while time.monotonic() < until:
            waiting = [session for session in waiting if self._answers(session)]
            if not waiting:
                return
            _ready(waiting)

    def _answers(self, session: PipelinedSession) -> bool:
        """Take what has come in; return True if more is to come."""
        with contextlib.suppress(TargetError):
            for response in session.advance():
                self._responses.add(response)
            return session.outstanding
        return False


def _ready(sessions: Iterable[PipelinedSession]) -> bool:
    """Wait for _SLICE_S at most; return True if any of them can be read from, or written to."""
    poll = select.poll()
    for session in sessions:
        if session.transport.pending:
            return True
        poll.register(session.transport.socket, select.POLLIN | (select.POLLOUT if session.sends else 0))
    return bool(poll.poll(_SLICE_S * 1000))


def _pause_s() -> float:
    return REFRESH_EVERY_S * random.uniform(1.0, 1.5)
