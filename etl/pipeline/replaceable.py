"""The steps before a load that replaces everything that a server has, and what refuses it."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import replace

from etl.encode.examples import CommandArgs
from etl.encode.mapping import RecordMapping
from etl.encode.resp.protocol import plain
from etl.errors import TargetError, UsageError
from etl.job.commands import commands_of
from etl.job.lock import Holder, lock_key
from etl.job.presence import Seen
from etl.job.state import Job
from etl.options import REPLICATION, LoadOptions, flag_of, given
from etl.output.notice import log_notice
from etl.pipeline.connect import Connected
from etl.pipeline.preflight import Preflight, job_of
from etl.pipeline.resolve import Resolved
from etl.pipeline.settle_keys import settling_of
from etl.pipeline.work import Encoders
from etl.plan import StopFlag, Target
from etl.sink.control import ask_through
from etl.sink.deployments.standalone import StandaloneTarget
from etl.sink.preflight.checks import require_commands, require_server
from etl.sink.preflight.survey import read_server_facts
from etl.sink.replication.checks import notices, require_memory, require_replaceable
from etl.sink.replication.facts import ServerState
from etl.sink.replication.handshake import COME_WITHIN_S
from etl.sink.replication.put_back import Before, put_back
from etl.sink.replication.replacement import ask_state

_ONLY_WITH = ("replace_all", "listen")
_NEVER_WITH = ("plan", "shard", "wait_replicas", "allow_eviction", "at_least_once")
_LOOK_S = 0.2
_SCANNED = b"1000"

_NEEDED: tuple[CommandArgs, ...] = ((b"REPLICAOF", b"NO", b"ONE"), (b"INFO",), (b"DBSIZE",))


def refuse_options(options: LoadOptions) -> None:
    """Refuse options that have no effect with this ``--wire``. Raises UsageError."""
    if options.wire != REPLICATION:
        for name in _ONLY_WITH:
            if given(options, name):
                raise UsageError(f"{flag_of(name)} has no effect without --wire replication")
        return
    for name in _NEVER_WITH:
        if given(options, name):
            raise UsageError(f"{flag_of(name)} cannot be with --wire replication, which is all or nothing")
    if options.runner not in (None, "inline", "processes"):
        raise UsageError(f"--runner {options.runner} cannot be with --wire replication: one machine feeds it")


def require_one_value(mapping: RecordMapping) -> None:
    """Refuse what needs the keys that a server has. Raises UsageError."""
    if mapping.commands:
        raise UsageError(
            "--command cannot be with --wire replication, which sends keys and their values, not commands:"
            " say with --as, --key and --value what a record becomes"
        )
    if mapping.if_exists in ("merge", "skip"):
        raise UsageError(
            f"--if-exists {mapping.if_exists} cannot be with --wire replication: no key that the server has"
            " is there when it ends"
        )


def preflight_replication(
    resolved: Resolved, connected: Connected, options: LoadOptions, stop: StopFlag
) -> Preflight:
    """Ask the server whether its data set can, and may, be replaced. Raises TargetError, StoppedError."""
    target = single_server(connected.target)
    job = job_of(resolved, connected, target, options, stop)
    if recover(target, job, stop):
        log_notice(
            resolved.progress, f"{target} was left a replica by a run that has died: it is a primary again"
        )
    more = (*commands_of(job), *_NEEDED)
    facts = read_server_facts(target, more, stop)
    require_commands(facts, more, target)
    state = replaceable_state(target, options, stop)
    require_server(facts.info, target, writes=True)
    require_memory(state, target, nbytes=resolved.source.nbytes)
    for text in notices(state):
        log_notice(resolved.progress, text)
    assert resolved.work.as_entries is not None
    encoder = resolved.work.as_entries(version=state.rdb_version, base_ms=int(time.time() * 1000))
    folder = os.path.join(tempfile.gettempdir(), f"redis-etl-keys-{job.token}")
    settle = settling_of(resolved.work.mapping, folder, f"{folder}.spool", options.memory)
    work = replace(resolved.work, encoders=Encoders(encoder, encoder), settle=settle)
    return Preflight(job, target, work, ((target, facts),), evictions=None, stop=stop)


def single_server(target: Target) -> StandaloneTarget:
    """Return the server that a target is. Raises TargetError where it is not one alone."""
    if target.clustered:
        raise TargetError(
            f"{target} is a Redis Cluster: --wire replication is for a single server; load without it"
        )
    if type(target) is not StandaloneTarget:
        raise TargetError(
            f"{target}: Sentinels watch this server, and would fail over while its data are replaced: load"
            " without --wire replication"
        )
    return target


def replaceable_state(target: StandaloneTarget, options: LoadOptions, stop: StopFlag) -> ServerState:
    """Return what the server says of itself. Raises TargetError where its data set is not to be replaced."""
    state = ask_state(target, stop)
    if state is None:
        raise TargetError(
            f"{target} does not tell what it is and has (INFO): load without --wire replication, or give the"
            " user the permission (ACL SETUSER ... +info)"
        )
    empty = _is_empty(target, state, stop) if not options.replace_all else True
    require_replaceable(state, target, replace_all=options.replace_all, empty=empty)
    return state


def _is_empty(target: StandaloneTarget, state: ServerState, stop: StopFlag) -> bool:
    """Return True if the server has no keys but those of jobs, which lie in the database of the target."""
    if not state.all_keys:
        return True
    if len(state.keys) > 1:
        return False
    size, cursor = 0, b"0"
    while True:
        asked = plain((b"SCAN", cursor, b"COUNT", _SCANNED), (b"DBSIZE",))
        found, dbsize = ask_through(target, asked, stop)
        if not isinstance(found, list) or dbsize != state.all_keys:
            return False
        cursor, keys = found
        size += len(keys)
        if not all(key.startswith(b"etl:{") for key in keys):
            return False
        if cursor == b"0":
            return True


def recover(target: StandaloneTarget, job: Job, stop: StopFlag) -> bool:
    """Make a server a primary again that a run of the job, by now dead, has left a replica of itself.

    Returns whether it was one. Raises TargetError, StoppedError.
    """
    noted_at = note_key(job)
    note, held = ask_through(target, plain((b"GET", noted_at), (b"GET", lock_key(job))), stop)
    try:
        before = Before.load(note) if isinstance(note, bytes) else None
    except ValueError:
        before = None
    if before is None or not _follows(target, before, stop):
        return False
    gone = isinstance(held, bytes) and Holder.of(held).seen() is not Seen.LIVING
    deadline = time.monotonic() + (0 if gone else COME_WITHIN_S + 1)
    while time.monotonic() < deadline:  # a run that lives is connected by then
        if stop.wait(_LOOK_S) or not _follows(target, before, stop):
            return False
    put_back(target, before, stop)
    return True


def _follows(target: StandaloneTarget, before: Before, stop: StopFlag) -> bool:
    """Return True if the server is told to replicate from where a run was, and nobody is there."""
    state = ask_state(target, stop)
    return state is not None and state.primary == (before.host, before.port) and not state.syncs


def note_key(job: Job) -> bytes:
    """Return the key under which a job notes what is to be put back."""
    return job.key + b":replication"
