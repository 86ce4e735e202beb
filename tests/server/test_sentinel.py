"""A Sentinel is told from a server, and names the primaries that it watches."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from etl.sink.embedded.server import server_binary
from tests.fault.commands import run_here
from tests.support import RealServer, wait_until
from tests.support.servers import answers_ping, free_port


@pytest.fixture
def sentinel(tmp_path: Path, real_server: RealServer) -> Iterator[str]:
    """A real Sentinel that watches a real server; its address."""
    port = free_port()
    config = tmp_path / "sentinel.conf"
    config.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {tmp_path}\n"
        f"sentinel monitor mymaster 127.0.0.1 {real_server.port} 1\n"
    )
    with open(tmp_path / "sentinel.log", "wb") as log:
        process = subprocess.Popen([server_binary(), str(config), "--sentinel"], stdout=log, stderr=log)
    try:
        wait_until(lambda: answers_ping(port), what="a PONG of the Sentinel")
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("verb", ["load", "verify"])
def test_the_port_of_a_sentinel_names_the_primary(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    real_server: RealServer,
    sentinel: str,
    verb: str,
) -> None:
    (tmp_path / "few.txt").write_text("one\ntwo\n")
    ended = run_here(capsys, verb, tmp_path / "few.txt", "--to", f"redis://{sentinel}/0")
    assert ended.code == 4
    assert ended.sentence == (
        f"redis://{sentinel}/0: this is a Sentinel, which has no data; give the address of the primary"
        f" that it watches instead: 127.0.0.1:{real_server.port} (mymaster)"
    )
    assert real_server.client().dbsize() == 0


def test_a_sentinel_has_no_databases(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, sentinel: str
) -> None:
    (tmp_path / "few.txt").write_text("one\ntwo\n")
    ended = run_here(capsys, "load", tmp_path / "few.txt", "--to", f"redis://{sentinel}/1")
    assert ended.code == 4
    assert "is this the port of a Sentinel? Give the address of the primary" in ended.sentence
