"""What stands under the name of an RDB file already: whether it is one, and where it comes from."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

from etl.encode.rdb.file import MAGIC

PROVENANCE = b"%redis-etl"
"""The AUX field that says which job has made a file, of what."""

_HEAD_BYTES = 4096
_AUX = 0xFA


def is_other_file(path: str) -> bool:
    """Return True if a file is there, not empty, that is no RDB file. Raises OSError."""
    head = _head(path)
    return bool(head) and not head.startswith(MAGIC)


def provenance(path: str) -> str:
    """Return what an RDB file says of where it comes from; empty where it says nothing. Raises OSError."""
    found = dict(_aux_fields(_head(path)))
    return found.get(PROVENANCE, b"").decode("utf-8", "replace")


def _head(path: str) -> bytes:
    """Return how a file begins, unpacked if it is compressed; empty where there is none."""
    try:
        with gzip.open(path) if path.endswith(".gz") else open(path, "rb") as file:
            return file.read(_HEAD_BYTES)
    except FileNotFoundError:
        return b""
    except (gzip.BadGzipFile, EOFError):
        return b"?"


def _aux_fields(head: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the AUX fields in front of an RDB file, up to the first that is none of ours."""
    at = len(MAGIC) + 4
    while at < len(head) and head[at] == _AUX:
        at += 1
        words = []
        for _ in range(2):
            word, at = _string(head, at)
            words.append(word)
        yield words[0], words[1]


def _string(head: bytes, at: int) -> tuple[bytes, int]:
    """Read a string; a number, as servers write some, is passed over."""
    first = head[at] if at < len(head) else 0
    if first >> 6 == 0:
        size, start = first, at + 1
    elif first >> 6 == 1:
        size, start = (first & 63) << 8 | int.from_bytes(head[at + 1 : at + 2], "big"), at + 2
    elif first == 0x80:
        size, start = int.from_bytes(head[at + 1 : at + 5], "big"), at + 5
    else:
        size, start = {0xC0: 1, 0xC1: 2, 0xC2: 4}.get(first, _HEAD_BYTES), at + 1
    return head[start : start + size], start + size
