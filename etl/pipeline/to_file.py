"""The steps before the plan where the target is a file: who has it, how it is made, how far it is."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import repeat

from etl.encode.rdb.encoder import RdbEncoder
from etl.errors import LockedError, UsageError
from etl.job.file import FileJob, digest
from etl.job.lock import ENDING_LOOK_S, ENDING_S
from etl.job.name import job_name, run_token
from etl.job.presence import Seen, look_for
from etl.job.spec import JobSpec, ResumePoint
from etl.options import LoadOptions, flag_of, given
from etl.output.notice import choose_mode, log_notice
from etl.pipeline.claim import JobRun, job_spec
from etl.pipeline.preflight import Preflight
from etl.pipeline.resolve import Resolved
from etl.pipeline.settle_keys import settling_of
from etl.pipeline.work import Encoders, Work
from etl.plan import StopFlag
from etl.run.signals import StopSignals
from etl.sink.rdb_file.existing import head_of, provenance
from etl.sink.rdb_file.held import held_alone
from etl.sink.rdb_file.target import RdbFileTarget

_OF_SERVERS = ("allow_eviction", "at_least_once", "keep_record", "retry_for", "wait_replicas", "wire")
_OF_SHARDS = ("plan", "shard", "runner")


@contextlib.contextmanager
def claimed_file(
    resolved: Resolved, target: RdbFileTarget, options: LoadOptions, signals: StopSignals
) -> Iterator[tuple[Preflight, JobRun]]:
    """Have a file to oneself while entered; what an earlier run has left of it is gone on with.

    Raises UsageError for what a file cannot hold, LockedError, SourceError where the earlier run was about
    something else, TargetError.
    """
    _refuse_options(target, options)
    if set(target.paths.files) & set(resolved.source.names):
        raise UsageError(f"--to {target} is one of the sources: name another file")
    target = replace(target, expire=_encoder(resolved.work, target, base_ms=0).expires)
    name = job_name(resolved.source, target.name, options)
    job = FileJob(name, run_token(), target, keep_s=options.keep_record)
    spec = _spec(resolved, target, options)
    if resolved.work.mapping.kind == "json":
        log_notice(
            resolved.progress, "an RDB file has no JSON without a module: it becomes strings of JSON text"
        )
    if target.notice:
        log_notice(resolved.progress, target.notice)
    with held_alone(target.paths, target.mode, options.wait_lock, signals):
        job.presence.enter()
        try:
            _wait_for_workers(job, signals)
            target.paths.remove_temporary()
            resume_point = job.resume_point(spec, restart=options.restart)
            if not resume_point.resumes and _is_unchanged(target, spec, options):
                resume_point = ResumePoint(unchanged=True)
            job.encoder = _encoder(resolved.work, target, job.base_ms)
            mapping, encoders = resolved.work.mapping, Encoders(job.encoder, job.encoder)
            settle = settling_of(mapping, target.paths.keys_folder, target.paths.spool, options.memory)
            work = Work(mapping, encoders, writes=True, settle=settle)
            checked = Preflight(job, target, work, servers=(), evictions=None, stop=signals)
            yield checked, JobRun(job, spec, resume_point)
        finally:
            job.forget_unresumable()
            job.presence.close()


def _encoder(work: Work, target: RdbFileTarget, base_ms: int) -> RdbEncoder:
    assert work.as_entries is not None
    return work.as_entries(version=target.version, base_ms=base_ms)


def _refuse_options(target: RdbFileTarget, options: LoadOptions) -> None:
    if target.keeps_record:  # what is for servers has its effect there, or none as it has with them
        return
    for name in _OF_SERVERS:
        if given(options, name):
            raise UsageError(f"{flag_of(name)} has no effect with an RDB file: it is for servers")
    for name in _OF_SHARDS:
        if given(options, name) and getattr(options, name) not in ("inline", "processes"):
            raise UsageError(f"{flag_of(name)} is for servers: an RDB file is built on one machine")


def _spec(resolved: Resolved, target: RdbFileTarget, options: LoadOptions) -> JobSpec:
    """Return what is built: also the version of the file tells a job from another."""
    spec = job_spec(resolved.source, resolved.work.mapping, options)
    if target.keeps_record:  # it is read by whoever loads into that server next
        return spec
    sharded = "" if target.shard_of is None else hashlib.sha256(target.shard_of.buffers()[1]).hexdigest()
    kind = "aof" if target.append_only else "rdb"
    return replace(spec, template=f"{spec.template} {kind} {target.version} {sharded}")


def _is_unchanged(target: RdbFileTarget, spec: JobSpec, options: LoadOptions) -> bool:
    """Return True, and say so, if ``--skip-unchanged`` finds the files made of the same."""
    if not options.skip_unchanged or options.restart or spec.source is None:
        return False
    heads = map(head_of, target.paths.files, target.uploads or repeat(None))
    try:
        same = all(provenance(head).endswith(f" source={digest(spec)}") for head in heads)
    except OSError as error:
        raise target.paths.failure(error) from None
    if same:
        text = f"{target} is complete and nothing has changed: nothing to do"
        log_notice(choose_mode(options.progress), text)
    return same


def _wait_for_workers(job: FileJob, stop: StopFlag) -> None:
    """Wait until workers whose run was killed are gone: they might still write. Raises LockedError."""
    token, place = job.left_by()
    deadline = time.monotonic() + ENDING_S
    while look_for(token, place) is Seen.ENDING:
        if time.monotonic() >= deadline or stop.wait(ENDING_LOOK_S):
            raise LockedError(
                f"rdb:{job.paths.files[0]}: workers of an earlier run are still there; try again"
            )
