"""The primary's side of a replication, up to the first byte of the data set.

https://redis.io/docs/latest/operate/oss_and_stack/management/replication/ and Redis ``src/replication.c``
(``syncWithMaster``): the server that is told REPLICAOF connects, says PING, AUTH, REPLCONF and PSYNC, and is
answered FULLRESYNC. Then comes an RDB stream of unknown length between two equal marks. After PSYNC nothing
may be written but the stream: what does not belong there makes the server begin once more.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import socket
import time
from dataclasses import dataclass, field
from typing import BinaryIO

from etl.errors import StoppedError, TargetError
from etl.plan import StopFlag
from etl.units import format_seconds

COME_WITHIN_S = 10.0
"""How long the server may take to connect to our port and to say all that comes before the data set."""

BEYOND = 1 << 20
"""What is added to the server's replication offset: NOTE(offset)."""

_LOOK_S = 0.2
_MAX_LINE_BYTES = 1 << 16
_TLS_HELLO = b"\x16"
_MARK_BYTES = 20


@dataclass(frozen=True, slots=True)
class Expected:
    """By what the server is known: its ``address``, or a ``token`` that only it has; and its ``replid``.

    An empty one is not known, and is not asked for.
    """

    address: str = ""
    token: str = field(default="", repr=False)
    replid: str = ""


class StrangerError(Exception):
    """Whoever has connected is not the server."""


class Listener:
    """A port on which the server, and nobody else, is awaited."""

    def __init__(self, host: str, port: int = 0) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, port), family=family, backlog=8)
        except OSError as error:
            where = f"{host}:{port}" if port else host
            raise TargetError(
                f"cannot listen on {where}: {(error.strerror or str(error)).lower()}; give --listen"
                " HOST:PORT, an address of this machine that the server can reach"
            ) from None
        self.host = host
        self.port: int = self._socket.getsockname()[1]

    def accept(self, expected: Expected, target: object, stop: StopFlag) -> tuple[socket.socket, bytes]:
        """Wait for the server; return the connection, and the mark that ends the stream.

        The next byte is the stream's first. Raises TargetError where it does not come in time, StoppedError.
        """
        deadline = time.monotonic() + COME_WITHIN_S
        stranger = ""
        while (left := deadline - time.monotonic()) > 0:
            if stop.is_set():
                raise StoppedError("stopped while the server was awaited")
            self._socket.settimeout(min(left, _LOOK_S))
            try:
                connection, peer = self._socket.accept()
            except TimeoutError:
                continue
            try:
                return connection, _greeted(connection, peer[0], expected, left)
            except StrangerError as error:
                stranger = f"; {peer[0]} has connected, and {error}"
            except OSError:
                stranger = f"; {peer[0]} has connected, and hung up"
            connection.close()
        raise TargetError(
            f"{target}: the server did not come to {self.host}:{self.port} within"
            f" {format_seconds(COME_WITHIN_S)}{stranger}; it has to reach this machine (a firewall? a network"
            " of its own?): --listen HOST:PORT says where; or load without --wire replication"
        )

    def close(self) -> None:
        """Take no more connections. May be called twice."""
        self._socket.close()


def _greeted(connection: socket.socket, peer: str, expected: Expected, timeout_s: float) -> bytes:
    """Answer what a server says before it is sent the data set. Raises StrangerError, OSError."""
    if not expected.token and expected.address and not _same(peer, expected.address):
        raise StrangerError(f"is not the server, whose address is {expected.address}")
    connection.settimeout(timeout_s)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    known = not expected.token
    with contextlib.closing(connection.makefile("rb")) as reader:
        while True:
            command, *arguments = _read_command(reader)
            word = command.upper()
            if word == b"PING":
                connection.sendall(b"+PONG\r\n")
            elif word == b"AUTH" and arguments:
                known = known or hmac.compare_digest(arguments[-1], expected.token.encode())
                connection.sendall(b"+OK\r\n")
            elif word == b"REPLCONF":
                connection.sendall(b"+OK\r\n")
            elif word == b"PSYNC" and len(arguments) == 2:
                break
            else:
                raise StrangerError("does not replicate as a Redis server does")
    replid, offset = arguments
    if not known:
        raise StrangerError("does not know the token that the server was given")
    if expected.replid and replid != expected.replid.encode():
        raise StrangerError("asks for another data set than that of the server")
    mark = os.urandom(_MARK_BYTES).hex().encode()
    if replid == b"?":
        replid = os.urandom(_MARK_BYTES).hex().encode()
    beyond = (int(offset) if offset.isdigit() else 0) + BEYOND
    connection.sendall(b"+FULLRESYNC %b %d\r\n$EOF:%b\r\n" % (replid, beyond, mark))
    return mark


def _read_command(reader: BinaryIO) -> list[bytes]:
    """Read a command, as an array of bulk strings. Raises StrangerError where it is none, OSError."""
    line = reader.readline(_MAX_LINE_BYTES)
    while line in (b"\n", b"\r\n"):
        line = reader.readline(_MAX_LINE_BYTES)
    if not line:
        raise ConnectionResetError
    if line[:1] == _TLS_HELLO:
        raise StrangerError("speaks TLS (tls-replication), which --wire replication does not")
    try:
        words = [_read_bulk(reader) for _ in range(_number(line, b"*"))]
    except ValueError:
        raise StrangerError("does not replicate as a Redis server does") from None
    if not words:
        raise StrangerError("does not replicate as a Redis server does")
    return words


def _read_bulk(reader: BinaryIO) -> bytes:
    nbytes = _number(reader.readline(_MAX_LINE_BYTES), b"$")
    data = reader.read(nbytes + 2)
    if len(data) < nbytes + 2:
        raise ConnectionResetError
    return data[:-2]


def _number(line: bytes, kind: bytes) -> int:
    if line[:1] != kind or not line[1:].strip().isdigit() or len(line) > 8:
        raise ValueError(line)
    return int(line[1:])


def _same(one: str, other: str) -> bool:
    """Return True if two addresses are the same, written as IPv4 or as IPv4 in IPv6."""
    return one.removeprefix("::ffff:") == other.removeprefix("::ffff:")
