"""What both verbs do: find the sources, open the target, plan, run, report."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from typing import Any

from etl.job.name import job_name, run_token
from etl.job.state import Job
from etl.limits import require_descriptors
from etl.options import LoadOptions
from etl.output.notice import choose_mode, log_notice
from etl.pipeline.attempts import JobRun, job_spec
from etl.pipeline.execution import Run
from etl.pipeline.fields import explained
from etl.pipeline.outcome import Outcome
from etl.pipeline.preflight import Preflight
from etl.pipeline.resolve import projection_of
from etl.pipeline.verb import Verb
from etl.plan import Plan, block_size
from etl.run.choose import open_runner, worker_count
from etl.run.signals import StopSignals
from etl.run.sizing import UNKNOWN_SIZE
from etl.sink.choose import opened_target
from etl.sink.control import ControlConnection
from etl.source.choose import choose_source


def carry_out(verb: Verb, sources: Sequence[Any], options: LoadOptions) -> Outcome:
    """Plan and run one verb; give its outcome. Raises EtlError where the run has not begun."""
    started_at = time.monotonic()
    with StopSignals() as signals:
        source = choose_source(sources, options)
        mapping = verb.mapping(source)
        encoders = verb.encoders(mapping)
        templates = [*encoders.main.templates, *(encoders.before.templates if encoders.before else ())]
        projection = projection_of(options, templates, source)
        with opened_target(options) as target, contextlib.ExitStack() as held:
            workers = worker_count(options, source)
            require_descriptors(workers)
            runner = open_runner(options, workers)
            # A server of our own that ends does not come back.
            retry_for_s = 0.0 if target.own else options.retry_for
            mode = choose_mode(options.progress)
            target = target.identify("redis-etl", signals, retry_for_s, lambda text: log_notice(mode, text))
            console = held.enter_context(contextlib.closing(ControlConnection(target, signals)))
            may_vanish, keep_s = options.allow_eviction, options.keep_record
            job = Job(job_name(source, target.name, options), run_token(), console, may_vanish, keep_s)
            guard = Preflight.ask(
                target, options, encoders.always(), source, signals, verb.commands(job, mapping)
            )
            task = job_spec(source, mapping, options)
            settled = verb.settle(mapping, target, job.name, signals)
            encoders = verb.encoders(settled)
            guard.permit(encoders.always())
            with verb.claimed(job, task, mapping, signals) as resume_point:
                counters = runner.counters(workers)
                if resume_point.unchanged:
                    return Outcome(
                        verb.name, job.name, target.name, counters, (), time.monotonic() - started_at, None
                    )
                size = resume_point.block_bytes or block_size(
                    UNKNOWN_SIZE if source.nbytes is None else source.nbytes, workers
                )
                plan = Plan(
                    source=source,
                    projection=projection,
                    target=target,
                    encoder=encoders.main,
                    single=encoders.single,
                    blocks=None if source.streamed else tuple(source.blocks(size)),
                    workers=workers,
                    split=options.split,
                    progress=mode,
                    budget=options.max_rejects,
                    rejects=None,
                    block_bytes=size,
                )
                if plan.blocks is not None and source.nbytes is not None:
                    # What is in no block (a header) is done from the beginning.
                    outside = source.nbytes - sum(block.nbytes for block in plan.blocks)
                    counters.set(workers, "bytes_done", outside)
                job_run = JobRun(job, task, resume_point)
                run = Run(verb.planned(plan, settled), runner, signals, counters, guard.loss)
                with guard.watching(counters, options.retry_for):
                    words, error = verb.run(run, job_run, encoders.before)
                error = explained(error, templates, projection, source)
                seconds = time.monotonic() - started_at
                rejected = verb.rejected(job.name) if counters.total("records_rejected") else None
                return Outcome(
                    verb.name,
                    job.name,
                    target.name,
                    counters,
                    tuple(words),
                    seconds,
                    error,
                    job_run.resumed_from,
                    rejected,
                )
