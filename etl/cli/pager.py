"""A long text for a reader at a terminal, by the pager of their choice."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping

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
    with _ctrl_c_left_to_it():
        pager = subprocess.Popen(command, shell=True, stdin=subprocess.PIPE, env=environment)
        assert pager.stdin is not None
        with contextlib.suppress(OSError), pager.stdin:  # it is no failure to leave before the end
            pager.stdin.write(data)
        return pager.wait() not in _NOT_STARTED


@contextlib.contextmanager
def _ctrl_c_left_to_it() -> Iterator[None]:
    """Let a SIGINT, which the terminal sends to both, end nothing here; a pager gets it as ever."""
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
