"""Lengths as the RDB format writes them."""

from __future__ import annotations


def rdb_length(length: int) -> bytes:
    """Return a length as RDB files have it: in one, two or five bytes."""
    if length < 64:
        return bytes((length,))
    if length < 1 << 14:
        return bytes((0x40 | length >> 8, length & 255))
    return b"\x80" + length.to_bytes(4, "big")
