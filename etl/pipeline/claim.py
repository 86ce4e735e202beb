"""Between preflight and plan: the job for this run alone, and where earlier runs have left it."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from etl.encode.mapping import RecordMapping
from etl.errors import LockedError, UsageError
from etl.job.contract import JobState
from etl.job.lock import LOOK_EVERY_S, locked
from etl.job.parts import require_no_shards
from etl.job.place import note_place
from etl.job.shards import ShardGroup
from etl.job.spec import JobSpec, ResumePoint
from etl.job.state import Job
from etl.job.stop import heeding_stop
from etl.options import LoadOptions, job_identity
from etl.output.notice import choose_mode, log_notice
from etl.pipeline.preflight import Preflight
from etl.pipeline.resolve import Resolved
from etl.plan import Source, StopFlag
from etl.run.signals import StopSignals


@dataclass(frozen=True, slots=True)
class JobRun:
    """A job with what is asked of it, and where it stands; ``group`` is the job that it is a shard of."""

    job: JobState
    spec: JobSpec
    resume_point: ResumePoint
    group: ShardGroup | None = None

    @property
    def resumed_from(self) -> int | None:
        """Return how many records earlier runs have read; None for a run from the beginning."""
        return self.resume_point.done.counts()["records_read"] if self.resume_point.resumes else None


@contextlib.contextmanager
def claim(
    resolved: Resolved, checked: Preflight, options: LoadOptions, signals: StopSignals
) -> Iterator[JobRun]:
    """Have the job to oneself while entered. A run that only reads needs nothing for itself.

    Its resume point is ``unchanged`` only where there is nothing to do. Raises LockedError, SourceError where
    the job that was not finished is another one, UsageError, TargetError.
    """
    job = checked.job
    assert isinstance(job, Job)
    spec = job_spec(resolved.source, resolved.work.mapping, options)
    group = _group(job, spec, resolved, options) if job.part else None
    with contextlib.ExitStack() as claimed:
        resume_point = ResumePoint()
        if job.nodes is not None:
            claimed.callback(job.nodes.close)
        if checked.work.writes:
            if not checked.target.embedded:
                claimed.enter_context(locked(job, options.wait_lock, signals, signals.stop_for))
            note_place(job, signals)
            if group is not None:
                _join(group, resolved, checked, options, signals)
                claimed.enter_context(heeding_stop(job, job.token, signals.stop_for))
                if resolved.planned is not None and resolved.planned.driver:
                    claimed.enter_context(heeding_stop(group.job, resolved.planned.driver, signals.stop_for))
            elif options.restart:
                require_no_shards(job)
            # Of a shard, joining has seen to a restart.
            resume_point = job.resume_point(spec, restart=options.restart and group is None)
        if resume_point.unchanged and not _nothing_to_do(job, resume_point, checked, options):
            resume_point = replace(resume_point, unchanged=False)
        yield JobRun(job, spec, resume_point, group)


def _group(job: Job, spec: JobSpec, resolved: Resolved, options: LoadOptions) -> ShardGroup:
    planned = resolved.planned
    assert planned is not None
    assert planned.shard is not None
    if spec.template != planned.plan.template:
        raise UsageError(
            "the plan was made by another release of redis-etl, which makes something else of a record: make"
            " it again"
        )
    whole = replace(job, part="", keep_s=options.keep_record)
    return ShardGroup(whole, planned.shard.count, spec, planned.plan.block_bytes)


def _join(
    group: ShardGroup, resolved: Resolved, checked: Preflight, options: LoadOptions, stop: StopFlag
) -> None:
    """Begin the shard, after a load of the whole job that goes on, if ``--wait-lock`` allows."""
    assert resolved.planned is not None
    assert resolved.planned.shard is not None
    if options.restart and checked.work.encoders.prepass is not None:
        raise UsageError(
            "--restart cannot be for one shard where --if-exists looks at all keys before the load: to load"
            f" all shards again, delete the job's record first: redis-cli DEL 'etl:{{{group.job.name}}}'"
        )
    deadline = time.monotonic() + options.wait_lock
    while True:
        try:
            group.join(resolved.planned.shard, restart=options.restart)
        except LockedError:
            if time.monotonic() >= deadline:
                raise
            stop.wait(LOOK_EVERY_S)
        else:
            return


def job_spec(source: Source, mapping: RecordMapping, options: LoadOptions) -> JobSpec:
    """Return what is loaded, and what it becomes: all options but those of the target and of the run."""
    digest = hashlib.sha256("\0".join([*job_identity(options), mapping.kind]).encode())
    return JobSpec(source.fingerprint, digest.hexdigest())


def _nothing_to_do(job: Job, resume_point: ResumePoint, checked: Preflight, options: LoadOptions) -> bool:
    """Return True, and say so, if a job that was completed is not done again."""
    mode = choose_mode(options.progress)
    if job.part:
        # Whoever runs shards runs one again that did not tell its end.
        log_notice("log" if mode == "none" else mode, f"{job.title} is complete: nothing to do")
        return True
    if options.skip_unchanged:
        log_notice(mode, f"job {job.name} is complete and nothing has changed: nothing to do")
        return True
    if checked.work.mapping.adds_up:
        # Else a run that is killed after its end was written would be done once more when it is repeated.
        # Said in every mode: who expects a load must learn that there was none.
        log_notice(
            "log" if mode == "none" else mode,
            f"job {job.name} was completed at {resume_point.ended} with the same sources and options,"
            " and its commands would add everything once more: nothing to do"
            " (--restart loads it again)",
        )
        return True
    return False
