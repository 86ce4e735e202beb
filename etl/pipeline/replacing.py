"""A load that replaces everything that a server has, in one step at its end (``etl/sink/replication/``).

It is all or nothing: nothing of it is resumed, and whatever fails before that step, the server is what it
was.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

from etl.encode.rdb.encoder import RdbEncoder
from etl.encode.rdb.parts import read_part
from etl.encode.resp.protocol import plain
from etl.errors import EtlError, StoppedError, TargetError
from etl.job.fields import PrepassResult
from etl.job.lock import lock_command
from etl.job.state import Job
from etl.options import LoadOptions
from etl.output.notice import log_notice
from etl.pipeline.claim import JobRun
from etl.pipeline.execution import Ended, Run
from etl.pipeline.replaceable import note_key, replaceable_state, single_server
from etl.plan import COUNTS
from etl.plan.error_reply import ErrorReply
from etl.run.signals import StopSignals
from etl.sink.control import ask_through
from etl.sink.deployments.standalone import StandaloneTarget
from etl.sink.error_replies import explain
from etl.sink.replication.facts import SAVE, ServerState
from etl.sink.replication.memory import MemoryWatch, memory_error_now
from etl.sink.replication.replacement import Asked, Replacement
from etl.sink.replication.target import ReplicationTarget
from etl.sink.replication.turns import StreamEndedError
from etl.worker.messages import Failed, ShardResult

_LOOK_S = 0.2


def replace_data_set(run: Run, job_run: JobRun, options: LoadOptions) -> Ended:
    """Run a load whose data set takes the place of the server's; return how it ended. Raises EtlError."""
    target = single_server(run.plan.target)
    state = replaceable_state(target, options, run.signals)
    run = _without(run, PrepassResult() if run.settle is None else run.settle(run))
    host, port = options.listen or (None, 0)
    job = job_run.job
    assert isinstance(job, Job)
    asked = Asked(target.database, note_key(job), host, port, run.plan.records() or 0)
    replacing = _Replacing(
        run, job_run, target, state, Replacement(target, state, asked, run.signals.stop_for)
    )
    ended = replacing.ended()
    if ended.error is None:
        job_run.job.begin(job_run.spec, run.plan.block_bytes, afresh=True)
        job_run.job.complete({name: run.counters.total(name) for name in COUNTS})
        replacing.save()
    return ended


@dataclass(frozen=True, slots=True)
class _Replacing:
    """One replacement, from the moment at which the server is told to come."""

    run: Run
    job_run: JobRun
    target: StandaloneTarget
    state: ServerState
    replacement: Replacement

    def ended(self) -> Ended:
        """Have the server come, send it all, and let it go; return how that ended. Raises TargetError.

        From the beginning to the end no signal raises: the server is to be let go, whatever comes.
        """
        signals = self.run.signals
        signals.raise_on_signal = signals.second_raises = False
        try:
            results, error = self._sent()
            if error is None:
                self._keep()
            else:
                self._abandon()
            return Ended(tuple(results), error)
        finally:
            signals.second_raises = True

    def _sent(self) -> tuple[Sequence[ShardResult], EtlError | None]:
        """Send the data set; return the shards' results and the error, where the server does not have it."""
        results: Sequence[ShardResult] = ()
        try:
            results = self._results()
            error = self._error(results)
            if error is None:
                self._finish()
            return results, error
        except StoppedError:
            return results, self.run.signals.error()
        except EtlError as error:
            return results, self._cause(error)
        except BaseException:
            self._abandon()
            raise

    def _results(self) -> Sequence[ShardResult]:
        path = self.replacement.begin(self.run.signals)
        encoder = self._encoder
        plan = replace(self.run.plan, target=ReplicationTarget(self.target, path, encoder))
        watch = MemoryWatch(self.target, self.state, self.run.signals.stop_for)
        watch.start()
        self.run.signals.second_raises = True
        try:
            return replace(self.run, plan=plan).results()
        finally:
            self.run.signals.second_raises = False
            watch.leave()

    @property
    def _encoder(self) -> RdbEncoder:
        return cast(RdbEncoder, self.run.plan.encoder)

    def _error(self, results: Sequence[ShardResult]) -> EtlError | None:
        """Return why the data set is not to be taken; None: it is whole."""
        failed = [one.error for one in results if isinstance(one, Failed)]
        causes = [error for error in failed if not isinstance(error, StreamEndedError)]
        error = causes[0] if causes else self.run.first_error(results)
        if error is not None:
            return self._cause(error)
        planned, read = self.run.plan.records(), self.run.counters.total("records_read")
        if planned is not None and planned != read:
            return TargetError(f"{self.target}: the sources have {planned:,} records, and {read:,} were read")
        return memory_error_now(self.target, self.state, self.run.signals, whole=True)

    def _cause(self, error: EtlError) -> EtlError:
        """Return the error that says why the stream has ended, where ``error`` says only that it has."""
        turns = self.replacement.turns
        if isinstance(error, StreamEndedError) and turns is not None and turns.error is not None:
            return turns.error
        return error

    def _finish(self) -> None:
        """End the stream, and compare the number of keys with what was sent. Raises TargetError."""
        encoder = self._encoder
        turns = self.replacement.ended_turns()
        parts = [part for part in map(read_part, turns.parts) if part is not None]
        last = encoder.complete(parts)
        self.replacement.finish(last)
        keys = turns.keys + encoder.entries_in(last)
        looked = plain((b"DBSIZE",), (b"EXISTS", *turns.samples)) if turns.samples else plain((b"DBSIZE",))
        found, *there = ask_through(self.target, looked, _Never())
        if isinstance(found, int) and (found > keys or (found < keys and not encoder.expires)):
            raise TargetError(
                f"{self.target} has {found:,} keys, and was sent {keys:,}: look at it before use"
            )
        if there not in ([], [len(turns.samples)]) and not encoder.expires and isinstance(there[0], int):
            raise TargetError(
                f"{self.target} misses {len(turns.samples) - there[0]:,} of {len(turns.samples):,} keys that"
                " were looked for: look at it before use"
            )

    def _keep(self) -> None:
        job = self.job_run.job
        assert isinstance(job, Job)
        then = [] if self.target.embedded else [lock_command(job)]
        self.replacement.keep(then, _SecondSignal(self.run.signals))

    def _abandon(self) -> None:
        self.replacement.abandon(_SecondSignal(self.run.signals))
        if self.replacement.begun:
            what = "keeps its old data set"
            if self.replacement.ending:  # what it has not acknowledged, it may have all the same
                loaded = self.replacement.loaded
                what = (
                    "has the new data set" if loaded else "has its old data set, or the new one, as a whole"
                )
            log_notice(self.run.plan.progress, f"{self.target} {what}, and is a primary as before")

    def save(self) -> None:
        """Have a server that saves its data do so: what came by replication does not count as a change."""
        if not (self.state.settings or {}).get(SAVE):
            return
        (reply,) = ask_through(self.target, plain((b"BGSAVE", b"SCHEDULE")), self.run.signals)
        if isinstance(reply, ErrorReply):
            why = explain(reply)
            log_notice(self.run.plan.progress, f"{self.target} was not told to save its new data set: {why}")


def _without(run: Run, passed: PrepassResult) -> Run:
    """Return the run without the records that are passed over, which count as what they are."""
    plan = run.plan
    blocks = plan.blocks
    if blocks is not None:
        blocks = tuple(replace(block, skip_mask=passed.present.get(block.number)) for block in blocks)
    counters = run.counters
    counters.set(plan.workers, "records_skipped", passed.skipped)
    counters.set(plan.workers, "records_superseded", passed.superseded)
    counters.set(plan.workers, "records_read", passed.skipped + passed.superseded)
    rejects = None if plan.rejects is None else plan.rejects.for_attempt(0)
    rate = None if plan.rate is None else replace(plan.rate, since=time.monotonic())
    return replace(run, plan=replace(plan, blocks=blocks, rejects=rejects, rate=rate, marks=None))


class _Never:
    """A StopFlag that is never set: what has to be done is done."""

    def is_set(self) -> bool:
        return False

    def wait(self, timeout: float | None = None) -> bool:
        time.sleep(timeout or 0.0)
        return False


@dataclass(frozen=True, slots=True)
class _SecondSignal:
    """A StopFlag for what is put back after a first signal: only a second one ends it."""

    signals: StopSignals

    def is_set(self) -> bool:
        return self.signals.now

    def wait(self, timeout: float | None = None) -> bool:
        deadline = time.monotonic() + (timeout or 0.0)
        while not self.is_set() and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, _LOOK_S))
        return self.is_set()
