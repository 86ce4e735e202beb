"""What ``load`` decides: the lock, what an earlier run has done, the reject file, how hashes travel."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from etl.encode.examples import CommandArgs
from etl.encode.mapping import RecordMapping
from etl.encode.rdb.probe import objection, probe
from etl.errors import EtlError, HungUpError, StoppedError, TargetError, UsageError
from etl.job.lock import locked
from etl.job.state import Job, JobSpec, ResumePoint
from etl.options import LoadOptions, parse_rate
from etl.output.notice import choose_mode, log_notice
from etl.output.reject_file import RejectFile
from etl.pipeline.attempts import JobRun, run_attempts
from etl.pipeline.execution import Run
from etl.pipeline.resolve import mapping_of
from etl.pipeline.verb import Encoders
from etl.plan import Encoder, Plan, Rate, Source, StopFlag, Target
from etl.report import Budget, Rejected
from etl.run.signals import StopSignals
from etl.sink.control import ask_through
from etl.worker.messages import ShardResult


@dataclass(frozen=True, slots=True)
class Load:
    """The Verb ``load`` (``etl/pipeline/verb.py``)."""

    options: LoadOptions

    name = "load"

    def mapping(self, source: Source) -> RecordMapping:
        mapping = mapping_of(self.options, source)
        self._warn_of_the_past(mapping)
        if self.options.wire == "restore" and not mapping.hash_encodings:
            raise UsageError(
                "--wire restore is for hashes (--as hash) that replace, skip or fail, and for packed strings"
                " (--pack) that replace"
            )
        return mapping

    def _warn_of_the_past(self, mapping: RecordMapping) -> None:
        expiry = mapping.expiry
        if expiry is None or expiry.word != "PXAT" or not expiry.value.constant:
            return
        (milliseconds,) = expiry.value.parts
        assert isinstance(milliseconds, bytes)
        if int(milliseconds) < time.time() * 1000:
            mode = choose_mode(self.options.progress)
            log_notice(
                mode, f"--expire-at {self.options.expire_at} is in the past: the keys are gone at once"
            )

    def encoders(self, mapping: RecordMapping) -> Encoders:
        return Encoders(mapping.encoder(), mapping.single(), mapping.prepass())

    def commands(self, job: Job, mapping: RecordMapping) -> tuple[CommandArgs, ...]:
        fenced = not mapping.repeatable if self.options.wire == "hset" else mapping.may_be_fenced
        script = ((b"EVAL", b"return 1", b"1", job.key),) if fenced else ()
        return (*job.commands, *script)

    @contextlib.contextmanager
    def claimed(
        self, job: Job, task: JobSpec, mapping: RecordMapping, signals: StopSignals
    ) -> Iterator[ResumePoint]:
        options = self.options
        with contextlib.ExitStack() as held:
            if not job.target.own:
                held.enter_context(locked(job, options.wait_lock, signals, signals.stop_for))
            resume_point = job.resume_point(task, restart=options.restart)
            mode = choose_mode(options.progress)
            if resume_point.unchanged and options.skip_unchanged:
                log_notice(mode, f"job {job.name} is complete and nothing has changed: nothing to do")
                yield resume_point
            elif resume_point.unchanged and mapping.adds_up:
                # Else a run that is killed after its last word would be done once more by whoever repeats it.
                # Said in every mode: who expects a load must learn that there was none.
                log_notice(
                    "log" if mode == "none" else mode,
                    f"job {job.name} was completed at {resume_point.ended} with the same sources and options,"
                    " and its commands would add everything once more: nothing to do"
                    " (--restart loads it again)",
                )
                yield resume_point
            else:
                yield replace(resume_point, unchanged=False)

    def planned(self, plan: Plan, mapping: RecordMapping) -> Plan:
        options = self.options
        rate = None if options.max_rate is None else Rate(*parse_rate(options.max_rate))
        target = plan.target
        if rate is not None:
            target = target.bounded(*rate.in_flight(plan.workers))
        return replace(
            plan,
            target=target,
            fenced=not mapping.repeatable,
            skips=mapping.if_exists == "skip",
            replicas=options.wait_replicas,
            rate=rate,
            stall_s=options.stall or None,
        )

    def run(
        self, run: Run, job_run: JobRun, before: Encoder | None
    ) -> tuple[list[ShardResult], EtlError | None]:
        rejects = self._rejects(job_run.job.name)
        aside = _reset_reject_file(rejects, run.plan.source, job_run.resume_point)
        if aside is not None:
            log_notice(run.plan.progress, f"{rejects.path} of an earlier run is kept as {aside}")
        run = replace(run, plan=replace(run.plan, rejects=rejects, presence=job_run.job.presence))
        if self.options.rejects is not None or run.plan.budget != Budget(count=0):
            rejects.require_writable()
        try:
            return run_attempts(run, job_run, before)
        except StoppedError:
            return [], run.signals.error()
        except EtlError as error:
            return [], error

    def rejected(self, job: str) -> Rejected:
        return self._rejects(job).first()

    def _rejects(self, job: str) -> RejectFile:
        return RejectFile(self.options.rejects or f"rejects-{job}.jsonl")

    def settle(self, mapping: RecordMapping, target: Target, job: str, stop: StopFlag) -> RecordMapping:
        """Ask the server whether hashes can go by RESTORE. Raises TargetError where they must and cannot."""
        forms = () if self.options.wire == "hset" else mapping.hash_encodings
        objections = []
        key = f"etl:{{{job}}}:probe".encode()
        for form in forms:
            try:
                why_not = objection(ask_through(target, probe(key, form), stop), form)
            except HungUpError as error:
                why_not = str(error)
            if why_not is None:
                return replace(mapping, restores=form)
            objections.append(why_not)
        if self.options.wire == "restore":
            raise TargetError(f"{target} takes no RESTORE: {objections[0]}; give --wire hset")
        return mapping


def _reset_reject_file(rejects: RejectFile, source: Source, resume_point: ResumePoint) -> str | None:
    """Move aside what an earlier run left, unless this one goes on. Raises UsageError, SourceError."""
    if os.path.realpath(rejects.path) in source.names:
        raise UsageError(f"--rejects {rejects.path} is one of the sources: give another file")
    return None if resume_point.resumes else rejects.set_aside()
