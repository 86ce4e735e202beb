"""One shard, in the calling process: for an input that a second process would only delay."""

from __future__ import annotations

from etl.control import Failed, LastWord
from etl.errors import EtlError
from etl.plan import Plan
from etl.progress import painting
from etl.report import Tally
from etl.run.feed import stream_blocks
from etl.run.signals import StopSignals
from etl.worker import run_shard


def run_inline(plan: Plan, tally: Tally, signals: StopSignals) -> list[LastWord]:
    """Carry out the shard of worker 0; the other shards must be empty."""
    signals.immediate = False
    blocks = stream_blocks(plan) if plan.blocks is None else None
    with painting(plan, tally):
        for worker in range(1, plan.workers):
            tally.add(worker, "finished", 1)
        try:
            message: LastWord = run_shard(plan, 0, tally, lambda: signals.stopping, blocks)
        except EtlError as error:
            message = Failed(0, 0.0, error)
    return [message]
