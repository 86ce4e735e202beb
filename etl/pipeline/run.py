"""Last step: the plan is run in the verb's way, and an error is explained as far as its fields can tell."""

from __future__ import annotations

from dataclasses import replace

from etl.pipeline.claim import JobRun
from etl.pipeline.execution import Ended, Run
from etl.pipeline.fields import explained
from etl.pipeline.resolve import Resolved
from etl.pipeline.verb import Verb


def run_plan(verb: Verb, run: Run, job_run: JobRun, resolved: Resolved) -> Ended:
    """Run the plan; return how it ended, also where an error has ended it."""
    source, blocks = run.plan.source, run.plan.blocks
    if blocks is not None and source.nbytes is not None:
        # What is in no block (a header) is done from the beginning.
        outside = source.nbytes - sum(block.nbytes for block in blocks)
        run.counters.set(run.plan.workers, "bytes_done", outside)
    ended = verb.run(run, job_run)
    return replace(
        ended, error=explained(ended.error, resolved.work.encoders.templates, run.plan.projection, source)
    )
