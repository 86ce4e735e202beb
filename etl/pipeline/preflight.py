"""Third step: what the server says of itself, what of it refuses the run, and how the work is done there."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from etl.encode.examples import CommandArgs, examples, expires
from etl.encode.rdb.hashes import HashEncoding
from etl.encode.rdb.probe import objection, probe
from etl.encode.resp.slots import SLOTS, tag_of
from etl.errors import EtlError, HungUpError, TargetError
from etl.job.commands import commands_of, whole_commands
from etl.job.contract import JobState
from etl.job.name import job_name, run_token
from etl.job.nodes import JobNodes
from etl.job.parts import part_of
from etl.job.state import Job
from etl.options import LoadOptions
from etl.output.notice import log_notice
from etl.pipeline.clustered import about_connections, on_cluster, unfenced
from etl.pipeline.connect import Connected
from etl.pipeline.resolve import Resolved
from etl.pipeline.work import Work
from etl.plan import StopFlag, Target, node_key
from etl.plan.error_reply import ErrorReply
from etl.report import Counters
from etl.sink.control import ControlConnection, ask_through
from etl.sink.preflight.checks import require_commands, require_room, require_server
from etl.sink.preflight.evictions import EvictionWatch, eviction_watch
from etl.sink.preflight.facts import UNKNOWN, Findings, Info, read_info
from etl.sink.preflight.memory_watch import MemoryGuard, fullest
from etl.sink.preflight.migrations import migrations_running
from etl.sink.preflight.survey import read_server_facts
from etl.units import counted
from etl.worker.resend import REDIRECTED

_MAX_SLOTS_TRIED = 8


@dataclass(frozen=True, slots=True)
class Preflight:
    """A server, or a cluster, that can take the run, and the ``work`` as it is done there.

    ``servers`` are all that have a part of the keys, with what each says of itself. ``evictions`` watches
    them for keys that they evict (None: that is no error).
    """

    job: JobState
    target: Target
    work: Work
    servers: tuple[tuple[Target, Findings], ...]
    evictions: EvictionWatch | None
    stop: StopFlag

    @contextlib.contextmanager
    def memory_watch(self, counters: Counters, retry_for_s: float) -> Iterator[None]:
        """Have the workers pause, while entered, before a server with a limit is full."""
        limited = [server for server, facts in self.servers if facts.info.maxmemory]
        if not (self.work.writes and limited) or self.work.replaces_all:
            yield
            return
        with contextlib.ExitStack() as opened:
            controls = [
                opened.enter_context(contextlib.closing(ControlConnection(server, self.stop)))
                for server in limited
            ]

            def look() -> Info:
                if not self.target.clustered and controls[0].target is not self.job.target:
                    controls[0].set_target(self.job.target)  # the run has gone on at another server
                return fullest(map(_memory, controls))

            watch = MemoryGuard(counters, look, retry_for_s)
            watch.look(time.monotonic())
            watch.start()
            try:
                yield
            finally:
                watch.leave()

    def eviction_error(self) -> TargetError | None:
        """Return the error of a run that went well while a server evicted keys, else None."""
        return None if self.evictions is None else self.evictions.error(self.stop)


def preflight(resolved: Resolved, connected: Connected, options: LoadOptions, stop: StopFlag) -> Preflight:
    """Ask the server what it is and can do; return how the work is done there. Raises TargetError.

    Where other primaries have taken over in a cluster meanwhile, these are asked.
    """
    target = connected.target
    while True:
        try:
            return _preflight(resolved, replace(connected, target=target), options, stop)
        except TargetError:
            if not target.clustered:
                raise
            before, target = target, target.identify("redis-etl", stop)  # waits for who takes over
            if _names(target) == _names(before):
                raise


def _names(target: Target) -> set[str]:
    return {str(primary) for primary in target.primaries()}


def _preflight(resolved: Resolved, connected: Connected, options: LoadOptions, stop: StopFlag) -> Preflight:
    target, work = connected.target, resolved.work
    if target.clustered:
        target, work = on_cluster(target, work, options)
        if target.slot is not None:  # from here on another primary in its place is noticed
            target = target.identify("redis-etl", stop)
        log_notice(resolved.progress, about_connections(target, resolved.workers))
        if moving := migrations_running(target.primaries(), stop):
            where = f"slots of {counted(moving, 'node')} are being migrated"
            log_notice(resolved.progress, f"{where}: writes there may pause for some seconds")
    work = unfenced(work) if options.at_least_once else work
    job = job_of(resolved, connected, target, options, stop)
    more = _other_commands(work, job)
    commands = examples(work.encoders.always())
    servers = tuple(
        (server, read_server_facts(server, (*commands, *more), stop)) for server in target.primaries()
    )
    may_evict = not work.writes or options.allow_eviction
    nbytes = None if resolved.source.nbytes is None else resolved.source.nbytes // len(servers)
    for server, facts in servers:
        require_server(facts.info, server, writes=work.writes, takes=target.takes)
        if not may_evict:
            require_room(facts.info, server, nbytes=nbytes, expiring=any(map(expires, commands)))
    work = _negotiated(work, target, job, stop)
    # Only those that were asked about: what has come in place of others was tried.
    for server, facts in servers:
        require_commands(facts, (*examples(work.encoders.always()), *more), server)
    infos = [(server, facts.info) for server, facts in servers]
    evictions = None if may_evict else eviction_watch(target, infos, stop)
    return Preflight(job, target, work, servers, evictions, stop)


def job_of(
    resolved: Resolved, connected: Connected, target: Target, options: LoadOptions, stop: StopFlag
) -> Job:
    """Return the run's job; a shard's is a part of it, with a record of its own."""
    shard = None if resolved.planned is None or not resolved.work.writes else resolved.planned.shard
    job = Job(
        name=job_name(resolved.source, target.name, options),
        run=run_token(),
        control=connected.control,
        may_vanish=options.allow_eviction,
        keep_s=options.keep_record if shard is None else None,
        part="" if shard is None else part_of(shard.index),
        nodes=JobNodes(target, stop) if target.clustered else None,
        tag=None if target.slot is None else tag_of(target.slot),
    )
    job.set_target(target)
    return job


def _other_commands(work: Work, job: Job) -> tuple[CommandArgs, ...]:
    """Return examples of the commands that no encoder makes."""
    if not work.writes:
        return work.commands
    script = ((b"EVAL", b"return 1", b"1", job.key),) if work.may_be_fenced else ()
    whole = whole_commands(job) if job.part else ()
    return (*work.commands, *commands_of(job), *whole, *script)


def _negotiated(work: Work, target: Target, job: Job, stop: StopFlag) -> Work:
    """Return the work by RESTORE if every server takes it: tried with keys that are removed again.

    Raises TargetError where it must and cannot be.
    """
    objections = []
    for better in work.by_restore:
        encoding = better.mapping.restores
        assert encoding is not None
        why_not = next(
            filter(None, (_objection(keys, target, encoding, stop) for keys in _probes(target, job))), None
        )
        if why_not is None:
            return better
        objections.append(why_not)
    if work.must_restore:
        raise TargetError(f"{target} takes no RESTORE: {objections[0]}; give --wire hset")
    return replace(work, by_restore=())


def _probes(target: Target, job: Job) -> Sequence[Iterable[bytes]]:
    """Return for each server the keys to try a RESTORE with, one after the other while their slots move."""
    slots = [slot for slot in target.first_slots() if slot is not None]
    return [_keys_from(slot, job) for slot in slots] or [(job.key + b":probe",)]


def _keys_from(slot: int, job: Job) -> Iterator[bytes]:
    for near in range(slot, slot + _MAX_SLOTS_TRIED):
        yield b"%b:probe" % node_key(job.node_name, tag_of(near % SLOTS))


def _objection(keys: Iterable[bytes], target: Target, encoding: HashEncoding, stop: StopFlag) -> str | None:
    replies: Sequence[Any] = ()
    try:
        for key in keys:
            replies = ask_through(target.holding(key), probe(key, encoding), stop)
            if not any(
                isinstance(reply, ErrorReply) and reply.policy.cause in REDIRECTED for reply in replies
            ):
                break
        return objection(replies, encoding)
    except HungUpError as error:
        return str(error)


def _memory(control: ControlConnection) -> Info:
    try:
        (reply,) = control.execute((b"INFO", b"memory"))
    except EtlError:  # the workers find out for themselves
        return UNKNOWN
    return read_info(reply)
