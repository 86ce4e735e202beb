"""Bytes to and from a connected socket, never blocking: what is not taken now is offered again."""

from __future__ import annotations

import select
import socket
import ssl
from collections import deque
from itertools import islice

from etl.plan import Buffer

RECEIVE_BYTES = 1 << 18
SLICE_S = 0.5
"""How long a signal that came at a bad moment is kept waiting at most."""

_IOVECS = 64  # a kernel takes 1,024; more than a few dozen gain nothing


class Transport:
    """A plain or TLS socket made non-blocking. Every method may raise OSError."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.socket.setblocking(False)
        self._poll = select.poll()
        self._tls = isinstance(sock, ssl.SSLSocket)

    @property
    def pending(self) -> bool:
        """Return True if TLS holds bytes that were received, of which the kernel knows nothing any more."""
        return self._tls and bool(self.socket.pending())  # type: ignore[attr-defined]

    def send(self, buffers: deque[Buffer]) -> bool:
        """Send from the front of ``buffers`` what the kernel takes; return True if it took any."""
        try:
            if self._tls:  # sendmsg is not available
                sent = self.socket.send(buffers[0])
            else:
                sent = self.socket.sendmsg(islice(buffers, _IOVECS))
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            return False
        while buffers and sent >= len(buffers[0]):
            sent -= len(buffers.popleft())
        if sent:
            buffers[0] = memoryview(buffers[0])[sent:]
        return True

    def receive(self) -> bytes | None:
        """Receive what is there: None for nothing yet, ``b""`` at the end of the stream."""
        try:
            return self.socket.recv(RECEIVE_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None

    def wait(self, *, to_send: bool, timeout_s: float) -> bool:
        """Wait until something can be received (or sent, if ``to_send``); False when the time is up."""
        if self.pending:
            return True
        interest = select.POLLIN | (select.POLLOUT if to_send else 0)
        self._poll.register(self.socket, interest)
        # In slices: a signal that arrives after Python has looked for one and before the kernel waits ends
        # no wait, and would be noticed only after it.
        whole, rest = divmod(timeout_s, SLICE_S)
        return any(self._poll.poll(SLICE_S * 1000) for _ in range(int(whole))) or bool(
            self._poll.poll(rest * 1000)
        )
