"""A load as a job: it resumes where an earlier run, a dead worker or a restarted server has left it.

An attempt runs the plan over what the checkpoints leave. It ends with the last record or with an error. From
some errors the run recovers by itself (``EtlError.restartable``): all workers are let go, the checkpoints are
read again, and the next attempt begins.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from dataclasses import replace
from itertools import groupby

from etl.encode.strategies.prepass import ClearEncoder
from etl.errors import EtlError, JobStateLostError, TargetError
from etl.job.contract import JobState
from etl.job.fields import PrepassResult
from etl.output.notice import log_notice
from etl.pipeline.claim import JobRun
from etl.pipeline.execution import Ended, Run
from etl.pipeline.shard_prepass import shared_prepass
from etl.plan import COUNTS, Block, Completed, Confirmed, Plan, Share, slot_bits
from etl.worker.messages import ShardResult

MAX_STALLED_ATTEMPTS = 3
"""Attempts without any progress, one after the other, after which the run gives up."""


def run_attempts(run: Run, job_run: JobRun) -> Ended:
    """Run a load; return how its last attempt ended. Raises EtlError."""
    job, resume_point = job_run.job, job_run.resume_point
    done, attempt, passed = resume_point.done, resume_point.attempts, resume_point.passed
    job.begin(job_run.spec, run.plan.block_bytes, afresh=not resume_point.resumes)
    if resume_point.resumes:
        # Workers of a run that has lost its lock may have gone on up to here; from here on they cannot.
        done = job.done() or done
    stalled = 0
    while True:
        results: list[ShardResult] = []
        try:
            if passed is not None and _cleared_in_vain(run, job_run, done):
                log_notice(run.plan.progress, "a node was replaced that keys were deleted at: all once more")
                job.begin(job_run.spec, run.plan.block_bytes, afresh=True)
                done, passed = Completed(()), None
            if passed is None:
                passed = _prepass(run, job_run)
            this = _attempt(run, job, attempt, done, passed or PrepassResult())
            if attempt == resume_point.attempts and resume_point.resumes:
                _say_resuming(this, job)
            results = this.results()
            error = this.first_error(results) or _miscounted(run, job)
            if error is None:
                # A primary that was replaced may go on answering: whoever is reached now must be the same.
                job.reach_anew()
                job.complete({name: run.counters.total(name) for name in COUNTS})
                return Ended(tuple(results))
        except EtlError as failure:
            error = failure
        if isinstance(error, JobStateLostError):
            error = run.eviction_error() or error  # evicted keys are the better explanation
        if not error.restartable or job_run.spec.source is None or run.signals.stopping:
            return Ended(tuple(results), error)
        # A server's new run id goes to all who ask it: they would take it for another one for ever.
        target = run.plan.target.identify("redis-etl", run.signals)
        run = replace(run, plan=replace(run.plan, target=target))
        job.set_target(target)
        again = job.done()
        if again is None and job_run.group is not None:  # the other shards have lost theirs, too
            return Ended(tuple(results), error)
        if again is None:  # the server came back without the record: so without the data
            job.begin(job_run.spec, run.plan.block_bytes, afresh=True)
            again, passed = Completed(()), None
        stalled = stalled + 1 if again.counts() == done.counts() else 0
        if stalled >= MAX_STALLED_ATTEMPTS:
            return Ended(tuple(results), error)
        log_notice(run.plan.progress, f"{error}; resuming from the checkpoints")
        done, attempt = again, attempt + 1


def _prepass(run: Run, job_run: JobRun) -> PrepassResult | None:
    """Run the pass over the keys, of a shard the one that all shards share; return what it has decided.

    None where there is no such pass.
    """
    if run.prepass is not None and job_run.group is not None:
        return shared_prepass(run, run.prepass, job_run.group)
    if run.prepass is not None:
        passed = run.run_prepass(run.prepass)
    elif run.settle is not None:
        passed = run.settle(run)
    else:
        return None
    job_run.job.note_prepass(passed)
    return passed


def _cleared_in_vain(run: Run, job_run: JobRun, done: Completed) -> bool:
    """Return True if keys that the pass before the load has deleted may be back: at a node that lost that.

    Raises TargetError where other shards rely on that pass.
    """
    if job_run.job.nodes is None or not isinstance(run.prepass, ClearEncoder):
        return False
    confirmed = job_run.job.confirmed(done)
    if confirmed is None:  # no attempt has begun: nothing shows that the nodes are those of that pass
        return job_run.group is None
    if confirmed.everywhere:
        return False
    if job_run.group is None:
        return True
    raise TargetError(
        f"{run.plan.target}: a node was replaced, and keys that were deleted before the load may be back"
        " there: end all shards, and begin the job again with --restart"
    )


def _miscounted(run: Run, job: JobState) -> EtlError | None:
    """Compare what was counted, by this run and by those before it, with the records of the sources."""
    planned, read = run.plan.records(), run.counters.total("records_read")
    if planned is None or planned == read:
        return None
    return TargetError(
        f"{run.plan.target}: the sources have {planned:,} records, and {read:,} are accounted for: the record"
        f" of {job.title} is wrong, or a source has changed; give --restart to load from the beginning"
    )


def _attempt(run: Run, job: JobState, number: int, done: Completed, passed: PrepassResult) -> Run:
    """Plan what is left, with checkpoints of its own; the counters begin with what is done."""
    plan = run.plan
    rejects = None if plan.rejects is None else plan.rejects.for_attempt(number)
    _write_refused(replace(plan, rejects=rejects), done)
    counts = done.counts()
    counts["records_skipped"] += passed.skipped
    counts["records_rejected"] += passed.rejected
    counts["records_superseded"] = passed.superseded
    counts["records_read"] += passed.skipped + passed.rejected + passed.superseded
    blocks = None
    confirmed = job.confirmed(done)
    repaired = 0
    if plan.blocks is not None:
        left = (_left(block, done, confirmed) for block in plan.blocks)
        blocks = tuple(
            replace(block, skip_mask=passed.present.get(block.number)) for block in left if block is not None
        )
        for slots in {block.repair for block in blocks if block.repair is not None}:
            repaired |= int.from_bytes(slots, "little")
        # Whoever ends a block counts its bytes: those of a block that is done in part come once more.
        # What is in no block (a header) is done from the beginning.
        all_bytes = plan.source.nbytes or sum(block.nbytes for block in plan.blocks)
        counts["bytes_done"] = all_bytes - sum(block.nbytes for block in blocks)
    run.counters.clear()
    for name, count in counts.items():
        run.counters.set(plan.workers, name, count)
    writer = job.begin_attempt(plan.workers, plan.split, repaired)
    rate = None if plan.rate is None else replace(plan.rate, since=time.monotonic())
    return replace(
        run, plan=replace(plan, blocks=blocks, marks=writer, done=done, rejects=rejects, rate=rate)
    )


def _left(block: Block, done: Completed, confirmed: Confirmed | None) -> Block | None:
    """Return what is left of a block (None: nothing), with the slots of which it has to be sent once more."""
    left = done.left(block)
    if confirmed is None or (left is not None and not left.completed):
        return left
    lost = confirmed.missing(block)
    if not lost:
        return left
    return replace(left or replace(block, completed=(Share(1, 0),)), repair=slot_bits(lost))


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


def _say_resuming(run: Run, job: JobState) -> None:
    total = run.plan.source.nbytes
    how_far = f"{run.counters.total('records_read'):,} records"
    if total:
        how_far = f"{100 * min(run.counters.total('bytes_done'), total) // total} % ({how_far})"
    log_notice(run.plan.progress, f"resuming {job.title} at {how_far}")
