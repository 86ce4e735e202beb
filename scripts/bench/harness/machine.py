"""The line under a table that says where it was measured."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path

from .binaries import server_version


def machine_line() -> str:
    """CPU, cores, system and the versions that matter, in one line."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("pyarrow", "redis", "hiredis"))
    return (
        f"Measured on {cpu_model()}, {len(os.sched_getaffinity(0))} cores, {system_name()}; "
        f"Python {platform.python_version()}, {packages}; redis-server {server_version()} on loopback."
    )


def cpu_model() -> str:
    match = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return match[1] if match else platform.machine()


def system_name() -> str:
    return platform.freedesktop_os_release().get("PRETTY_NAME", platform.platform())
