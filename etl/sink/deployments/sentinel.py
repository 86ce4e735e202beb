"""A primary that Sentinels watch: whichever server that is when a connection is made."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from etl.errors import ServerChangedError
from etl.options import TargetOptions
from etl.plan import StopFlag
from etl.sink.deployments.standalone import OPTIONS as OF_A_SERVER
from etl.sink.deployments.standalone import StandaloneTarget
from etl.sink.login import logged_in
from etl.sink.sentinel_address import WatchedAddress, parse_watched
from etl.sink.session.pipelined import PipelinedSession
from etl.sink.session.reconnecting import ReconnectingSession

SCHEMES = {"redis+sentinel://": "HOST:PORT/NAME/DB", "rediss+sentinel://": "HOST:PORT/NAME/DB"}
NOUN = "a primary that Sentinels watch"
OPTIONS = OF_A_SERVER


@contextlib.contextmanager
def open(url: str, options: TargetOptions) -> Iterator[SentinelTarget]:
    """Yield the primary that the Sentinels at ``url`` watch, not connected to yet. Raises UsageError."""
    watched = parse_watched(url, insecure=options.tls_insecure)
    primary = logged_in(replace(watched.primary, shown=watched.shown), options)
    watched = replace(watched, primary=replace(primary, shown=watched.primary.shown))
    yield SentinelTarget(watched.primary, watched=watched)


@dataclass(frozen=True, slots=True, kw_only=True)
class SentinelTarget(StandaloneTarget):
    """A Target (``etl/plan/target.py``): a StandaloneTarget that asks where its server is, each time.

    After a failover that is another server, with another run id: what the one before had answered for may be
    missing there (ServerChangedError), and the run goes on from the checkpoints that it has. ``at`` is where
    the server is, to tell it from the next one, if it tells no run id.
    """

    watched: WatchedAddress
    at: str | None = None

    def __str__(self) -> str:
        return self.watched.shown

    def connect(self, client_name: str) -> PipelinedSession:
        from etl.sink.session.primary import connect_primary  # redis is imported where it is used

        return connect_primary(
            self.watched,
            lambda address: self.open_session(address, client_name),
            timeout_s=self.read_timeout_s,
            known=self.known,
        )

    def connect_reconnecting(self, client_name: str, stop: StopFlag) -> ReconnectingSession:
        def connect() -> PipelinedSession:
            session = self.connect(client_name)
            if self.at not in (None, session.name):
                session.close()
                raise ServerChangedError(f"{session.name} has taken the place of {self.at}")
            return session

        return ReconnectingSession(connect, self.backoff(stop), self.server_id)

    def identified(self, client_name: str, stop: StopFlag) -> SentinelTarget:
        server_id = StandaloneTarget.identified(self, client_name, stop).server_id
        at = None
        if server_id is None:
            with contextlib.closing(self.connect(client_name)) as session:
                at = session.name
        # Of a cluster's node its slots alone could be loaded: ``in_cluster`` stays False, and it is refused.
        return replace(self, server_id=server_id, known=True, at=at)
