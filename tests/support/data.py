"""What a server holds of the data: without the records that jobs keep there (``etl:{JOB}``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from redis import Redis

JOB_PREFIX = b"etl:{"


def is_of_a_job(key: bytes) -> bool:
    """Return True if a key is a job's own: its record or its lock."""
    return key.startswith(JOB_PREFIX)


def data_keys(client: Redis, pattern: str = "*") -> list[bytes]:
    """Return the keys of the data."""
    keys: Any = client.keys(pattern)
    return [key for key in keys if not is_of_a_job(key)]


def data_size(client: Redis) -> int:
    """Return the number of keys of the data."""
    return len(data_keys(client))  # one command, as a job's keys come and go, and a full server takes it
