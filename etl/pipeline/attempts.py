"""A load as a job: it goes on where an earlier run was, and where a dead worker or a restarted server was.

A round is one execution of the plan over what the marks leave. It ends with the last record or with an error.
From some errors the run recovers by itself (``EtlError.restartable``): all workers are let go, the marks are
read again, and the next round begins.
"""

from __future__ import annotations

import hashlib
import time
from bisect import bisect_right
from dataclasses import dataclass, replace
from itertools import groupby

from etl.encode.mapping import RecordMapping
from etl.errors import EtlError, JobStateLostError, TargetError
from etl.job.state import Job, JobSpec, PrepassResult, ResumePoint
from etl.options import LoadOptions, job_identity
from etl.output.notice import log_notice
from etl.pipeline.execution import Run
from etl.plan import COUNTS, Completed, Encoder, Plan, Source
from etl.worker.messages import ShardResult

MAX_STALLED_ATTEMPTS = 3
"""Rounds without any progress, one after the other, after which the run gives up."""


@dataclass(frozen=True, slots=True)
class JobRun:
    """A job with what is asked of it, and where it stands."""

    job: Job
    task: JobSpec
    resume_point: ResumePoint

    @property
    def resumed_from(self) -> int | None:
        """Return how many records earlier runs have read; None for a run from the beginning."""
        return self.resume_point.done.counts()["records_read"] if self.resume_point.resumes else None


def job_spec(source: Source, mapping: RecordMapping, options: LoadOptions) -> JobSpec:
    """Return what is loaded, and what it becomes: all options but those of the target and of the run."""
    digest = hashlib.sha256("\0".join([*job_identity(options), mapping.kind]).encode())
    return JobSpec(source.fingerprint, digest.hexdigest())


def run_attempts(
    run: Run, job_run: JobRun, before: Encoder | None
) -> tuple[list[ShardResult], EtlError | None]:
    """Carry out a load; give the last words of its last round, and its error. Raises EtlError."""
    job, resume_point = job_run.job, job_run.resume_point
    done, turn, passed = resume_point.done, resume_point.attempts, resume_point.passed
    job.begin(job_run.task, run.plan.block_bytes, afresh=not resume_point.resumes)
    if resume_point.resumes:
        # Workers of a run that has lost its lock may have gone on up to here; from here on they cannot.
        done = job.done() or done
    fruitless = 0
    while True:
        words: list[ShardResult] = []
        try:
            if before is not None and passed is None:
                passed = run.run_prepass(before)
                job.note_pass(passed)
            round = _round(run, job, turn, done, passed or PrepassResult())
            if turn == resume_point.attempts and resume_point.resumes:
                _say_resuming(round, job)
            words = round.words()
            error = round.first_error(words) or _miscounted(run, job)
            if error is None:
                job.complete({name: run.counters.total(name) for name in COUNTS})
                return words, None
        except EtlError as failure:
            error = failure
        if isinstance(error, JobStateLostError):
            error = run.loss() or error  # evicted keys are the better explanation
        if not error.restartable or job_run.task.source is None or run.signals.stopping:
            return words, error
        # A server's new run id goes to all who ask it: they would take it for another one for ever.
        target = run.plan.target.identify("redis-etl", run.signals)
        run = replace(run, plan=replace(run.plan, target=target))
        job.console.set_target(target)
        again = job.done()
        if again is None:  # the server came back without the record: so without the data
            job.begin(job_run.task, run.plan.block_bytes, afresh=True)
            again, passed = Completed(()), None
        fruitless = fruitless + 1 if again.counts() == done.counts() else 0
        if fruitless >= MAX_STALLED_ATTEMPTS:
            return words, error
        log_notice(run.plan.progress, f"{error}; going on from the marks")
        done, turn = again, turn + 1


def _miscounted(run: Run, job: Job) -> EtlError | None:
    """Hold what was counted, by this run and by those before it, against the records of the sources."""
    planned, read = run.plan.records(), run.counters.total("records_read")
    if planned is None or planned == read:
        return None
    return TargetError(
        f"{run.plan.target}: the sources have {planned:,} records, and {read:,} are accounted for: the record"
        f" of job {job.name} is wrong, or a source has changed; give --restart to load from the beginning"
    )


def _round(run: Run, job: Job, turn: int, done: Completed, passed: PrepassResult) -> Run:
    """Plan the execution of what is left, with marks of its own; the tally begins with what is done."""
    plan = run.plan
    rejects = None if plan.rejects is None else plan.rejects.for_attempt(turn)
    _write_refused(replace(plan, rejects=rejects), done)
    counts = done.counts()
    counts["records_skipped"] += passed.skipped
    counts["records_rejected"] += passed.rejected
    counts["records_read"] += passed.skipped + passed.rejected
    blocks = None
    if plan.blocks is not None:
        left = (done.left(block) for block in plan.blocks)
        blocks = tuple(
            replace(block, skip_mask=passed.present.get(block.number)) for block in left if block is not None
        )
        # Whoever ends a block counts its bytes: those of a block that is done in part come once more.
        # What is in no block (a header) is done from the beginning.
        all_bytes = plan.source.nbytes or sum(block.nbytes for block in plan.blocks)
        counts["bytes_done"] = all_bytes - sum(block.nbytes for block in blocks)
    run.counters.clear()
    for name, count in counts.items():
        run.counters.set(plan.workers, name, count)
    marks = job.begin_turn(plan.workers, plan.split)
    rate = None if plan.rate is None else replace(plan.rate, since=time.monotonic())
    return replace(run, plan=replace(plan, blocks=blocks, marks=marks, done=done, rejects=rejects, rate=rate))


def _write_refused(plan: Plan, done: Completed) -> None:
    """Write down the records that a fenced command was refused for, where its worker died before it could."""
    refused = [record for mark in done.marks for record in mark.refused]
    if not refused or plan.rejects is None or plan.blocks is None:
        return
    reader = plan.source.open(plan.projection)
    try:
        firsts = [block.first_record or 0 for block in plan.blocks]
        for place, some in groupby(sorted(refused), lambda record: bisect_right(firsts, record[0]) - 1):
            reasons = dict(some)
            originals = reader.originals(plan.blocks[place], list(reasons))
            plan.rejects.write([replace(reject, reason=reasons[reject.record or 0]) for reject in originals])
    finally:
        reader.close()


def _say_resuming(run: Run, job: Job) -> None:
    total = run.plan.source.nbytes
    how_far = f"{run.counters.total('records_read'):,} records"
    if total:
        how_far = f"{100 * min(run.counters.total('bytes_done'), total) // total} % ({how_far})"
    log_notice(run.plan.progress, f"resuming job {job.name} at {how_far}")
