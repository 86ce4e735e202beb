"""The channel: what the kernel does not take now is offered again, whole and in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.plan import Buffer
from etl.sink.session.transport import Transport


class Kernel:
    """A socket in memory that takes and gives what it is told to; None means that it would block."""

    def __init__(self, takes: Iterable[int | None] = (), gives: Iterable[bytes | None] = ()) -> None:
        self._takes = deque(takes)
        self._gives = deque(gives)
        self.taken = b""
        self.blocking: bool | None = None

    def setblocking(self, blocking: bool) -> None:
        self.blocking = blocking

    def sendmsg(self, buffers: Iterable[Buffer]) -> int:
        takes = self._takes.popleft() if self._takes else 1 << 30
        if takes is None:
            raise BlockingIOError
        data = b"".join(map(bytes, buffers))[:takes]
        self.taken += data
        return len(data)

    def recv(self, nbytes: int) -> bytes:
        data = self._gives.popleft()
        if data is None:
            raise BlockingIOError
        return data[:nbytes]


def channel_to(kernel: Any) -> Transport:
    return Transport(kernel)


@given(
    st.lists(st.binary(min_size=1, max_size=20), min_size=1, max_size=200),
    st.lists(st.integers(0, 40) | st.none(), max_size=50),
)
def test_all_bytes_are_sent_once_in_order_whatever_the_kernel_takes(
    buffers: list[bytes], takes: list[int | None]
) -> None:
    kernel = Kernel(takes)
    channel = channel_to(kernel)
    unsent: deque[Buffer] = deque(memoryview(b) if len(b) % 2 else b for b in buffers)
    while unsent:
        before = len(kernel.taken)
        moved = channel.send(unsent)
        assert moved or len(kernel.taken) == before
        assert kernel.taken + b"".join(map(bytes, unsent)) == b"".join(buffers)
    assert kernel.taken == b"".join(buffers)


def test_nothing_to_receive_yet_is_not_the_end() -> None:
    channel = channel_to(Kernel(gives=[None, b"abc", b""]))
    assert channel.receive() is None
    assert channel.receive() == b"abc"
    assert channel.receive() == b""


def test_the_socket_is_made_non_blocking() -> None:
    kernel = Kernel()
    channel_to(kernel)
    assert kernel.blocking is False


def test_a_signal_that_comes_just_before_a_wait_is_kept_waiting_for_a_slice_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[float] = []

    class Poll:
        def register(self, sock: object, interest: int) -> None:
            return

        def poll(self, timeout_ms: float) -> list[int]:
            waits.append(timeout_ms)
            return [1] if len(waits) == 4 else []

    monkeypatch.setattr("select.poll", Poll)
    sock: Any = Kernel()
    assert not Transport(sock).wait(to_send=False, timeout_s=1.2)
    assert waits == [500, 500, pytest.approx(200)]
    assert Transport(sock).wait(to_send=False, timeout_s=1.2)
    assert len(waits) == 4
