"""``--wire replication``: everything that a server has is replaced, in one step at the end of the load."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import BusyLoadingError

import etl
import etl.sink.replication.checks as checks
import etl.sink.replication.handshake as handshake
import etl.sink.replication.memory as memory
from etl.errors import SourceError, TargetError, UsageError
from etl.sink.replication.facts import SETTINGS
from etl.sink.replication.replacement import Replacement
from etl.sink.replication.turns import Turns
from tests.support import RealServer, StartServer, wait_until
from tests.support.versions import NEW, OLD, SYSTEM, binary_of

every_version = pytest.mark.parametrize("version", [OLD, SYSTEM, NEW])

RECORDS = 3_000


def write_csv(folder: Path, count: int = RECORDS) -> Path:
    path = folder / "users.csv"
    path.write_text("id,name,city\n" + "".join(f"{n},name {n},{'x' * (n % 90)}\n" for n in range(count)))
    return path


def fill(server: RealServer, count: int = 500) -> None:
    """Give a server an old data set, in two databases."""
    server.client().mset({"here": "old", **{f"old:{n}": n for n in range(count)}})
    server.client(db=2).set("elsewhere", "old")


def state(server: RealServer) -> dict[str, Any]:
    """Return all that a failed replacement must leave as it was."""
    client: Any = server.client()
    settings = {name: client.config_get(name) for name in SETTINGS}
    data = [{key: client.dump(key) for key in client.keys("*") if not key.startswith(b"etl:")}]
    data.append({key: server.client(db=2).dump(key) for key in server.client(db=2).keys("*")})
    return {"role": client.role()[0], "settings": settings, "data": data}


def replaced(server: RealServer, file: Path, **options: Any) -> etl.Report:
    given = {
        "key": "user:{#}",
        "wire": "replication",
        "replace_all": True,
        "progress": "none",
        "retry_for": 5,
        **options,
    }
    return etl.load(file, to=server.url, **given)


@contextlib.contextmanager
def polling(server: RealServer) -> Iterator[set[object]]:
    """Read over and over, while this is entered, what only the old and only the new data set has."""
    seen: set[object] = set()
    stop = threading.Event()
    client: Any = server.client()

    def poll() -> None:
        while not stop.is_set():
            try:
                values = client.eval("return {redis.call('EXISTS', 'here'), redis.call('DBSIZE')}", 0)
                seen.add(tuple(values))
            except BusyLoadingError:
                seen.add("LOADING")
            except Exception as error:  # noqa: BLE001 - the test shows it
                seen.add(str(error))

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


@every_version
@pytest.mark.parametrize("workers", [1, 2])
def test_everything_is_replaced_in_one_step_and_readers_see_the_old_or_the_new_data_set(
    start_server: StartServer, tmp_path: Path, version: str, workers: int
) -> None:
    server = start_server(binary=binary_of(version))
    client: Any = server.client()
    fill(server)
    before = state(server)
    with polling(server) as seen:
        wait_until(lambda: seen, what="a first look at the data")
        report = replaced(server, write_csv(tmp_path), workers=workers, max_rate=2 * RECORDS)
        wait_until(lambda: any(isinstance(one, tuple) and one[0] == 0 for one in seen), what="the new data")
    assert report.records["read"] == report.records["written"] == RECORDS
    # The job's own keys: a lock is there before, and a record after.
    assert {one for one in seen if isinstance(one, tuple) and one[0]} <= {(1, n) for n in range(501, 504)}
    assert {one for one in seen if isinstance(one, tuple) and not one[0]} <= {
        (0, RECORDS + n) for n in range(3)
    }
    assert {one for one in seen if isinstance(one, str)} <= ({"LOADING"} if version == OLD else set())
    after = state(server)
    assert after["role"] == b"master"
    assert after["settings"] == before["settings"]
    assert server.client(db=2).dbsize() == 0
    assert client.hgetall("user:77") == {b"id": b"77", b"name": b"name 77", b"city": b"x" * 77}
    assert [key.endswith(b":lock") for key in client.keys("etl:*")] == [False]
    verified = etl.verify(write_csv(tmp_path), to=server.url, key="user:{#}", progress="none")
    assert verified.records["equal"] == RECORDS
    assert client.object("encoding", "user:1") == (b"ziplist" if version == OLD else b"listpack")


@every_version
def test_what_is_loaded_survives_a_restart_and_replicas_functions_and_the_database_follow(
    start_server: StartServer, tmp_path: Path, version: str
) -> None:
    binary = binary_of(version)
    server = start_server("--save", "3600 1000000", "--masterauth", "theirs", binary=binary)
    replica = start_server("--replicaof", "127.0.0.1", str(server.port), binary=binary)
    fill(server)
    if version != OLD:
        server.client().function_load(
            "#!lua name=l\nredis.register_function('seven', function() return 7 end)"
        )
    wait_until(lambda: replica.client().get("here"), what="the replica")
    file = write_csv(tmp_path, 100)
    with pytest.raises(TargetError, match="1 replica, which would lose everything too: give --replace-all"):
        replaced(server, file, replace_all=False)
    etl.load(file, to=f"redis://127.0.0.1:{server.port}/5", key="user:{#}", wire="replication",
             replace_all=True, progress="none", ttl="1h", listen="127.0.0.1")  # fmt: skip
    wait_until(lambda: replica.client(db=5).exists("user:99"), what="the replica to follow")
    assert replica.client().dbsize() == server.client().dbsize() == 0
    assert server.client().config_get("masterauth") == {"masterauth": "theirs"}
    wait_until(lambda: not server.client().info("persistence")["rdb_bgsave_in_progress"], what="the save")
    server.restart()
    assert 3_500 < server.client(db=5).ttl("user:7") <= 3_600
    assert server.client(db=5).hget("user:7", "name") == b"name 7"
    if version != OLD:
        assert server.client().fcall("seven", 0) == 7


@every_version
def test_a_server_that_appends_to_a_file_does_so_as_before(
    start_server: StartServer, tmp_path: Path, version: str
) -> None:
    server = start_server("--appendonly", "yes", binary=binary_of(version))
    replaced(server, write_csv(tmp_path, 100))
    client: Any = server.client()

    def rewritten() -> bool:
        told = client.info("persistence")
        return not (told["aof_rewrite_in_progress"] or told["aof_rewrite_scheduled"])

    wait_until(rewritten, what="the file")
    client.set("later", "1")
    keys = set(client.keys("*"))
    server.restart()
    assert keys - set(server.client().keys("*")) == set()


@every_version
def test_a_user_who_may_not_change_settings_has_the_server_write_to_its_disk_first(
    start_server: StartServer, tmp_path: Path, version: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server = start_server(binary=binary_of(version))
    fill(server)
    client: Any = server.client()
    client.execute_command("ACL", "SETUSER", "few", "on", ">sesame", "allkeys", "+@all", "-config")
    url = server.url.replace("redis://", "redis://few:sesame@")
    etl.load(write_csv(tmp_path, 100), to=url, key="user:{#}", wire="replication", replace_all=True,
             progress="log")  # fmt: skip
    assert (
        "cannot be changed by this user (CONFIG): the server writes the new data set to its disk first"
        in (capsys.readouterr().err)
    )
    assert client.dbsize() == 101
    assert client.role()[0] == b"master"


REFUSALS: dict[str, tuple[tuple[str, ...], Callable[[Any, RealServer], object], dict[str, Any], str]] = {
    "data": ((), lambda client, _: client.set("a", "1"), {"replace_all": False}, "the server has 1 key, and"),
    "data elsewhere": (
        (),
        lambda _, server: fill(server, 3),
        {"replace_all": False},
        "has 5 keys in 2 databases, and --wire replication replaces everything",
    ),
    "a cluster": (
        ("--cluster-enabled", "yes", "--cluster-port", "0"),
        lambda client, _: client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383),
        {},
        "Redis Cluster: --wire replication is for",
    ),
    "a Sentinel": ((), lambda client, _: client.client_setname("sentinel-5f-cmd"), {}, "a Sentinel watches"),
    "a replica": ((), lambda client, _: client.replicaof("127.0.0.1", 1), {}, "replica of 127.0.0.1:1; give"),
    "no such command": (
        ("--rename-command", "REPLICAOF", ""),
        lambda *_: None,
        {},
        "the server has no REPLICAOF",
    ),
    "a port that is taken": (
        (),
        lambda *_: None,
        {"listen": "203.0.113.7:1"},
        "cannot listen on 203.0.113.7:1: cannot assign requested address",
    ),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_a_server_that_cannot_or_may_not_be_replaced_is_refused_and_stays_as_it_was(
    start_server: StartServer, tmp_path: Path, what: str
) -> None:
    config, prepare, options, sentence = REFUSALS[what]
    server = start_server(*config)
    client: Any = server.client(single_connection_client=True)
    prepare(client, server)
    before = client.role()[0], client.dbsize(), client.config_get("repl-diskless-load")
    with pytest.raises(TargetError, match=sentence):
        replaced(server, write_csv(tmp_path, 10), **options)
    assert (client.role()[0], client.dbsize(), client.config_get("repl-diskless-load")) == before


@pytest.mark.parametrize(
    ("rights", "sentence"),
    [
        (("-replicaof",), "may not run REPLICAOF; give it the permission"),
        (("-info",), "may not run INFO|does not tell what it is and has"),
    ],
)
def test_a_user_without_the_rights_is_told_which(
    start_server: StartServer, tmp_path: Path, rights: tuple[str, ...], sentence: str
) -> None:
    server = start_server()
    client: Any = server.client()
    client.execute_command("ACL", "SETUSER", "few", "on", ">sesame", "allkeys", "+@all", *rights)
    server.url = server.url.replace("redis://", "redis://few:sesame@")
    with pytest.raises(TargetError, match=sentence):
        replaced(server, write_csv(tmp_path, 10))
    assert client.role()[0] == b"master"


@every_version
def test_a_server_that_does_not_come_is_as_it_was(
    start_server: StartServer, tmp_path: Path, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handshake, "COME_WITHIN_S", 1.5)
    monkeypatch.setattr(handshake, "_same", lambda one, other: False)
    server = start_server(binary=binary_of(version))
    fill(server)
    before = state(server)
    client: Any = server.client()
    # Without a token it is known by its address alone, and that is another one here.
    client.execute_command("ACL", "SETUSER", "few", "on", ">sesame", "allkeys", "+@all", "-config")
    address = server.url
    server.url = server.url.replace("redis://", "redis://few:sesame@")
    sentence = "did not come to .* 1.50 s; 127.0.0.1 has connected, and is not the server, whose address"
    with pytest.raises(TargetError, match=sentence):
        replaced(server, write_csv(tmp_path, 10))
    server.url = address
    assert state(server) == before


def test_rejects_and_packed_strings_are_counted_as_ever(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server()
    lines = tmp_path / "lines.txt"
    lines.write_text("".join(f"{n}\n" for n in range(100_000)))
    report = replaced(server, lines, key="p:{#}", pack=100, workers=2)
    assert report.records["written"] == 100_000
    assert server.client().hget("p:777", "77") == b"77777"
    assert server.client().dbsize() == 1_001
    bad = tmp_path / "bad.csv"
    bad.write_text('a,b\n1,2\n"x\n')
    with pytest.raises(etl.EtlError, match="was refused"):
        replaced(server, bad, rejects=tmp_path / "rejects.jsonl")
    assert server.client().dbsize() >= 1_001


@every_version
def test_of_records_with_one_key_the_last_one_is_sent_and_no_server_sees_a_key_twice(
    start_server: StartServer, tmp_path: Path, version: str
) -> None:
    server = start_server(binary=binary_of(version))
    fill(server)
    file = tmp_path / "twice.csv"
    file.write_text("id,name\n" + "".join(f"{n % 700},name {n}\n" for n in range(1_000)))
    with pytest.raises(SourceError, match=r"record 700 of .* has the key user:0, and so has record 0"):
        replaced(server, file, key="user:{id}", if_exists="fail")
    assert server.client().get("here") == b"old"
    report = replaced(server, file, key="user:{id}", workers=2)
    assert report.records["written"] == 700
    assert report.records["superseded"] == 300
    client: Any = server.client()
    assert client.hget("user:1", "name") == b"name 701"
    assert client.hget("user:699", "name") == b"name 699"
    assert client.dbsize() == 701


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"if_exists": "merge"}, "--if-exists merge cannot be with --wire replication: no key"),
        ({"if_exists": "skip"}, "--if-exists skip cannot be with --wire replication"),
        (
            {"command": ["SET {id} x"], "key": None},
            "--command cannot be with --wire replication, which sends",
        ),
        ({"wait_replicas": 1}, "--wait-replicas cannot be with --wire replication, which is all or nothing"),
        ({"wire": "auto"}, "--replace-all has no effect without --wire replication"),
        ({"wire": "auto", "replace_all": False, "listen": "127.0.0.1"}, "--listen has no effect without"),
    ],
)
def test_options_that_need_the_keys_that_are_there_are_refused(
    tmp_path: Path, options: dict[str, Any], sentence: str
) -> None:
    given = {"key": "user:{#}", "wire": "replication", "replace_all": True, **options}
    with pytest.raises(UsageError, match=sentence):
        etl.load(write_csv(tmp_path, 3), to="redis://127.0.0.1:1/0", progress="none", **given)


def test_a_new_data_set_that_is_too_large_for_the_server_is_not_taken(
    start_server: StartServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start_server("--maxmemory", "3mb")
    fill(server)
    before = state(server)
    with pytest.raises(
        TargetError, match=r"the new data set takes .* 3.1 MB \(maxmemory\); it keeps its old"
    ):
        replaced(server, write_csv(tmp_path, 30_000))
    assert state(server) == before
    # And one that fills the machine before it is whole ends the load there.
    monkeypatch.setattr(memory, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(checks, "MAX_USED", 0.0)
    with pytest.raises(TargetError, match="both data sets take"):
        replaced(server, write_csv(tmp_path, 3_000), max_rate=3_000)
    assert state(server) == before


def test_a_sample_of_the_keys_is_looked_for_when_the_server_has_them(
    start_server: StartServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = Replacement.ended_turns

    def with_another(self: Replacement) -> Turns:
        turns = ended(self)
        assert turns.samples[0].startswith(b"user:")
        turns.samples.append(b"not there")
        return turns

    monkeypatch.setattr(Replacement, "ended_turns", with_another)
    server = start_server()
    with pytest.raises(TargetError, match="misses 1 of 2 keys that were looked for"):
        replaced(server, write_csv(tmp_path, 10))
    assert server.client().role()[0] == b"master"
