"""What ``verify`` decides: how records are compared, in a second half for lists, and where differences go."""

from __future__ import annotations

import os
import secrets
import time
from dataclasses import dataclass, replace

from etl.encode.choose import checker, rdb_checker
from etl.encode.examples import EXAMPLE
from etl.encode.mapping import RecordMapping
from etl.encode.verify.checker import Checker
from etl.errors import EtlError, UsageError
from etl.options import VerifyOptions
from etl.output.differences import DifferenceFile
from etl.pipeline.claim import JobRun
from etl.pipeline.execution import Ended, Run
from etl.pipeline.lists import ListsRun
from etl.pipeline.mapping import mapping_of
from etl.pipeline.work import Encoders, Work
from etl.plan import Source
from etl.source.planned import PlannedSource
from etl.worker.messages import ShardResult


@dataclass(frozen=True, slots=True)
class Verify:
    """The Verb ``verify`` (``etl/pipeline/verb.py``)."""

    options: VerifyOptions

    name = "verify"

    def work(self, source: Source) -> Work:
        mapping = mapping_of(self.options, source)
        if self.options.is_rdb_file():
            return self._checked(mapping, rdb_checker(mapping, secrets.randbits(64)), source)
        return replace(
            self._work(mapping, source),
            on_cluster=lambda: self._work(replace(mapping, clustered=True), source),
        )

    def _work(self, mapping: RecordMapping, source: Source) -> Work:
        return self._checked(mapping, checker(mapping, secrets.randbits(64)), source)

    def _checked(self, mapping: RecordMapping, check: Checker, source: Source) -> Work:
        if check.of_lists and isinstance(source, PlannedSource) and source.shard.count > 1:
            raise UsageError("lists are compared as a whole: leave --shard out, and verify all of the plan")
        commands = ((b"LRANGE", EXAMPLE, b"0", b"0"),) if check.of_lists else ()
        return Work(mapping, Encoders(check, check), writes=False, commands=commands)

    def run(self, run: Run, job_run: JobRun) -> Ended:
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
        results: list[ShardResult] = []
        try:
            results = run.results()
            error = run.first_error(results)
            check = run.plan.encoder
            if error is None and isinstance(check, Checker) and check.of_lists:
                results = ListsRun(run, check, exact=self._replaces()).compare(results)
        except EtlError as failure:
            error = failure
        return Ended(tuple(results), error)

    def _replaces(self) -> bool:
        return not self.options.command and self.options.if_exists in (None, "replace")
