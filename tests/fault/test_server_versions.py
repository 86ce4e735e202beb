"""What depends on the server's version holds on each: RESTORE, the fence, going on, and verify."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fault.inline import (
    RECORDS,
    Here,
    assert_loaded,
    assert_no_leftovers,
    complete,
    hold_worker,
    meanwhile,
    write_input,
)
from tests.support import RealServer, RecordingProxy, StartServer
from tests.support.versions import BINARIES, OLD, binary_of


@pytest.fixture(params=BINARIES)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(version: str, start_server: StartServer) -> RealServer:
    """A server of each version, which checks every byte of what is restored."""
    return start_server("--sanitize-dump-payload", "yes", binary=binary_of(version))


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """300 records whose values have every width of integer and length of text, a large one among them."""
    path = tmp_path / "people.jsonl"
    with path.open("w") as file:
        for n in range(300):
            record = {"id": str(n), "count": str(2**n % 2**70 - 5), "text": "x" * n, "name": f"n{n}"}
            if n == 150:
                record |= {f"field{at}": "v" for at in range(600)}  # a hash table, not a packed hash
            file.write(json.dumps(record) + "\n")
    return path


def records_of(path: Path) -> list[dict[bytes, bytes]]:
    records = map(json.loads, path.read_text().splitlines())
    return [{name.encode(): value.encode() for name, value in record.items()} for record in records]


def calls(client: Any, command: str) -> int:
    stats = client.info("commandstats")
    return int(stats.get(f"cmdstat_{command}", {"calls": 0})["calls"])


def test_hashes_are_restored_finished_and_verified(
    here: Here, server: RealServer, version: str, people: Path
) -> None:
    client: Any = server.client()
    client.config_resetstat()
    options = (people, "--to", server.url, "--as", "hash", "--key", "p:{id}")
    loaded = here.run("load", *options)
    assert loaded.code == 0, loaded
    assert calls(client, "restore") >= 300
    for number, record in enumerate(records_of(people)):
        assert client.hgetall(f"p:{number}") == record
    assert client.object("encoding", "p:7") == (b"ziplist" if version == OLD else b"listpack")
    assert client.object("encoding", "p:150") == b"hashtable"
    verified = here.run("verify", *options)
    assert verified.code == 0, verified
    assert verified.records["equal"] == 300
    assert client.save()  # the server itself can write what it took
    assert client.hincrby("p:7", "count", 1) == 2**7 - 4


def test_verify_finds_what_is_missing_and_different(here: Here, server: RealServer, people: Path) -> None:
    options = (people, "--to", server.url, "--as", "hash", "--key", "p:{id}")
    here.run("load", *options)
    client: Any = server.client()
    client.delete("p:3")
    client.hset("p:150", "field7", "changed")
    client.hdel("p:200", "name")
    client.set("p:201", "a string") if client.delete("p:201") else None
    ended = here.run("verify", *options)
    assert ended.code == 1
    assert ended.records == {"read": 300, "equal": 296, "missing": 1, "different": 3, "rejected": 0}


@pytest.mark.parametrize("kind", ["strings", "hashes", "list"])
def test_a_load_that_was_cut_goes_on_and_has_every_record_once(
    here: Here, small_blocks: None, server: RealServer, kind: str
) -> None:
    file = write_input(here.folder)
    with RecordingProxy(server.port) as proxy:
        with meanwhile(hold_worker(proxy), proxy.cut_now):
            ended = here.load(file, proxy.url, kind, "--retry-for", "0")
        assert ended.code == 4, ended
        assert 0 < ended.records["written"] < RECORDS
        again = complete(here.load(file, proxy.url, kind))
    assert 0 < again.report["resumed_from"] < RECORDS
    assert_loaded(server.client(), kind)
    assert_no_leftovers(server.client())


def test_commands_that_add_up_add_up_once_where_the_connection_is_cut(here: Here, server: RealServer) -> None:
    file = write_input(here.folder)
    client: Any = server.client()
    options = ("--command", "INCRBY counter 1", "--command", "XADD log * line {line}")
    with RecordingProxy(server.port) as proxy, meanwhile(hold_worker(proxy, 40_000), proxy.cut_now):
        complete(here.run("load", file, "--to", proxy.url, *options))
    assert (int(client.get("counter")), client.xlen("log")) == (RECORDS, RECORDS)
