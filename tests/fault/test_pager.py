"""The manual on a terminal: by pages, whatever the pager and its reader do."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from contextlib import suppress

from tests.support import REPO
from tests.support.processes import environment_of_commands

TITLE = "# RDB files: a data set as a file that servers and managed services load"


def shown_on_a_terminal(pager: str) -> tuple[int, str]:
    """Return the exit code of ``redis-etl help rdb``, and what its terminal has shown."""
    terminal, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "etl", "help", "rdb"],
        stdin=subprocess.DEVNULL,
        stdout=slave,
        stderr=slave,
        cwd=REPO,
        env=environment_of_commands({"PAGER": pager, "TERM": "xterm"}),
    )
    os.close(slave)
    shown = b""
    with suppress(OSError):  # nobody has the other end any more
        while piece := os.read(terminal, 65536):
            shown += piece
    os.close(terminal)
    return process.wait(timeout=60), shown.decode().replace("\r\n", "\n")


def test_the_readers_pager_gets_the_page_and_may_do_what_it_likes() -> None:
    code, shown = shown_on_a_terminal("sed -n s/^#/page:/p")
    assert (code, shown.splitlines()[0]) == (0, TITLE.replace("#", "page:", 1))
    assert shown_on_a_terminal("true") == (0, "")  # left before the end
    code, shown = shown_on_a_terminal("kill -INT $PPID; cat")  # Ctrl-C is the pager's
    assert (code, shown.splitlines()[0]) == (0, TITLE)
    code, shown = shown_on_a_terminal("/no/such/pager")
    assert (code, "Traceback" in shown) == (0, False)
    assert TITLE in shown.splitlines()


def test_a_reader_of_a_page_that_has_gone_is_no_failure() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(
        [sys.executable, "-m", "etl", "help", "rdb"],
        stdout=writer,
        stderr=subprocess.PIPE,
        cwd=REPO,
        env=environment_of_commands({}),
        timeout=60,
        check=False,
    )
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (0, b"")
