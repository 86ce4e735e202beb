"""The verb ``verify``: reads the sources again and compares with what Redis holds."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from etl.encode.choose import checker
from etl.encode.examples import EXAMPLE, Words
from etl.encode.mapping import Shape
from etl.encode.verify.checker import Checker
from etl.errors import EtlError, UsageError
from etl.job.state import Job, Standing, Task
from etl.options import VerifyOptions, merged, parse_rate, shows_options
from etl.output.differences import DifferenceFile
from etl.pipeline.attempts import Undertaking
from etl.pipeline.execute import carry_out
from etl.pipeline.execution import Run
from etl.pipeline.lists import ListsRun
from etl.pipeline.resolve import shape_of
from etl.pipeline.verb import Encoders
from etl.plan import Encoder, Plan, Rate, Source, StopFlag, Target
from etl.report import Report
from etl.run.signals import StopSignals
from etl.worker.messages import LastWord


@shows_options(VerifyOptions)
def verify(*sources: Any, options: VerifyOptions | None = None, **changes: Any) -> Report:
    """Compare what Redis holds with the sources, with the options that they were loaded with.

    Gives a Report with the counts ``equal``, ``missing`` and ``different`` and a few examples; its
    ``exit_code`` is 1 when any record is missing or different. Keys that no record has are not looked at,
    nor are expiries. Raises EtlError as ``load`` does.
    """
    chosen = merged(VerifyOptions, options, changes)
    return replace(
        carry_out(Verify(chosen), sources, chosen).report_or_raise(), differences=chosen.differences
    )


@dataclass(frozen=True, slots=True)
class Verify:
    """The Verb ``verify`` (``etl/pipeline/verb.py``)."""

    options: VerifyOptions

    name = "verify"

    def shape(self, source: Source) -> Shape:
        return shape_of(self.options, source)

    def encoders(self, shape: Shape) -> Encoders:
        check = checker(shape, secrets.randbits(64))
        return Encoders(check, check)

    def settle(self, shape: Shape, target: Target, job: str, stop: StopFlag) -> Shape:
        """However records were written, they are read alike."""
        return shape

    def commands(self, job: Job, shape: Shape) -> tuple[Words, ...]:
        return ((b"LRANGE", EXAMPLE, b"0", b"0"),) if checker(shape).of_lists else ()

    def claimed(
        self, job: Job, task: Task, shape: Shape, signals: StopSignals
    ) -> AbstractContextManager[Standing]:
        """Whoever only reads needs nothing for himself."""
        return contextlib.nullcontext(Standing())

    def planned(self, plan: Plan, shape: Shape) -> Plan:
        options = self.options
        rate = None if options.max_rate is None else Rate(*parse_rate(options.max_rate))
        return replace(plan, stall_s=options.stall or None, rate=rate)

    def rejected(self, job: str) -> None:
        """A verify writes no rejects."""

    def run(
        self, run: Run, undertaking: Undertaking, before: Encoder | None
    ) -> tuple[list[LastWord], EtlError | None]:
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
        words: list[LastWord] = []
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
