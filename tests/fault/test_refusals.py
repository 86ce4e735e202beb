"""Servers that refuse, or that a load refuses, before its first record: exit code 4 and what to do."""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from etl.sink.control import MAX_HANG_UPS
from tests.fault.commands import Ended, StartCommand, hold_in_the_middle, run_here, wait_for_the_middle
from tests.server.tls import TlsFront
from tests.support import (
    CLOSE,
    OK,
    RealServer,
    RecordingProxy,
    ScriptedServer,
    StartServer,
    bulk,
    data_size,
    error,
    free_port,
    run_cli,
    wait_until,
)

SECRET = "se/same"
NUMBERED = ("--key", "{#}")
ROW = '{"id": 1, "name": "Ada"}\n'


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """A file of one record with fields."""
    (tmp_path / "rows.jsonl").write_text(ROW)
    return tmp_path / "rows.jsonl"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    (tmp_path / "small.txt").write_text("".join(f"{number:08d}\n" for number in range(100_000)))
    return tmp_path / "small.txt"


def refused(ended: Ended, url: str) -> str:
    """See that one clear sentence was all, and that nothing was read; give what it says of the server."""
    assert ended.code == 4, ended
    assert ended.report["status"] == "failed"
    assert ended.records["read"] == 0
    assert SECRET not in ended.stdout + ended.stderr
    assert ended.sentence.startswith(f"{url}")
    return ended.sentence.removeprefix(f"{url}").removeprefix(": ")


def loaded(ended: Ended, records: int) -> None:
    assert ended.code == 0, ended
    assert ended.stderr == ""
    assert ended.records["written"] == records


# The server itself


@pytest.mark.parametrize("verb", ["load", "verify"])
def test_a_cluster_with_a_slot_that_no_node_serves_is_waited_for_and_told(
    capsys: pytest.CaptureFixture[str], start_server: StartServer, rows: Path, verb: str
) -> None:
    # Its bus would else have the port 10,000 higher, where outgoing connections have theirs.
    server = start_server("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    ended = run_here(capsys, verb, rows, *NUMBERED, "--to", server.url, "--retry-for", "0")
    assert refused(ended, server.url) == "no node of the cluster serves the slots 0-16383"


def test_a_replica_is_refused_by_a_load_and_verified_with(
    capsys: pytest.CaptureFixture[str], start_server: StartServer, rows: Path
) -> None:
    primary, replica = start_server(), start_server()
    loaded(run_here(capsys, "load", rows, *NUMBERED, "--to", primary.url), 1)
    replica.client().replicaof("127.0.0.1", primary.port)
    wait_until(lambda: replica.client().exists("0"), what="the replica to have the key")
    ended = run_here(capsys, "load", rows, *NUMBERED, "--to", replica.url)
    assert refused(ended, replica.url) == (
        f"the server is a read-only replica; load into its primary, 127.0.0.1:{primary.port}"
    )
    assert run_here(capsys, "verify", rows, *NUMBERED, "--to", replica.url).code == 0


def test_a_replica_that_takes_writes_is_loaded_into(
    capsys: pytest.CaptureFixture[str], start_server: StartServer, real_server: RealServer, rows: Path
) -> None:
    replica = start_server("--replicaof", "127.0.0.1", str(real_server.port), "--replica-read-only", "no")
    wait_until(lambda: replica.client().info()["master_link_status"] == "up", what="the replica to be one")
    loaded(run_here(capsys, "load", rows, *NUMBERED, "--to", replica.url), 1)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            ("--as", "json", *NUMBERED),
            "the server has no JSON.SET: load its module RedisJSON, use Redis 8 or later, or keep the JSON as"
            " text: --as string --value '{json}'",
        ),
        (("--command", "HSTE {id} {*}"), "the server has no HSTE: it is misspelled"),
        (("--command", "SADD a {id}", "--command", "BF.ADD b {id}"), "the server has no BF.ADD: "),
    ],
)
def test_a_command_that_the_server_does_not_have_is_refused(
    capsys: pytest.CaptureFixture[str],
    real_server: RealServer,
    rows: Path,
    options: tuple[str, ...],
    says: str,
) -> None:
    said = refused(run_here(capsys, "load", rows, "--to", real_server.url, *options), real_server.url)
    assert said.startswith(says)
    assert real_server.client().dbsize() == 0


def test_what_verify_cannot_ask_is_refused(
    capsys: pytest.CaptureFixture[str], real_server: RealServer, rows: Path
) -> None:
    ended = run_here(capsys, "verify", rows, *NUMBERED, "--to", real_server.url, "--as", "json")
    assert refused(ended, real_server.url).startswith("the server has no JSON.GET: load its module")


# Users

FOR_THE_JOB = (
    *("+hgetall", "+hget", "+hset", "+hdel", "+del", "+set", "+get", "+pexpire"),
    *("+watch", "+unwatch", "+multi", "+exec"),
)
"""What a user has to be allowed on ``etl:*``, as the README has it."""


def with_user(server: RealServer, *rules: str) -> str:
    """Make a user ``loader`` with these rules; give the user's URL."""
    client: Any = server.client()
    client.execute_command("ACL", "SETUSER", "loader", "on", f">{SECRET}", "resetkeys", *rules)
    return f"redis://loader:{SECRET.replace('/', '%2F')}@127.0.0.1:{server.port}/0"


@pytest.mark.parametrize(
    ("rules", "options", "says"),
    [
        (
            ("~*", "+@all", "-hset"),
            ("--wire", "hset", *NUMBERED),
            "may not run HSET; give it the permission (ACL SETUSER",
        ),
        (
            ("~*", "+@all", "-rpush"),
            ("--as", "list", "--value", "{name}", *NUMBERED),
            "may not run RPUSH; give it the permission",
        ),
        (
            ("~*", "+@all", "-del"),
            ("--as", "list", "--value", "{name}", *NUMBERED),
            "may not run DEL; give it the permission",
        ),
        (
            ("~k:*", "+@all"),
            ("--as", "list", "--value", "{name}", "--key", "l:{#}"),
            "may not run RPUSH on the key l:0; give it",
        ),
        (
            ("%R~*", "%W~k:*", "+@all"),
            ("--key", "all", "--as", "set", "--value", "{name}"),
            "may not run SADD on the key all; ",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_user_who_may_not_is_told_what_before_the_first_record(
    capsys: pytest.CaptureFixture[str],
    real_server: RealServer,
    rows: Path,
    rules: tuple[str, ...],
    options: tuple[str, ...],
    says: str,
) -> None:
    url = with_user(real_server, *rules)
    ended = run_here(capsys, "load", rows, "--to", url, *options)
    assert refused(ended, real_server.url).startswith(f"the user loader {says}")
    assert real_server.client().info("commandstats").keys().isdisjoint({"cmdstat_hset", "cmdstat_rpush"})


@pytest.mark.parametrize("verb", ["load", "verify"])
def test_a_user_who_may_do_just_what_is_needed_is_let_in(
    capsys: pytest.CaptureFixture[str], real_server: RealServer, rows: Path, verb: str
) -> None:
    # May not ask anything either. The other commands are for the job's record and its lock.
    for_data = ("~user:*", "+@connection", "+restore", "+hmget", "+hlen", "+del", "+hset")
    url = with_user(real_server, *for_data, "~etl:*", *FOR_THE_JOB)
    ended = run_here(capsys, "load", rows, "--to", url, "--key", "user:{id}")
    loaded(ended, 1)
    if verb == "verify":
        assert run_here(capsys, "verify", rows, "--to", url, "--key", "user:{id}").code == 0


def test_a_user_who_may_not_touch_the_record_of_the_job_is_told(
    capsys: pytest.CaptureFixture[str], real_server: RealServer, rows: Path
) -> None:
    url = with_user(real_server, "~user:*", "+@all")
    ended = run_here(capsys, "load", rows, "--to", url, "--key", "user:{id}")
    said = refused(ended, real_server.url)
    assert re.match(r"the user loader may not run HGETALL on the key etl:\{rows-\w+\}; give it the", said)


def test_a_key_that_only_records_tell_is_left_to_them(
    capsys: pytest.CaptureFixture[str], real_server: RealServer, rows: Path
) -> None:
    url = with_user(real_server, "~city:[A-Z]*", "~etl:*", "+@all")
    loaded(run_here(capsys, "load", rows, "--to", url, "--key", "city:{name}"), 1)


def test_a_user_who_may_not_restore_loads_by_hset(
    capsys: pytest.CaptureFixture[str], real_server: RealServer, rows: Path
) -> None:
    url = with_user(real_server, "~*", "+@all", "-restore")
    loaded(run_here(capsys, "load", rows, *NUMBERED, "--to", url), 1)
    assert "cmdstat_hset" in real_server.client().info("commandstats")


def test_a_user_who_may_only_restore_loads_by_it(
    capsys: pytest.CaptureFixture[str], real_server: RealServer, rows: Path
) -> None:
    url = with_user(real_server, "~*", "+@all", "-hset", "(~etl:* +hset)")
    loaded(run_here(capsys, "load", rows, *NUMBERED, "--to", url), 1)
    assert "cmdstat_restore" in real_server.client().info("commandstats")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_wrong_password_is_refused_once_and_shown_nowhere(
    start: StartCommand, real_server: RealServer, rows: Path, workers: str
) -> None:
    with_user(real_server, "~*", "+@all")
    url = f"redis://loader:{SECRET.replace('/', '%2F')}x@127.0.0.1:{real_server.port}/0"
    ended = start("load", rows, *NUMBERED, "--to", url, "--workers", workers).end()
    assert refused(ended, real_server.url) == (
        " refused the connection: the user name or password is wrong"
        " (--user, --password-file or $REDISCLI_AUTH, or the URL)"
        " (invalid username-password pair or user is disabled.)"
    )
    client: Any = real_server.client()
    assert len(client.acl_log()) == 1  # tried once, and not by every worker


def test_too_many_clients_is_one_clear_error(
    start: StartCommand, start_server: StartServer, rows: Path
) -> None:
    server = start_server("--maxclients", "1")
    client = server.client(single_connection_client=True)
    client.ping()
    ended = start("load", rows, *NUMBERED, "--to", server.url, "--workers", "2").end()
    assert ended.code == 4
    assert "max number of clients reached" in ended.sentence
    client.config_set("maxclients", 100)
    loaded(start("load", rows, *NUMBERED, "--to", server.url, "--workers", "2").end(), 1)


def test_a_server_of_another_authority_is_one_clear_error(
    start: StartCommand, real_server: RealServer, rows: Path, tmp_path: Path
) -> None:
    ours, theirs = trustme.CA(), trustme.CA()
    ours.cert_pem.write_to_path(str(tmp_path / "ours.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.issue_cert("localhost").configure_cert(context)
    with TlsFront(context, real_server.port) as front:
        shown = f"rediss://localhost:{front.port}/0"
        url = f"rediss://:{SECRET.replace('/', '%2F')}@localhost:{front.port}/0"
        ended = start("load", rows, *NUMBERED, "--to", f"{url}?ssl_ca_certs={tmp_path / 'ours.pem'}").end()
        assert ended.code == 4
        assert ended.sentence.startswith(f"cannot reach {shown}: its certificate is not trusted: ")
        assert SECRET not in ended.stdout + ended.stderr


# Keys that may vanish


def evicting(start_server: StartServer, maxmemory: str, policy: str = "allkeys-lru") -> RealServer:
    return start_server("--maxmemory", maxmemory, "--maxmemory-policy", policy, "--maxmemory-samples", "10")


@pytest.mark.parametrize(
    ("policy", "options"), [("allkeys-random", ()), ("allkeys-lru", ()), ("volatile-lru", ("--ttl", "1000"))]
)
def test_a_server_that_may_evict_what_is_loaded_is_refused(
    capsys: pytest.CaptureFixture[str],
    start_server: StartServer,
    small: Path,
    policy: str,
    options: tuple[str, ...],
) -> None:
    server = evicting(start_server, "3mb", policy)
    ended = run_here(capsys, "load", small, "--to", server.url, *options)
    said = refused(ended, server.url)
    assert said.startswith(f"the server would delete keys to make room (maxmemory-policy {policy}): ")
    assert "of 3.1 MB are used, and the input may take about 2.7 MB; raise maxmemory" in said
    assert server.client().dbsize() == 0


def test_with_allow_eviction_keys_may_vanish(
    capsys: pytest.CaptureFixture[str], start_server: StartServer, small: Path
) -> None:
    server = evicting(start_server, "3mb")
    loaded(run_here(capsys, "load", small, "--to", server.url, "--allow-eviction"), 100_000)
    assert 0 < server.client().dbsize() < 100_000


@pytest.mark.parametrize(
    ("policy", "options", "code"),
    [
        ("allkeys-lru", (), 4),
        ("allkeys-lru", ("--allow-eviction",), 0),
        ("volatile-lru", (), 0),
        ("volatile-lru", ("--ttl", "1000"), 4),
    ],
)
def test_an_input_of_unknown_size_does_not_fit_where_its_keys_may_vanish(
    start_server: StartServer, policy: str, options: tuple[str, ...], code: int
) -> None:
    server = evicting(start_server, "100mb", policy)
    ended = run_cli("load", "-", "--to", server.url, *options, input="a\nb\n")
    assert ended.returncode == code, ended.stderr
    assert ("how much the input takes is not known" in ended.stderr) == (code == 4)


@pytest.mark.parametrize(
    ("maxmemory", "policy", "options"),
    [
        ("100mb", "allkeys-lru", ()),
        ("0", "allkeys-lru", ()),
        ("100mb", "volatile-lru", ("--ttl", "1000")),
        ("16mb", "volatile-lru", ()),
        ("16mb", "noeviction", ()),
    ],
)
def test_a_load_that_fits_is_let_in(
    capsys: pytest.CaptureFixture[str],
    start_server: StartServer,
    small: Path,
    maxmemory: str,
    policy: str,
    options: tuple[str, ...],
) -> None:
    server = evicting(start_server, maxmemory, policy)
    loaded(run_here(capsys, "load", small, "--to", server.url, *options), 100_000)
    assert data_size(server.client()) == 100_000


@pytest.mark.parametrize("workers", ["1", "2"])
def test_keys_that_vanished_during_a_load_fail_it_at_its_end(
    start: StartCommand, start_server: StartServer, small: Path, workers: str
) -> None:
    server = evicting(start_server, "6mb")  # 0.9 MB of input are taken for 2.7 MB, and are 8 MB
    ended = start("load", small, "--to", server.url, "--workers", workers).end()
    assert ended.code == 4
    assert ended.report["status"] == "failed"
    assert ended.records["written"] == 100_000
    said = re.escape(f"{server.url}: the server evicted ") + r"([\d,]+) keys during the load, maybe some of"
    told = re.match(said, ended.sentence)
    assert told
    client = server.client()
    assert 0 < int(told[1].replace(",", "")) <= client.info("stats")["evicted_keys"]
    assert data_size(client) < 100_000


def test_a_policy_that_changes_during_a_load_is_noticed(
    start: StartCommand, big_file: Path, real_server: RealServer, proxy: RecordingProxy
) -> None:
    hold_in_the_middle(proxy)
    command = start("load", big_file, "--to", proxy.url, "--workers", "1")
    wait_for_the_middle(proxy, 1)
    real_server.client().config_set("maxmemory-policy", "allkeys-lru")
    real_server.client().config_set("maxmemory", "20mb")
    proxy.release()
    ended = command.end()
    assert ended.code == 4
    assert "keys during the load" in ended.sentence


def test_what_was_evicted_before_is_nothing_to_a_load(
    capsys: pytest.CaptureFixture[str], start_server: StartServer, small: Path, rows: Path
) -> None:
    server = evicting(start_server, "3mb")
    run_here(capsys, "load", small, "--to", server.url, "--allow-eviction")
    server.client().flushall()
    assert server.client().info("stats")["evicted_keys"] > 0
    loaded(run_here(capsys, "load", rows, *NUMBERED, "--to", server.url), 1)


# Servers that tell less


def answered(command: list[bytes]) -> bytes:
    return OK


QUESTIONS = {
    "hangs up on all": lambda command: CLOSE,
    "hangs up on COMMAND": lambda command: CLOSE if command[0] == b"COMMAND" else bulk(b"role:master\r\n"),
    "hangs up on ACL": lambda command: CLOSE if command[0] == b"ACL" else bulk(b"evicted_keys:0\r\n"),
    "knows nothing": lambda command: error("ERR unknown command"),
    "may say nothing": lambda command: error("NOPERM this user has no permissions to run it"),
    "says OK to all": lambda command: OK,
    "says something else": lambda command: bulk(b"proxy 1.0: fine\n"),
    "says nothing": lambda command: b"$-1\r\n",
    "has no command at all": lambda command: b"*2\r\n$-1\r\n$-1\r\n",
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_server_that_tells_less_is_loaded_into(
    capsys: pytest.CaptureFixture[str], small: Path, name: str
) -> None:
    with ScriptedServer(answered, questions=QUESTIONS[name]) as server:
        loaded(run_here(capsys, "load", small, "--to", server.url), 100_000)
        assert {command[0] for command in server.commands} == {b"MSET"}


def test_a_server_that_is_gone_behind_the_load_has_taken_it(
    capsys: pytest.CaptureFixture[str], small: Path
) -> None:
    asked: list[bytes] = []

    def once(command: list[bytes]) -> bytes | None:
        asked.append(command[0])
        return bulk(b"evicted_keys:0\r\n") if asked.count(b"INFO") <= 2 else CLOSE

    with ScriptedServer(answered, questions=once) as server:
        loaded(run_here(capsys, "load", small, "--to", server.url), 100_000)
        assert asked.count(b"INFO") == 2 + MAX_HANG_UPS
