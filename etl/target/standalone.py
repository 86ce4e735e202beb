"""One Redis server (or a primary with replicas): a session is one connection to it."""

from __future__ import annotations

from dataclasses import dataclass

from etl.target.address import Address
from etl.target.conversation import SILENCE_S, Conversation


@dataclass(frozen=True, slots=True)
class StandaloneTarget:
    """A Target (``etl/plan.py``): the server at ``address``, given up when it is silent for ``silence_s``."""

    address: Address
    silence_s: float = SILENCE_S

    def __str__(self) -> str:
        return self.address.shown

    def connect(self, client_name: str) -> Conversation:
        from etl.target.connection import open_connection  # redis is imported where it is used

        connection = open_connection(self.address, client_name, timeout_s=self.silence_s)
        return Conversation(connection, str(self), silence_s=self.silence_s)
