"""From ``--runner`` and a number of workers to the runner: the door to the runners."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from etl.errors import UsageError
from etl.options import MAX_WORKERS, RunOptions, flag_of, given_of_others
from etl.options.shelves import RUNNERS
from etl.plan import Plan, Source
from etl.report import Counters
from etl.run.runner import Runner
from etl.run.signals import StopSignals
from etl.run.sizing import choose_worker_count
from etl.worker.messages import ShardResult


def worker_count(options: RunOptions, source: Source) -> int:
    """Return how many workers a run has. Raises UsageError for more than the runner can have."""
    most: int | None = None if options.runner is None else RUNNERS.member(options.runner).MAX_WORKERS
    if options.workers is None:
        return choose_worker_count(source, most or MAX_WORKERS)
    if most is not None and options.workers > most:
        raise UsageError(f"--runner {options.runner} has at most {most}, not --workers {options.workers}")
    return options.workers


def open_runner(options: RunOptions, workers: int) -> Runner:
    """Return the runner that was asked for, ready for plans of so many workers. Raises UsageError."""
    if options.runner is None:
        fitting = [one for _, one in RUNNERS.members() if one.suits(1) or one.suits(workers)]
        return AutomaticRunner([(one.suits, one.open(options, workers)) for one in fitting])
    chosen = RUNNERS.member(options.runner)
    for name in given_of_others(options, chosen, [runner for _, runner in RUNNERS.members()]):
        raise UsageError(f"{flag_of(name)} has no effect with --runner {options.runner}")
    runner: Runner = chosen.open(options, workers)
    return runner


@dataclass(frozen=True, slots=True)
class AutomaticRunner:
    """For each plan the first runner that suits it: as many workers as have something to do."""

    runners: Sequence[tuple[Callable[[int], bool], Runner]]

    def counters(self, workers: int) -> Counters:
        return self._for(workers).counters(workers)

    def run(self, plan: Plan, counters: Counters, signals: StopSignals) -> list[ShardResult]:
        return self._for(plan.busy_workers()).run(plan, counters, signals)

    def _for(self, workers: int) -> Runner:
        return next(runner for suits, runner in self.runners if suits(workers))
