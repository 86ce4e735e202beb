"""What a verb decides: at the first step what it does with records, and at the last how that is run."""

from __future__ import annotations

from typing import Protocol

from etl.pipeline.claim import JobRun
from etl.pipeline.execution import Ended, Run
from etl.pipeline.work import Work
from etl.plan import Source


class Verb(Protocol):
    """What differs between the verbs that run a plan."""

    @property
    def name(self) -> str: ...

    def work(self, source: Source) -> Work:
        """Return what is done with the records of a source. Raises UsageError; asks no server."""

    def run(self, run: Run, job_run: JobRun) -> Ended:
        """Run the plan; return how it ended, also where an error has ended it."""
