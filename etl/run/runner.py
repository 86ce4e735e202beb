"""The contract of a runner: who carries out the shards of a plan."""

from __future__ import annotations

from typing import Protocol

from etl.plan import Plan
from etl.report import Counters
from etl.run.signals import StopSignals
from etl.worker.messages import ShardResult


class Runner(Protocol):
    """Carries out plans, one after the other; used in the process and thread that opened it."""

    def counters(self, workers: int) -> Counters:
        """Return counters, all 0, that the workers of a plan and the caller share."""

    def run(self, plan: Plan, counters: Counters, signals: StopSignals) -> list[ShardResult]:
        """Carry out every shard of a plan; return the workers' results, in the order in which they came.

        That of a worker that failed is a Failed one. ``signals`` ask for an end. Raises what is a bug.
        """
