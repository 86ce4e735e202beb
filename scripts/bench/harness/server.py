"""A redis-server of the benchmark's own: fresh process, fresh folder, free port, nothing written to disk."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

import redis

from .binaries import binary
from .errors import BenchError
from .process import peak_resident_bytes

START_TIMEOUT_S = 120  # a server that starts from a large file takes its time
START_INTERVAL_S = 0.005
END_TIMEOUT_S = 30
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Server:
    """A running server, as a context manager. A new one for each measurement starts from equal conditions:
    the hash table's size and the allocator's state would survive a FLUSHALL. ``config`` makes it a node of a
    cluster; it starts from the ``dump.rdb`` of ``folder``, if one is given.
    """

    def __init__(self, *config: str, folder: str | None = None) -> None:
        self.port, self.bus_port = free_port(), free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client = redis.Redis(port=self.port)
        self._folder = tempfile.TemporaryDirectory(prefix="redis-etl-bench-")
        self._process = subprocess.Popen(
            [*server_command(self.port, folder or self._folder.name), *self._cluster(config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )

    def _cluster(self, config: tuple[str, ...]) -> list[str]:
        return [*config, "--cluster-port", str(self.bus_port)] if config else []

    def __enter__(self) -> Server:
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def cpu_s(self) -> float:
        """CPU seconds that the server has used so far, user and system, all of its threads."""
        stat = Path(f"/proc/{self._process.pid}/stat").read_text()
        # The name in parentheses may hold blanks; utime and stime are the 12th and 13th fields after it.
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S

    def peak_bytes(self) -> int:
        """The peak of its resident size so far."""
        return peak_resident_bytes(self._process.pid)

    def used_bytes(self) -> int:
        """Memory that the server has allocated (``used_memory``)."""
        return int(self.client.info("memory")["used_memory"])

    def stop(self) -> None:
        self.client.close()
        self._process.terminate()
        try:
            self._process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not answers_ping(self.port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise BenchError(f"redis-server on port {self.port} did not start")
            time.sleep(START_INTERVAL_S)


def answers_ping(port: int) -> bool:
    """True if the server answers PING with PONG: before it has loaded its data it answers LOADING."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=START_TIMEOUT_S) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False


def server_command(port: int, folder: str) -> list[str]:
    place = ["--bind", "127.0.0.1", "--port", str(port), "--dir", folder]
    return [binary("redis-server"), *place, "--save", "", "--appendonly", "no", "--daemonize", "no"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
