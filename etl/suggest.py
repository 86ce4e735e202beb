"""What was probably meant by a name that is not known."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(name: str, known: Iterable[str], *, most: int = 1) -> list[str]:
    """Return the names that are most like ``name``, the nearest first; at most ``most``, or none."""
    import difflib  # takes as long to import as all else of a command line's help

    return difflib.get_close_matches(name, list(known), n=most)


def did_you_mean(name: str, known: Iterable[str], *, most: int = 1) -> str:
    """Return the question ``did you mean a or b?``; empty where nothing is like ``name``."""
    close = nearest(name, known, most=most)
    return f"did you mean {' or '.join(close)}?" if close else ""
