"""A worker's side of a replication: a Target whose session writes into the one connection, by turns."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa

from etl.encode.rdb.encoder import RdbEncoder
from etl.plan import Response, StopFlag, Wire
from etl.sink.deployments.standalone import StandaloneTarget
from etl.sink.replication.turns import DONE, GO, TURN, StreamEndedError, Writing
from etl.sink.session.backoff import Backoff

_FIRST = pa.array([0], pa.int64())


@dataclass(frozen=True, slots=True)
class ReplicationTarget:
    """The Target (``etl/plan/target.py``) of a load's workers: ``server`` takes what they write in turns.

    ``path`` is the socket over which they ask for their turns: NOTE(turns). A wire is answered when it is
    written: what became of it is known for all of them together, when the stream has ended. Tokens have the
    ``batch`` that the wire is made of.
    """

    server: StandaloneTarget
    path: str
    encoder: RdbEncoder

    clustered: ClassVar[bool] = False
    embedded: ClassVar[bool] = False
    slot: ClassVar[None] = None
    takes: ClassVar[frozenset[str]] = frozenset()

    def __str__(self) -> str:
        return str(self.server)

    @property
    def name(self) -> str:
        return self.server.name

    def primaries(self) -> tuple[StandaloneTarget, ...]:
        return (self.server,)

    def first_slots(self) -> tuple[None]:
        return (None,)

    def holding(self, key: bytes) -> StandaloneTarget:
        return self.server

    def connect(self, client_name: str) -> TurnSession:
        return TurnSession(self)

    def connect_reconnecting(self, client_name: str, stop: StopFlag) -> TurnSession:
        return self.connect(client_name)

    def connect_routed(self, client_name: str, stop: StopFlag) -> None:
        return None

    def identify(self, client_name: str, stop: StopFlag, *_: Any) -> ReplicationTarget:
        return self

    def bounded(self, records: int | None, nbytes: int | None) -> ReplicationTarget:
        return self

    def backoff(self, stop: StopFlag) -> Backoff:
        return Backoff(0.0, stop)


class TurnSession:
    """A Session that writes whole wires, each in its turn."""

    def __init__(self, target: ReplicationTarget) -> None:
        self._server = str(target)
        self._encoder = target.encoder
        self._asking = socket.socket(socket.AF_UNIX)
        try:
            self._asking.connect(target.path)
            _, (descriptor, *_), _, _ = socket.recv_fds(self._asking, 1, 1)
        except (OSError, ValueError):
            self._asking.close()
            raise self._ended() from None
        self._writing = Writing(socket.socket(fileno=descriptor), self._server, target.server.read_timeout_s)

    def submit(self, wire: Wire, token: Any) -> Iterator[Response]:
        """Write a wire when it is its turn. Raises LostError when the stream has ended."""
        keys = self._encoder.entries_in(wire)
        part = b"" if self._encoder.part_of(wire.buffers[0]) is None else bytes(wire.buffers[0])
        (key,) = self._encoder.keys(token.batch.take(_FIRST)).to_pylist()
        self._take_turn()
        self._writing.write(*wire.buffers)
        with contextlib.suppress(OSError):
            self._asking.sendall(DONE.pack(wire.nbytes, keys, len(part), len(key)) + part + key)
        return iter((Response(token, wire, None),))

    def drain(self) -> Iterator[Response]:
        return iter(())

    def renew(self) -> None:
        raise self._ended()

    def close(self) -> None:
        self._asking.close()
        self._writing.socket.close()

    def _take_turn(self) -> None:
        told = b""
        with contextlib.suppress(OSError):
            self._asking.sendall(TURN)
            told = self._asking.recv(1)
        if told != GO:
            # The parent has ended the stream, or it was killed: nobody is to write any more.
            self._writing.cut()
            raise self._ended()

    def _ended(self) -> StreamEndedError:
        return StreamEndedError(f"the replication to {self._server} has ended")
