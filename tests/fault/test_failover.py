"""Another server becomes the primary in the middle of a load: Sentinels name it, and the load ends exact."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fault.inline import (
    Here,
    assert_loaded,
    assert_no_leftovers,
    complete,
    hold_worker,
    meanwhile,
    write_input,
)
from tests.support import RealServer, RecordingProxy, StartServer, wait_until
from tests.support.sentinel import NAME, REPLICATED, RealSentinel, watched


@dataclass(frozen=True, slots=True)
class Watched:
    """``proxy`` stands before the primary, for Sentinels too: they name its port."""

    primary: RealServer
    replica: RealServer
    proxy: RecordingProxy
    sentinel: RealSentinel

    @property
    def url(self) -> str:
        return f"redis+sentinel://{self.sentinel.address}/{NAME}"

    def fail_over(self) -> None:
        self.sentinel.fail_over()

    def kill(self) -> None:
        self.primary.kill()
        self.sentinel.heed_silence()


@pytest.fixture
def servers(tmp_path: Path, start_server: StartServer) -> Iterator[Watched]:
    primary = start_server(*REPLICATED)
    with ExitStack() as stack:
        proxy = stack.enter_context(RecordingProxy(primary.port))
        replica = start_server(*REPLICATED, "--replicaof", "127.0.0.1", str(proxy.port))
        wait_until(lambda: linked(replica), what="a replica in step with its primary")
        (sentinel,) = stack.enter_context(watched(tmp_path, proxy.port))
        yield Watched(primary, replica, proxy, sentinel)


def linked(replica: RealServer) -> bool:
    return bool(replica.client().info("replication")["master_link_status"] == "up")


@pytest.mark.parametrize("kind", ["strings", "list"])
@pytest.mark.parametrize("how", ["failover", "kill"])
def test_a_load_in_whose_middle_the_primary_changes_ends_with_everything_once(
    here: Here, servers: Watched, kind: str, how: str
) -> None:
    file = write_input(here.folder)
    change = servers.fail_over if how == "failover" else servers.kill
    with meanwhile(hold_worker(servers.proxy), change, servers.proxy.release):
        ended = complete(here.load(file, servers.url, kind, "--progress", "log", "--retry-for", "60"))
    assert f"redis://127.0.0.1:{servers.replica.port}/0 (primary of {NAME}) was restarted" in ended.stderr
    assert_loaded(servers.replica.client(), kind)
    assert_no_leftovers(servers.replica.client())
