"""A long text for a reader at a terminal, by the pager of their choice."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Mapping

_NOT_STARTED = (126, 127)
"""How a shell ends that could not run a command."""


def pager_for(environment: Mapping[str, str], *, terminal: bool) -> str | None:
    """Return the shell command that shows a text by pages; None where it is to be printed.

    ``$PAGER`` is asked first, then ``less``, as git does it (``git help config``, core.pager).
    """
    if not terminal or environment.get("TERM") == "dumb":
        return None
    command = environment.get("PAGER")
    if command is None:
        return "less -FRX" if shutil.which("less", path=environment.get("PATH")) else None
    return command if command not in ("", "cat") else None


def shown_by_pager(text: str) -> bool:
    """Show a text by pages and return when the reader has left; False where it is still to be printed."""
    stdout = sys.stdout
    command = pager_for(os.environ, terminal=stdout is not None and stdout.isatty())
    if command is None:
        return False
    import subprocess

    data = f"{text}\n".encode(stdout.encoding, "backslashreplace")
    # As git does: a $PAGER that only says "less" ends by itself where the text fits on the screen.
    environment = {"LESS": "FRX", **os.environ}
    pager = subprocess.Popen(command, shell=True, stdin=subprocess.PIPE, env=environment)
    assert pager.stdin is not None
    # It is no failure to leave before the end. A Ctrl-C is the pager's.
    with contextlib.suppress(OSError, KeyboardInterrupt), pager.stdin:
        pager.stdin.write(data)
    while True:
        with contextlib.suppress(KeyboardInterrupt):
            return pager.wait() not in _NOT_STARTED
