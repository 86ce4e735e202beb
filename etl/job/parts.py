"""The parts of a job that is loaded in shards: what their keys are called, and which of them are running."""

from __future__ import annotations

from dataclasses import replace

from etl.errors import LockedError, WrongTypeError
from etl.job.lock import Holder
from etl.job.state import Job
from etl.shards import MAX_SHARDS
from etl.units import counted


def part_of(shard: int) -> str:
    """Return what a shard's keys end with."""
    return f"shard:{shard}"


def locks_held(job: Job, shards: list[int]) -> list[int]:
    """Return those of a job's shards whose locks somebody holds."""
    if not shards:
        return []
    keys = [replace(job, part=part_of(shard)).key + b":lock" for shard in shards]
    holders = job.control.execute(*((b"GET", key) for key in keys))
    return [shard for shard, holder in zip(shards, holders, strict=True) if holder is not None]


def shards_loading(job: Job, shards: list[int]) -> list[int]:
    """Return those of a job's shards that somebody loads, and has not only taken the lock of.

    Who does has its token in its record: NOTE(joined) in ``etl/job/shards.py``. Shards that are started
    together hold their locks before one of them begins the job: they would wait for each other.
    """
    held = locks_held(job, shards)
    if not held:
        return []
    keys = [replace(job, part=part_of(shard)).key for shard in held]
    try:
        replies = job.control.execute(
            *(command for key in keys for command in ((b"GET", key + b":lock"), (b"HGET", key, b"run")))
        )
    except WrongTypeError:  # a damaged record: nobody knows
        return held
    pairs = zip(held, replies[::2], replies[1::2], strict=True)
    return [shard for shard, lock, run in pairs if lock is not None and Holder.of(lock).run.encode() == run]


def require_no_shards(job: Job) -> None:
    """Raise LockedError where shards of a job are running that is to be loaded as a whole."""
    try:
        (said,) = job.control.execute((b"HGET", job.key, b"shards"))
        count = min(int(said or 0), MAX_SHARDS)
    except (WrongTypeError, ValueError):  # damaged, and about to be replaced
        return
    running = locks_held(job, list(range(count)))
    if running:
        raise LockedError(
            f"{counted(len(running), 'shard')} of {job.title} are running (redis-etl status {job.name}): let"
            " them end first"
        )
