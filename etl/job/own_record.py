"""The record of a job as a key of the RDB file that it has built: as a server would hold it after a load."""

from __future__ import annotations

import mmap
from collections.abc import Sequence

from etl.encode.rdb.entries import EXPIRES
from etl.encode.rdb.hashes import HASH
from etl.encode.rdb.length import rdb_length, rdb_string


def record_entry(job: str, words: Sequence[bytes], expires_ms: int) -> bytes:
    """Return the entry of a hash of names and values by turns, which expires at a time (ms since 1970)."""
    expiry = EXPIRES + expires_ms.to_bytes(8, "little")
    return b"".join((expiry, HASH, _key(job), rdb_length(len(words) // 2), *map(rdb_string, words)))


def may_have_record(path: str, job: str) -> bool:
    """Return True if a file may have the key of the job's record already: a server panics at the second one.

    Data may hold it, too, where they cannot be told from a key. Raises OSError.
    """
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return data.find(_key(job)) >= 0


def _key(job: str) -> bytes:
    return rdb_string(b"etl:{%b}" % job.encode("utf-8", "surrogateescape"))
