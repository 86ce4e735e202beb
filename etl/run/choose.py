"""From ``--runner`` and a number of workers to the runner: the door to the runners."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType

from etl.errors import UsageError
from etl.options import (
    MAX_WORKERS,
    LoadOptions,
    RunOptions,
    flag_of,
    given,
    given_of_others,
)
from etl.options.shelves import RUNNERS
from etl.plan import Plan, Source
from etl.report import Counters
from etl.run.engine import Engine
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


def open_runner(options: LoadOptions, workers: int) -> Runner:
    """Return the runner that was asked for, ready for plans of so many workers. Raises UsageError."""
    if options.runner is None:
        _refuse_of_engines(options)
        fitting = [one for _, one in RUNNERS.members() if one.suits(1) or one.suits(workers)]
        return AutomaticRunner([(one.suits, one.open(options, workers)) for one in fitting])
    chosen = RUNNERS.member(options.runner)
    _refuse_others(options, chosen)
    runner: Runner = chosen.open(options, workers)
    return runner


def engine_opener(options: LoadOptions) -> Callable[[], Engine] | None:
    """Return what opens the engine that ``--runner`` names; None where shards do not run elsewhere.

    Raises UsageError for options that have no effect with it.
    """
    if options.runner is None:
        return None
    chosen = RUNNERS.member(options.runner)
    opener: Callable[[], Engine] | None = getattr(chosen, "open_engine", None)
    if opener is not None:
        _refuse_others(options, chosen)
        if options.shard is not None:
            raise UsageError(f"--shard is one of the shards, and --runner {options.runner} runs all of them")
    return opener


def _refuse_others(options: RunOptions, chosen: ModuleType) -> None:
    for name in given_of_others(options, chosen, [runner for _, runner in RUNNERS.members()]):
        raise UsageError(f"{flag_of(name)} has no effect with --runner {options.runner}")


def _refuse_of_engines(options: LoadOptions) -> None:
    for engine, member in RUNNERS.members():
        for name in member.OPTIONS if hasattr(member, "open_engine") else ():
            if given(options, name) and not _is_of_files(options, name):
                raise UsageError(f"{flag_of(name)} has no effect without --runner {engine}")


def _is_of_files(options: LoadOptions, name: str) -> bool:
    """Return True for the number of files, each of which is called a shard, too."""
    return name == "shards" and options.is_rdb_file()


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
