"""A primary, a replica and Sentinels that watch them: real ones, and what a scripted one answers."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from redis import Redis, ResponseError

from etl.sink.embedded.binary import server_binary
from tests.support.jobs import Command
from tests.support.processes import wait_until
from tests.support.scripted import Response, bulk, error
from tests.support.servers import free_port

NAME = "mymaster"

REPLICATED = ("--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0")
"""What makes a replica be in step with its primary at once."""


class RealSentinel:
    """A real Sentinel, of quorum 1, that watches one primary. Use it in a ``with``.

    ``config`` are more lines of its configuration. It takes no primary for down, as a busy machine might make
    it do, until it is told to (``heed_silence``).
    """

    def __init__(self, folder: Path, port_of_primary: int, *config: str) -> None:
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._folder = folder
        self._config = (
            f"port {self.port}",
            "bind 127.0.0.1",
            f"dir {folder}",
            f"sentinel monitor {NAME} 127.0.0.1 {port_of_primary} 1",
            f"sentinel down-after-milliseconds {NAME} 60000",
            f"sentinel failover-timeout {NAME} 3000",
            *config,
        )

    def __enter__(self) -> RealSentinel:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / "sentinel.conf"
        path.write_text("\n".join(self._config) + "\n")
        with open(self._folder / "sentinel.log", "wb") as log:
            self._process = subprocess.Popen(
                [server_binary(), str(path), "--sentinel"], stdout=log, stderr=log, start_new_session=True
            )
        self._client: Any = Redis(port=self.port)
        wait_until(lambda: self._process.poll() is not None or answers_or_asks(self.port), what="a Sentinel")
        assert self._process.poll() is None, (self._folder / "sentinel.log").read_text()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self._process.kill()
        self._process.wait()

    def ask(self, *words: str) -> Any:
        return self._client.execute_command("SENTINEL", *words)

    def primary_port(self) -> int:
        """Return the port of the server that it names as the primary."""
        return int(self.ask("GET-MASTER-ADDR-BY-NAME", NAME)[1])

    def heed_silence(self) -> None:
        """From now on a server that is silent for 0.3 seconds is down."""
        self.ask("SET", NAME, "down-after-milliseconds", "300")

    def fail_over(self) -> None:
        """Have a replica take the place of the primary, and wait until it is named."""
        before = self.primary_port()
        wait_until(self._failover_begins, what="a replica that is fit for a failover")
        wait_until(lambda: self.primary_port() != before, what="the end of the failover")

    def _failover_begins(self) -> bool:
        with suppress(ResponseError):  # NOGOODSLAVE: it has not heard of any yet
            self.ask("FAILOVER", NAME)
            return True
        return False

    def knows_replicas(self, count: int) -> bool:
        """Return True if it has heard of so many replicas, and from each of them."""
        with suppress(ResponseError):
            facts = self.ask("REPLICAS", NAME)
            ready = [one for one in facts if fact(one, "master-link-status") == "ok"]
            return len(ready) >= count
        return False


def answers_or_asks(port: int) -> bool:
    """Return True if a server on this port answers PING, be it with NOAUTH."""
    from redis import AuthenticationError, ConnectionError

    with suppress(ConnectionError), Redis(port=port) as client:
        with suppress(AuthenticationError):
            client.ping()
        return True
    return False


def fact(reply: Any, name: str) -> str | None:
    """Return one of the facts of a flat list or a dict, as a client returns them."""
    pairs = reply.items() if isinstance(reply, dict) else zip(reply[::2], reply[1::2], strict=True)
    return next((text(value) for key, value in pairs if text(key) == name), None)


def text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


@contextmanager
def watched(
    folder: Path, port: int, *config: str, sentinels: int = 1, replicas: int = 1
) -> Iterator[Sequence[RealSentinel]]:
    """Run Sentinels that watch the primary at ``port``, and know its replicas."""
    opened: list[RealSentinel] = []
    try:
        for number in range(sentinels):
            opened.append(RealSentinel(folder / f"sentinel-{number}", port, *config).__enter__())
        for one in opened:
            wait_until(partial(one.knows_replicas, replicas), what="a Sentinel that knows the replicas")
        yield opened
    finally:
        for one in opened:
            one.__exit__()


def names(port: int | None, *others: str, host: str = "127.0.0.1") -> Response:
    """Return the answers of a Sentinel that names this port for NAME (None: it watches ``others`` alone)."""

    def answer(command: Command) -> bytes:
        if [word.upper() for word in command[:2]] == [b"SENTINEL", b"MASTERS"]:
            known = [one.encode() for one in others]
            return b"*%d\r\n" % len(known) + b"".join(b"*2\r\n" + bulk(b"name") + bulk(one) for one in known)
        if command[0].upper() != b"SENTINEL":
            return error(f"ERR unknown command '{text(command[0])}'")
        if port is None or command[2] != NAME.encode():
            return b"*-1\r\n"
        return b"*2\r\n" + bulk(host.encode()) + bulk(b"%d" % port)

    return answer
