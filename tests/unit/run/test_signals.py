"""Stop signals: the handler only notes, and everything is put back."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator

import pytest

from etl.errors import InterruptedRunError
from etl.run.signals import SIGNALS, StopSignals, blocked_signals, ignore_stop_signals


@pytest.fixture(autouse=True)
def handlers_put_back() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    after = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        signal.signal(number, handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    assert after == before


def test_the_first_signal_asks_for_a_graceful_end_the_second_for_one_now() -> None:
    with StopSignals() as signals:
        signals.raise_on_signal = signals.second_raises = False
        assert (signals.stopping, signals.now) == (False, False)
        signal.raise_signal(signal.SIGTERM)
        assert (signals.stopping, signals.now) == (True, False)
        signal.raise_signal(signal.SIGINT)
        assert (signals.stopping, signals.now) == (True, True)
    assert signals.error().exit_code == 143


def test_sighup_never_asks_for_an_end_now() -> None:
    with StopSignals() as signals:
        signals.raise_on_signal = False
        for number in (signal.SIGHUP, signal.SIGHUP, signal.SIGTERM, signal.SIGHUP):
            signal.raise_signal(number)
            assert (signals.stopping, signals.now) == (True, False)
        with pytest.raises(InterruptedRunError, match="stopped by SIGHUP"):
            signal.raise_signal(signal.SIGTERM)


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGQUIT, 131)],
)
def test_a_signal_raises_where_it_arrives_while_nothing_is_in_flight(number: int, code: int) -> None:
    with pytest.raises(InterruptedRunError, match="stopped by SIG") as caught, StopSignals():
        signal.raise_signal(number)
    assert caught.value.exit_code == code


def test_the_second_signal_raises_where_that_is_wanted() -> None:
    with StopSignals() as signals:
        signals.raise_on_signal = False
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(InterruptedRunError, match="stopped by SIGINT"):
            signal.raise_signal(signal.SIGTERM)


def test_a_signal_wakes_up_a_wait() -> None:
    with StopSignals() as signals:
        signals.raise_on_signal = False
        wakeup = signals.wakeup()
        assert wakeup is not None
        with pytest.raises(BlockingIOError):
            wakeup.recv(1)
        signal.raise_signal(signal.SIGINT)
        assert wakeup.recv(1) == bytes([signal.SIGINT])
        signals.acknowledge()
        signals.acknowledge()
        with pytest.raises(BlockingIOError):
            wakeup.recv(1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_that_was_ignored_stays_ignored(number: int) -> None:
    old = signal.signal(number, signal.SIG_IGN)
    try:
        with StopSignals() as signals:
            signal.raise_signal(number)
            assert not signals.stopping
    finally:
        signal.signal(number, old)


def test_outside_of_the_main_thread_nothing_is_noted_and_nothing_changed() -> None:
    seen: list[object] = []

    def enter() -> None:
        with StopSignals() as signals:
            signals.acknowledge()
            seen.append((signals.wakeup(), signal.getsignal(signal.SIGINT)))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [(None, before)]


def test_the_wakeup_of_somebody_else_is_put_back_and_no_descriptor_left_open() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    old = signal.set_wakeup_fd(writer)
    try:
        descriptors = set(os.listdir("/proc/self/fd"))
        with StopSignals():
            pass
        assert set(os.listdir("/proc/self/fd")) == descriptors
        assert signal.set_wakeup_fd(writer) == writer
    finally:
        signal.set_wakeup_fd(old)
        os.close(reader)
        os.close(writer)


def test_held_signals_arrive_afterwards() -> None:
    with StopSignals() as signals, contextlib.ExitStack() as stack:
        signals.raise_on_signal = False
        stack.enter_context(blocked_signals())
        signal.raise_signal(signal.SIGTERM)  # to this thread: Arrow's threads hold nothing back
        assert not signals.stopping
        stack.close()
        assert signals.stopping


def test_a_worker_is_deaf_to_all_of_them_and_holds_none_back() -> None:
    old = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        with blocked_signals():
            ignore_stop_signals()
            assert not signal.pthread_sigmask(signal.SIG_BLOCK, ()) & set(SIGNALS)
            assert {signal.getsignal(number) for number in SIGNALS} == {signal.SIG_IGN}
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
