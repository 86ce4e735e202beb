"""Lengths and strings as the RDB format writes them."""

from __future__ import annotations

MAX_SHORT = {1: 63, 2: (1 << 14) - 1, 5: (1 << 32) - 1}
"""By the number of bytes that a length takes: the greatest that does."""


def rdb_length(length: int) -> bytes:
    """Return a length as RDB files have it: in one, two, five or nine bytes."""
    if length <= MAX_SHORT[1]:
        return bytes((length,))
    if length <= MAX_SHORT[2]:
        return bytes((0x40 | length >> 8, length & 255))
    if length <= MAX_SHORT[5]:
        return b"\x80" + length.to_bytes(4, "big")
    return b"\x81" + length.to_bytes(8, "big")


def rdb_string(text: bytes) -> bytes:
    """Return a string with its length in front."""
    return rdb_length(len(text)) + text
