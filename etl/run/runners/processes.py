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

import ctypes
import multiprocessing
from dataclasses import dataclass
from multiprocessing import forkserver, resource_tracker
from typing import Any

from etl.errors import UsageError
from etl.limits import limit_reached
from etl.options import RunOptions
from etl.plan import Plan
from etl.report import Counters
from etl.run.process.hide_libraries import libraries_are_hidden
from etl.run.process.supervisor import Supervisor
from etl.run.signals import StopSignals, blocked_signals
from etl.worker.messages import ShardResult

MAX_WORKERS = None
OPTIONS = ("start_method",)


def suits(workers: int) -> bool:
    return workers > 1


def open(options: RunOptions, workers: int) -> ProcessRunner:
    return ProcessRunner(make_context(options.start_method))


def make_context(start_method: str | None) -> Any:
    """Return the multiprocessing context; a fork server is started at once, to import while the parent plans.

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
        raise UsageError(f"--start-method {method} is not available on this system; {', '.join(there)} are")
    context = multiprocessing.get_context(method)
    if method != "fork":
        # Started by the first Process it would let signals through in the middle of ``blocked_signals``. It
        # ignores SIGINT and SIGTERM by itself; the others stay held back in it for ever.
        with blocked_signals():
            resource_tracker.ensure_running()
    if method == "forkserver":
        preload = "etl.run.process.preload_alone" if libraries_are_hidden() else "etl.run.process.preload"
        context.set_forkserver_preload([preload])
        with blocked_signals():  # the preload lets them go
            forkserver.ensure_running()
    return context


@dataclass(frozen=True, slots=True)
class ProcessRunner:
    """A Runner (``etl/run/runner.py``) with a process for each worker; ``context`` is multiprocessing's."""

    context: Any

    def counters(self, workers: int) -> Counters:
        try:
            slots = self.context.RawArray(ctypes.c_uint64, Counters.size(workers))
        except OSError as error:  # it is a file without a name
            raise limit_reached(error) or error from None
        return Counters(slots, workers)

    def run(self, plan: Plan, counters: Counters, signals: StopSignals) -> list[ShardResult]:
        supervisor = Supervisor(plan, self.context, counters.slots, signals)
        for idle in range(plan.busy_workers(), plan.workers):
            counters.add(idle, "finished", 1)
        signals.raise_on_signal = False
        signals.second_raises = False
        try:
            return supervisor.run()
        finally:
            supervisor.kill()
            signals.second_raises = True
