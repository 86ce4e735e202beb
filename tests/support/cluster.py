"""A real Redis Cluster of a test's own: primaries, replicas, and what can happen to them.

https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/. The nodes are given their
``nodes.conf`` before they start, so that nobody has to introduce them to each other. A primary takes writes
two seconds after its start (CLUSTER_WRITABLE_DELAY of Redis), which costs time and no work: tests that
only load and look share a cluster, and have it flushed.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redis.crc import key_slot

from tests.support.data import values_of
from tests.support.processes import wait_until
from tests.support.servers import RealServer, free_port

if TYPE_CHECKING:
    from redis import Redis

SLOTS = 16_384
NODE_TIMEOUT_MS = 1_000

_CONFIG = (
    "--cluster-enabled yes --cluster-replica-validity-factor 0 --cluster-allow-replica-migration no"
    " --repl-diskless-sync yes --repl-diskless-sync-delay 0"
)

View = list[tuple[int, int, str]]
"""Ranges of slots, both ends included, and the ids of their primaries."""


@dataclass
class ClusterNode:
    """A node: ``server`` is its process; ``listens_at`` the port by which other nodes name it."""

    server: RealServer
    id: str
    bus_port: int
    listens_at: int
    answers: bool = True
    """False while it is frozen, and once it was killed."""

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    def client(self) -> Redis:
        return self.server.client()

    @functools.cached_property
    def kept(self) -> Any:
        """A client that the node keeps."""
        return self.client()

    def ask(self, *words: object) -> Any:
        """Send one command by the client that the node keeps."""
        return self.kept.execute_command(*words)

    def view(self) -> View:
        """Return what this node says of the slots."""
        ranges = self.ask("CLUSTER SLOTS")
        return sorted((start, end, primary[2].decode()) for start, end, primary, *_ in ranges)

    def state(self) -> str:
        return str(self.info("CLUSTER INFO")["cluster_state"])

    def info(self, *words: str) -> dict[str, str]:
        """Return the ``name:value`` lines that a command answers with."""
        said = self.ask(*words)
        return dict(said) if isinstance(said, dict) else _pairs(said)

    def linked(self) -> bool:
        """Return True for a replica that is in step with its primary."""
        return self.info("INFO", "replication").get("master_link_status") == "up"

    def is_empty(self) -> bool:
        return bool(self.ask("DBSIZE") == 0)

    def freeze(self) -> None:
        """SIGSTOP: connections stay, nothing is answered."""
        self.answers = False
        self.server.freeze()

    def thaw(self) -> None:
        self.server.thaw()
        self.answers = True

    def kill(self) -> None:
        self.answers = False
        self.server.kill()


class RealCluster:
    """``primaries`` with ``replicas`` each; ``config`` are more arguments of every server.

    ``tls`` are those of a TLS port (``--tls-cert-file`` and so on): each node then has one, and the nodes
    name each other by it. Use it in a ``with``, or call ``start`` and ``close``.
    """

    def __init__(
        self,
        folder: Path,
        *config: str,
        primaries: int = 3,
        replicas: int = 0,
        binary: str | None = None,
        tls: Sequence[str] = (),
    ) -> None:
        self._folder = folder
        self._config = (*_CONFIG.split(), "--cluster-node-timeout", str(NODE_TIMEOUT_MS), *config)
        self._binary = binary
        self._tls = tuple(tls)
        self.nodes: list[ClusterNode] = []
        for _ in range(primaries * (1 + replicas)):
            self._new_node()
        bounds = [SLOTS * at // primaries for at in range(primaries + 1)]
        lines = []
        for at, node in enumerate(self.nodes):
            of = at % primaries
            role = "master -" if at < primaries else f"slave {self.nodes[of].id}"
            slots = f" {bounds[of]}-{bounds[of + 1] - 1}" if at < primaries else ""
            address = f"127.0.0.1:{node.listens_at}@{node.bus_port}"
            lines.append(f"{node.id} {address} {role} 0 0 {of + 1} connected{slots}")
        for at, node in enumerate(self.nodes):
            own = lines[at].replace(" master ", " myself,master ").replace(" slave ", " myself,slave ")
            known = [*lines[:at], own, *lines[at + 1 :], f"vars currentEpoch {primaries} lastVoteEpoch 0\n"]
            (node.server.folder / "nodes.conf").write_text("\n".join(known))

    def __enter__(self) -> RealCluster:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start all nodes, and wait until the cluster takes commands and the replicas are in step."""
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        for node in self.nodes:
            node.server.start(wait=False)
        for node in self.nodes:
            node.server.wait_ready()
        self.wait_agreed()
        for node in self.replicas():
            wait_until(node.linked, what=f"the first synchronisation of {node.url}")

    def close(self) -> None:
        for node in self.nodes:
            node.server.close()

    @property
    def url(self) -> str:
        return self.living()[0].url

    def living(self) -> list[ClusterNode]:
        return [node for node in self.nodes if node.answers]

    def primaries(self) -> list[ClusterNode]:
        """Return the nodes that have slots, by their first one."""
        ids = [primary for _, _, primary in self.living()[0].view()]
        return [self.node(each) for each in dict.fromkeys(ids)]

    def replicas(self, of: ClusterNode | None = None) -> list[ClusterNode]:
        """Return the living replicas, of one primary or of all."""
        found = []
        for node in self.living():
            replication = node.info("INFO", "replication")
            mine = of is None or str(replication.get("master_port")) == str(of.listens_at)
            if replication["role"] == "slave" and mine:
                found.append(node)
        return found

    def node(self, id: str) -> ClusterNode:
        return next(node for node in self.nodes if node.id == id)

    def owner(self, slot: int) -> ClusterNode:
        """Return the primary of a slot, as the first living node sees it."""
        ranges = self.living()[0].view()
        return self.node(next(primary for start, end, primary in ranges if start <= slot <= end))

    def each(self, *words: object) -> list[Any]:
        """Send a command to every living node."""
        return [node.ask(*words) for node in self.living()]

    def flush(self) -> None:
        """Empty all primaries, and return when their replicas are empty too: one may have to take over."""
        for node in self.primaries():
            node.ask("FLUSHALL")
        for node in self.replicas():
            wait_until(node.is_empty, what=f"{node.url} to be empty")

    def wait_agreed(self) -> None:
        """Return when all living nodes see the same primaries for all slots and take commands."""

        def agreed() -> bool:
            views = [node.view() for node in self.living()]
            whole = sum(end - start + 1 for start, end, _ in views[0]) == SLOTS
            equal = all(view == views[0] for view in views)
            return whole and equal and all(node.state() == "ok" for node in self.living())

        wait_until(agreed, what="all nodes to see the same cluster")

    def add_node(self) -> ClusterNode:
        """Start an empty primary and have the others take it in; ``move_slot`` gives it slots."""
        node = self._new_node()
        node.server.start()
        first = self.living()[0]
        node.ask("CLUSTER MEET", "127.0.0.1", first.listens_at, first.bus_port)
        node.id = node.ask("CLUSTER MYID").decode()

        def known() -> bool:
            nodes = [str(each.ask("CLUSTER NODES")) for each in self.living()]
            return all(other.id in said for other in self.living() for said in nodes)

        wait_until(known, what="the new node to be known to all")
        wait_until(lambda: node.state() == "ok", what="the new node to see the whole cluster")
        return node

    def kill_primary(self, node: ClusterNode) -> ClusterNode:
        """SIGKILL a primary, and return the replica that has taken its place when all nodes know of it."""
        slot = next(start for start, _, primary in node.view() if primary == node.id)
        node.kill()
        wait_until(lambda: self.owner(slot) is not node, what="a replica to be promoted")
        self.wait_agreed()
        return self.owner(slot)

    def revive(self) -> None:
        """Start those again that were killed, and thaw those that are frozen: all are in step then."""
        for node in self.nodes:
            if not node.answers:
                node.server.kill()
                node.server.start()
                node.answers = True
        self.wait_agreed()
        for node in self.replicas():
            wait_until(node.linked, what=f"the synchronisation of {node.url}")

    def fail_over(self, replica: ClusterNode) -> None:
        """Have a replica take the place of its primary, which hands over in order."""
        replica.ask("CLUSTER FAILOVER")
        wait_until(lambda: replica.info("INFO", "replication")["role"] == "master", what="the failover")
        self.wait_agreed()

    def dump(self, *, with_jobs: bool = False) -> dict[bytes, object]:
        """Return all keys of all primaries with their values, without those of jobs unless asked for.

        Strings are bytes, lists are lists, sets sets, hashes dicts, sorted sets dicts of scores, streams
        lists of dicts. A key that two primaries have is a fault, whose test fails here.
        """
        found: dict[bytes, object] = {}
        for node in self.primaries():
            held = values_of(node.kept, with_jobs=with_jobs)
            twice = found.keys() & held.keys()
            assert not twice, f"keys that two primaries have: {sorted(twice)[:5]}"
            found |= held
        return found

    def _new_node(self) -> ClusterNode:
        at = len(self.nodes)
        bus_port, tls_port = free_port(), free_port()
        tls = ("--tls-port", str(tls_port), "--tls-cluster", "yes", *self._tls) if self._tls else ()
        config = (*self._config, "--cluster-port", str(bus_port), *tls)
        server = RealServer(self._folder / f"node-{at}", *config, binary=self._binary)
        id = hashlib.sha1(str(self._folder / str(at)).encode()).hexdigest()
        node = ClusterNode(server, id, bus_port, tls_port if tls else server.port)
        self.nodes.append(node)
        return node


def slot_of(key: str | bytes) -> int:
    """Return the slot of a key, as redis-py computes it."""
    return int(key_slot(key if isinstance(key, bytes) else key.encode()))


def _pairs(said: bytes) -> dict[str, str]:
    lines = (line.partition(":") for line in said.decode().splitlines() if not line.startswith("#"))
    return {name: value for name, _, value in lines if name}
