"""Three primaries of the benchmark's own as a Redis Cluster, on this machine: what they use is added up."""

from __future__ import annotations

import time
from contextlib import ExitStack
from itertools import pairwise
from types import TracebackType
from typing import Any

from .errors import BenchError
from .server import Server

SLOTS = 16_384
PRIMARIES = 3
START_TIMEOUT_S = 30
BOUNDS = [SLOTS * at // PRIMARIES for at in range(PRIMARIES + 1)]
"""Node ``i`` has the slots ``BOUNDS[i]`` up to (not including) ``BOUNDS[i + 1]``."""


class Cluster:
    """To a contender the same as a ``Server``: ``url`` and ``port`` are those of the first node."""

    def __init__(self) -> None:
        self._opened = ExitStack()
        self.servers: list[Server] = []

    def __enter__(self) -> Cluster:
        try:
            for _ in range(PRIMARIES):
                self.servers.append(self._opened.enter_context(Server("--cluster-enabled", "yes")))
            self._join()
        except BaseException:
            self._opened.close()
            raise
        first = self.servers[0]
        self.url, self.port, self.client = first.url, first.port, first.client
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    def cpu_s(self) -> float:
        return sum(server.cpu_s() for server in self.servers)

    def used_bytes(self) -> int:
        return sum(server.used_bytes() for server in self.servers)

    def keys(self) -> int:
        return sum(server.client.dbsize() for server in self.servers)

    def _join(self) -> None:
        for server, (first, after) in zip(self.servers, pairwise(BOUNDS), strict=True):
            _asked(server, "CLUSTER ADDSLOTSRANGE", first, after - 1)
        bus = self.servers[0].bus_port
        for server in self.servers[1:]:
            _asked(server, "CLUSTER MEET", "127.0.0.1", self.servers[0].port, bus)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not all(_is_whole(server) for server in self.servers):
            if time.monotonic() > deadline:
                raise BenchError("the nodes of the cluster did not find each other")
            time.sleep(0.05)


def _asked(server: Server, *words: object) -> Any:
    return server.client.execute_command(*words)  # type: ignore[no-untyped-call]


def _is_whole(server: Server) -> bool:
    said = _asked(server, "CLUSTER INFO")
    facts = said if isinstance(said, dict) else dict(line.split(":") for line in said.decode().split())
    return (facts["cluster_state"], facts["cluster_known_nodes"]) == ("ok", str(PRIMARIES))


def node_of(slot: int) -> int:
    """Return the number of the node that has a slot."""
    return next(node for node in range(PRIMARIES) if slot < BOUNDS[node + 1])
