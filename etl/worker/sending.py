"""Where a worker's pieces go: all to one server, or each record to the node that has its key's slot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from etl.encode.resp.slots import slots_of
from etl.plan import Plan, RenewableSession, Response, RoutedSession, StopFlag, Wire
from etl.plan.error_reply import ErrorReply
from etl.worker.commit import Commits, PendingCommit
from etl.worker.encoding import PieceEncoder
from etl.worker.in_flight import InFlight
from etl.worker.joint import Joint
from etl.worker.node_commit import NodeCommits


class Sending(Protocol):
    """A worker's connections, and which piece goes over which."""

    @property
    def commits(self) -> Commits | NodeCommits:
        """What is sent after blocks that are completed."""

    @property
    def routed(self) -> bool:
        """Return True if a record that was refused by one node may go to another."""

    def parts(self, piece: InFlight) -> Sequence[InFlight]:
        """Return a piece part by part, as it goes to the nodes of a cluster. Raises TargetError."""

    def submit(self, wire: Wire, token: InFlight | PendingCommit) -> Iterator[Response]:
        """Send a wire to the node of its token; return responses, as a Session does."""

    def drain(self) -> Iterator[Response]:
        """Wait for every outstanding response; return them. Raises TargetError."""

    def renew(self) -> None:
        """Connect anew, or ask anew who serves what. Raises TargetError."""

    def redirected(self, reply: ErrorReply, node: str) -> str | None:
        """Note where a reply says that a key is; return the node to be asked out of turn, for an ASK."""

    def close(self) -> None:
        """Close the connections. May be called twice."""


class OneServer:
    """The Sending of a target that is one server."""

    routed = False

    def __init__(self, plan: Plan, session: RenewableSession) -> None:
        self._session = session
        self.commits = Commits(plan)

    def parts(self, piece: InFlight) -> Sequence[InFlight]:
        return (piece,)

    def submit(self, wire: Wire, token: InFlight | PendingCommit) -> Iterator[Response]:
        return self._session.submit(wire, token)

    def drain(self) -> Iterator[Response]:
        return self._session.drain()

    def renew(self) -> None:
        self._session.renew()

    def redirected(self, reply: ErrorReply, node: str) -> str | None:
        return None

    def close(self) -> None:
        self._session.close()


class Routed:
    """The Sending of a cluster, and of several files."""

    routed = True

    def __init__(
        self, plan: Plan, session: RoutedSession, encoding: PieceEncoder, commits: Commits | NodeCommits
    ) -> None:
        self._session = session
        self._encoding = encoding
        self._by_slot = plan.by_slot
        self.commits = commits

    def parts(self, piece: InFlight) -> Sequence[InFlight]:
        if piece.asking:
            return (piece,)
        if self._encoding.keys_a_record == 1 or piece.single:
            return self._parts_by_node(piece)
        return self._parts_by_key(piece)

    def _parts_by_key(self, piece: InFlight) -> list[InFlight]:
        joint = Joint(piece.batch) if piece.counted else None
        parts: list[InFlight] = []
        for number in range(self._encoding.keys_a_record):
            whole = replace(
                piece, part=number, joint=joint, places=pa.array(range(len(piece.batch)), pa.int64())
            )
            parts += self._parts_by_node(whole)
        if joint is not None:
            joint.outstanding = len(parts)
        return parts

    def _parts_by_node(self, piece: InFlight) -> Sequence[InFlight]:
        slots = slots_of(self._encoding.keys(piece))
        if self._by_slot and not piece.single:
            return self._parts_by_slot(piece, slots)
        parts = self._session.parts(slots)
        if len(parts) == 1:
            return (replace(piece, node=parts[0][0]),)
        return [replace(piece.take(at), node=node) for node, at in parts]

    def _parts_by_slot(self, piece: InFlight, slots: pa.Array) -> list[InFlight]:
        """Return the parts by node with their records in the order of their slots."""
        order = pc.sort_indices(slots)
        slots = slots.take(order)
        return [
            replace(piece, node=node, batch=replace(piece.batch.take(order.take(at)), slots=slots.take(at)))
            for node, at in self._session.parts(slots)
        ]

    def submit(self, wire: Wire, token: InFlight | PendingCommit) -> Iterator[Response]:
        return self._session.submit(wire, token, token.node)

    def drain(self) -> Iterator[Response]:
        return self._session.drain()

    def renew(self) -> None:
        self._session.renew()

    def redirected(self, reply: ErrorReply, node: str) -> str | None:
        return self._session.redirected(reply, node)

    def close(self) -> None:
        self._session.close()


def open_sending(plan: Plan, name: str, stop: StopFlag, encoding: PieceEncoder) -> Sending:
    """Connect a worker to the target of its plan. Raises TargetError."""
    routed = plan.target.connect_routed(name, stop)
    if routed is not None:
        # Files have one journal, and nodes of a cluster each its own checkpoints.
        commits = NodeCommits(plan, routed) if plan.target.clustered else Commits(plan)
        return Routed(plan, routed, encoding, commits)
    return OneServer(plan, plan.target.connect_reconnecting(name, stop))
