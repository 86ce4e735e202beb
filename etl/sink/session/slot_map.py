"""Which node of a Redis Cluster serves which hash slot, as CLUSTER SLOTS tells.

https://redis.io/docs/latest/commands/cluster-slots/. A node is known by its endpoint, ``host:port``: what the
cluster prefers of address and host name (``cluster-preferred-endpoint-type``). Where it names no host
(``""``, null), it means the one that was asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from etl.encode.resp.slots import SLOTS, ranges_of

Node = str
"""A node's endpoint: ``10.0.0.1:6379``, ``[::1]:6379``, ``node-1.example:6379``."""

_UNKNOWN_HOST = "?"


class SlotMap:
    """The primary of each slot; ``nodes`` are all of them, ``replicas`` those that could take over.

    ``places`` (uint16) is each slot's place in ``nodes``. ``unserved`` are the ranges that no node serves.
    """

    def __init__(self, owners: Iterable[Node | None], replicas: Iterable[Node] = ()) -> None:
        self._owners = list(owners)
        self.replicas = tuple(replicas)
        self._index()

    def _index(self) -> None:
        self.nodes = tuple(dict.fromkeys(owner for owner in self._owners if owner is not None))
        places = {node: place for place, node in enumerate(self.nodes)}
        places_of_slots = [len(self.nodes) if owner is None else places[owner] for owner in self._owners]
        self.places = pa.array(places_of_slots, pa.uint16())
        self._ranges: dict[Node, list[tuple[int, int]]] | None = None
        self.unserved = ranges_of(slot for slot, owner in enumerate(self._owners) if owner is None)

    def owner(self, slot: int) -> Node | None:
        """Return the primary of a slot; None where none has it."""
        return self._owners[slot]

    def move(self, slot: int, node: Node) -> bool:
        """Note that a slot is at another node by now; return False if that was known."""
        if self._owners[slot] == node:
            return False
        self._owners[slot] = node
        self._index()
        return True

    def slots(self) -> Mapping[Node, Sequence[tuple[int, int]]]:
        """Return the ranges of slots of each node."""
        if self._ranges is None:
            own: dict[Node, list[int]] = {node: [] for node in self.nodes}
            for slot, owner in enumerate(self._owners):
                if owner is not None:
                    own[owner].append(slot)
            self._ranges = {node: ranges_of(slots) for node, slots in own.items()}
        return self._ranges


def read_slot_map(reply: Any, asked: Node) -> SlotMap | None:
    """Read a reply to CLUSTER SLOTS of the node ``asked``; None for what is none."""
    if not isinstance(reply, list):
        return None
    owners: list[Node | None] = [None] * SLOTS
    replicas: dict[Node, None] = {}
    try:
        for first, last, primary, *others in reply:
            owners[first : last + 1] = [endpoint(primary[0], primary[1], asked)] * (last + 1 - first)
            replicas.update((endpoint(other[0], other[1], asked), None) for other in others)
    except (TypeError, ValueError, IndexError):
        return None
    return SlotMap(owners, replicas) if len(owners) == SLOTS else None


def endpoint(host: bytes | str | None, port: int, asked: Node) -> Node:
    """Return the endpoint of a host as a cluster names it."""
    name = host.decode("utf-8", "replace") if isinstance(host, bytes) else host or ""
    if name in ("", _UNKNOWN_HOST):
        return f"{asked.rpartition(':')[0]}:{port}"
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def redirection(text: str, asked: Node) -> tuple[int, Node]:
    """Read ``MOVED 3999 127.0.0.1:6381`` (or ASK): the slot, and the node that has it. Raises ValueError."""
    _, slot, place, *_ = text.split(" ")
    host, _, port = place.rpartition(":")
    number = int(slot)
    if not 0 <= number < SLOTS:
        raise ValueError(f"there is no slot {number}")
    return number, endpoint(host, int(port), asked)


def format_ranges(ranges: Sequence[tuple[int, int]]) -> str:
    """Write ranges of slots: ``0-5460,10923``."""
    return ",".join(f"{first}-{last}" if first != last else str(first) for first, last in ranges)
