"""Single sentences on stderr while a run goes on."""

from __future__ import annotations

import contextlib
import sys


def choose_mode(asked: str) -> str:
    """Turn ``auto`` into ``bar`` on a terminal and ``log`` elsewhere; called where stderr is the user's."""
    if asked != "auto":
        return asked
    try:
        return "bar" if sys.stderr.isatty() else "log"
    except (AttributeError, ValueError):  # no stderr, or a closed one
        return "none"


def log_notice(mode: str, text: str) -> None:
    """Write something beside the progress, in a line of its own on stderr; nothing in mode ``none``."""
    if mode == "none" or sys.stderr is None:
        return
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"redis-etl: {text}\n")
        sys.stderr.flush()
