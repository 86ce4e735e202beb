"""What a server says of itself, what of it refuses a replacement, and what is set meanwhile."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from etl.errors import TargetError
from etl.sink.replication.checks import memory_error, notices, require_memory, require_replaceable
from etl.sink.replication.facts import ServerState, read_memory, read_state
from etl.sink.replication.settings import Padding, changes, padding_for, token_of
from tests.cases import cases

INFO = (
    b"# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n"
    b"role:master\r\nconnected_slaves:2\r\nmaster_replid:abc\r\nmaster_repl_offset:7\r\n"
    b"used_memory:1000\r\nmaxmemory:2000\r\ntotal_system_memory:9000\r\ncluster_enabled:0\r\n"
    b"module:name=good,ver=1,options=[handle-io-errors|handle-repl-async-load]\r\n"
    b"module:name=search,ver=1,options=[]\r\n"
    b"db0:keys=5,expires=0,avg_ttl=0\r\ndb12:keys=7,expires=1,avg_ttl=0\r\n"
)
SETTINGS = [b"repl-diskless-load", b"disabled", b"masterauth", b"", b"replica-read-only", b"no"]

SERVER = ServerState(
    version=(7, 0, 15),
    shown_version="7.0.15",
    settings={
        "repl-diskless-load": "disabled",
        "masterauth": "",
        "replica-serve-stale-data": "yes",
        "loading-process-events-interval-bytes": "2097152",
    },
    writable=True,
)


def test_replies_are_read() -> None:
    state = read_state(INFO, b"id=3 addr=x name=sentinel-5f-cmd age=1\n", SETTINGS, writable=True)
    assert state is not None
    assert state.version == (7, 0, 15)
    assert state.keys == {0: 5, 12: 7}
    assert state.all_keys == 12
    assert (state.replicas, state.replid, state.offset) == (2, "abc", 7)
    assert (state.used_memory, state.maxmemory, state.total_memory) == (1000, 2000, 9000)
    assert state.watched
    assert state.primary is None
    assert state.modules == ("search",)
    assert not state.swaps
    assert replace(state, modules=()).serves_reads
    assert state.rdb_version == 10
    follower = read_state(b"role:slave\r\nmaster_host:10.0.0.1\r\nmaster_port:7\r\nmaster_link_status:up\r\n")
    assert follower is not None
    assert follower.primary == ("10.0.0.1", 7)
    assert follower.syncs
    assert follower.settings is None
    assert follower.rdb_version == 9


@cases("info", [None, b"", b"nothing:1\r\n", 5, [b"role:master"]])
def test_a_server_that_tells_nothing_is_unknown(info: Any) -> None:
    assert read_state(info) is None


@cases(
    ("state", "replace_all", "sentence"),
    [
        (replace(SERVER, cluster=True), True, "a node of a Redis Cluster"),
        (replace(SERVER, primary=("h", 1)), True, "a replica of h:1; give the address"),
        (replace(SERVER, watched=True), True, "a Sentinel watches this server"),
        (replace(SERVER, settings={"tls-replication": "yes"}), True, "replicates with TLS"),
        (replace(SERVER, replicas=2), False, "2 replicas, which would lose everything too"),
        (replace(SERVER, keys={0: 1, 3: 2}), False, "3 keys in 2 databases"),
    ],
)
def test_what_cannot_be_replaced_is_refused(state: ServerState, replace_all: bool, sentence: str) -> None:
    with pytest.raises(TargetError, match=f"redis://x: .*{sentence}"):
        require_replaceable(state, "redis://x", replace_all=replace_all, empty=not state.keys)
    require_replaceable(SERVER, "redis://x", replace_all=replace_all, empty=True)


def test_memory_for_both_data_sets_is_looked_at() -> None:
    state = replace(SERVER, used_memory=600, total_memory=1000, maxmemory=300)
    require_memory(state, "x", nbytes=400)
    require_memory(state, "x", nbytes=None)
    with pytest.raises(TargetError, match="there together until it is complete"):
        require_memory(state, "x", nbytes=401)
    assert memory_error(state, 900, "x", whole=True) is None
    assert memory_error(state, 940, "x", whole=False) is None
    assert "raise maxmemory or load less" in str(memory_error(state, 901, "x", whole=True))
    assert read_memory(INFO) == 1000
    assert read_memory(b"") is None
    assert "both data sets take 960 B" in str(memory_error(state, 960, "x", whole=False))


@cases(
    ("state", "sentence"),
    [
        (SERVER, None),
        (replace(SERVER, version=(6, 2, 1), shown_version="6.2.1"), "Redis 6.2.1 answers LOADING until"),
        (replace(SERVER, settings=None, writable=False), "cannot be changed by this user"),
        (replace(SERVER, writable=False), "cannot be changed by this user"),
        (replace(SERVER, modules=("search",)), "its module search does not allow a swap"),
        (replace(SERVER, settings={"masterauth": ""}, shown_version="5.0.0"), "Redis 5.0.0 has no swap"),
    ],
)
def test_a_server_that_cannot_answer_meanwhile_is_said_before(
    state: ServerState, sentence: str | None
) -> None:
    told = list(notices(state))
    assert len(told) == (sentence is not None)
    assert sentence is None or sentence in told[0]


def test_settings_are_changed_where_they_are_others_and_known() -> None:
    changed = changes(SERVER, "secret")
    assert changed == {
        "repl-diskless-load": "swapdb",
        "masterauth": "secret",
        "loading-process-events-interval-bytes": "65536",
    }
    assert token_of(SERVER, changed) == "secret"
    theirs = replace(SERVER, settings={"masterauth": "theirs"})
    assert changes(theirs, "secret") == {}
    assert token_of(theirs, {}) == "theirs"
    limited = {"replica-ignore-maxmemory": "no", "replica-serve-stale-data": "no", "replica-read-only": "no"}
    assert changes(replace(SERVER, settings=limited, maxmemory=5), "") == dict.fromkeys(limited, "yes")
    assert "repl-diskless-load" not in changes(replace(SERVER, modules=("search",)), "")
    assert changes(replace(SERVER, settings=None), "") == {}


def test_padding_lets_the_server_look_after_its_clients_and_spares_its_disk() -> None:
    assert padding_for(SERVER, changes(SERVER, "x")) == Padding(65_600, 0.01)
    assert padding_for(replace(SERVER, writable=False), {}) == Padding(64, 1.0)
    stubborn = {"repl-diskless-load": "swapdb"}
    assert padding_for(SERVER, stubborn) == Padding(2_097_216, 0.1)
    assert padding_for(replace(SERVER, settings=stubborn), {}) == Padding(2_097_216, 0.1)
    assert padding_for(replace(SERVER, settings=stubborn, version=(6, 2, 0)), {}) == Padding(65_600, 0.01)
