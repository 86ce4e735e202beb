"""One Redis server, or a primary with replicas: a session is one connection to it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from etl.encode.resp.protocol import plain
from etl.errors import BrokenHandshakeError, HungUpError, TransientError, UnreachedError
from etl.options import TargetOptions
from etl.plan import StopFlag
from etl.sink.address import Address
from etl.sink.control import ask_through
from etl.sink.login import address_of
from etl.sink.session.backoff import Backoff
from etl.sink.session.pipelined import NO_LIMIT, READ_TIMEOUT_S, Client, InFlightLimit, PipelinedSession
from etl.sink.session.reconnecting import ReconnectingSession, server_id

SCHEMES = {"redis://": "HOST:PORT/DB", "rediss://": "HOST:PORT/DB", "unix://": "/SOCKET"}
NOUN = "a Redis server"
OPTIONS = ("user", "password_file", "ask_password", "tls_insecure")

RETRY_FOR_S = 120.0

STRANGER_S = 10.0
"""How long a server is tried that takes connections, and has never let us in."""


@contextlib.contextmanager
def open(url: str, options: TargetOptions) -> Iterator[StandaloneTarget]:
    """Yield the server at ``url``; nothing is connected to yet. Raises UsageError."""
    yield StandaloneTarget(address_of(url, options))


@dataclass(frozen=True, slots=True)
class StandaloneTarget:
    """A Target (``etl/plan/target.py``): the server at ``address``.

    A connection on which it is silent for ``read_timeout_s`` is given up; it is tried to come back for
    ``retry_for_s`` seconds. ``embedded``: it is a child of this process, and no other client's. ``known``: it
    has been reached before; ``server_id`` is its run id then, where it tells that. ``named`` is its name
    where that is not its address. ``limit`` bounds what a session has in flight. ``in_cluster``: it has said
    that it is a node of a cluster.
    """

    address: Address
    read_timeout_s: float = READ_TIMEOUT_S
    retry_for_s: float = RETRY_FOR_S
    server_id: bytes | None = None
    known: bool = False
    embedded: bool = False
    named: str | None = None
    limit: InFlightLimit = NO_LIMIT
    in_cluster: bool = False

    clustered: ClassVar[bool] = False
    slot: ClassVar[None] = None
    takes: ClassVar[frozenset[str]] = frozenset()

    def __str__(self) -> str:
        return self.address.shown

    @property
    def name(self) -> str:
        return self.named or str(self)

    @property
    def database(self) -> int:
        """The number of the database."""
        return self.address.database

    def primaries(self) -> tuple[StandaloneTarget, ...]:
        return (self,)

    def first_slots(self) -> tuple[None]:
        return (None,)

    def holding(self, key: bytes) -> StandaloneTarget:
        return self

    def connect(self, client_name: str) -> PipelinedSession:
        return self.open_session(self.address, client_name)

    def open_session(self, address: Address, client_name: str) -> PipelinedSession:
        """Open a session with the server that is at ``address`` now. Raises TargetError."""
        from etl.sink.session.connect import open_connection  # redis is imported where it is used

        connection, number = open_connection(address, client_name, timeout_s=self.read_timeout_s)
        return PipelinedSession(
            connection,
            str(address),
            read_timeout_s=self.read_timeout_s,
            client=Client(number, client_name.encode()),
            limit=self.limit,
        )

    def bounded(self, records: int | None, nbytes: int | None) -> StandaloneTarget:
        return replace(self, limit=InFlightLimit(records, nbytes))

    def backoff(self, stop: StopFlag) -> Backoff:
        return Backoff(self.retry_for_s, stop)

    def connect_reconnecting(self, client_name: str, stop: StopFlag) -> ReconnectingSession:
        return ReconnectingSession(lambda: self.connect(client_name), self.backoff(stop), self.server_id)

    def connect_routed(self, client_name: str, stop: StopFlag) -> None:
        return None

    def identify(
        self,
        client_name: str,
        stop: StopFlag,
        retry_for_s: float | None = None,
        told: Callable[[str], None] = lambda text: None,
    ) -> StandaloneTarget:
        """Connect; return the target, which knows its server then and comes back for ``retry_for_s`` s.

        A server that loads its data set is waited for, and so is one that was reached before. Of another one,
        whoever takes no connection is more likely a wrong address; and whoever breaks them all before he has
        let anybody in, a wrong port (one with TLS, or for clients with a certificate): he has STRANGER_S
        seconds. ``told`` is called with why a server is waited for, the first time. Raises TargetError.
        """
        if retry_for_s is not None:
            return replace(self, retry_for_s=retry_for_s).identify(client_name, stop, told=told)
        reached = self.known

        def attempt() -> StandaloneTarget:
            return self.identified(client_name, stop)

        def limit_s(lost: TransientError) -> float | None:
            nonlocal reached
            reached = reached or not isinstance(lost, UnreachedError)
            if not reached:
                return 0.0
            stranger = not self.known and isinstance(lost, (UnreachedError, BrokenHandshakeError))
            return STRANGER_S if stranger else None

        return self.backoff(stop).retry(attempt, limit_s=limit_s, told=told)

    def identified(self, client_name: str, stop: StopFlag) -> StandaloneTarget:
        """Connect once; return the target, which knows its server then. Raises TargetError.

        A server that hangs up on the question tells nothing.
        """
        known = replace(self, server_id=None, known=True)
        try:
            (info,) = ask_through(self, plain((b"INFO",)), stop, client_name, reaches=False)
        except HungUpError:
            if self.known:
                raise
            return known
        if not isinstance(info, bytes):
            return known
        return replace(known, server_id=server_id(info), in_cluster=b"cluster_enabled:1" in info.split())
