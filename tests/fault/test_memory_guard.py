"""A server that is almost full: the load waits before anybody is refused anything."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from tests.fault.commands import StartCommand, write_lines
from tests.support import StartServer, data_size, wait_until


def test_a_load_pauses_before_the_server_is_full_and_goes_on_when_there_is_room(
    start: StartCommand, start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server("--maxmemory-policy", "noeviction")
    client = server.client()
    client.setrange("filler", 100 << 20, b"x")
    client.config_set("maxmemory", str(client.info("memory")["used_memory"] + (1 << 20)))
    file = write_lines(tmp_path / "lines.txt", 20_000_000)
    command = start("load", file, "--to", server.url, "--workers", "2", "--progress", "none")
    command.wait_for_workers(2)
    own_calls = count(2)
    before = client.info("commandstats")["cmdstat_info"]["calls"]
    wait_until(
        lambda: client.info("commandstats")["cmdstat_info"]["calls"] - next(own_calls) > before + 2,
        what="the guard to look three times",
    )
    assert data_size(client) == 1
    client.delete("filler")
    assert command.end().code == 0
    assert data_size(client) == 20_000
    assert "errorstat_OOM" not in client.info("errorstats")
