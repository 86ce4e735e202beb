"""What a server says before a load, and which of it refuses the load: only what is known for sure."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.encode.examples import EXAMPLE
from etl.errors import TargetError
from etl.sink.error_replies import error_reply
from etl.sink.preflight.checks import (
    MEMORY_PER_INPUT_BYTE,
    evicted,
    require_commands,
    require_room,
    require_server,
)
from etl.sink.preflight.facts import UNKNOWN, Denial, Findings, Info, read_denials, read_info, read_missing
from tests.cases import cases

PRIMARY = b"""\
# Server\r
redis_version:7.0.15\r
redis_mode:standalone\r
# Memory\r
used_memory:1018480\r
maxmemory:2000000\r
maxmemory_policy:allkeys-lru\r
# Stats\r
evicted_keys:3\r
# Replication\r
role:master\r
# Cluster\r
cluster_enabled:0\r
"""

REPLICA = b"role:slave\r\nmaster_host:10.0.0.1\r\nmaster_port:6380\r\nslave_read_only:1\r\n"

ERROR = error_reply("ERR unknown command")

COMMANDS = ((b"MSET", b"k:0", b"v"), (b"DEL", b"k:0"), (b"SET", b"k:" + EXAMPLE, b"v"))


def test_info_is_read() -> None:
    assert read_info(PRIMARY) == Info(
        version="7.0.15",
        cluster=False,
        replica=False,
        primary=None,
        used_memory=1_018_480,
        maxmemory=2_000_000,
        policy="allkeys-lru",
        evicted_keys=3,
    )
    assert read_info(b"redis_version:7.2.4\r\nvalkey_version:8.1.0\r\n").version == "8.1.0"
    assert read_info(b"cluster_enabled:1\r\n").cluster is True


@cases(
    ("says", "replica"),
    [
        (REPLICA, True),
        (REPLICA.replace(b"read_only:1", b"read_only:0"), False),
        (b"role:slave\r\n", True),
        (b"role:replica\r\n", True),
        (b"role:master\r\n", False),
        (b"", None),
    ],
)
def test_a_replica_that_takes_writes_is_none_here(says: bytes, replica: bool | None) -> None:
    assert read_info(says).replica is replica


@cases(
    "reply",
    [
        None,
        ERROR,
        b"",
        b"OK",
        b"OK:",
        b"used_memory\r\n",
        b"\xff\0\r\n:\r\n",
        [b"used_memory", b"1"],
        5,
        b"a:1:2",
    ],
)
def test_an_answer_of_another_form_is_unknown(reply: Any) -> None:
    assert read_info(reply) == UNKNOWN


@cases("number", [b"", b"many", b"-1", b"1.5", b"0x10", "٣".encode()])
def test_a_number_of_another_form_is_unknown(number: bytes) -> None:
    assert read_info(b"used_memory:%b\r\nrole:master\r\n" % number) == Info(replica=False)


@given(st.binary())
def test_whatever_a_server_says_is_read(said: bytes) -> None:
    read_info(said)
    read_denials("u", COMMANDS, [said, said, said])


def test_what_is_not_known_refuses_nothing() -> None:
    require_server(UNKNOWN, "t", writes=True)
    require_room(UNKNOWN, "t", nbytes=None, expiring=True)
    require_commands(Findings(), COMMANDS, "t")
    assert evicted(UNKNOWN, Info(evicted_keys=1), "t") is None
    assert evicted(Info(evicted_keys=1), UNKNOWN, "t") is None


def refusal(what: Any, *args: Any, **options: Any) -> str:
    with pytest.raises(TargetError) as caught:
        what(*args, **options)
    return str(caught.value)


def test_a_replica_is_refused_for_writing_and_its_primary_named() -> None:
    info = read_info(REPLICA)
    assert refusal(require_server, info, "t", writes=True) == (
        "t: the server is a read-only replica; load into its primary, 10.0.0.1:6380"
    )
    require_server(info, "t", writes=False)


@pytest.mark.parametrize("writes", [True, False])
def test_a_cluster_is_refused(writes: bool) -> None:
    said = refusal(require_server, Info(cluster=True), "t", writes=writes)
    require_server(Info(cluster=True), "t", writes=writes, takes=frozenset({"cluster"}))
    assert said == "t: the server is a node of a Redis Cluster, which is not loaded in this way"


SOME = [b"set", 3, [b"write"], 1, 1, 1]


@cases(
    ("reply", "missing"),
    [
        ([SOME, SOME, None], {b"JSON.SET"}),
        ([SOME, None, []], {b"MSET", b"JSON.SET"}),
        ([SOME, SOME, SOME], set()),
        ([None, None, None], set()),  # it does not even know PING
        ([SOME, None], set()),
        (ERROR, set()),
        (b"OK", set()),
        (None, set()),
    ],
)
def test_a_command_is_missing_only_where_the_server_knows_its_commands(
    reply: Any, missing: set[bytes]
) -> None:
    assert read_missing([b"MSET", b"JSON.SET"], reply) == missing


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        (
            b"JSON.SET",
            "the server has no JSON.SET: load its module RedisJSON, use Redis 8 or later, or keep the JSON as"
            " text: --as string --value '{json}'",
        ),
        (b"HSTE", "the server has no HSTE: it is misspelled, or needs a newer server or a module"),
        (b"\xff\n", "the server has no \\xff\\n: it is misspelled, or needs a newer server or a module"),
    ],
)
def test_a_missing_command_is_refused_with_what_to_do(name: bytes, remedy: str) -> None:
    findings = Findings(missing=frozenset((name, b"OTHER")))
    assert refusal(require_commands, findings, [(name, b"key")], "t") == f"t: {remedy}"
    require_commands(findings, COMMANDS, "t")  # none of these is missing


def test_denials_are_read_from_dry_runs() -> None:
    no_command = b"User u has no permissions to run the 'mset' command"  # 7.2; 7.0 says "This user"
    no_key = b"This user has no permissions to access the 'k:0' key"
    no_example = b"This user has no permissions to access the 'k:%b' key" % EXAMPLE
    assert read_denials("u", COMMANDS, [no_command, no_key, no_example]) == (
        Denial("u", b"MSET"),
        Denial("u", b"DEL", b"k:0"),
    )
    assert read_denials("u", COMMANDS, [b"OK", ERROR, 1]) == ()
    assert read_denials("u", COMMANDS, []) == ()


def test_a_denied_command_is_refused_with_the_user_and_the_remedy() -> None:
    commands = (*COMMANDS[:1], (b"DEL", b"k\n0"), *COMMANDS[2:])
    findings = Findings(denials=(Denial("u", b"MSET"), Denial("u", b"DEL", b"k\n0")))
    assert refusal(require_commands, findings, commands, "t") == (
        "t: the user u may not run MSET; give it the permission (ACL SETUSER u +mset)"
    )
    assert refusal(require_commands, findings, commands[1:], "t") == (
        "t: the user u may not run DEL on the key k\\n0; give it the permission (ACL SETUSER u ~PATTERN)"
    )
    require_commands(findings, COMMANDS[2:], "t")  # nothing of this was denied


def server(policy: str = "allkeys-lru", used: int | None = 400, maxmemory: int | None = 1_000) -> Info:
    return Info(used_memory=used, maxmemory=maxmemory, policy=policy)


@cases(
    ("info", "nbytes", "expiring"),
    [
        (server(), 600 // MEMORY_PER_INPUT_BYTE, False),
        (server(), 0, False),
        (server(maxmemory=0), None, False),
        (server(maxmemory=None), None, False),
        (server("noeviction"), None, True),
        (server("noeviction"), 10_000, True),
        (server("volatile-lru"), None, False),
        (server("something"), None, True),
    ],
)
def test_a_load_that_fits_or_evicts_nothing_is_let_in(info: Info, nbytes: int | None, expiring: bool) -> None:
    require_room(info, "t", nbytes=nbytes, expiring=expiring)


@cases(
    ("info", "nbytes", "expiring"),
    [
        (server(), 600 // MEMORY_PER_INPUT_BYTE + 1, False),
        (server(), None, False),
        (server("allkeys-random"), None, True),
        (server("volatile-ttl"), None, True),
        (server(used=None), 1_000, False),
    ],
)
def test_a_load_that_may_evict_its_own_keys_is_refused(
    info: Info, nbytes: int | None, expiring: bool
) -> None:
    said = refusal(require_room, info, "t", nbytes=nbytes, expiring=expiring)
    assert f"maxmemory-policy {info.policy}" in said
    assert "--allow-eviction" in said


def test_the_refusal_has_the_figures() -> None:
    info = server("allkeys-lfu", 2_000_000, 10_000_000)
    start = (
        "t: the server would delete keys to make room (maxmemory-policy allkeys-lfu):"
        " 2.0 MB of 10.0 MB are used, and "
    )
    end = "; raise maxmemory, set maxmemory-policy noeviction, or give --allow-eviction"
    assert refusal(require_room, info, "t", nbytes=5_000_000, expiring=False) == (
        f"{start}the input may take about 15.0 MB{end}"
    )
    assert refusal(require_room, info, "t", nbytes=None, expiring=False) == (
        f"{start}how much the input takes is not known{end}"
    )


@cases(
    ("before", "after", "said"),
    [
        (0, 1, "evicted 1 key during the load"),
        (5, 2_005, "evicted 2,000 keys during the load"),
        (5, 2, "evicted 2 keys during the load"),  # counted anew since CONFIG RESETSTAT
        (5, 5, None),
        (0, 0, None),
        (5, 0, None),
    ],
)
def test_keys_that_vanished_during_the_load_are_an_error(before: int, after: int, said: str | None) -> None:
    error = evicted(Info(evicted_keys=before), Info(evicted_keys=after, policy="allkeys-lru"), "t")
    assert (error is None) == (said is None)
    if said is not None:
        assert str(error).startswith(f"t: the server {said}")
        assert "(maxmemory-policy allkeys-lru); raise maxmemory" in str(error)
