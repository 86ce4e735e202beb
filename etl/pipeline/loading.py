"""What ``load`` decides: what becomes of records and how, and where its rejects go."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from functools import partial

from etl.encode.choose import rdb_encoder
from etl.encode.mapping import RecordMapping
from etl.encode.rdb.file import DEFAULT_VERSION
from etl.errors import EtlError, StoppedError, UsageError
from etl.job.contract import JobState
from etl.job.spec import ResumePoint
from etl.options import REPLICATION, LoadOptions
from etl.output.notice import choose_mode, log_notice
from etl.output.reject_file import RejectFile
from etl.pipeline.attempts import run_attempts
from etl.pipeline.claim import JobRun
from etl.pipeline.execution import Ended, Run
from etl.pipeline.mapping import mapping_of
from etl.pipeline.replaceable import refuse_options, require_one_value
from etl.pipeline.replacing import replace_data_set
from etl.pipeline.settle_keys import refuse_memory
from etl.pipeline.work import Encoders, Work
from etl.plan import Source
from etl.report import RejectLimit


@dataclass(frozen=True, slots=True)
class Load:
    """The Verb ``load`` (``etl/pipeline/verb.py``)."""

    options: LoadOptions

    name = "load"

    def work(self, source: Source) -> Work:
        refuse_options(self.options)
        refuse_memory(self.options)
        mapping = mapping_of(self.options, source)
        self._warn_of_the_past(mapping)
        as_entries = partial(rdb_encoder, mapping)
        replaces_all = self.options.wire == REPLICATION
        if replaces_all:
            require_one_value(mapping)
        if replaces_all or self.options.is_rdb_file():
            encoder = as_entries(version=DEFAULT_VERSION, base_ms=0)
            encoders = Encoders(encoder, encoder)
            return Work(mapping, encoders, writes=True, as_entries=as_entries, replaces_all=replaces_all)
        return replace(
            self._work(mapping),
            on_cluster=lambda: self._work(replace(mapping, clustered=True)),
            as_entries=as_entries,
        )

    def _work(self, mapping: RecordMapping) -> Work:
        wire = self.options.wire
        if wire == "restore" and not mapping.hash_encodings:
            raise UsageError(
                "--wire restore is for hashes (--as hash) that replace, skip or fail, and for packed strings"
                " (--pack) that replace"
            )
        encodings = () if wire == "hset" else mapping.hash_encodings
        restoring = tuple(_encoded(replace(mapping, restores=encoding)) for encoding in encodings)
        return replace(_encoded(mapping), by_restore=restoring, must_restore=wire == "restore")

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

    def run(self, run: Run, job_run: JobRun) -> Ended:
        rejects = RejectFile(_reject_path(self.options.rejects, job_run.job))
        aside = _reset_reject_file(rejects, run.plan.source, job_run.resume_point)
        if aside is not None:
            log_notice(run.plan.progress, f"{rejects.path} of an earlier run is kept as {aside}")
        run = replace(run, plan=replace(run.plan, rejects=rejects))
        if self.options.rejects is not None or run.plan.reject_limit != RejectLimit(count=0):
            rejects.require_writable()
        try:
            if self.options.wire == REPLICATION:
                ended = replace_data_set(run, job_run, self.options)
            else:
                ended = run_attempts(run, job_run)
        except StoppedError:
            ended = Ended(error=run.signals.error())
        except EtlError as error:
            ended = Ended(error=error)
        rejected = rejects.first() if run.counters.total("records_rejected") else None
        if job_run.group is not None and not os.path.exists(rejects.path):
            rejected = None  # they are where the pass over the keys was made
        return replace(ended, rejected=rejected, keys_once=run.supersedes)


def _reject_path(given: str | None, job: JobState) -> str:
    """Return where rejects go: of a shard to a file of its own, as several may write to one folder."""
    path = given or f"rejects-{job.name}.jsonl"
    if not job.part:
        return path
    stem, suffix = os.path.splitext(path)
    return f"{stem}-{job.part.replace(':', '-')}{suffix}"


def _encoded(mapping: RecordMapping) -> Work:
    encoders = Encoders(mapping.encoder(), mapping.single(), mapping.prepass())
    return Work(mapping, encoders, writes=True, fenced=not mapping.repeatable)


def _reset_reject_file(rejects: RejectFile, source: Source, resume_point: ResumePoint) -> str | None:
    """Move aside what an earlier run left, unless this one goes on. Raises UsageError, SourceError."""
    if os.path.realpath(rejects.path) in source.names:
        raise UsageError(f"--rejects {rejects.path} is one of the sources: give another file")
    return None if resume_point.resumes else rejects.set_aside()
