"""One shard, in the calling process: for an input that a second process would only delay."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from etl.errors import EtlError
from etl.options import RunOptions
from etl.output.progress import show_progress
from etl.plan import Block, Plan
from etl.report import Counters
from etl.run.signals import StopSignals
from etl.run.stream import stream_blocks
from etl.worker.messages import Failed, ShardResult
from etl.worker.run_shard import run_shard

MAX_WORKERS = 1
OPTIONS: tuple[str, ...] = ()


def suits(workers: int) -> bool:
    return workers <= 1


def open(options: RunOptions, workers: int) -> InlineRunner:
    return InlineRunner()


@dataclass(frozen=True, slots=True)
class InlineRunner:
    """A Runner (``etl/run/runner.py``) of plans in which no other worker than 0 has anything to do."""

    def counters(self, workers: int) -> Counters:
        return Counters([0] * Counters.size(workers), workers)

    def run(self, plan: Plan, counters: Counters, signals: StopSignals) -> list[ShardResult]:
        signals.raise_on_signal = False
        blocks = _until_stopped(stream_blocks(plan), signals) if plan.blocks is None else None
        with show_progress(plan, counters):
            for worker in range(1, plan.workers):
                counters.add(worker, "finished", 1)
            try:
                message: ShardResult = run_shard(plan, 0, counters, signals, blocks)
            except EtlError as error:
                message = Failed(0, 0.0, error)
        return [message]


def _until_stopped(blocks: Iterator[Block], signals: StopSignals) -> Iterator[Block]:
    """Yield a stream's blocks; a signal ends a wait for the next one, which may never come."""
    while True:
        block = None
        try:
            signals.raise_on_signal = True
            if not signals.stopping:
                block = next(blocks, None)
        except EtlError:
            if not signals.stopping:
                raise
        finally:
            signals.raise_on_signal = False
        if block is None:
            return
        yield block
