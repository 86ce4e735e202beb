"""Whether the processes of a run are still there: known at once on the same machine, however they ended.

A run and each of its workers have a name in the kernel while they live: a socket in Linux's abstract
namespace (https://man7.org/linux/man-pages/man7/unix.7.html), of which nothing is left when a process ends,
also by SIGKILL. Nothing connects to it; ``/proc/net/unix`` lists the names. Unlike process ids they are not
given again, need no start times, and tell one run of a process from another. They belong to a network
namespace: from another one (a container of its own), or another machine, nothing is seen of them.
"""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import socket
from enum import Enum
from typing import Any

_PREFIX = "redis-etl/"


class Seen(Enum):
    """What is known of a run's processes."""

    LIVING = "it is there, or it cannot be told from here"
    ENDING = "only workers of it are there"
    GONE = "none of its processes is there"


class Presence:
    """A run by its token: this process shows that it belongs to it. Pickled, it is the token."""

    def __init__(self, token: str, *, shown: bool = False) -> None:
        self._token = token
        self._shown = shown
        self._socket: socket.socket | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return functools.partial(Presence, self._token, shown=self._shown), ()

    def enter(self) -> None:
        """Show that the run's parent is here; systems without such sockets show nothing."""
        with contextlib.suppress(OSError, AttributeError):
            self._bind(self._token)
            self._shown = True

    def enter_worker(self) -> None:
        """Show that a worker is here, if its parent is shown. Raises OSError where that fails.

        A forked worker has the parent's socket, and lets go of it.
        """
        self.close()
        if self._shown:
            self._bind(f"{self._token}/{os.getpid()}")

    def close(self) -> None:
        """Show it no longer. May be called twice."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def place(self) -> str:
        """Return what names the place where ``enter`` is seen; empty where that is nowhere."""
        here = _here()
        return here if here and self._token in _names() else ""

    def _bind(self, name: str) -> None:
        shown = socket.socket(socket.AF_UNIX)
        try:
            shown.bind(f"\0{_PREFIX}{name}")
        except OSError:
            shown.close()
            raise
        self._socket = shown


def look_for(token: str, place: str) -> Seen:
    """Return what is known here of the run with this token, which was at ``place``."""
    if not place or place != _here():
        return Seen.LIVING
    names = _names()
    if token in names:
        return Seen.LIVING
    return Seen.ENDING if any(name.startswith(f"{token}/") for name in names) else Seen.GONE


def _here() -> str:
    """Return machine, boot and network namespace in one word; empty where they are not told."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            boot = file.read().strip()
        return f"{boot}/{os.readlink('/proc/self/ns/net')}/{platform.node()}".replace(" ", "")
    except OSError:
        return ""


def _names() -> frozenset[str]:
    """Return the names of all runs and workers that are seen from here."""
    marker = f"@{_PREFIX}"
    try:
        with open("/proc/net/unix", encoding="utf-8", errors="replace") as file:
            return frozenset(line.partition(marker)[2].strip() for line in file if marker in line)
    except OSError:
        return frozenset()
