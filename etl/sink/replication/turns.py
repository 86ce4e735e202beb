"""One connection, into which several processes write whole wires by turns.

NOTE(turns): the connection to the server is handed to every worker (SCM_RIGHTS), through a socket of this
machine, over which it asks for its turn with each wire, and tells when the wire is written. So no byte goes
through the parent, it knows at every moment who may write, and what a worker leaves that dies in the middle
of a wire is known for what it is: the end of the connection that it asks through is the end of the stream.
"""

from __future__ import annotations

import contextlib
import os
import select
import selectors
import socket
import struct
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable

from etl.encode.rdb.file import padding
from etl.errors import EtlError, LostError
from etl.plan import Buffer
from etl.sink.session.transport import SLICE_S, Transport
from etl.units import format_seconds

TURN, GO = b"T", b"G"
DONE = struct.Struct("<QQQQ")
"""What a worker tells of a wire that it has written: its bytes, its keys, and how many bytes follow of what.

These are the part with which the wire begins (NOTE(parts) in ``encode/rdb/parts.py``), if it has one, and one
of its keys.
"""

MAX_SAMPLES = 1_000
"""How many keys are looked for when the server has the data set: one of each wire, up to this."""

_MAX_PATH_BYTES = 100  # sockaddr_un has 104 to 108


class StreamEndedError(LostError):
    """The stream has ended for another reason, which says more."""


class Writing:
    """The connection to the server, as one of several that write to it."""

    def __init__(self, connection: socket.socket, server: str, silence_s: float) -> None:
        self.socket = connection
        self._transport = Transport(connection)
        self._room = select.poll()
        # Not for what comes in: a server that loads says now and then that it lives, and that is read last.
        self._room.register(connection, select.POLLOUT)
        self._server = server
        self._silence_s = silence_s

    def write(self, *buffers: Buffer) -> None:
        """Write all of it. Raises LostError where the server takes nothing for too long, or hangs up."""
        unsent = deque(buffer for buffer in buffers if len(buffer))
        try:
            while unsent:
                if not self._transport.send(unsent) and not self._ready():
                    raise LostError(
                        f"{self._server} has taken no byte of the data set for"
                        f" {format_seconds(self._silence_s)}"
                    )
        except OSError as error:
            raise LostError(
                f"{self._server} broke off the replication: {error.strerror or error}; its log says why"
            ) from None

    def _ready(self) -> bool:
        deadline = time.monotonic() + self._silence_s
        while (left := deadline - time.monotonic()) > 0:
            if self._room.poll(min(left, SLICE_S) * 1000):
                return True
        return False

    def cut(self) -> None:
        """End the connection, for all who have it."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)


class Turns(threading.Thread):
    """Gives workers their turns, and writes padding where none of them has anything to write.

    ``failed`` is called, in this thread, with the error that has ended the stream, once. ``pad_every_s`` and
    ``pad_bytes``: see NOTE(padding).
    """

    def __init__(
        self, writing: Writing, failed: Callable[[EtlError], None], *, pad_bytes: int, pad_every_s: float
    ) -> None:
        super().__init__(name="replication", daemon=True)
        self._writing = writing
        self._failed = failed
        self._padding = padding(pad_bytes)
        self._pad_every_s = pad_every_s
        self._folder = _short_folder()
        self.path = os.path.join(self._folder.name, "turns")
        self._door = socket.socket(socket.AF_UNIX)
        self._door.bind(self.path)
        self._door.listen(128)
        self._wake, self._waker = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._waiting: deque[socket.socket] = deque()
        self._holder: socket.socket | None = None
        self._workers: set[socket.socket] = set()
        self._leaving = self._cutting = False
        self.error: EtlError | None = None
        self.keys = 0
        self.nbytes = 0
        self.parts: list[bytes] = []
        self.samples: list[bytes] = []

    def run(self) -> None:
        self._selector.register(self._door, selectors.EVENT_READ)
        self._selector.register(self._wake, selectors.EVENT_READ)
        try:
            # What a worker has told last may not have been heard: it is, when its connection has ended.
            while not (self._cutting or (self._leaving and not self._workers)):
                self._step()
        except EtlError as error:
            self._end(error)
        finally:
            self._close_all()

    def leave(self) -> None:
        """Return when all workers are gone, and nothing is written any more. Raises what went wrong."""
        self._leaving = True
        self._wait_for_end()
        if self.error is not None:
            raise self.error

    def cut(self) -> None:
        """End the stream where it is."""
        self._cutting = True
        self._writing.cut()
        self._wait_for_end()

    def _wait_for_end(self) -> None:
        with contextlib.suppress(OSError):
            self._waker.send(b"\0")
        self.join()

    def _step(self) -> None:
        ready = self._selector.select(None if self._holder is not None else self._pad_every_s)
        for key, _ in ready:
            sock = key.fileobj
            assert isinstance(sock, socket.socket)
            if sock is self._door:
                self._admit()
            elif sock is self._wake:
                sock.recv(1)
            else:
                self._heed(sock)
        if self._holder is None and self._waiting:
            self._holder = self._waiting.popleft()
            with contextlib.suppress(OSError):  # it has died: its connection says so next
                self._holder.send(GO)
        elif self._holder is None and not ready:
            self._writing.write(self._padding)

    def _admit(self) -> None:
        worker, _ = self._door.accept()
        worker.settimeout(1.0)
        try:
            socket.send_fds(worker, [GO], [self._writing.socket.fileno()])
        except OSError:  # it has died meanwhile
            worker.close()
            return
        self._workers.add(worker)
        self._selector.register(worker, selectors.EVENT_READ)

    def _heed(self, worker: socket.socket) -> None:
        """Take what a worker says: that it wants a turn, that it is done, or (nothing) that it is gone."""
        if worker is self._holder:
            nbytes, keys, part_bytes, key_bytes = DONE.unpack(_received(worker, DONE.size))
            self.parts += [_received(worker, part_bytes)] if part_bytes else []
            key = _received(worker, key_bytes)
            self.samples += [key] if len(self.samples) < MAX_SAMPLES else []
            self.nbytes += nbytes
            self.keys += keys
            self._holder = None
            return
        told = b""
        with contextlib.suppress(OSError):
            told = worker.recv(1)
        if told == TURN:
            self._waiting.append(worker)
        else:
            self._forget(worker)

    def _forget(self, worker: socket.socket) -> None:
        self._workers.remove(worker)
        self._selector.unregister(worker)
        with contextlib.suppress(ValueError):
            self._waiting.remove(worker)
        worker.close()

    def _end(self, error: EtlError) -> None:
        self.error = error
        self._writing.cut()
        if not self._cutting:
            self._failed(error)

    def _close_all(self) -> None:
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._selector.close()
        self._waker.close()
        self._folder.cleanup()


def _received(worker: socket.socket, nbytes: int) -> bytes:
    """Return so many bytes of a worker's. Raises StreamEndedError where it has ended before that."""
    data = b""
    with contextlib.suppress(OSError):
        while len(data) < nbytes and (more := worker.recv(nbytes - len(data))):
            data += more
    if len(data) < nbytes:
        raise StreamEndedError("a worker has ended in the middle of what it wrote")
    return data


def _short_folder() -> tempfile.TemporaryDirectory[str]:
    """Make a folder of this user alone, in which the path of a socket is not too long."""
    folder = tempfile.TemporaryDirectory(prefix="redis-etl-", ignore_cleanup_errors=True)
    if len(os.fsencode(folder.name)) <= _MAX_PATH_BYTES - len("/turns"):
        return folder
    folder.cleanup()
    return tempfile.TemporaryDirectory(prefix="redis-etl-", dir="/tmp", ignore_cleanup_errors=True)
