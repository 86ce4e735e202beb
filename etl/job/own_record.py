"""The record of a job as a key of the RDB file that it has built: as a server would hold it after a load."""

from __future__ import annotations

from collections.abc import Sequence

from etl.encode.rdb.entries import EXPIRES
from etl.encode.rdb.hashes import HASH
from etl.encode.rdb.length import rdb_length, rdb_string


def record_entry(job: str, words: Sequence[bytes], expires_ms: int) -> bytes:
    """Return the entry of a hash of names and values by turns, which expires at a time (ms since 1970)."""
    key = b"etl:{%b}" % job.encode("utf-8", "surrogateescape")
    expiry = EXPIRES + expires_ms.to_bytes(8, "little")
    return b"".join((expiry, HASH, rdb_string(key), rdb_length(len(words) // 2), *map(rdb_string, words)))
