"""Two values that differ, cut to what a person can look at."""

from __future__ import annotations

SHOWN = 200
"""Most bytes of a value that are shown."""

_BEFORE = 20


def excerpts(expected: bytes, found: bytes | None) -> tuple[bytes, bytes | None]:
    """Return two values, or of long ones the part where they begin to differ."""
    if found is None:
        return _cut(expected, 0), None
    if max(len(expected), len(found)) <= SHOWN:
        return expected, found
    start = max(0, _common_prefix(expected, found) - _BEFORE)
    return _cut(expected, start), _cut(found, start)


def _common_prefix(one: bytes, other: bytes) -> int:
    low, high = 0, min(len(one), len(other))
    while low < high:  # slices compare in C: a step over 500 MB takes no time
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _cut(value: bytes, start: int) -> bytes:
    before = b"..." if start else b""
    after = b"..." if len(value) > start + SHOWN else b""
    return before + value[start : start + SHOWN] + after
