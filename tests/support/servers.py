"""Servers to load into: a real redis-server of one's own, and fakeredis on a real port."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import socket
import subprocess
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.sink.embedded.binary import server_binary
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from redis import Redis


MOST_TEST_PROCESSES = 16

_DRAWN: deque[int] = deque(maxlen=200)
"""The last ports that were drawn, of a thousand that this process may draw."""


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on.

    Below 32768, where the kernel takes the ports of outgoing connections from: a server that is killed
    finds its port free again when it restarts. Processes of pytest-xdist draw from ports of their own: two
    would otherwise find the same one free before either has a server on it. For the same reason no port is
    returned twice in a row of 200: all nodes of a cluster have theirs before the first one starts.
    """
    process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % MOST_TEST_PROCESSES
    while True:
        port = random.randrange(15_000 + process, 32_000, MOST_TEST_PROCESSES)
        if port in _DRAWN:
            continue
        with socket.socket() as trial, contextlib.suppress(OSError):
            trial.bind(("127.0.0.1", port))
            _DRAWN.append(port)
            return port


def answers_ping(port: int) -> bool:
    """Return True if a server on this port of 127.0.0.1 answers PING."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 30) as asking:
        asking.sendall(b"PING\r\n")
        return asking.recv(7) == b"+PONG\r\n"
    return False


class _Clients:
    """The clients that a server gave out, to be closed with it."""

    def __init__(self) -> None:
        self._clients: list[Redis] = []

    def make(self, url: str, **options: object) -> Redis:
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        # A test that kills its server wants to hear of it at once.
        settings: dict[str, Any] = {"socket_timeout": 30, "retry": Retry(NoBackoff(), 0), **options}
        client: Redis = Redis.from_url(url, **settings)
        self._clients.append(client)
        return client

    def close(self) -> None:
        for client in self._clients:
            client.close()
        self._clients.clear()


StartServer = Callable[..., "RealServer"]


class RealServer:
    """A real redis-server with a folder and a port of its own; ``config`` are more command line arguments.

    It saves nothing unless ``config`` says so (``"--appendonly", "yes"``).
    """

    def __init__(self, folder: Path, *config: str, binary: str | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._config = config
        self._binary = binary
        self._clients = _Clients()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server was not started"
        return self._process.pid

    def start(self, *, wait: bool = True) -> None:
        """Start it, and wait until it answers a PING unless told not to (``--key-load-delay``)."""
        fixed = f"--port {self.port} --bind 127.0.0.1 --daemonize no --appendonly no --save".split()
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen(
                [self._binary or server_binary(), *fixed, "", "--dir", str(self.folder), *self._config],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                restore_signals=False,  # SIGXFSZ stays ignored, for ``limit_files``
            )
        if wait:
            self.wait_ready()

    def wait_ready(self) -> None:
        """Return when it answers PING; fail with its log if it ended instead."""
        wait_until(self._answers, what=f"a PONG of {self.url}")

    def wait_listening(self) -> None:
        """Return when it takes connections; it may still be loading its data."""
        wait_until(self._listens, what=f"{self.url} to listen")

    def client(self, *, db: int = 0, **options: object) -> Redis:
        """Return a redis-py client without retries; it is closed with the server."""
        return self._clients.make(f"{self.url.removesuffix('/0')}/{db}", **options)

    def freeze(self) -> None:
        """SIGSTOP: connections stay, nothing is answered."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()  # also ends a frozen one
            self._process.wait()

    def limit_files(self, nbytes: int | None) -> None:
        """Let it write no file beyond this size (None: any), as if the disk were full from there on."""
        soft = resource.RLIM_INFINITY if nbytes is None else nbytes
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (soft, resource.RLIM_INFINITY))

    def restart(self, *more_config: str, wait: bool = True) -> None:
        """Kill it and start it again on the same port and folder; ``more_config`` stays from now on."""
        self.kill()
        self._config += more_config
        self.start(wait=wait)

    def close(self) -> None:
        self._clients.close()
        self.kill()

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def _log(self) -> Path:
        return self.folder / "server.log"

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 30):
            return True
        return False

    def _answers(self) -> bool:
        assert self._process is not None, "the server was not started"
        assert self._process.poll() is None, f"the server ended:\n{self.log()}"
        return answers_ping(self.port)


class FakeServer:
    """fakeredis on a free port: the real wire without a real server (no INFO, no CONFIG)."""

    def __init__(self) -> None:
        from fakeredis import TcpFakeServer

        self._server = TcpFakeServer(("127.0.0.1", 0))
        self._server.daemon_threads = True
        # It writes one small reply after the other: each second one would wait 40 ms for an acknowledgement.
        self._server.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port: int = self._server.server_address[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._clients = _Clients()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def client(self, **options: object) -> Redis:
        """Return a redis-py client without retries; it is closed with the server."""
        return self._clients.make(self.url, **options)

    def close(self) -> None:
        self._clients.close()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
