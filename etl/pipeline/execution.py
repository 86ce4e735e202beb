"""A plan and what it takes to run it: also a first time over the keys only."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from etl.dedupe.masks import either
from etl.encode.strategies.prepass import ClearEncoder
from etl.errors import EtlError, InterruptedRunError, RejectedError, UsageError
from etl.job.state import PrepassResult
from etl.plan import Encoder, Plan, Wire
from etl.report import Counters, Rejected, RejectLimit
from etl.run.runner import Runner
from etl.run.signals import StopSignals
from etl.sink.control import ControlConnection
from etl.worker.messages import Failed, Finished, ShardResult


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended: its shards' results, its error, and where its rejects are (None: there are none).

    ``keys_once``: it writes each key once, so a record may be superseded by a later one.
    """

    results: tuple[ShardResult, ...] = ()
    error: EtlError | None = None
    rejected: Rejected | None = None
    keys_once: bool = False


class Settles(Protocol):
    """What decides before a run which records it passes over, so that each key is written once."""

    @property
    def keeps(self) -> str:
        """Which of the records with one key stays: ``last``, ``first``, or ``none``, as there may be one."""

    @property
    def spool(self) -> str:
        """The path where a stream is copied that it has to read before the run does."""

    def __call__(self, run: Run) -> PrepassResult: ...


@dataclass(frozen=True, slots=True)
class Run:
    """A plan and what it takes to run it.

    ``eviction_error`` returns the error of a run that went well while the server evicted keys. ``prepass``
    encodes a pass over the keys before the run (None: there is none); ``settle(run)`` decides before the run
    which records it passes over (None: it passes over none).
    """

    plan: Plan
    runner: Runner
    signals: StopSignals
    counters: Counters
    eviction_error: Callable[[], EtlError | None] = lambda: None
    prepass: Encoder | None = None
    settle: Settles | None = None

    @property
    def supersedes(self) -> bool:
        """Return True if a record may be superseded by a later one with its key."""
        return self.settle is not None and self.settle.keeps == "last"

    def results(self) -> list[ShardResult]:
        """Run the plan; return the results of its shards."""
        return self.runner.run(self.plan, self.counters, self.signals)

    def run_prepass(self, prepass: Encoder) -> PrepassResult:
        """Run a pass over the keys; return what it has decided. Raises EtlError when it fails."""
        if isinstance(prepass, ClearEncoder) and (wire := prepass.once()) is not None:
            self._send_once(wire)
            return PrepassResult()
        if self.plan.blocks is None:
            raise UsageError(
                "this --if-exists has to look at all keys before the first record is written, and a stream"
                " can be read only once: give a file, or --if-exists merge"
            )
        results, counters = self._preliminary(replace(self.plan, encoder=prepass, single=prepass))
        error = replace(self, counters=counters).first_error(results)
        if error is not None:
            for counter in ("records_skipped", "records_rejected"):  # the load itself has none yet
                self.counters.set(self.plan.workers, counter, counters.total(counter))
                self.counters.add(self.plan.workers, "records_read", counters.total(counter))
            raise error
        present: dict[int, bytes] = {}
        for result in results:
            if isinstance(result, Finished):
                for number, bits in result.present.items():
                    present[number] = either(present.get(number, b""), bits)
        return PrepassResult(counters.total("records_skipped"), counters.total("records_rejected"), present)

    def run_preliminary(self, plan: Plan) -> None:
        """Run a pass over the keys that counts nothing. Raises EtlError when it fails."""
        results, counters = self._preliminary(plan)
        error = replace(self, counters=counters).first_error(results)
        if error is not None:
            raise error

    def _preliminary(self, plan: Plan) -> tuple[list[ShardResult], Counters]:
        """Run a plan before the load; return what has become of it, with counters of its own."""
        counters = self.runner.counters(plan.workers)
        plan = replace(plan, progress="none", preliminary=True, fenced=False, replicas=0)
        return replace(self, plan=plan, counters=counters).results(), counters

    def first_error(self, results: Sequence[ShardResult]) -> EtlError | None:
        """Choose the error that tells why the run ended: a failure, or else the signal."""
        errors = [result.error for result in results if isinstance(result, Failed)]
        for error in errors:
            if not isinstance(error, InterruptedRunError):
                return error
        if errors:
            return errors[0]
        if self.signals.stopping and not self.counters.finished():
            return self.signals.error()
        try:
            self.plan.source.verify_unchanged()
        except EtlError as error:
            return error
        return _over_limit(self.plan.reject_limit, self.counters) or self.eviction_error()

    def _send_once(self, wire: Wire) -> None:
        with contextlib.closing(ControlConnection(self.plan.target, self.signals)) as control:
            control.send(wire)


def _over_limit(reject_limit: RejectLimit, counters: Counters) -> EtlError | None:
    rejected, read = counters.total("records_rejected"), counters.total("records_read")
    if not reject_limit.exceeded(rejected, read, ended=True):
        return None
    return RejectedError(
        f"{rejected:,} of {read:,} records were rejected; {reject_limit} are allowed (--max-rejects)"
    )
