"""What stands under the name of an RDB file already: whether it is one, and where it comes from."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from etl.encode.rdb.file import MAGIC
from etl.sink.rdb_file.upload import Upload

PROVENANCE = b"%redis-etl"
"""The AUX field that says which job has made a file, of what."""

HEAD_BYTES = 4096
_AUX = 0xFA


def is_other_file(head: bytes) -> bool:
    """Return True if a file that begins so has anything in it, and is no RDB file."""
    return bool(head) and not head.startswith(MAGIC)


def provenance(head: bytes) -> str:
    """Return what a file that begins so says of where it comes from; empty where it says nothing."""
    return dict(_aux_fields(head)).get(PROVENANCE, b"").decode("utf-8", "replace")


def head_of(path: str, upload: Upload | None = None) -> bytes:
    """Return how a file begins, here or where it is copied to, unpacked; empty where there is none.

    Raises OSError, TargetError.
    """
    if upload is not None:
        head = upload.head(HEAD_BYTES)
    else:
        try:
            with open(path, "rb") as file:
                head = file.read(HEAD_BYTES)
        except FileNotFoundError:
            return b""
    return _unpacked(head) if path.endswith(".gz") else head


def _unpacked(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(head)
    except zlib.error:
        return head


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
        size, start = {0xC0: 1, 0xC1: 2, 0xC2: 4}.get(first, HEAD_BYTES), at + 1
    return head[start : start + size], start + size
