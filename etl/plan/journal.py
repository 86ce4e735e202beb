"""A journal: what a run notes in a file, entry by entry, each whole or not there at all. Pure.

An entry is its length and its CRC-32, four bytes each, little endian, and then pairs of a name and a value,
each with its length in four bytes. Processes append an entry with one ``write``; whoever reads stops at the
first one that is cut off or damaged, as a process that was killed while it wrote, or a full disk, leaves it.
So whoever goes on cuts that off first (``journal_bytes``): what is appended after it would never be read.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence

JOURNAL = b"redis-etl journal 1\n"
"""How a journal begins."""

Pairs = Sequence[tuple[bytes, bytes]]

_HEAD = struct.Struct("<II")
_LENGTH = struct.Struct("<I")


def journal_entry(pairs: Pairs) -> bytes:
    """Return the bytes of one entry."""
    words = [word for pair in pairs for word in pair]
    content = b"".join(part for word in words for part in (_LENGTH.pack(len(word)), word))
    return _HEAD.pack(len(content), zlib.crc32(content)) + content


def journal_entries(data: bytes) -> Iterator[list[tuple[bytes, bytes]]]:
    """Yield the entries of a journal. Raises ValueError for a file that is none."""
    for content, _ in _whole(data):
        words = list(_words(content))
        yield list(zip(words[::2], words[1::2], strict=True))


def journal_bytes(data: bytes) -> int:
    """Return where the last whole entry ends: what is after it is never read, nor is what is added there.

    Raises ValueError for a file that is no journal.
    """
    return max((end for _, end in _whole(data)), default=len(JOURNAL))


def _whole(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield the contents of entries, and where each ends, up to the first that is not whole."""
    if not data.startswith(JOURNAL):
        raise ValueError("it does not begin as a journal does")
    at = len(JOURNAL)
    while at + _HEAD.size <= len(data):
        length, check = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        content = data[at : at + length]
        at += length
        if len(content) < length or zlib.crc32(content) != check:
            return
        yield content, at


def _words(content: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(content):
        (length,) = _LENGTH.unpack_from(content, at)
        at += _LENGTH.size
        yield content[at : at + length]
        at += length
