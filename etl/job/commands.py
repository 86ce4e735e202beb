"""The commands that a job sends for itself, by which the rights of a user are asked about."""

from __future__ import annotations

from dataclasses import replace

from etl.job.state import Job


def commands_of(job: Job) -> tuple[tuple[bytes, ...], ...]:
    """Return an example of each command that a job needs, also for its lock and behind the fence."""
    lock = job.key + b":lock"
    return (
        *_of_state(job.key),
        (b"DEL", lock),
        (b"SET", lock, b"v", b"NX", b"PX", b"1"),
        (b"GET", lock),
        (b"PTTL", lock),
        (b"PEXPIRE", lock, b"1"),
        (b"WATCH", lock),
        (b"UNWATCH",),
        (b"MULTI",),
        (b"EXEC",),
    )


def whole_commands(part: Job) -> tuple[tuple[bytes, ...], ...]:
    """Return an example of each command that a shard needs for the record of the whole job."""
    key = replace(part, part="").key
    return (*_of_state(key), (b"WATCH", key), (b"GET", key + b":lock"))


def _of_state(key: bytes) -> tuple[tuple[bytes, ...], ...]:
    return (
        (b"HGETALL", key),
        (b"HSET", key, b"f", b"v"),
        (b"HGET", key, b"f"),
        (b"DEL", key),
        (b"PEXPIRE", key, b"1"),
    )
