"""A load whose shards an engine runs on other machines (``--runner ray``).

Here the plan is made, or read. What travels is its text, which has no secret, and how the shards are run;
they find their password where they run. How far they are is read from what they leave in the target, and
they are stopped by the job's stop flag.
"""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from etl.errors import EtlError, InterruptedRunError, TargetError, UsageError
from etl.job.fields import COMPLETE
from etl.job.lock import locked
from etl.job.name import run_token
from etl.job.shards import ShardGroup
from etl.job.state import Job, JobSpec
from etl.job.status import read_status
from etl.job.stop import ask_to_stop
from etl.options import LoadOptions
from etl.output.notice import choose_mode, log_notice
from etl.output.progress import show_counters
from etl.pipeline.connect import Connected, connect
from etl.pipeline.execute import carry_out
from etl.pipeline.execution import Ended
from etl.pipeline.loading import Load
from etl.pipeline.outcome import Outcome
from etl.pipeline.plan_file import PlanFile, parse_plan
from etl.pipeline.planned import Planned, with_plan
from etl.pipeline.planning import make_plan_file
from etl.plan import COUNTS
from etl.report import Counters, Rejected
from etl.run.engine import Engine, ShardEnd, ShardLoop
from etl.run.signals import StopSignals
from etl.shards import MAX_SHARDS, ShardNumber
from etl.worker.messages import Finished

WAIT_LOCK_S = 60.0
"""How long a shard waits at least for the lock of one that died: it expires after LOCK_S seconds."""

SLOWER = 20.0
"""Looking takes at most one part in so many of the time."""


def load_elsewhere(
    options: LoadOptions,
    sources: Sequence[Any],
    planned: Planned | None,
    open_engine: Callable[[], Engine],
) -> Outcome:
    """Have all shards of a load run by an engine; return its outcome. Raises EtlError."""
    started_at = time.monotonic()
    if options.ask_password:
        raise UsageError(
            "--ask-password asks here, and the shards connect elsewhere: give --password-file FILE, which is"
            " on every machine, or set $REDISCLI_AUTH there"
        )
    with StopSignals() as signals, contextlib.closing(open_engine()) as engine:
        if planned is not None:
            plan = planned.plan
        else:
            planning = make_plan_file(sources, options, signals, shared=options.shared_path)
            plan = planning.plan
            for notice in planning.notices:
                log_notice(choose_mode(options.progress), notice)
        with connect(options, signals) as connected:
            run = _ElsewhereRun(plan, options, engine, signals, connected)
            return replace(run.run(), seconds=time.monotonic() - started_at)


@dataclass(slots=True)
class _ElsewhereRun:
    """One run of all shards of a plan."""

    plan: PlanFile
    options: LoadOptions
    engine: Engine
    signals: StopSignals
    connected: Connected

    def run(self) -> Outcome:
        job = Job(
            self.plan.job,
            run_token(),
            self.connected.control,
            self.options.allow_eviction,
            self.options.keep_record,
        )
        driver = replace(job, part="driver")
        with locked(driver, self.options.wait_lock, self.signals, self.signals.stop_for):
            return self._run(job)

    def _run(self, job: Job) -> Outcome:
        at_once = self.options.workers or self.engine.capacity()
        group = self._group(job, at_once)
        if self.options.restart:
            group.restart()
        elif group.complete():
            log_notice(
                choose_mode(self.options.progress),
                f"{job.title} is complete and nothing has changed: nothing to do (--restart loads it again)",
            )
            return self._outcome(Counters([0] * Counters.size(1), 1), Ended())
        watch = _Watch(job, Counters([0] * Counters.size(group.count), group.count))
        watch.begin()
        task = partial(load_shard, self.plan.text(), group.count, _of_shards(self.options), job.token)
        loop = ShardLoop(self.engine, task, watch, self.signals, at_once)
        self.signals.raise_on_signal = False
        with show_counters(choose_mode(self.options.progress), self.plan.nbytes, watch.counters):
            ends = loop.run(watch.left(group.count))
            watch.look(now=True)
        return self._outcome(watch.counters, _ended(ends, self.signals), watch.before or None)

    def _group(self, job: Job, at_once: int) -> ShardGroup:
        """Return the shards: as many as the job was begun in, or as were asked for, or run at once."""
        spec = JobSpec(self.plan.fingerprint, self.plan.template)
        some = ShardGroup(job, 1, spec, self.plan.block_bytes)
        blocks = at_once if self.plan.blocks is None else len(self.plan.blocks)
        begun = None if self.options.restart else some.begun()
        count = self.options.shards or begun or min(at_once, blocks, MAX_SHARDS)
        return replace(some, count=max(count, 1))

    def _outcome(self, counters: Counters, ended: Ended, before: int | None = None) -> Outcome:
        return Outcome(
            verb="load",
            job=self.plan.job,
            target=self.connected.target.name,
            counters=counters,
            ended=ended,
            seconds=0.0,
            resumed_from=before,
        )


@dataclass(slots=True)
class _Watch:
    """A ShardWatch (``etl/run/engine.py``): what the shards leave in the target becomes counters.

    ``before`` is what earlier runs had read.
    """

    job: Job
    counters: Counters
    before: int = 0
    _base: dict[int, Mapping[str, int]] = field(default_factory=dict)
    _complete: frozenset[int] = frozenset()
    _next: float = 0.0

    def begin(self) -> None:
        """Note what earlier runs have done. Raises TargetError."""
        shards = self._read()
        self._base = {number: shard for number, (_, shard) in shards.items()}
        self._complete = frozenset(number for number, (state, _) in shards.items() if state == COMPLETE)
        for name in COUNTS:
            total = sum(counts[name] for counts in self._base.values())
            self.counters.set(self.counters.workers, name, total)
        self.before = self.counters.total("records_read")
        self._show(shards)

    def left(self, count: int) -> Iterator[int]:
        """Yield the shards that are not complete. With none left one of them completes the job."""
        left = [shard for shard in range(count) if shard not in self._complete]
        yield from left or [0]

    def look(self, *, now: bool = False) -> None:
        at = time.monotonic()
        if not now and at < self._next:
            return
        with contextlib.suppress(TargetError):
            self._show(self._read())
        self._next = time.monotonic() + SLOWER * (time.monotonic() - at)

    def ask_to_stop(self) -> None:
        with contextlib.suppress(EtlError):
            ask_to_stop(self.job, self.job.token)

    def _read(self) -> dict[int, tuple[str, Mapping[str, int]]]:
        status = read_status(self.job)
        shards = () if status is None else status.shards
        return {number: (shard.state, shard.counts) for number, shard in enumerate(shards)}

    def _show(self, shards: Mapping[int, tuple[str, Mapping[str, int]]]) -> None:
        for number, (state, counts) in shards.items():
            if number >= self.counters.workers:
                continue
            base = self._base.get(number, {})
            for name in COUNTS:
                self.counters.set(number, name, max(0, counts[name] - base.get(name, 0)))
            self.counters.set(number, "finished", int(state == COMPLETE))


def load_shard(text: str, count: int, given: Mapping[str, Any], driver: str, shard: int) -> ShardEnd:
    """Load one shard of a plan in this process; called where the engine runs it."""
    started_at = time.monotonic()
    plan = parse_plan(text, "of --runner")
    number = ShardNumber(shard, count)
    rejected = None
    try:
        options = with_plan(LoadOptions(**given), plan)
        outcome = carry_out(Load(options), plan.sources, options, Planned(plan, number, driver))
        error, rejected = outcome.ended.error, outcome.ended.rejected
    except EtlError as failure:
        error = failure
    if error is not None:
        error.report = None
    return ShardEnd(shard, time.monotonic() - started_at, error, _elsewhere(rejected))


def _of_shards(options: LoadOptions) -> dict[str, Any]:
    """Return how each shard is run: in the engine's own process, after one that has died."""
    return {
        "workers": 1,
        "runner": "inline",
        "progress": "none",
        "user": options.user,
        "password_file": options.password_file,
        "rejects": None if options.rejects is None else os.path.abspath(options.rejects),
        "retry_for": options.retry_for,
        "wait_lock": max(options.wait_lock, WAIT_LOCK_S),
    }


def _elsewhere(rejected: Rejected | None) -> Rejected | None:
    return None if rejected is None else replace(rejected, path=f"{platform.node()}:{rejected.path}")


def _ended(ends: Sequence[ShardEnd], signals: StopSignals) -> Ended:
    """Return how the run ended: a failure counts before those that it has stopped."""
    errors = [end.error for end in ends if end.error is not None]
    failures = [error for error in errors if not isinstance(error, InterruptedRunError)]
    error = next(iter(failures), None)
    if error is None and signals.stopping:
        error = signals.error()
    rejected = next((end.rejected for end in ends if end.rejected is not None), None)
    results = tuple(Finished(end.shard, end.seconds) for end in ends)
    return Ended(results, error or next(iter(errors), None), rejected)
