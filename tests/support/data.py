"""What a server holds of the data: without the records that jobs keep there (``etl:{JOB}``)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
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


_READ: Mapping[bytes, Callable[[Any, bytes], object]] = {
    b"string": lambda pipe, key: pipe.get(key),
    b"list": lambda pipe, key: pipe.lrange(key, 0, -1),
    b"set": lambda pipe, key: pipe.smembers(key),
    b"hash": lambda pipe, key: pipe.hgetall(key),
    b"zset": lambda pipe, key: pipe.zrange(key, 0, -1, withscores=True),
    b"stream": lambda pipe, key: pipe.xrange(key),
}


def values_of(client: Any, *, with_jobs: bool = False) -> dict[bytes, object]:
    """Return the keys of a node of a cluster with their values, without those of jobs unless asked for.

    Strings are bytes, lists are lists, sets sets, hashes dicts, sorted sets dicts of scores, streams lists of
    dicts. A node that a slot is being moved to tells of its keys after ASKING.
    """
    keys = [key for key in client.keys("*") if with_jobs or not is_of_a_job(key)]
    kinds = _asked(client, [(lambda pipe, key: pipe.type(key), key) for key in keys])
    values = _asked(client, [(_READ[kind], key) for key, kind in zip(keys, kinds, strict=True)])
    return {key: _plain(kind, value) for key, kind, value in zip(keys, kinds, values, strict=True)}


def _plain(kind: bytes, value: Any) -> object:
    if kind == b"zset":
        return dict(value)
    return [fields for _, fields in value] if kind == b"stream" else value


def _asked(client: Any, questions: Sequence[tuple[Callable[[Any, bytes], object], bytes]]) -> list[Any]:
    with contextlib.closing(client.pipeline(transaction=False)) as pipe:
        for question, key in questions:
            pipe.execute_command("ASKING")
            question(pipe, key)
        return list(pipe.execute()[1::2])
