"""Fixtures for all folders of tests. A test that finds no server fails; it is never skipped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from etl.embedded import server_binary
from etl.errors import MissingExtraError
from tests.examples import register_profiles
from tests.support import FakeServer, RealServer, StartServer, heed_signals, server_version

register_profiles()


def pytest_report_header() -> str:
    try:
        return f"server: {server_binary()} {server_version()}"
    except MissingExtraError as error:
        return f"server: NONE, tests with a real server will fail ({error})"


@pytest.fixture(scope="session", autouse=True)
def signals_reach_children() -> None:
    """Tests send signals to commands; one that a script starts in the background ignores some of them."""
    heed_signals()


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """A function that starts real servers: ``start_server("--maxmemory", "10mb") -> RealServer``."""
    servers: list[RealServer] = []

    def start(*config: str, wait: bool = True, binary: str | None = None) -> RealServer:
        server = RealServer(tmp_path / f"server-{len(servers)}", *config, binary=binary)
        servers.append(server)
        server.start(wait=wait)
        return server

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def real_server(start_server: StartServer) -> RealServer:
    """A real redis-server of the test's own, empty, that saves nothing."""
    return start_server()


@pytest.fixture
def fake_server() -> Iterator[FakeServer]:
    """fakeredis on a port of its own: the real wire, but no INFO and no CONFIG."""
    server = FakeServer()
    yield server
    server.close()
