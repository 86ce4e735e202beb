"""A process that makes the server a primary again where this one cannot: it was killed, or has given up.

It is told what to put back and how to connect through its standard input, and waits there: for ``DONE``, or
for the end, which comes however its parent ends. Until then it has imported nothing. It has a session of its
own, so that what is sent to the parent's group does not reach it, and ignores SIGTERM while it waits: systemd
sends that to every process of a service. See NOTE(put back).
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable

from etl.encode.resp.protocol import commands_in, plain
from etl.errors import EtlError
from etl.sink.address import Address
from etl.sink.deployments.standalone import StandaloneTarget
from etl.sink.replication.put_back import Before, put_back

TRY_FOR_S = 3600.0
"""For how long a server that does not answer is waited for."""

DONE = b"*1\r\n$4\r\ndone\r\n"

_PROGRAM = """
import signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
told = sys.stdin.buffer.read()
if not told.endswith(b"$4\\r\\ndone\\r\\n"):
    sys.path[:] = sys.argv[1:]
    from etl.sink.replication.watcher import after_the_end
    after_the_end(told)
"""


class Watcher:
    """The watcher of a replication; ``leave`` ends it, and so does the end of this process, in its way."""

    def __init__(self, target: StandaloneTarget, before: Before) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        with contextlib.suppress(OSError):  # without it the next run puts back
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", _PROGRAM, *filter(None, sys.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            self._tell(_told(target, before))

    def leave(self, *, done: bool) -> None:
        """Let go of it: with ``done`` nothing is left for it to do, else it takes over."""
        if self._process is None:
            return
        if done:
            self._tell(DONE)
        with contextlib.suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        if done:
            self._process.wait()
        else:
            self._process.returncode = 0  # it goes on without us: nobody waits for it

    def _tell(self, data: bytes) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.write(data)
            self._process.stdin.flush()


def _told(target: StandaloneTarget, before: Before) -> bytes:
    address = target.address
    words = (
        address.shown,
        address.secret_url,
        address.user,
        address.password,
        "1" if address.insecure else "",
    )
    told = (b"address", *((word or "").encode("utf-8", "surrogateescape") for word in words))
    noted = before.dump()
    return b"".join(plain(told, (b"before", noted)).buffers)


def read_told(told: bytes) -> tuple[StandaloneTarget, Before]:
    """Return the server and what is put back, as the parent has told it. Raises ValueError."""
    (_, *words), (_, noted) = commands_in(told)[:2]
    shown, url, user, password, insecure = (word.decode("utf-8", "surrogateescape") for word in words)
    address = Address(shown, url, user or None, password or None, bool(insecure))
    return StandaloneTarget(address, known=True, retry_for_s=TRY_FOR_S), Before.load(noted)


def after_the_end(told: bytes, put_back: Callable[..., object] = put_back) -> None:
    """Put back what there is to put back, after the end of the parent."""
    with contextlib.suppress(EtlError, ValueError):
        target, before = read_told(told)
        put_back(target, before, threading.Event())
