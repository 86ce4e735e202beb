"""An RDB file that a command makes, and the server that is started from it."""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from .server import Server


@dataclass(frozen=True, slots=True)
class Start:
    """How long a server took until it answered PING, its CPU time until then, and its peak resident size."""

    seconds: float
    cpu_s: float
    peak_bytes: int


class ServerFromFile:
    """To a contender the same as a ``Server``: ``url`` is that of a file in a fresh folder, which the command
    makes; ``client`` is there once ``start`` has started a server from it.
    """

    client: Any

    def __init__(self) -> None:
        self._opened = ExitStack()

    def __enter__(self) -> ServerFromFile:
        self._folder = self._opened.enter_context(tempfile.TemporaryDirectory(prefix="redis-etl-bench-"))
        self._file = Path(self._folder) / "dump.rdb"
        self.url = f"rdb:{self._file}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    def cpu_s(self) -> float:
        """Nothing: while a file is made, there is no server."""
        return 0.0

    def used_bytes(self) -> int:
        """The size of the file."""
        return self._file.stat().st_size if self._file.exists() else 0

    def start(self) -> Start:
        """Start a server from the file, and return what that took until it answered PING.

        Raises:
            BenchError: it did not start.
        """
        started_at = time.monotonic()
        server = self._opened.enter_context(Server(folder=self._folder))
        seconds = time.monotonic() - started_at
        self.client = server.client
        return Start(seconds, server.cpu_s(), server.peak_bytes())
