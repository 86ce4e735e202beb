"""Sizes, and the one way in which they, and lists of names, are written for people."""

from __future__ import annotations

from collections.abc import Collection

KIB = 1 << 10
MIB = 1 << 20

MAX_RECORD_BYTES = 512 * MIB
"""Longest string a Redis server takes (``proto-max-bulk-len``, its default)."""

DEFAULT_RECORD_BYTES = 64_000_000
"""Longest record that is held in memory where ``--max-record`` does not say otherwise."""


def format_count(count: int) -> str:
    """Write a count with thousands separators: ``1,234,567``."""
    return f"{count:,}"


def format_bytes(nbytes: float) -> str:
    """Write a size in decimal units, as disks and networks are sold: ``405.0 MB``."""
    if nbytes < 999.5:
        return f"{nbytes:.0f} B"
    for unit in ("kB", "MB", "GB"):
        nbytes /= 1000
        if nbytes < 999.95:  # what rounds up to 1000.0 is 1.0 of the next unit
            return f"{nbytes:.1f} {unit}"
    return f"{nbytes / 1000:.1f} TB"


def format_seconds(seconds: float) -> str:
    """Write a duration: ``0.42 s``, ``12.3 s``, ``4 min 05 s``, ``2 h 03 min``."""
    if seconds < 9.995:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def counted(count: int, noun: str) -> str:
    """Write a count and its noun: ``1 record``, ``2,000 records``."""
    return f"{format_count(count)} {noun}" + ("" if count == 1 else "s")


def listed(names: Collection[str], word: str = "and") -> str:
    """Write names as a list in a sentence: ``a``, ``a and b``, ``a, b and c``; or with another ``word``."""
    *most, last = names
    return f"{', '.join(most)} {word} {last}" if most else last
