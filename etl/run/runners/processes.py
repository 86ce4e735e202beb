"""N worker processes, a Pipe to each, and the supervisor that waits for all of them at once.

NOTE(pipes): a worker's Pipe is made, the worker started and the child's end closed before the next worker's
Pipe is made. Made all at once and then forked, each worker would hold copies of its siblings' ends, and the
parent would never see the end of a dead worker's Pipe.

NOTE(orphans): for the same reason a forked worker sees no end of file when its parent is killed. It watches
the parent's sentinel too, which works under every start method. A run that takes a dead one's place waits
for its workers, which it sees (``etl/job/presence.py``): a worker shows itself before it looks whether its
parent lives, so one that goes on was seen.
"""

from __future__ import annotations

import contextlib
import faulthandler
import multiprocessing
import os
import signal
import threading
import time
import traceback
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any

from etl.errors import DiedError, EtlError, InternalError, UsageError, WorkerError
from etl.limits import limit_reached
from etl.output.progress import painting
from etl.plan import Plan
from etl.report import Tally
from etl.run.process.feed import Feeder, Larder, Line
from etl.run.process.hide_main import main_hidden
from etl.run.process.hide_pandas import pandas_is_hidden
from etl.run.process.stalls import StallClock
from etl.run.signals import WORKER_NAME, StopSignals, be_deaf, held_signals, signal_name
from etl.units import format_seconds
from etl.worker import run_shard
from etl.worker.messages import Failed, Feed, Finished, LastWord, Stop, StopFlag, Took

LOOK_EVERY_S = 5.0
"""How often the parent looks whether its workers make progress."""

GRACE_S = 10.0
"""How long workers may take to end after a failure elsewhere, before they are killed."""

SHOW_CPU_EVERY_S = 0.5
"""How often a worker tells how much processor time it has used: see NOTE(stalls) in ``run/stalls.py``."""

SHOW_STACK = signal.SIGUSR1
"""Has a worker write the stacks of its threads to stderr."""

SHOW_S = 0.5
"""How long a worker may take for that."""

ORPHAN_GRACE_S = 5.0
"""How long a worker whose parent was killed may take to end what is in flight."""


def make_context(start_method: str | None) -> Any:
    """Give the multiprocessing context; a fork server is started at once, to import while the parent plans.

    Raises UsageError for a start method this system lacks, and where the calling script is being imported by
    a process that it has started itself (a worker of ours imports no script).
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise UsageError(
            "this script starts its load while it is imported by a process that it has started; put the call"
            ' under if __name__ == "__main__":'
        )
    if multiprocessing.current_process().daemon:
        raise UsageError("a daemonic process cannot have worker processes of its own; give workers=1")
    there = multiprocessing.get_all_start_methods()
    method = start_method or ("forkserver" if "forkserver" in there else "spawn")
    if method not in there:
        raise UsageError(f"--start-method {method} is not to be had on this system; {', '.join(there)} are")
    context = multiprocessing.get_context(method)
    if method != "fork":
        # Started by the first Process it would let signals through in the middle of ``held_signals``. It
        # ignores SIGINT and SIGTERM by itself; the others stay held back in it for ever.
        with held_signals():
            resource_tracker.ensure_running()
    if method == "forkserver":
        preload = "etl.run.process.preload_alone" if pandas_is_hidden() else "etl.run.process.preload"
        context.set_forkserver_preload([preload])
        with held_signals():  # the preload lets them go
            forkserver.ensure_running()
    return context


def run_processes(plan: Plan, context: Any, signals: StopSignals, tally: Tally) -> list[LastWord]:
    """Carry out every shard of a plan, each in a process of its own; give their last words."""
    crew = Supervisor(plan, context, tally.cells, signals)
    for idle in range(plan.busy_workers(), plan.workers):
        tally.add(idle, "finished", 1)
    signals.immediate = False
    signals.second_raises = False
    try:
        return crew.run()
    finally:
        crew.kill()
        signals.second_raises = True


class Child:
    """One worker process and the parent's end of its Pipe. ``message`` is its last word."""

    def __init__(self, plan: Plan, worker: int, context: Any, cells: Any) -> None:
        self.worker = worker
        self.message: LastWord | None = None
        self.connection, theirs = context.Pipe(duplex=True)
        self.line = Line(self.connection)
        self.process = context.Process(
            target=work,
            args=(plan.for_worker(worker), worker, cells, theirs),
            name=f"{WORKER_NAME}{worker}",
            daemon=True,
        )
        try:
            with held_signals(), main_hidden():
                self.process.start()
        except OSError as error:
            self.connection.close()
            raise WorkerError(f"worker {worker} cannot be started: {error.strerror}") from None
        finally:
            theirs.close()

    @property
    def ended(self) -> bool:
        return self.process.exitcode is not None

    @property
    def closed(self) -> bool:
        """Say whether it has ended and its last word, or its silence, was noted."""
        return self.message is not None and self.ended

    def stop(self) -> None:
        """Ask the worker to end after what is in flight; a dead one does not mind."""
        self.line.send(Stop(), timeout_s=1.0)

    def kill(self) -> None:
        """End the worker now, and let go of it."""
        if not self.ended:
            self.process.kill()
            self.process.join()
        self.connection.close()

    def listen(self) -> None:
        """Take what the worker says, up to its last word."""
        with contextlib.suppress(EOFError, OSError):
            while self.message is None and self.connection.poll():
                said = self.connection.recv()
                if isinstance(said, Took):
                    self.line.room.release()
                else:
                    self.message = said

    def end_stalled(self, stall_s: float) -> None:
        """Have a worker that makes no progress show where it stands, and end it."""
        assert self.process.pid is not None
        with contextlib.suppress(OSError):
            os.kill(self.process.pid, SHOW_STACK)
        self.process.join(SHOW_S)
        self.process.kill()
        self.process.join()
        what = f"worker {self.worker} made no progress for {format_seconds(stall_s)} (--stall)"
        self.message = Failed(self.worker, 0.0, DiedError(f"{what}; where it stood is shown above"))

    def fate(self) -> WorkerError:
        """Say how a worker ended that left no word."""
        code = self.process.exitcode
        if code is not None and code < 0:
            hint = ", usually for want of memory" if -code == signal.SIGKILL else ""
            name = signal_name(-code)
            return DiedError(f"worker {self.worker} was killed by {name}{hint}", 128 - code)
        return DiedError(f"worker {self.worker} ended with exit code {code} before its shard was done")


class Supervisor:
    """The crew: starts every worker, waits for all of them, and ends them together."""

    def __init__(self, plan: Plan, context: Any, cells: Any, signals: StopSignals) -> None:
        self._plan = plan
        self._context = context
        self._cells = cells
        self._signals = signals
        self._children: list[Child] = []
        self._last_words: list[LastWord] = []
        self._told_to_stop = False
        self._deadline: float | None = None
        self._feeder: Feeder | None = None
        self._stalls = StallClock(plan.stall_s or 0.0)

    def run(self) -> list[LastWord]:
        """Run all shards to their end.

        Gives each worker's last word (a Failed one for a silent death) in the order in which they came: the
        first failure is the cause of those that follow it.
        """
        for worker in range(self._plan.busy_workers()):
            self._children.append(Child(self._plan, worker, self._context, self._cells))
        if self._plan.blocks is None:
            self._feeder = Feeder(self._plan, [child.line for child in self._children])
            self._feeder.start()
        while open_children := [child for child in self._children if not child.closed]:
            self._wait(open_children)
            self.step(time.monotonic())
        return self._last_words + self._feeders_word()

    def step(self, now: float) -> None:
        """Take what the workers and signals say, and act on it. ``now`` is a monotonic time in seconds."""
        for child in self._children:
            self._attend(child)
        self._end_stalled(now)
        if self._signals.now or (self._deadline is not None and now > self._deadline):
            self._end_at_once()
        elif self._signals.stopping or self._failed() or self._starved():
            self._stop_all(now)
        elif all(child.message for child in self._children):
            self._stop_all(now)  # worker 0 has been drawing for the others

    def _end_stalled(self, now: float) -> None:
        stall_s = self._plan.stall_s
        if stall_s is None or self._told_to_stop:
            return
        tally = Tally(self._cells, self._plan.workers)
        for child in self._children:
            waits = tally.of(child.worker, "idle") or tally.of(child.worker, "waiting")
            stalled = self._stalls.stalled(
                child.worker,
                progress=tally.progress(child.worker),
                cpu_ms=tally.of(child.worker, "cpu_ms"),
                waits=child.message is not None or bool(waits),
                now=now,
            )
            if stalled:
                child.end_stalled(stall_s)
                assert child.message is not None
                self._last_words.append(child.message)

    def _feeders_word(self) -> list[LastWord]:
        error = self._feeder.error if self._feeder is not None else None
        if error is None:
            return []
        if not isinstance(error, EtlError):
            raise error
        return [Failed(0, 0.0, error)]

    def kill(self) -> None:
        """Leave no worker behind, however the run ends."""
        if self._feeder is not None:
            self._feeder.stop()
            self._feeder.ended.close()
        for child in self._children:
            child.kill()

    def _running(self) -> list[Child]:
        return [child for child in self._children if not child.ended]

    def _failed(self) -> bool:
        return any(isinstance(child.message, Failed) for child in self._children)

    def _starved(self) -> bool:
        return self._feeder is not None and self._feeder.error is not None

    def _wait(self, children: list[Child]) -> None:
        # Those that were open when it was decided to wait: one that ends meanwhile ends the wait.
        sources: list[Any] = [child.process.sentinel for child in children]
        sources += [child.connection for child in children if child.message is None]
        wakeup = self._signals.wakeup()
        if wakeup is not None:
            sources.append(wakeup)
        if self._feeder is not None and self._feeder.is_alive():
            sources.append(self._feeder.ended)
        timeout = None if self._deadline is None else max(0.0, self._deadline - time.monotonic()) + 0.01
        if self._plan.stall_s is not None:
            timeout = min(self._plan.stall_s / 4, LOOK_EVERY_S, timeout if timeout is not None else 60)
        wait(sources, timeout)
        self._signals.acknowledge()

    def _attend(self, child: Child) -> None:
        if child.message is not None:
            return
        ended = child.ended  # asked first: what it said before it ended is in the Pipe by now
        child.listen()
        if ended and child.message is None:
            child.message = Failed(child.worker, 0.0, self._fate(child))
        if child.message is not None:
            self._last_words.append(child.message)

    def _fate(self, child: Child) -> EtlError:
        # A signal to the whole group may end a worker that has not yet learned to be deaf to it.
        return self._signals.error() if self._signals.stopping else child.fate()

    def _stop_all(self, now: float) -> None:
        if not self._told_to_stop:
            self._told_to_stop = True
            if self._feeder is not None:
                self._feeder.stop()
            for child in self._children:
                child.stop()
        if self._failed() and self._deadline is None:
            self._deadline = now + GRACE_S

    def _end_at_once(self) -> None:
        for child in self._running():
            child.process.kill()
            child.process.join()
            self._attend(child)


class Inbox(threading.Thread):
    """The worker's ear: hears Stop, and the death of the parent, whatever the worker is doing."""

    def __init__(self, connection: Connection, larder: Larder, worker: int, tally: Tally) -> None:
        super().__init__(name="inbox", daemon=True)
        self._worker = worker
        self._tally = tally
        self._connection = connection
        self._larder = larder
        self.stop = threading.Event()

    def run(self) -> None:
        parent = multiprocessing.parent_process()
        assert parent is not None
        with contextlib.suppress(EOFError, OSError):
            while parent.sentinel not in (
                ready := wait([self._connection, parent.sentinel], SHOW_CPU_EVERY_S)
            ):
                self._tally.set(self._worker, "cpu_ms", int(time.process_time() * 1000))
                if ready:
                    self._hear(self._connection.recv())
        self._hear(Stop())
        threading.Event().wait(ORPHAN_GRACE_S)
        os._exit(1)  # see NOTE(orphans)

    def _hear(self, message: Any) -> None:
        if isinstance(message, Feed):
            self._larder.put(message.block)
        else:
            self.stop.set()
            self._larder.put(None)


def work(plan: Plan, worker: int, cells: Any, connection: Any) -> None:
    """Be a worker process: run one shard, say how it went, and (worker 0) draw until all are done."""
    be_deaf()
    with contextlib.suppress(RuntimeError, ValueError, AttributeError):  # stderr is closed
        faulthandler.register(SHOW_STACK, chain=False)
    tally = Tally(cells, plan.workers)
    if plan.presence is not None:
        try:
            plan.presence.enter_worker()
        except OSError as error:
            why = WorkerError(f"worker {worker} cannot be started: {error.strerror}")
            connection.send(Failed(worker, 0.0, why))
            return
        if not _parent_lives():  # see NOTE(orphans)
            return
    larder = Larder(worker, connection, tally)
    inbox = Inbox(connection, larder, worker, tally)
    inbox.start()
    with painting(plan, tally) if worker == 0 else contextlib.nullcontext():
        message = _outcome(plan, worker, tally, inbox.stop, larder)
        with contextlib.suppress(OSError):  # the parent is gone: nobody to tell
            connection.send(message)
        if worker == 0 and isinstance(message, Finished):
            inbox.stop.wait()


def _parent_lives() -> bool:
    parent = multiprocessing.parent_process()
    return parent is not None and parent.is_alive()


def _outcome(plan: Plan, worker: int, tally: Tally, stop: StopFlag, larder: Larder) -> LastWord:
    started_at = time.monotonic()
    try:
        return run_shard(plan, worker, tally, stop, larder if plan.blocks is None else None)
    except EtlError as error:
        return Failed(worker, time.monotonic() - started_at, error)
    except Exception as error:  # noqa: BLE001 - the process ends here; the parent shows the traceback
        limit = limit_reached(error) if isinstance(error, OSError) else None
        bug = limit or InternalError(f"worker {worker} met a bug:\n{traceback.format_exc()}")
        return Failed(worker, time.monotonic() - started_at, bug)
