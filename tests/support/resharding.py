"""Slots of a real cluster on the move: one at a time by hand, or many in a thread while a load runs.

As redis-cli does it: the new primary imports, the old one migrates, the keys follow in portions, and all
primaries are told. Keys are moved without REPLACE: a key that a client has written to both primaries is a
fault, and ends the move with BUSYKEY.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.support.cluster import ClusterNode, RealCluster
from tests.support.processes import wait_until

_PORTION = 20
_MIGRATE_TIMEOUT_MS = 5_000
_BETWEEN_S = 0.05
"""A pause between two moves, for a load that would otherwise be redirected more than it is written."""


@dataclass(frozen=True, slots=True)
class Move:
    """A slot that two primaries share: the keys that were not moved are at ``source``, others at ``to``."""

    cluster: RealCluster
    slot: int
    source: ClusterNode
    to: ClusterNode

    def keys(self, at: ClusterNode) -> list[bytes]:
        """Return the slot's keys that one of the two has."""
        return list(at.ask("CLUSTER GETKEYSINSLOT", self.slot, 1_000_000))

    def carry(self, count: int | None = None) -> int:
        """Move this many more keys, or all that there are; return how many were moved."""
        moved = 0
        while count is None or moved < count:
            portion = _PORTION if count is None else min(_PORTION, count - moved)
            keys = self.source.ask("CLUSTER GETKEYSINSLOT", self.slot, portion)
            if not keys:
                break
            words = ("", 0, _MIGRATE_TIMEOUT_MS, "KEYS", *keys)
            self.source.ask("MIGRATE", "127.0.0.1", self.to.listens_at, *words)
            moved += len(keys)
        return moved

    def finish(self) -> None:
        """Move what is left, and give the slot to its new primary; all other primaries hear of it.

        That one takes a new epoch, which all must know before the next move: a node that thinks its own the
        highest claims a slot with it in vain, and the slot is served by none.
        """
        self.carry()
        others = [node for node in self.cluster.primaries() if node not in (self.source, self.to)]
        all_nodes = (self.to, self.source, *others)
        for node in all_nodes:
            node.ask("CLUSTER SETSLOT", self.slot, "NODE", self.to.id)
        wait_until(lambda: len({_epoch(node) for node in all_nodes}) == 1, what="all to know the epoch")

    def move_back(self) -> None:
        """Finish the move, and move the slot to where it was.

        While clients write there is no other way: a key that is new to the slot is at ``to`` already.
        """
        self.finish()
        move_slot(self.cluster, self.slot, self.source)


def begin_move(cluster: RealCluster, slot: int, to: ClusterNode | None = None, *, keys: int = 0) -> Move:
    """Hold a slot in migration, with this many of its keys moved; to any other primary unless told."""
    source = cluster.owner(slot)
    target = to or next(node for node in cluster.primaries() if node is not source)
    target.ask("CLUSTER SETSLOT", slot, "IMPORTING", source.id)
    source.ask("CLUSTER SETSLOT", slot, "MIGRATING", target.id)
    move = Move(cluster, slot, source, target)
    move.carry(keys)
    return move


def move_slot(cluster: RealCluster, slot: int, to: ClusterNode) -> None:
    """Move a slot and its keys, unless it is there already."""
    if cluster.owner(slot) is not to:
        begin_move(cluster, slot, to).finish()


def _epoch(node: ClusterNode) -> str:
    return node.info("CLUSTER INFO")["cluster_current_epoch"]


class Resharder(threading.Thread):
    """Moves slots between the primaries until it is told to end; ``moves`` are those that are over.

    It is given the slots that the load writes to, or the primaries have nothing to move. Each move is cut
    into small portions, with clients' commands between them. Use it in a ``with``: what has failed in the
    thread is raised at its end.
    """

    def __init__(self, cluster: RealCluster, slots: Sequence[int], *, seed: int = 0) -> None:
        super().__init__(daemon=True)
        self._cluster = cluster
        self._slots = list(slots)
        self._draw = random.Random(seed)
        self._over = threading.Event()
        self._failure: BaseException | None = None
        self.moves = 0
        self.keys = 0

    def __enter__(self) -> Resharder:
        self.start()
        return self

    def __exit__(self, kind: object, *_: Any) -> None:
        self._over.set()
        self.join()
        if self._failure is not None and kind is None:
            raise self._failure

    def run(self) -> None:
        try:
            while not self._over.wait(_BETWEEN_S):
                self._step()
        except BaseException as failure:  # noqa: BLE001 - raised in the test's thread by __exit__
            self._failure = failure

    def _step(self) -> None:
        slot = self._draw.choice(self._slots)
        source = self._cluster.owner(slot)
        others = [node for node in self._cluster.primaries() if node is not source]
        move = begin_move(self._cluster, slot, self._draw.choice(others))
        while carried := move.carry(_PORTION):
            self.keys += carried
        move.finish()
        self.moves += 1
