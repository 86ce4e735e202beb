"""Feeding a stream: its blocks go from the parent to worker ``number % N``, a few ahead of each worker.

With ``--split record`` every block goes to every worker, as every worker visits every block of a file.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from collections.abc import Iterator
from typing import Any

from etl.errors import EtlError
from etl.plan import Block, Plan, owner
from etl.report import Counters
from etl.run.stream import stream_blocks
from etl.worker.messages import BlockStarted, Feed
from etl.worker.waiting import idling

MAX_QUEUED_BLOCKS = 3
"""Blocks that a worker may have been sent and not begun: so memory is bounded, and no worker waits."""


class WorkerPipe:
    """The parent's sending end to one worker; two threads use it, one message at a time."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self.room = threading.Semaphore(MAX_QUEUED_BLOCKS)

    def send(self, message: Any, timeout_s: float = -1) -> None:
        """Send a message; a dead worker does not mind, nor does one that takes nothing for ``timeout_s``."""
        if self._lock.acquire(timeout=timeout_s):
            try:
                with contextlib.suppress(OSError):
                    self._connection.send(message)
            finally:
                self._lock.release()


class Feeder(threading.Thread):
    """Cuts the stream and sends its blocks. ``error`` says why it ended early; ``ended`` wakes a wait."""

    def __init__(self, plan: Plan, pipes: list[WorkerPipe]) -> None:
        super().__init__(name="feeder", daemon=True)
        self._plan = plan
        self._pipes = pipes
        self._stopping = threading.Event()
        self.error: EtlError | Exception | None = None
        self.ended, self._end = socket.socketpair()

    def run(self) -> None:
        try:
            for block in stream_blocks(self._plan):
                for pipe in self._pipes_of(block):
                    pipe.room.acquire()
                    if self._stopping.is_set():
                        return
                    pipe.send(Feed(block))
        except Exception as error:  # noqa: BLE001 - a thread ends here; the supervisor raises it
            self.error = error
        finally:
            for pipe in self._pipes:
                pipe.send(Feed(None))
            self._end.close()

    def _pipes_of(self, block: Block) -> list[WorkerPipe]:
        """Return whom a block is for: with ``--split record`` all, as each takes every N-th record."""
        if self._plan.split == "record":
            return self._pipes
        return [self._pipes[owner(block, self._plan.workers)]]

    def stop(self) -> None:
        """Make the feeder end at the next block it would send."""
        self._stopping.set()
        for pipe in self._pipes:
            pipe.room.release()


class BlockQueue:
    """The worker's store of blocks that it was sent and has not begun."""

    def __init__(self, worker: int, connection: Any, counters: Counters) -> None:
        self._worker = worker
        self._counters = counters
        self._connection = connection
        self._blocks: queue.SimpleQueue[Block | None] = queue.SimpleQueue()

    def put(self, block: Block | None) -> None:
        self._blocks.put(block)

    def __iter__(self) -> Iterator[Block]:
        while (block := self._next()) is not None:
            with contextlib.suppress(OSError):  # the parent is gone, which the inbox notices
                self._connection.send(BlockStarted(self._worker))
            yield block

    def _next(self) -> Block | None:
        with idling(self._counters, self._worker):
            return self._blocks.get()
