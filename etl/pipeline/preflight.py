"""Third step: what the server says of itself, what of it refuses the run, and how the work is done there."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from etl.encode.examples import CommandArgs, examples, expires
from etl.encode.rdb.probe import objection, probe
from etl.errors import EtlError, HungUpError, TargetError
from etl.job.name import job_name, run_token
from etl.job.parts import part_of, whole_commands
from etl.job.state import Job
from etl.options import LoadOptions
from etl.pipeline.connect import Connected
from etl.pipeline.resolve import Resolved
from etl.pipeline.work import Work
from etl.plan import StopFlag, Target
from etl.report import Counters
from etl.sink.control import ControlConnection, ask_through
from etl.sink.preflight.checks import evicted, require_commands, require_room, require_server
from etl.sink.preflight.facts import UNKNOWN, Findings, Info, read_info
from etl.sink.preflight.memory_watch import MemoryGuard
from etl.sink.preflight.survey import info_now, read_server_facts


@dataclass(frozen=True, slots=True)
class Preflight:
    """A server that can take the run, and the ``work`` as it is done there.

    ``facts`` are what it says of itself. ``may_evict``: it is no error that it evicts keys meanwhile.
    """

    job: Job
    target: Target
    work: Work
    facts: Findings
    may_evict: bool
    stop: StopFlag

    @contextlib.contextmanager
    def memory_watch(self, counters: Counters, retry_for_s: float) -> Iterator[None]:
        """Have the workers pause, while entered, before a server with a limit is full."""
        if not (self.work.writes and self.facts.info.maxmemory):
            yield
            return
        with contextlib.closing(ControlConnection(self.target, self.stop)) as control:
            watch = MemoryGuard(counters, lambda: _memory(control, self.job), retry_for_s)
            watch.look(time.monotonic())
            watch.start()
            try:
                yield
            finally:
                watch.leave()

    def eviction_error(self) -> TargetError | None:
        """Return the error of a run that went well while the server evicted keys, else None."""
        if self.may_evict or self.facts.info.evicted_keys is None:
            return None
        return evicted(self.facts.info, info_now(self.target, self.stop), self.target)


def preflight(resolved: Resolved, connected: Connected, options: LoadOptions, stop: StopFlag) -> Preflight:
    """Ask the server what it is and can do; return how the work is done there. Raises TargetError."""
    target, work = connected.target, resolved.work
    job = _job(resolved, connected, options)
    more = _other_commands(work, job)
    commands = examples(work.encoders.always())
    facts = read_server_facts(target, (*commands, *more), stop)
    require_server(facts.info, target, writes=work.writes, takes=target.takes)
    may_evict = not work.writes or options.allow_eviction
    if not may_evict:
        expiring = any(map(expires, commands))
        require_room(facts.info, target, nbytes=resolved.source.nbytes, expiring=expiring)
    work = _negotiated(work, target, job.key + b":probe", stop)
    # Only those that were asked about: what has come in place of others was tried.
    require_commands(facts, (*examples(work.encoders.always()), *more), target)
    return Preflight(job, target, work, facts, may_evict, stop)


def _job(resolved: Resolved, connected: Connected, options: LoadOptions) -> Job:
    """Return the run's job; a shard's is a part of it, with a record of its own."""
    name = job_name(resolved.source, connected.target.name, options)
    job = Job(name, run_token(), connected.control, options.allow_eviction, options.keep_record)
    shard = None if resolved.planned is None else resolved.planned.shard
    return (
        job
        if shard is None or not resolved.work.writes
        else replace(job, part=part_of(shard.index), keep_s=None)
    )


def _other_commands(work: Work, job: Job) -> tuple[CommandArgs, ...]:
    """Return examples of the commands that no encoder makes."""
    if not work.writes:
        return work.commands
    script = ((b"EVAL", b"return 1", b"1", job.key),) if work.may_be_fenced else ()
    whole = whole_commands(job) if job.part else ()
    return (*work.commands, *job.commands, *whole, *script)


def _negotiated(work: Work, target: Target, key: bytes, stop: StopFlag) -> Work:
    """Return the work by RESTORE if the server takes it: tried with ``key``, which is removed again.

    Raises TargetError where it must and cannot be.
    """
    objections = []
    for better in work.by_restore:
        encoding = better.mapping.restores
        assert encoding is not None
        try:
            why_not = objection(ask_through(target, probe(key, encoding), stop), encoding)
        except HungUpError as error:
            why_not = str(error)
        if why_not is None:
            return better
        objections.append(why_not)
    if work.must_restore:
        raise TargetError(f"{target} takes no RESTORE: {objections[0]}; give --wire hset")
    return replace(work, by_restore=())


def _memory(control: ControlConnection, job: Job) -> Info:
    if control.target is not job.target:  # the run has gone on at another server
        control.set_target(job.target)
    try:
        (reply,) = control.execute((b"INFO", b"memory"))
    except EtlError:  # the workers find out for themselves
        return UNKNOWN
    return read_info(reply)
