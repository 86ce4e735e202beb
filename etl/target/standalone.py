"""One Redis server (or a primary with replicas): a session is one connection to it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace

from etl.control import StopFlag
from etl.encode.resp import plain
from etl.errors import LoadingError, LostError
from etl.target.address import Address
from etl.target.console import ask
from etl.target.conversation import SILENCE_S, Conversation
from etl.target.patience import Patience
from etl.target.steady import SteadySession, server_id

RETRY_FOR_S = 120.0


@dataclass(frozen=True, slots=True)
class StandaloneTarget:
    """A Target (``etl/plan.py``): the server at ``address``.

    A connection on which it is silent for ``silence_s`` is given up; it is tried to come back for
    ``retry_for_s`` seconds. ``own``: it is a child of this process, and nobody else's. ``known``: it has been
    reached before; ``server_id`` is its run id then, where it tells that.
    """

    address: Address
    silence_s: float = SILENCE_S
    retry_for_s: float = RETRY_FOR_S
    server_id: bytes | None = None
    known: bool = False
    own: bool = False

    def __str__(self) -> str:
        return self.address.shown

    def connect(self, client_name: str) -> Conversation:
        from etl.target.connection import open_connection  # redis is imported where it is used

        connection, number = open_connection(self.address, client_name, timeout_s=self.silence_s)
        return Conversation(
            connection,
            str(self),
            silence_s=self.silence_s,
            client_id=number,
            client_name=client_name.encode(),
        )

    def patience(self, stop: StopFlag) -> Patience:
        return Patience(self.retry_for_s, stop)

    def stay(self, client_name: str, stop: StopFlag) -> SteadySession:
        return SteadySession(lambda: self.connect(client_name), self.patience(stop), self.server_id)

    def met(self, client_name: str, stop: StopFlag, retry_for_s: float | None = None) -> StandaloneTarget:
        """Connect; give the target, which knows its server then, and comes back for ``retry_for_s`` seconds.

        A server that loads its data set is waited for, one that cannot be reached only if it is known: else
        it is more likely a wrong address. Raises TargetError.
        """
        if retry_for_s is not None:
            return replace(self, retry_for_s=retry_for_s).met(client_name, stop)
        patience = self.patience(stop)
        while True:
            try:
                with contextlib.closing(self.connect(client_name)) as session:
                    return replace(self, server_id=self._id_of(session), known=True)
            except LostError as lost:
                if not self.known and not isinstance(lost, LoadingError):
                    raise
                patience.wait(lost)

    def _id_of(self, session: Conversation) -> bytes | None:
        """Ask for the server's run id; one that hangs up on the question the first time does not tell it."""
        try:
            (info,) = ask(session, plain((b"INFO", b"server")))
        except LostError:
            if self.known:
                raise
            return None
        return server_id(info) if isinstance(info, bytes) else None
