"""SIGINT, SIGTERM, SIGHUP and SIGQUIT: the handler only notes, the loop acts."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import socket
import threading
from collections.abc import Iterator, Mapping
from multiprocessing import util
from types import FrameType, TracebackType
from typing import Any

from etl.errors import EtlError, InterruptedRunError

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
"""What asks a run to stop: a terminal (Ctrl-C, Ctrl-\\, its closing), init, or a supervisor of processes."""

WORKER_NAME = "redis-etl-"
"""What the name of a worker process begins with, before its number."""


def signal_name(number: int) -> str:
    """Name a signal: ``SIGKILL``, or ``signal 35`` for one of those that have no name (real-time ones)."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class StopSignals:
    """Notes the signals that ask a run to stop, while it is entered.

    The first one asks for a graceful end (``stopping``), a second for one now (``now``). A signal raises
    InterruptedRunError where it arrives before anything is in flight (``immediate``), and the second one
    wherever ``second_raises``; so the first one does not end an embedded server's save. Outside of the main
    thread nothing can be noted, and nothing is.
    """

    def __init__(self) -> None:
        self.received: list[int] = []
        self.raise_on_signal = True
        self.second_raises = True
        self._cause: EtlError | None = None
        self._arrived = threading.Event()
        self._old_handlers: dict[int, Any] = {}
        self._old_wakeup = -1
        self._wake: tuple[socket.socket, socket.socket] | None = None

    @property
    def stopping(self) -> bool:
        return bool(self.received) or self._cause is not None

    def is_set(self) -> bool:
        """Return True if the run is to stop (this is a StopFlag, ``etl/worker/messages.py``)."""
        return self.stopping

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for a signal, at most ``timeout`` seconds; say whether the run is to stop."""
        if not self.stopping:
            self._arrived.wait(timeout)
        return self.stopping

    def stop_for(self, cause: EtlError) -> None:
        """Ask for a graceful end because of ``cause``; called in any thread. The first cause counts."""
        if self._cause is None:
            self._cause = cause
            self._arrived.set()
            if self._wake:
                with contextlib.suppress(OSError):
                    self._wake[1].send(b"\0")

    @property
    def now(self) -> bool:
        """Return True if a second signal has asked for an end at once.

        SIGHUP never does: it comes more than once when a terminal is closed (from the kernel and the shell),
        and beside SIGTERM when systemd ends a session.
        """
        return sum(number != signal.SIGHUP for number in self.received) > 1

    def wakeup(self) -> socket.socket | None:
        """Return a socket that becomes readable when a signal arrives, so that a wait ends."""
        return self._wake[0] if self._wake else None

    def acknowledge(self) -> None:
        """Empty the wakeup socket."""
        if self._wake:
            with contextlib.suppress(BlockingIOError):
                self._wake[0].recv(4096)

    def error(self) -> EtlError:
        """Make the error that says what ended the run: a signal, or the cause that was given."""
        if not self.received:
            assert self._cause is not None
            return self._cause
        number = self.received[0]
        return InterruptedRunError(f"stopped by {signal_name(number)}", number)

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is not threading.main_thread():
            return self
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        self._wake = (ours, theirs)
        self._old_wakeup = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        for number in SIGNALS:
            if (
                signal.getsignal(number) is not signal.SIG_IGN
            ):  # by nohup, a script's &: ignored stays ignored
                self._old_handlers[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._old_handlers.items():
            signal.signal(number, handler)
        self._old_handlers.clear()
        if self._wake:
            signal.set_wakeup_fd(self._old_wakeup)
            for end in self._wake:
                end.close()
            self._wake = None

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received.append(number)
        self._arrived.set()
        if self.raise_on_signal or (self.now and self.second_raises and number != signal.SIGHUP):
            raise self.error()


@contextlib.contextmanager
def blocked_signals() -> Iterator[None]:
    """Block the stop signals, also in processes started meanwhile: see ``ignore_stop_signals``."""
    old = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)


def signals_are_blocked() -> bool:
    """Return True if this thread holds the stop signals back."""
    return set(SIGNALS) <= signal.pthread_sigmask(signal.SIG_BLOCK, ())


def guard_fork_server() -> None:
    """In the fork server: ignore the stop signals, and forget those held back while it started.

    It alone learns how a worker ends, so it must outlive a signal to the whole group. Its children that are
    somebody else's get the usual handlers back before their own code begins; a worker never has them, or a
    signal would end it with a traceback before it can ``ignore_stop_signals``.
    """
    usual = {number: signal.getsignal(number) for number in SIGNALS}  # what nohup ignores stays ignored
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    # Kept as long as its first argument lives, which is for ever.
    util.register_after_fork(signal, lambda _: _restore(usual))


def _restore(usual: Mapping[signal.Signals, Any]) -> None:
    if multiprocessing.current_process().name.startswith(WORKER_NAME):
        return
    for number, handler in usual.items():
        signal.signal(number, handler)


def ignore_stop_signals() -> None:
    """In a worker: leave the stop signals to the parent; a terminal or init sends them to all at once."""
    if threading.current_thread() is threading.main_thread():
        signal.set_wakeup_fd(-1)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
