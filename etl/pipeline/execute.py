"""What both verbs do: find the sources, open the target, plan, run, report."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from typing import Any

from etl.job.name import job_name, run_token
from etl.job.state import Job
from etl.limits import require_descriptors
from etl.options import Options
from etl.output.notice import choose_mode, notice
from etl.pipeline.attempts import Undertaking, task_of
from etl.pipeline.execution import Run
from etl.pipeline.fields import explained
from etl.pipeline.outcome import Outcome
from etl.pipeline.preflight import Guard
from etl.pipeline.resolve import projection_of
from etl.pipeline.verb import Verb
from etl.plan import Plan, block_size
from etl.report import parse_budget
from etl.run.choose import make_tally
from etl.run.runners.processes import make_context
from etl.run.signals import StopSignals
from etl.run.sizing import UNKNOWN_SIZE, worth
from etl.sink.choose import opened_target, place_of
from etl.sink.control import Console
from etl.source.choose import choose_source
from etl.times import parse_duration


def carry_out(verb: Verb, sources: Sequence[Any], options: Options) -> Outcome:
    """Plan and run one verb; give its outcome. Raises EtlError where the run has not begun."""
    started_at = time.monotonic()
    with StopSignals() as signals:
        source = choose_source(sources, options)
        shape = verb.shape(source)
        encoders = verb.encoders(shape)
        templates = [*encoders.main.templates, *(encoders.before.templates if encoders.before else ())]
        projection = projection_of(options, templates, source)
        with opened_target(place_of(options)) as (target, name), contextlib.ExitStack() as held:
            workers = options.workers or worth(source)
            require_descriptors(workers)
            context = make_context(options.start_method) if workers > 1 else None
            # A server of our own that ends does not come back.
            retry_for_s = 0.0 if target.own else options.retry_for
            mode = choose_mode(options.progress)
            target = target.met("redis-etl", signals, retry_for_s, lambda text: notice(mode, text))
            console = held.enter_context(contextlib.closing(Console(target, signals)))
            may_vanish = getattr(options, "allow_eviction", False)
            keep_s = parse_duration(getattr(options, "keep_record", "30d"))
            job = Job(job_name(source, name, options), run_token(), console, may_vanish, keep_s)
            guard = Guard.ask(target, options, encoders.always(), source, signals, verb.commands(job, shape))
            task = task_of(source, shape, options)
            settled = verb.settle(shape, target, job.name, signals)
            encoders = verb.encoders(settled)
            guard.permit(encoders.always())
            with verb.claimed(job, task, shape, signals) as standing:
                tally = make_tally(context, workers)
                if standing.unchanged:
                    return Outcome(verb.name, job.name, name, tally, (), time.monotonic() - started_at, None)
                size = standing.block_bytes or block_size(
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
                    budget=parse_budget(options.max_rejects),
                    rejects=None,
                    block_bytes=size,
                )
                if plan.blocks is not None and source.nbytes is not None:
                    # What is in no block (a header) is done from the beginning.
                    outside = source.nbytes - sum(block.nbytes for block in plan.blocks)
                    tally.set(workers, "bytes_done", outside)
                undertaking = Undertaking(job, task, standing)
                run = Run(verb.planned(plan, settled), context, signals, tally, guard.loss)
                with guard.watching(tally, options.retry_for):
                    words, error = verb.run(run, undertaking, encoders.before)
                error = explained(error, templates, projection, source)
                seconds = time.monotonic() - started_at
                rejected = verb.rejected(job.name) if tally.total("records_rejected") else None
                return Outcome(
                    verb.name,
                    job.name,
                    name,
                    tally,
                    tuple(words),
                    seconds,
                    error,
                    undertaking.resumed_from,
                    rejected,
                )
