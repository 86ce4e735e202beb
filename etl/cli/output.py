"""What goes to stdout and stderr, without secrets, also where they are closed."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from etl.report import Report


UNWRITTEN_REPORT = 74  # EX_IOERR


def print_report(report: Report, arguments: argparse.Namespace) -> int:
    """Print the report to stdout; return 0 (also where the reader of a pipe has gone) or an exit code."""
    text = json.dumps(report.as_dict()) if arguments.json else report.summary()
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)
    except OSError as error:
        _forget(sys.stdout)
        if not isinstance(error, BrokenPipeError):
            complain(f"the report cannot be written: {error.strerror}")
            return UNWRITTEN_REPORT
    return 0


def complain(text: str) -> None:
    if sys.stderr is None:  # print would take stdout instead
        return
    try:
        print(f"redis-etl: {without_secret(text)}", file=sys.stderr, flush=True)
    except OSError:  # stderr is closed, or its terminal: the exit code says enough
        _forget(sys.stderr)


def _forget(stream: TextIO) -> None:
    """Lead a stream that cannot be written to nowhere.

    As Python's documentation has it (signal, "Note on SIGPIPE"): else the interpreter writes what is left
    once more when it ends, and replaces the exit code by 120.
    """
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def without_secret(text: str) -> str:
    """Take user and password out of a URL that was given in the wrong place, and is quoted as wrong."""
    return re.sub(r"://\S*@", "://***@", text)
