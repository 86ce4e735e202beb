"""Running a plan: in the calling process where one worker has something to do, else in worker processes."""

from __future__ import annotations

import ctypes
from typing import Any

from etl.limits import limit_reached
from etl.plan import Plan
from etl.report import Counters
from etl.run.runners.inline import run_inline
from etl.run.runners.processes import run_processes
from etl.run.signals import StopSignals
from etl.worker.messages import ShardResult


def make_counters(context: Any, workers: int) -> Counters:
    """Make counters that worker processes share; ``context`` is None where there will be no processes."""
    size = Counters.size(workers)
    try:
        slots = [0] * size if context is None else context.RawArray(ctypes.c_uint64, size)
    except OSError as error:  # it is a file, that nobody else sees
        raise limit_reached(error) or error from None
    return Counters(slots, workers)


def run_plan(plan: Plan, context: Any, signals: StopSignals, counters: Counters) -> list[ShardResult]:
    """Carry out every shard of a plan, counting into ``counters``; give the workers' last words."""
    if context is None or plan.busy_workers() <= 1:
        return run_inline(plan, counters, signals)
    return run_processes(plan, context, signals, counters)
