"""Connections that break before the first record and behind the last one: --retry-for holds there too."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.fault.inline import Here, assert_loaded, assert_no_leftovers, complete, write_input
from tests.support import RealServer, RecordingProxy
from tests.support.proxy import Direction, Ending

FEW = 20


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a connection breaks."""

    connection: int
    direction: Direction
    after: int
    ending: Ending

    def apply(self, proxy: RecordingProxy) -> None:
        proxy.cut(self.direction, after=self.after, connection=self.connection, ending=self.ending)


def cuts(proxy: RecordingProxy) -> Iterator[Cut]:
    """Return places in each connection of a run that went well."""
    for connection, (sent, replies) in enumerate(zip(proxy.sent, proxy.replies, strict=True)):
        yield Cut(connection, "to_server", len(sent) // 2, "fin")
        yield Cut(connection, "to_client", 0, "rst")
        yield Cut(connection, "to_client", len(replies) - 1, "fin")


def restores(server: RealServer) -> int:
    return int(server.client().info("commandstats").get("cmdstat_restore", {}).get("calls", 0))


def test_a_load_completes_wherever_one_of_its_connections_breaks(here: Here, real_server: RealServer) -> None:
    kind, options = "hashes", ("--wire", "auto")
    client = real_server.client()
    file = write_input(here.folder, FEW)
    with RecordingProxy(real_server.port) as proxy:
        complete(here.load(file, proxy.url, kind, *options), FEW)
    by_restore = restores(real_server)
    assert by_restore
    for cut in cuts(proxy):
        client.flushall()
        client.config_resetstat()
        with RecordingProxy(real_server.port) as cutting:
            cut.apply(cutting)
            ended = here.load(file, cutting.url, kind, *options)
        assert ended.code == 0, (cut, ended)
        assert_loaded(client, kind, FEW)
        assert_no_leftovers(client)
        assert restores(real_server) >= by_restore, cut  # no question was taken for answered by the break


@pytest.mark.parametrize("verb", ["load", "verify"])
def test_a_pass_that_deletes_first_and_a_verify_outlive_a_break_too(
    here: Here, real_server: RealServer, verb: str
) -> None:
    client = real_server.client()
    file = write_input(here.folder, FEW)
    options = ("--as", "list", "--key", "all", "--value", "{line}")
    with RecordingProxy(real_server.port) as proxy:
        for name in dict.fromkeys(("load", verb)):
            assert here.run(name, file, "--to", proxy.url, *options).code == 0
    for cut in list(cuts(proxy))[::2]:
        with RecordingProxy(real_server.port) as cutting:
            cut.apply(cutting)
            ended = here.run(verb, file, "--to", cutting.url, *options)
        assert ended.code == 0, (cut, ended)
        assert_loaded(client, "list", FEW)


@pytest.fixture
def resetting_port() -> Iterator[int]:
    """A port where each connection is taken, and reset."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        over = threading.Event()

        def reset_all() -> None:
            while True:
                end, _ = listener.accept()
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                end.close()
                if over.is_set():
                    return

        thread = threading.Thread(target=reset_all, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        over.set()
        with contextlib.suppress(OSError), socket.create_connection(listener.getsockname(), 30):
            pass  # only to wake up accept()
        thread.join()


def test_a_server_that_resets_every_connection_is_given_up_after_the_deadline(
    here: Here, resetting_port: int
) -> None:
    url = f"redis://127.0.0.1:{resetting_port}/0"
    options = ("--retry-for", "0.5", "--progress", "log")
    ended = here.load(write_input(here.folder, FEW), url, "strings", *options)
    assert ended.code == 4
    log_notice, last = ended.stderr.splitlines()
    assert log_notice.endswith("; trying again for 0.50 s (--retry-for)")
    assert last.endswith("; tried again for 0.50 s (--retry-for)")
    assert url in log_notice
    assert url in last


def test_a_lock_whose_answer_was_lost_is_ones_own(here: Here, real_server: RealServer) -> None:
    file = write_input(here.folder, FEW)
    with RecordingProxy(real_server.port) as proxy:
        complete(here.load(file, proxy.url, "strings"), FEW)
        connection = next(number for number, sent in enumerate(proxy.sent) if b"*6\r\n$3\r\nSET\r\n" in sent)
        replies = proxy.replies[connection]
    real_server.client().flushall()
    with RecordingProxy(real_server.port) as proxy:
        proxy.cut("to_client", after=replies.index(b"+OK\r\n$") + 3, connection=connection)
        complete(here.load(file, proxy.url, "strings"), FEW)
    assert_no_leftovers(real_server.client())
