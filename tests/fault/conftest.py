"""Fixtures for faults: commands that are cleaned up whatever happens, and an input worth interrupting."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fault.clustered import fault_cluster, faulty
from tests.fault.commands import MORE_THAN_IN_FLIGHT, Command, StartCommand, write_lines
from tests.fault.inline import here, impatient, short_lock, small_blocks
from tests.support import RealServer, RecordingProxy, start_cli

__all__ = ["fault_cluster", "faulty", "here", "impatient", "short_lock", "small_blocks"]


@pytest.fixture
def start() -> Iterator[StartCommand]:
    """A function that starts the command line: ``start("load", file, patch="") -> Command``.

    No progress is shown unless asked for, so that stderr holds the error only; stdout holds JSON.
    """
    commands: list[Command] = []

    def start(*args: str | os.PathLike[str], patch: str = "", fresh: bool = False) -> Command:
        shown = () if "--progress" in args else ("--progress", "none")
        command = Command(start_cli(*args, *shown, "--json", patch=patch, fresh=fresh))
        commands.append(command)
        return command

    yield start
    for command in commands:
        command.clean_up()


@pytest.fixture
def proxy(real_server: RealServer) -> Iterator[RecordingProxy]:
    """A proxy in front of a real server."""
    with RecordingProxy(real_server.port) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def big_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lines of 1,000 bytes, more than two workers can have in flight. Not to be changed."""
    return write_lines(tmp_path_factory.mktemp("input") / "big.txt", MORE_THAN_IN_FLIGHT)
