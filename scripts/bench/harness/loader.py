"""This loader's command lines, as a user would type them, and what its reports say."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from .errors import BenchError
from .server import Server


def etl_command(verb: str, path: Path, server: Server, *options: str) -> list[str]:
    target = ["--to", server.url, "--progress", "none", "--json"]
    return [sys.executable, "-m", "etl", verb, str(path), *target, *options]


def report_seconds(stdout: str) -> float:
    """The seconds of the work itself, without the start and the end of Python."""
    return float(json.loads(stdout)["seconds"])


def check_complete(stdout: str, records: int) -> None:
    """Raises BenchError unless the report says that all records were read and the run is complete."""
    report = json.loads(stdout)
    if report["status"] != "complete" or report["records"]["read"] != records:
        raise BenchError(f"the report does not say {records} records, complete: {stdout}")


def own_keys(server: Server, stdout: str) -> int:
    """How many keys the loader keeps about its job beside the data."""
    job = json.loads(stdout)["job"]
    return sum(bool(server.client.exists(key)) for key in (f"etl:{{{job}}}", f"etl:{{{job}}}:lock"))
