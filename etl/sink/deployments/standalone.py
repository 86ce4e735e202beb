"""One Redis server, or a primary with replicas: a session is one connection to it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from etl.encode.resp.protocol import plain
from etl.errors import BrokenHandshakeError, HungUpError, LostError, UnreachedError
from etl.options import TargetOptions
from etl.plan import StopFlag
from etl.sink.address import Address
from etl.sink.control import ask_through
from etl.sink.login import address_of
from etl.sink.session.backoff import Backoff
from etl.sink.session.pipelined import READ_TIMEOUT_S, PipelinedSession
from etl.sink.session.reconnecting import ReconnectingSession, server_id
from etl.units import format_seconds

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

    A connection on which it is silent for ``silence_s`` is given up; it is tried to come back for
    ``retry_for_s`` seconds. ``own``: it is a child of this process, which alone uses it. ``known``: it has
    been reached before; ``server_id`` is its run id then, where it tells that. ``most_records`` and
    ``most_bytes`` bound what a session has under way. ``named`` is its name where that is not its address.
    """

    address: Address
    silence_s: float = READ_TIMEOUT_S
    retry_for_s: float = RETRY_FOR_S
    server_id: bytes | None = None
    known: bool = False
    own: bool = False
    named: str | None = None
    most_records: int | None = None
    most_bytes: int | None = None

    takes: ClassVar[frozenset[str]] = frozenset()

    def __str__(self) -> str:
        return self.address.shown

    @property
    def name(self) -> str:
        return self.named or str(self)

    def connect(self, client_name: str) -> PipelinedSession:
        from etl.sink.session.connect import open_connection  # redis is imported where it is used

        connection, number = open_connection(self.address, client_name, timeout_s=self.silence_s)
        return PipelinedSession(
            connection,
            str(self),
            silence_s=self.silence_s,
            client_id=number,
            client_name=client_name.encode(),
            most_records=self.most_records,
            most_bytes=self.most_bytes,
        )

    def bounded(self, records: int | None, nbytes: int | None) -> StandaloneTarget:
        return replace(self, most_records=records, most_bytes=nbytes)

    def backoff(self, stop: StopFlag) -> Backoff:
        return Backoff(self.retry_for_s, stop)

    def connect_reconnecting(self, client_name: str, stop: StopFlag) -> ReconnectingSession:
        return ReconnectingSession(lambda: self.connect(client_name), self.backoff(stop), self.server_id)

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
        backoff = self.backoff(stop)
        reached, heard = self.known, False
        while True:
            try:
                return replace(self, server_id=self._ask_id(client_name, stop), known=True)
            except LostError as lost:
                reached = reached or not isinstance(lost, UnreachedError)
                if not reached:
                    raise
                stranger = not self.known and isinstance(lost, (UnreachedError, BrokenHandshakeError))
                limit_s = min(self.retry_for_s, STRANGER_S) if stranger else self.retry_for_s
                backoff.wait(lost, limit_s)
                if not heard:
                    told(f"{lost}; trying again for {format_seconds(limit_s)} (--retry-for)")
                    heard = True

    def _ask_id(self, client_name: str, stop: StopFlag) -> bytes | None:
        """Connect, and ask for the server's run id; one that hangs up on the question does not tell it."""
        try:
            (info,) = ask_through(self, plain((b"INFO", b"server")), stop, client_name, reaches=False)
        except HungUpError:
            if self.known:
                raise
            return None
        return server_id(info) if isinstance(info, bytes) else None
