"""The verb ``verify``: reads the sources again and compares with what Redis holds."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from etl.control import LastWord
from etl.encode.check import checker
from etl.encode.example import Words
from etl.encode.types import Shape
from etl.errors import EtlError
from etl.job.record import Job, Standing, Task
from etl.options import VerifyOptions, merged, shows_options
from etl.plan import Encoder, Plan, Source, Target
from etl.report import Report
from etl.run.signals import StopSignals
from etl.verbs.prepare import Encoders, carry_out
from etl.verbs.rounds import Undertaking
from etl.verbs.run import Run
from etl.verbs.shape import shape_of


@shows_options(VerifyOptions)
def verify(*sources: Any, options: VerifyOptions | None = None, **changes: Any) -> Report:
    """Compare what Redis holds with the sources, with the options that they were loaded with.

    Gives a Report with the counts ``equal``, ``missing`` and ``different`` and a few examples; its
    ``exit_code`` is 1 when any record is missing or different. Keys that no record has are not looked at,
    nor are expiries. Raises EtlError as ``load`` does.
    """
    chosen = merged(VerifyOptions, options, changes)
    return carry_out(Verify(chosen), sources, chosen).report_or_raise()


@dataclass(frozen=True, slots=True)
class Verify:
    """The Verb ``verify`` (``etl/verbs/prepare.py``)."""

    options: VerifyOptions

    name = "verify"

    def shape(self, source: Source) -> Shape:
        return shape_of(self.options, source)

    def encoders(self, shape: Shape) -> Encoders:
        check = checker(shape)
        return Encoders(check, check)

    def settle(self, shape: Shape, target: Target, job: str) -> Shape:
        """However records were written, they are read alike."""
        return shape

    def commands(self, job: Job, shape: Shape) -> tuple[Words, ...]:
        return ()

    def claimed(self, job: Job, task: Task, signals: StopSignals) -> AbstractContextManager[Standing]:
        """Whoever only reads needs nothing for himself."""
        return contextlib.nullcontext(Standing())

    def planned(self, plan: Plan, shape: Shape) -> Plan:
        return plan

    def run(
        self, run: Run, undertaking: Undertaking, before: Encoder | None
    ) -> tuple[list[LastWord], EtlError | None]:
        try:
            words = run.words()
        except EtlError as error:
            return [], error
        return words, run.first_error(words)
