"""Fixtures for all folders of tests. A test that finds no server fails; it is never skipped."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from multiprocessing import forkserver
from pathlib import Path

import pytest

from etl.errors import MissingExtraError
from tests.examples import register_profiles
from tests.support import FakeServer, RealServer, StartServer, heed_signals
from tests.support.order import in_shares
from tests.support.versions import BINARIES, version_of

register_profiles()


ENGINES = Path(__file__).parent / "engines"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Collect ``tests/engines`` only where it is named: they need what no other test does."""
    if collection_path == ENGINES and not any("tests/engines" in argument for argument in config.args):
        return True
    return None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Keep the collector of garbage away from what is imported and collected: nearly all of it stays.

    pytest has it look through all objects five times at the end, in each of the processes.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where processes share the tests, all of them have them in the same order, the long ones first."""
    processes = getattr(config, "workerinput", {}).get("workercount", 1)
    if processes > 1:
        files = [item.nodeid.partition("::")[0] for item in items]
        items[:] = [items[at] for at in in_shares(files, processes)]


def pytest_report_header() -> list[str]:
    header = []
    for name, find in BINARIES.items():
        try:
            binary = find()
        except MissingExtraError as error:
            header.append(f"server: NONE, tests with a real server will fail ({error})")
            continue
        header.append(f"server: {binary} {version_of(binary)}" if binary else f"server: NONE of {name}")
    return header


@pytest.fixture(scope="session", autouse=True)
def signals_reach_children() -> None:
    """Tests send signals to commands; one that a script starts in the background ignores some of them."""
    heed_signals()


@pytest.fixture(scope="session", autouse=True)
def commands_are_compiled_once() -> None:
    """Commands and workers that tests start find the project compiled, whatever images of containers set."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.fixture(scope="session", autouse=True)
def workers_start_warm() -> None:
    """The fork server that loads in this process share has imported what their workers would."""
    set_preload = forkserver.set_forkserver_preload

    def add(modules_names: list[str]) -> None:  # by the name that the type stubs give
        set_preload([*modules_names, "tests.support.preload"])

    forkserver.set_forkserver_preload = add


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
