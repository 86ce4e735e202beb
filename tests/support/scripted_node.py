"""A scripted node of a Redis Cluster: it says what a test has it say of slots, and redirects."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from redis.crc import key_slot

from tests.support.jobs import Command
from tests.support.scripted import OK, Response, ScriptedServer, bulk, error, integer

TRYAGAIN = error("TRYAGAIN Multiple keys request during rehashing of slot")
CLUSTERDOWN = error("CLUSTERDOWN The cluster is down")
SLOT_NOT_SERVED = error("CLUSTERDOWN Hash slot not served")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How a node is named in CLUSTER SLOTS: ``host`` may be a name, ``""``, ``"?"`` or None (null)."""

    host: str | None
    port: int
    id: str


@dataclass(frozen=True, slots=True)
class SlotRange:
    """Slots ``first`` to ``last`` of a primary, with its replicas."""

    first: int
    last: int
    nodes: tuple[Endpoint, ...]


_WITHOUT_KEYS = (
    b"ASKING READONLY READWRITE MULTI EXEC DISCARD UNWATCH WAIT WAITAOF SCRIPT CONFIG DBSIZE".split()
)
_COUNTED = (b"EVAL", b"EVALSHA", b"FCALL")


class ScriptedNode(ScriptedServer):
    """A ScriptedServer that says of itself that it is a cluster's node.

    It answers INFO (``cluster_enabled:1``), CLUSTER MYID, INFO and SLOTS, the last with ``slots``, which a
    test sets and changes, usually by ``share_slots``. A command on a key (its first one counts) whose slot is
    another node's is answered with MOVED, unless ASKING came before it; every other one by ``answer``.
    What was sent on which connection is in ``conversations``, with ASKING as a command of its own.
    """

    def __init__(self, answer: Response = lambda command: OK, *, name: str = "node") -> None:
        super().__init__(lambda command: self.answer(command), questions=self._say)
        self.answer = answer
        self.id = hashlib.sha1(name.encode()).hexdigest()
        self.slots: list[SlotRange] = []
        self.asked_for_slots = 0
        self.memory = (0, b"noeviction", 0)
        """Its limit, its policy, and how many keys it has evicted."""
        self.slots_reply: bytes | None = None
        """Instead of ``slots``: an error, or what has not the right shape."""

    def __enter__(self) -> ScriptedNode:
        super().__enter__()
        return self

    def endpoint(self, host: str | None = "127.0.0.1") -> Endpoint:
        return Endpoint(host, self.port, self.id)

    def moved(self, key: bytes) -> bytes:
        """Return the redirection of a key to this node, for another node to answer."""
        return error(f"MOVED {key_slot(key)} 127.0.0.1:{self.port}")

    def ask(self, key: bytes) -> bytes:
        """Return the redirection of one command on a key to this node, while its slot comes here."""
        return error(f"ASK {key_slot(key)} 127.0.0.1:{self.port}")

    def _reply(self, command: Command, heard: list[Command]) -> bytes | None:
        key = _key(command)
        asking = bool(heard) and heard[-1] == [b"ASKING"]
        other = None if key is None or asking else self._elsewhere(key_slot(key))
        if key is None or other is None:
            return super()._reply(command, heard)
        self._note(command, heard)
        return error(f"MOVED {key_slot(key)} {other.host or ''}:{other.port}")

    def _elsewhere(self, slot: int) -> Endpoint | None:
        """Return the primary of a slot, unless it is this node or unknown."""
        primaries = (each.nodes[0] for each in self.slots if each.first <= slot <= each.last)
        primary = next(primaries, None)
        return None if primary is None or primary.id == self.id else primary

    def _say(self, command: Command) -> bytes:
        name = b" ".join(word.upper() for word in command[:2])
        if name.split()[0] == b"INFO":
            return bulk(_INFO % (self.id.encode(), *self.memory))
        if name == b"CLUSTER MYID":
            return bulk(self.id.encode())
        if name == b"CLUSTER INFO":
            return bulk(b"cluster_enabled:1\r\ncluster_state:ok\r\n")
        if name != b"CLUSTER SLOTS":
            return error(f"ERR unknown command '{name.decode()}'")
        self.asked_for_slots += 1
        return self.slots_reply or _array([_range(each) for each in self.slots])


_INFO = (
    b"# Server\r\nredis_version:7.0.15\r\nredis_mode:cluster\r\nrun_id:%s\r\n"
    b"# Memory\r\nmaxmemory:%d\r\nmaxmemory_policy:%s\r\n# Stats\r\nevicted_keys:%d\r\n"
    b"# Replication\r\nrole:master\r\n# Cluster\r\ncluster_enabled:1\r\n"
)


_NO_COMMAND_OF_DATA = (
    b"HELLO",
    b"AUTH",
    b"SELECT",
    b"PING",
    b"CLIENT",
    b"INFO",
    b"COMMAND",
    b"ACL",
    b"CLUSTER",
)


def _key(command: Command) -> bytes | None:
    """Return the first key of a command, if it has one."""
    name = command[0].upper()
    if name in _COUNTED:
        return command[3] if int(command[2]) else None
    return None if name in (*_WITHOUT_KEYS, *_NO_COMMAND_OF_DATA) or len(command) < 2 else command[1]


def share_slots(
    nodes: Sequence[ScriptedNode], host: str | None = "127.0.0.1", *, replicas: Sequence[ScriptedNode] = ()
) -> None:
    """Give each node its part of all slots, and tell it to all of them; ``host`` as ``Endpoint`` has it.

    ``replicas`` are told to be those of the first node.
    """
    bounds = [16_384 * at // len(nodes) for at in range(len(nodes) + 1)]
    parts = zip(bounds, bounds[1:], nodes, strict=False)
    shared = [SlotRange(first, end - 1, (node.endpoint(host),)) for first, end, node in parts]
    more = tuple(node.endpoint(host) for node in replicas)
    shared[0] = replace(shared[0], nodes=(*shared[0].nodes, *more))
    for node in nodes:
        node.slots = shared


def owner_of(key: bytes, nodes: Sequence[ScriptedNode]) -> ScriptedNode:
    """Return the node that a key's slot belongs to, as the first node tells it."""
    slot = key_slot(key)
    id = next(each.nodes[0].id for each in nodes[0].slots if each.first <= slot <= each.last)
    return next(node for node in nodes if node.id == id)


def _range(told: SlotRange) -> bytes:
    return _array([integer(told.first), integer(told.last), *map(_endpoint, told.nodes)])


def _endpoint(node: Endpoint) -> bytes:
    host = b"$-1\r\n" if node.host is None else bulk(node.host.encode())
    return _array([host, integer(node.port), bulk(node.id.encode()), b"*0\r\n"])


def _array(elements: Sequence[bytes]) -> bytes:
    return b"*%d\r\n" % len(elements) + b"".join(elements)
