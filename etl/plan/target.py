"""The contract of a target and of its sessions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import pyarrow as pa

from etl.errors import TransientError
from etl.plan.error_reply import ErrorReply
from etl.plan.stop import StopFlag
from etl.plan.wire import Wire

T = TypeVar("T")


class Session(Protocol):
    """One worker's connection to the target."""

    def submit(self, wire: Wire, token: Any) -> Iterator[Response]:
        """Send one wire; return the responses that have come in meanwhile, the oldest first.

        Blocks, before it returns, only while the bounds in flight are reached. Raises TargetError, or has
        the iterator raise it after the responses that came in before the failure.
        """

    def drain(self) -> Iterator[Response]:
        """Wait for every outstanding response; return them. Raises TargetError as ``submit`` does."""

    def close(self) -> None:
        """Close the connection. May be called twice."""


class RenewableSession(Session, Protocol):
    """A session that comes back when its connection breaks, and sends again what has no response."""

    def renew(self) -> None:
        """Connect anew. Raises TargetError."""


class RoutedSession(Protocol):
    """One worker's connections to the nodes of a cluster, which it opens as it needs them."""

    def parts(self, slots: pa.Array) -> Sequence[tuple[str, pa.Array]]:
        """Return the nodes that have some of these slots (uint16), each with the indices of those.

        Waits while any slot has no node. Raises TargetError.
        """

    def slots(self) -> Mapping[str, Sequence[tuple[int, int]]]:
        """Return the ranges of slots (first and last) of each node that serves any."""

    def owner(self, slot: int) -> str:
        """Return the node that serves a slot. Raises TargetError."""

    def unsettled(self) -> int:
        """Return the slots, as a set (``node_checkpoints``), of which some keys may be at their next node."""

    def identity(self, node: str) -> NodeIdentity:
        """Return who a node is. Raises TargetError."""

    def submit(self, wire: Wire, token: Any, node: str) -> Iterator[Response]:
        """Send one wire to a node; return the responses that have come in, from any node, as Session does."""

    def drain(self) -> Iterator[Response]:
        """Wait for every outstanding response; return them. Raises TargetError as ``submit`` does."""

    def renew(self) -> None:
        """Ask anew who serves what. Raises TargetError."""

    def redirected(self, reply: ErrorReply, node: str) -> str | None:
        """Note a MOVED or ASK of ``node``; return the node that is to be asked in its place, for an ASK.

        Raises TargetError.
        """

    def close(self) -> None:
        """Close the connections. May be called twice."""


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """Who a node of a cluster is: its run id, its name in the cluster, its replication streams.

    The first stream (``master_replid``) is its own, the second one that of the primary whose place it has
    taken. https://redis.io/docs/latest/operate/oss_and_stack/management/replication/
    """

    run_id: bytes | None = None
    name: bytes = b""
    streams: tuple[bytes, ...] = ()


class RetryTimer(Protocol):
    """Pauses between one error and the next, up to a deadline."""

    def retry(
        self,
        attempt: Callable[[], T],
        *,
        limit_s: Callable[[TransientError], float | None] = ...,
        told: Callable[[str], None] = ...,
        failed: TransientError | None = None,
    ) -> T:
        """Return what ``attempt`` returns, which is called again after each TransientError.

        ``limit_s`` returns for how long an error is worth it, in seconds (None: as long as usual); ``told``
        hears once why is waited; ``failed`` is an error of an attempt before the first.
        """

    def wait(self, error: TransientError, limit_s: float | None = None) -> None:
        """Pause. Raises TargetError when the deadline is over, StoppedError when the run is to stop."""

    def reset(self) -> None:
        """Note a success: the next error has the whole deadline again."""


class Target(Protocol):
    """Where the records go: frozen, picklable, no secret in its ``repr``."""

    @property
    def name(self) -> str:
        """The name for people, and of the target in a job's name: a URL without its secret."""

    @property
    def takes(self) -> frozenset[str]:
        """The kinds of servers it can load into beside a single one: ``cluster``, ``sentinel``."""

    @property
    def embedded(self) -> bool:
        """Return True if it is a server of this run, to which no other client connects."""

    @property
    def clustered(self) -> bool:
        """Return True if keys lie on several nodes, by their slots: its sessions are RoutedSessions."""

    @property
    def slot(self) -> int | None:
        """Return the hash slot of a cluster that it is limited to; None where it is not."""

    def first_slots(self) -> Sequence[int | None]:
        """Return, for each of ``primaries``, one of the slots that it has; None for one that has all keys."""

    def primaries(self) -> tuple[Target, ...]:
        """Return every server that has a part of the keys, each as a target of its own."""

    def holding(self, key: bytes) -> Target:
        """Return the server that has this key, as a target of its own."""

    def connect(self, client_name: str) -> Session:
        """Open a session. Raises TargetError."""

    def identify(
        self,
        client_name: str,
        stop: StopFlag,
        retry_for_s: float | None = None,
        told: Callable[[str], None] = ...,
    ) -> Target:
        """Connect; return the target, which knows its server then, and for how long it is waited for.

        ``told`` hears why it is waited for. Raises TargetError.
        """

    def connect_reconnecting(self, client_name: str, stop: StopFlag) -> RenewableSession:
        """Open a session that comes back when its connection breaks. Raises TargetError when it cannot."""

    def connect_routed(self, client_name: str, stop: StopFlag) -> RoutedSession | None:
        """Open sessions with the nodes of a cluster; None where there is one server. Raises TargetError."""

    def bounded(self, records: int | None, nbytes: int | None) -> Target:
        """Return the target for sessions that have no more than this in flight (None: what is usual)."""

    def backoff(self, stop: StopFlag) -> RetryTimer:
        """Return the way to wait for a server that refuses for now."""


@dataclass(frozen=True, slots=True)
class Response:
    """The server's response to one wire: ``replies`` is None when they were exactly the expected bytes."""

    token: Any
    wire: Wire
    replies: Sequence[Any] | None
