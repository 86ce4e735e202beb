"""What a server holds of the data: without the records that jobs keep there (``etl:{JOB}``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from redis import Redis

JOB_PREFIX = b"etl:{"


def is_of_a_job(key: bytes) -> bool:
    """Say whether a key is a job's own: its record or its lock."""
    return key.startswith(JOB_PREFIX)


def data_keys(client: Redis, pattern: str = "*") -> list[bytes]:
    """Give the keys of the data."""
    keys: Any = client.keys(pattern)
    return [key for key in keys if not is_of_a_job(key)]


def data_size(client: Redis) -> int:
    """Give the number of keys of the data."""
    with client.pipeline(transaction=True) as both:  # a job's keys come and go
        both.dbsize()
        both.keys(JOB_PREFIX + b"*")
        size, jobs = both.execute()
    return int(size) - len(jobs)
