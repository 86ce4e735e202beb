"""What ``verify`` decides: it claims no job, writes no rejects, and reads lists in a second half."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from etl.encode.choose import checker
from etl.encode.examples import EXAMPLE, CommandArgs
from etl.encode.mapping import RecordMapping
from etl.encode.verify.checker import Checker
from etl.errors import EtlError, UsageError
from etl.job.state import Job, JobSpec, ResumePoint
from etl.options import VerifyOptions, parse_rate
from etl.output.differences import DifferenceFile
from etl.pipeline.attempts import JobRun
from etl.pipeline.execution import Run
from etl.pipeline.lists import ListsRun
from etl.pipeline.resolve import mapping_of
from etl.pipeline.verb import Encoders
from etl.plan import Encoder, Plan, Rate, Source, StopFlag, Target
from etl.run.signals import StopSignals
from etl.worker.messages import ShardResult


@dataclass(frozen=True, slots=True)
class Verify:
    """The Verb ``verify`` (``etl/pipeline/verb.py``)."""

    options: VerifyOptions

    name = "verify"

    def mapping(self, source: Source) -> RecordMapping:
        return mapping_of(self.options, source)

    def encoders(self, mapping: RecordMapping) -> Encoders:
        check = checker(mapping, secrets.randbits(64))
        return Encoders(check, check)

    def settle(self, mapping: RecordMapping, target: Target, job: str, stop: StopFlag) -> RecordMapping:
        """However records were written, they are read alike."""
        return mapping

    def commands(self, job: Job, mapping: RecordMapping) -> tuple[CommandArgs, ...]:
        return ((b"LRANGE", EXAMPLE, b"0", b"0"),) if checker(mapping).of_lists else ()

    def claimed(
        self, job: Job, task: JobSpec, mapping: RecordMapping, signals: StopSignals
    ) -> AbstractContextManager[ResumePoint]:
        """Whoever only reads needs nothing for himself."""
        return contextlib.nullcontext(ResumePoint())

    def planned(self, plan: Plan, mapping: RecordMapping) -> Plan:
        options = self.options
        rate = None if options.max_rate is None else Rate(*parse_rate(options.max_rate))
        return replace(plan, stall_s=options.stall or None, rate=rate)

    def rejected(self, job: str) -> None:
        """A verify writes no rejects."""

    def run(
        self, run: Run, job_run: JobRun, before: Encoder | None
    ) -> tuple[list[ShardResult], EtlError | None]:
        plan = run.plan
        if self.options.differences is not None:
            differences = DifferenceFile(self.options.differences)
            if os.path.realpath(differences.path) in plan.source.names:
                raise UsageError(f"--differences {differences.path} is one of the sources: give another file")
            differences.begin()
            plan = replace(plan, differences=differences)
        if plan.rate is not None:
            plan = replace(plan, rate=replace(plan.rate, since=time.monotonic()))
        run = replace(run, plan=plan)
        words: list[ShardResult] = []
        try:
            words = run.words()
            error = run.first_error(words)
            check = run.plan.encoder
            if error is None and isinstance(check, Checker) and check.of_lists:
                words = ListsRun(run, check, exact=self._replaces()).settle(words)
        except EtlError as failure:
            error = failure
        return words, error

    def _replaces(self) -> bool:
        return not self.options.command and self.options.if_exists in (None, "replace")
