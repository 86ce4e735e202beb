"""What a verb decides; the steps ask it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from etl.encode.examples import CommandArgs
from etl.encode.mapping import RecordMapping
from etl.errors import EtlError
from etl.job.state import Job, JobSpec, ResumePoint
from etl.pipeline.attempts import JobRun
from etl.pipeline.execution import Run
from etl.plan import Encoder, Plan, Source, StopFlag, Target
from etl.report import Rejected
from etl.run.signals import StopSignals
from etl.worker.messages import ShardResult


@dataclass(frozen=True, slots=True)
class Encoders:
    """What a verb does with records: ``before`` is a pass before it, ``single`` sends records one by one."""

    main: Encoder
    single: Encoder
    before: Encoder | None = None

    def always(self) -> tuple[Encoder, ...]:
        """Return those that every run uses: ``single`` has commands that hardly any run needs."""
        return (self.main, *((self.before,) if self.before else ()))


class Verb(Protocol):
    """What differs between the verbs."""

    @property
    def name(self) -> str: ...

    def mapping(self, source: Source) -> RecordMapping:
        """Say what records become. Raises UsageError, before anybody is connected to."""

    def encoders(self, mapping: RecordMapping) -> Encoders:
        """Make the encoders. Raises UsageError."""

    def commands(self, job: Job, mapping: RecordMapping) -> tuple[CommandArgs, ...]:
        """Return an example of each command that the verb needs beside those of its encoders."""

    def claimed(
        self, job: Job, task: JobSpec, mapping: RecordMapping, signals: StopSignals
    ) -> AbstractContextManager[ResumePoint]:
        """Have the job to oneself while entered; give where it stands. Raises EtlError."""

    def settle(self, mapping: RecordMapping, target: Target, job: str, stop: StopFlag) -> RecordMapping:
        """Settle what only the server can tell. Raises TargetError."""

    def planned(self, plan: Plan, mapping: RecordMapping) -> Plan:
        """Add to a plan what only this verb's options say."""

    def rejected(self, job: str) -> Rejected | None:
        """Say where the rejects of a run are, when there are any; None: they were written nowhere."""

    def run(
        self, run: Run, job_run: JobRun, before: Encoder | None
    ) -> tuple[list[ShardResult], EtlError | None]:
        """Run; give the workers' last words, and the error that ended the run."""
