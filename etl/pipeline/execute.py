"""The steps of a verb that runs a plan: resolve, prepare (connect, preflight, claim), plan, run.

Each returns a frozen noun, which the later ones are given; what differs between the verbs is in the ``Work``
of the first step, and in the verb's own ``run``.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from etl.errors import EtlError
from etl.options import LoadOptions
from etl.pipeline.claim import JobRun
from etl.pipeline.execution import Ended, Run
from etl.pipeline.outcome import Outcome
from etl.pipeline.plan import make_plan
from etl.pipeline.planned import Planned
from etl.pipeline.prepare import prepared
from etl.pipeline.resolve import resolve
from etl.pipeline.run import run_plan
from etl.pipeline.verb import Verb
from etl.run.choose import open_runner
from etl.run.signals import StopSignals


def carry_out(
    verb: Verb, sources: Sequence[Any], options: LoadOptions, planned: Planned | None = None
) -> Outcome:
    """Plan and run one verb; return its outcome. Raises EtlError where the run has not begun.

    ``planned`` is the plan, and its shard, where it was made earlier.
    """
    started_at = time.monotonic()
    with StopSignals() as signals:
        resolved = resolve(sources, options, verb.work, planned)
        runner = open_runner(options, resolved.workers)  # its processes start while the server is asked
        with prepared(resolved, options, signals) as ready:
            resolved, checked, job_run = ready.resolved, ready.checked, ready.job_run
            counters = runner.counters(resolved.workers)
            ended = Ended()
            if not job_run.resume_point.unchanged:
                plan = make_plan(resolved, checked, job_run.resume_point, options)
                prepass = checked.work.encoders.prepass
                settle = checked.work.settle
                run = Run(plan, runner, signals, counters, checked.eviction_error, prepass, settle)
                with checked.memory_watch(counters, options.retry_for):
                    ended = run_plan(verb, run, job_run, resolved)
            ended = _finished(ended, job_run, options)
            return Outcome(
                verb=verb.name,
                job=checked.job.name,
                target=ready.target,
                counters=counters,
                ended=ended,
                seconds=time.monotonic() - started_at,
                resumed_from=job_run.resumed_from,
            )


def _finished(ended: Ended, job_run: JobRun, options: LoadOptions) -> Ended:
    """Make the whole job complete, where the shard that has ended was the last one."""
    if job_run.group is None or ended.error is not None:
        return ended
    try:
        return replace(ended, error=job_run.group.finish(options.max_rejects))
    except EtlError as error:
        return replace(ended, error=error)
