"""A TCP proxy between a client and a server that records, delays, holds and cuts what passes."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Direction = Literal["to_server", "to_client"]
Ending = Literal["rst", "fin"]

_READ_AHEAD_BYTES = 1 << 20  # of a lane that is not held; a held one reads all that comes
_NEVER = 1 << 62
_GREETING_BYTES = 1000  # in which a client gives itself a name


@dataclass(slots=True)
class _Lane:
    """One direction of one connection."""

    source: socket.socket
    sink: socket.socket
    received: bytearray = field(default_factory=bytearray)
    arrivals: deque[tuple[float, int]] = field(default_factory=deque)  # when, and received up to there
    due: int = 0  # received long enough ago to be forwarded
    forwarded: int = 0
    source_ended: bool = False
    sink_ended: bool = False


@dataclass(slots=True)
class _Connection:
    lanes: dict[Direction, _Lane]
    closed: bool = False


@dataclass(frozen=True, slots=True)
class _Rule:
    """What happens when ``after`` bytes have passed; ``connection`` None means every one.

    ``client``: only for the first connection of this name (None: for any).
    """

    direction: Direction
    after: int
    connection: int | None
    ending: Ending | None  # None: hold
    client: str | None = None

    def fits(self, number: int, direction: Direction) -> bool:
        return self.direction == direction and self.connection in (None, number)


class RecordingProxy:
    """Forwards ``127.0.0.1:port`` to a server's port, under rules that may be changed while it runs.

    Connections are numbered from 0 in the order in which clients connect. Every rule is for one direction
    (``"to_server"`` or ``"to_client"``), counts bytes of one connection from its first byte (the client's
    handshake included), and is for connection number ``connection``, or for all of them with None.
    All of it runs in one thread. Use it in a ``with``.
    """

    def __init__(self, target_port: int, target_host: str = "127.0.0.1") -> None:
        self._target = (target_host, target_port)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._changed = threading.Condition()
        self._connections: list[_Connection] = []
        self._rules: list[_Rule] = []
        self._refused = 0
        self._delays_s: dict[Direction, float] = {"to_server": 0.0, "to_client": 0.0}
        self._stopping = False
        self._failure: BaseException | None = None
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> RecordingProxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._stopping = True
        self._wake()
        self._thread.join()
        for end in (self._listener, self._wake_reader, self._wake_writer):
            end.close()
        for connection in self._connections:
            _close(connection, "fin")
        if self._failure is not None:
            raise self._failure

    # What was seen

    @property
    def sent(self) -> list[bytes]:
        """All bytes received from the client so far, one item a connection, forwarded or not."""
        return self._received("to_server")

    @property
    def replies(self) -> list[bytes]:
        """All bytes received from the server so far, one item a connection, forwarded or not."""
        return self._received("to_client")

    def wait_for_connections(self, count: int, timeout_s: float = 60) -> None:
        """Return when clients have connected ``count`` times."""
        self._wait(lambda: len(self._connections) >= count, timeout_s, f"{count} connections")

    @property
    def refused(self) -> int:
        """How many clients have found the server down so far; they are not counted as connections."""
        with self._changed:
            return self._refused

    def wait_for_refused(self, count: int, timeout_s: float = 60) -> None:
        """Return when so many clients have found the server down."""
        self._wait(lambda: self._refused >= count, timeout_s, f"{count} clients to find the server down")

    def wait_for_client(self, name: str, count: int = 1, timeout_s: float = 60) -> int:
        """Wait for the ``count``-th connection with this name (CLIENT SETNAME); return its number."""
        self._wait(lambda: len(self._named(name)) >= count, timeout_s, f"{count} connections of {name}")
        return self._named(name)[count - 1]

    def wait_for(
        self, n_bytes: int, direction: Direction = "to_server", connection: int = 0, timeout_s: float = 60
    ) -> None:
        """Return when ``n_bytes`` have been received in all; held bytes count as received."""

        def enough() -> bool:
            lanes = [one.lanes[direction] for one in self._connections[connection : connection + 1]]
            return any(len(lane.received) >= n_bytes for lane in lanes)

        self._wait(enough, timeout_s, f"{n_bytes} bytes {direction} on connection {connection}")

    def wait_for_text(self, text: bytes, direction: Direction = "to_server", timeout_s: float = 60) -> None:
        """Return when these bytes have been received on any connection."""
        self._wait(
            lambda: any(text in one.lanes[direction].received for one in self._connections),
            timeout_s,
            f"{text!r} {direction}",
        )

    def wait_closed(self, connection: int = 0, timeout_s: float = 60) -> None:
        """Return when the connection is over on both sides."""
        self._wait(
            lambda: len(self._connections) > connection and self._connections[connection].closed,
            timeout_s,
            f"the end of connection {connection}",
        )

    def _named(self, name: str) -> list[int]:
        given = b"\r\n%s\r\n" % name.encode()
        lanes = [one.lanes["to_server"] for one in self._connections]
        return [number for number, lane in enumerate(lanes) if given in lane.received[:_GREETING_BYTES]]

    def _concerns(self, rule: _Rule, number: int) -> bool:
        return rule.client is None or number in self._named(rule.client)[:1]

    # What is done to it

    def hold(
        self,
        direction: Direction,
        *,
        after: int = 0,
        connection: int | None = None,
        client: str | None = None,
    ) -> None:
        """Forward ``after`` bytes and then nothing until ``release``; what comes is kept, an end too.

        ``client``: only on the first connection that gives itself this name.
        """
        self._add(_Rule(direction, after, connection, None, client))

    def release(self, direction: Direction | None = None) -> None:
        """Forward everything that is held (in one direction, or in both)."""

        def stays(rule: _Rule) -> bool:
            return rule.ending is not None or direction not in (None, rule.direction)

        with self._changed:
            self._rules = [rule for rule in self._rules if stays(rule)]
        self._wake()

    def cut(
        self,
        direction: Direction,
        *,
        after: int,
        connection: int | None = 0,
        ending: Ending = "rst",
        client: str | None = None,
    ) -> None:
        """Forward exactly ``after`` bytes, then end both sides of the connection.

        ``ending`` is what the client sees. A reset overtakes what the client has not read yet, so to count
        the replies' bytes cut with ``"fin"``. ``client`` is as for ``hold``.
        The server always sees an orderly end after all its bytes.
        """
        self._add(_Rule(direction, after, None if client else connection, ending, client))

    def cut_now(self, connection: int | None = None, ending: Ending = "rst") -> None:
        """End connections that are open now (all of them with None), whatever has passed."""
        with self._changed:
            for number, one in enumerate(self._connections):
                if not one.closed and connection in (None, number):
                    self._rules.append(_Rule("to_server", 0, number, ending))
        self._wake()

    def delay(self, direction: Direction, seconds: float) -> None:
        """Forward each byte that comes from now on ``seconds`` after it was received."""
        with self._changed:
            self._delays_s[direction] = seconds
        self._wake()

    # The loop

    def _add(self, rule: _Rule) -> None:
        with self._changed:
            self._rules.append(rule)
        self._wake()

    def _received(self, direction: Direction) -> list[bytes]:
        with self._changed:
            return [bytes(one.lanes[direction].received) for one in self._connections]

    def _wait(self, reached: Callable[[], bool], timeout_s: float, what: str) -> None:
        with self._changed:
            if not self._changed.wait_for(lambda: self._failure is not None or reached(), timeout_s):
                raise AssertionError(f"waited {timeout_s} seconds in vain for {what}")
            assert self._failure is None, f"the proxy failed: {self._failure!r}"

    def _wake(self) -> None:
        self._wake_writer.send(b"!")

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._turn()
        except BaseException as failure:  # noqa: BLE001  __exit__ and _wait raise it in the test's thread
            with self._changed:
                self._failure = failure
                self._changed.notify_all()

    def _turn(self) -> None:
        """Wait until something can be done, and do all of it."""
        with self._changed:
            readers, writers, timeout_s = self._interests()
        readable, writable, _ = select.select(readers, writers, [], timeout_s)
        with self._changed:
            if self._wake_reader in readable:
                self._wake_reader.recv(4096)
            if self._listener in readable:
                self._accept()
            for number, one in enumerate(self._connections):
                if not one.closed:
                    self._move(number, one, readable, writable)
            self._changed.notify_all()

    def _interests(self) -> tuple[list[socket.socket], list[socket.socket], float | None]:
        readers = [self._listener, self._wake_reader]
        writers: list[socket.socket] = []
        next_due: list[float] = []
        for number, one in enumerate(self._connections):
            if one.closed:
                continue
            for direction, lane in one.lanes.items():
                limit = self._limit(number, direction)
                waiting = len(lane.received) - lane.forwarded
                ahead = waiting < _READ_AHEAD_BYTES or limit != _NEVER or lane.sink_ended
                if ahead and not lane.source_ended:
                    readers.append(lane.source)
                if not lane.sink_ended and lane.forwarded < min(lane.due, limit):
                    writers.append(lane.sink)
                if lane.arrivals:
                    next_due.append(lane.arrivals[0][0])
        return readers, writers, max(0.0, min(next_due) - time.monotonic()) if next_due else None

    def _limit(self, number: int, direction: Direction) -> int:
        fitting = [
            rule.after
            for rule in self._rules
            if rule.fits(number, direction) and self._concerns(rule, number)
        ]
        return min(fitting, default=_NEVER)

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:  # it went away again
            return
        try:
            server = socket.create_connection(self._target, 30)
        except OSError:  # the server is down: so is its port
            self._refused += 1
            _reset(client)
            return
        for end in (client, server):
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connections.append(
            _Connection({"to_server": _Lane(client, server), "to_client": _Lane(server, client)})
        )

    def _move(
        self, number: int, one: _Connection, readable: list[socket.socket], writable: list[socket.socket]
    ) -> None:
        for direction, lane in one.lanes.items():
            if lane.source in readable:
                _read(lane, self._delays_s[direction])
            _ripen(lane)
            if lane.sink in writable:
                _write(lane, min(lane.due, self._limit(number, direction)))
            for rule in self._rules:
                reached = lane.forwarded >= rule.after and self._concerns(rule, number)
                if rule.ending and rule.fits(number, direction) and reached:
                    _close(one, rule.ending)
                    return
            all_forwarded = lane.source_ended and lane.forwarded == len(lane.received)
            held = self._limit(number, direction) <= lane.forwarded  # a hold keeps the end back too
            if all_forwarded and not held and not lane.sink_ended:
                lane.sink_ended = True
                with contextlib.suppress(OSError):
                    lane.sink.shutdown(socket.SHUT_WR)
        if all(lane.sink_ended for lane in one.lanes.values()):
            _close(one, "fin")


def _read(lane: _Lane, delay_s: float) -> None:
    try:
        data = lane.source.recv(1 << 16)
    except BlockingIOError:
        return
    except OSError:
        data = b""
    if not data:
        lane.source_ended = True
        return
    lane.received += data
    lane.arrivals.append((time.monotonic() + delay_s, len(lane.received)))


def _ripen(lane: _Lane) -> None:
    now = time.monotonic()
    while lane.arrivals and lane.arrivals[0][0] <= now:
        lane.due = lane.arrivals.popleft()[1]


def _write(lane: _Lane, limit: int) -> None:
    try:
        lane.forwarded += lane.sink.send(lane.received[lane.forwarded : min(limit, lane.forwarded + 65536)])
    except BlockingIOError:
        return
    except OSError:
        lane.sink_ended = True  # nobody is there any more: the rest is read and dropped


def _close(connection: _Connection, ending: Ending) -> None:
    if connection.closed:
        return
    connection.closed = True
    for direction, lane in connection.lanes.items():
        if ending == "rst" and direction == "to_server":  # whose source is the client
            _reset(lane.source)
            continue
        # Unread bytes would turn the orderly end into a reset.
        with contextlib.suppress(OSError):
            while lane.source.recv(1 << 16):
                pass
        lane.source.close()


def _reset(end: socket.socket) -> None:
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.close()
