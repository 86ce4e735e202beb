"""The entry point of a worker process."""

from __future__ import annotations

import contextlib
import faulthandler
import multiprocessing
import os
import signal
import threading
import time
import traceback
from multiprocessing.connection import Connection, wait
from typing import Any

from etl.errors import EtlError, InternalError, WorkerError
from etl.limits import limit_reached
from etl.output.progress import show_progress
from etl.plan import Plan, StopFlag
from etl.report import Counters
from etl.run.process.feed import BlockQueue
from etl.run.signals import ignore_stop_signals
from etl.worker.messages import Failed, Feed, Finished, ShardResult, Stop
from etl.worker.run_shard import run_shard

SHOW_CPU_EVERY_S = 0.5
"""How often a worker tells how much processor time it has used: see NOTE(stalls) in
``run/process/stalls.py``."""


SHOW_STACK = signal.SIGUSR1
"""Has a worker write the stacks of its threads to stderr."""


ORPHAN_GRACE_S = 5.0
"""How long a worker whose parent was killed may take to end what is in flight."""


class Inbox(threading.Thread):
    """The worker's receiver thread: for Stop, and the death of the parent, whatever the worker is doing."""

    def __init__(self, connection: Connection, queue: BlockQueue, worker: int, counters: Counters) -> None:
        super().__init__(name="inbox", daemon=True)
        self._worker = worker
        self._counters = counters
        self._connection = connection
        self._queue = queue
        self.stop = threading.Event()

    def run(self) -> None:
        parent = multiprocessing.parent_process()
        assert parent is not None
        with contextlib.suppress(EOFError, OSError):
            while parent.sentinel not in (
                ready := wait([self._connection, parent.sentinel], SHOW_CPU_EVERY_S)
            ):
                self._counters.set(self._worker, "cpu_ms", int(time.process_time() * 1000))
                if ready:
                    self._receive(self._connection.recv())
        self._receive(Stop())
        threading.Event().wait(ORPHAN_GRACE_S)
        os._exit(1)  # see NOTE(orphans)

    def _receive(self, message: Any) -> None:
        if isinstance(message, Feed):
            self._queue.put(message.block)
        else:
            self.stop.set()
            self._queue.put(None)


def work(plan: Plan, worker: int, slots: Any, connection: Any) -> None:
    """Run one shard in a worker process, report how it went, and (worker 0) draw until all are done."""
    ignore_stop_signals()
    with contextlib.suppress(RuntimeError, ValueError, AttributeError):  # stderr is closed
        faulthandler.register(SHOW_STACK, chain=False)
    counters = Counters(slots, plan.workers)
    if plan.presence is not None:
        try:
            plan.presence.enter_worker()
        except OSError as error:
            why = WorkerError(f"worker {worker} cannot be started: {error.strerror}")
            connection.send(Failed(worker, 0.0, why))
            return
        if not _parent_lives():  # see NOTE(orphans)
            return
    queue = BlockQueue(worker, connection, counters)
    inbox = Inbox(connection, queue, worker, counters)
    inbox.start()
    with show_progress(plan, counters) if worker == 0 else contextlib.nullcontext():
        message = _outcome(plan, worker, counters, inbox.stop, queue)
        with contextlib.suppress(OSError):  # the parent is gone
            connection.send(message)
        if worker == 0 and isinstance(message, Finished):
            inbox.stop.wait()


def _parent_lives() -> bool:
    parent = multiprocessing.parent_process()
    return parent is not None and parent.is_alive()


def _outcome(plan: Plan, worker: int, counters: Counters, stop: StopFlag, queue: BlockQueue) -> ShardResult:
    started_at = time.monotonic()
    try:
        return run_shard(plan, worker, counters, stop, queue if plan.blocks is None else None)
    except EtlError as error:
        return Failed(worker, time.monotonic() - started_at, error)
    except Exception as error:  # noqa: BLE001 - the process ends here; the parent shows the traceback
        limit = limit_reached(error) if isinstance(error, OSError) else None
        bug = limit or InternalError(
            f"worker {worker} failed with an internal error:\n{traceback.format_exc()}"
        )
        return Failed(worker, time.monotonic() - started_at, bug)
