"""What every Redis type, ``--if-exists`` and expiry do to a server: the table in ``etl/encode/types/``.

One suite for fakeredis and a real server. Six records, whose keys ``k:1`` and ``k:3`` were there before with
content of the same type and an expiry.

JSON needs a module that a real server of ours does not have. What a server refuses is looked at on the real
one only: fakeredis hangs up behind an error reply, where the protocol has the conversation go on.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import etl
from etl.errors import RejectedError, UsageError
from tests.cases import cases
from tests.support import FakeServer, RealServer

EXPIRIES: dict[str, dict[str, Any]] = {
    "no-expiry": {},
    "ttl": {"ttl": 5000},
    "ttl-field": {"ttl": "{ttl}"},
    "expire-at": {"expire_at": "{at}"},
}
TTL_S = 5000
OLD_TTL_S = 90_000
THERE = (1, 3)
IDS = range(6)


def there(kind: Kind, if_exists: str) -> tuple[int, ...]:
    """Say which keys are there before: fakeredis cannot merge JSON into a key that is not."""
    return tuple(IDS) if (kind.name, if_exists) == ("json", "merge") else THERE


@dataclass(frozen=True)
class Kind:
    """A type: how it is loaded, and what keys hold. ``old`` puts content into a key; ``holds`` reads it.

    ``new(n)`` is what ``holds`` gives of record n alone, ``merged(n)`` what is there if it joined the old.
    """

    name: str
    options: dict[str, Any]
    old: Callable[[Any, str], Any]
    holds: Callable[[Any, str], Any]
    new: Callable[[int], Any]
    old_content: Any
    merged: Callable[[int], Any] | None = None
    verified: bool = True
    real: bool = True


def keys_in(client: Any) -> int:
    """Count the keys, but for the record of the job."""
    return sum(not key.startswith(b"etl:{") for key in client.scan_iter())


def _json_of(n: int) -> dict[str, str]:
    return {"id": str(n), "name": f"n{n}"}


def _entries(client: Any, key: str) -> list[dict[bytes, bytes]]:
    return [fields for _, fields in client.xrange(key)]


def _hash_of(n: int) -> dict[bytes, bytes]:
    return {b"id": b"%d" % n, b"name": b"n%d" % n}


FIELDS = {"include": "id,name"}

KINDS = [
    Kind(
        "string",
        {"as_": "string", "value": "{name}"},
        lambda client, key: client.set(key, "old"),
        lambda client, key: client.get(key),
        lambda n: b"n%d" % n,
        b"old",
    ),
    Kind(
        "hash",
        {"as_": "hash", **FIELDS},
        lambda client, key: client.hset(key, mapping={"old": "1", "name": "old"}),
        lambda client, key: client.hgetall(key),
        _hash_of,
        {b"old": b"1", b"name": b"old"},
        lambda n: {b"old": b"1", **_hash_of(n)},
    ),
    Kind(
        "hash-by-hset",
        {"as_": "hash", "wire": "hset", **FIELDS},
        lambda client, key: client.hset(key, mapping={"old": "1", "name": "old"}),
        lambda client, key: client.hgetall(key),
        _hash_of,
        {b"old": b"1", b"name": b"old"},
        lambda n: {b"old": b"1", **_hash_of(n)},
    ),
    Kind(
        "json",
        {"as_": "json", **FIELDS},
        lambda client, key: client.json().set(key, "$", {"old": 1, "name": "old"}),
        lambda client, key: client.json().get(key),
        _json_of,
        {"old": 1, "name": "old"},
        lambda n: {"old": 1, **_json_of(n)},
        real=False,
    ),
    Kind(
        "list",
        {"as_": "list", "value": "{name}"},
        lambda client, key: client.rpush(key, "old", "older"),
        lambda client, key: client.lrange(key, 0, -1),
        lambda n: [b"n%d" % n],
        [b"old", b"older"],
        lambda n: [b"old", b"older", b"n%d" % n],
    ),
    Kind(
        "set",
        {"as_": "set", "value": "{name}"},
        lambda client, key: client.sadd(key, "old"),
        lambda client, key: client.smembers(key),
        lambda n: {b"n%d" % n},
        {b"old"},
        lambda n: {b"old", b"n%d" % n},
    ),
    Kind(
        "zset",
        {"as_": "zset", "value": "{name}", "score": "{id}.5"},
        lambda client, key: client.zadd(key, {"old": 1}),
        lambda client, key: client.zrange(key, 0, -1, withscores=True),
        lambda n: [(b"n%d" % n, n + 0.5)],
        [(b"old", 1.0)],
        lambda n: [(b"old", 1.0), (b"n%d" % n, n + 0.5)],
    ),
    Kind(
        "stream",
        {"as_": "stream", **FIELDS},
        lambda client, key: client.xadd(key, {"old": "1"}),
        _entries,
        lambda n: [_hash_of(n)],
        [{b"old": b"1"}],
        lambda n: [{b"old": b"1"}, _hash_of(n)],
        verified=False,
    ),
]


@dataclass(frozen=True)
class Served:
    """A running server and a client of it."""

    url: str
    client: Any


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Served]]:
    real, fake = RealServer(tmp_path_factory.mktemp("server")), FakeServer()
    with contextlib.closing(fake), contextlib.closing(real):
        real.start()
        # One client each: of every client that stays connected fakeredis keeps a thread that polls.
        yield {"fake": Served(fake.url, fake.client()), "real": Served(real.url, real.client())}


@dataclass(frozen=True)
class Place:
    """An empty server, a client of it, and a folder with the records."""

    server: str
    url: str
    client: Any
    file: Path

    def load(self, **options: Any) -> etl.Report:
        return etl.load(self.file, **self._settings(options))

    def verify(self, **options: Any) -> etl.Report:
        options.pop("wire", None)  # verify asks, however it was written
        return etl.verify(self.file, **self._settings(options))

    def _settings(self, options: dict[str, Any]) -> dict[str, Any]:
        key = {} if "command" in options else {"key": "k:{id}"}
        return {"to": self.url, "workers": 1, "progress": "none", **key, **options}


def placed(name: str, servers: dict[str, Served], tmp_path: Path) -> Place:
    client = servers[name].client
    client.flushall()
    path = tmp_path / "people.csv"
    at = int(time.time()) + TTL_S
    lines = ["id,name,ttl,at", *(f"{n},n{n},{TTL_S},{at}" for n in IDS)]
    path.write_text("\n".join(lines) + "\n")
    return Place(name, servers[name].url, client, path)


@pytest.fixture
def real(servers: dict[str, Served], tmp_path: Path) -> Place:
    return placed("real", servers, tmp_path)


every_kind = cases("kind", KINDS, ids=[kind.name for kind in KINDS])


def server_of(kind: Kind) -> str:
    """Return the server that a type is tried on.

    A load into fakeredis takes six times as long, for its polls: it has what a real server does not, and one
    load of each other type, as a second opinion.
    """
    return "real" if kind.real else "fake"


def named(*names: str) -> list[Kind]:
    return [kind for kind in KINDS if kind.name in names]


WAYS = [
    *(("replace", expiry) for expiry in EXPIRIES),
    ("merge", "no-expiry"),
    ("merge", "ttl"),
    ("skip", "no-expiry"),
    ("skip", "ttl-field"),
    ("fail", "no-expiry"),
    ("fail", "expire-at"),
]
"""Every --if-exists with and without an expiry, and every form of an expiry."""

FAKE_WAYS = [("replace", "ttl-field"), ("merge", "no-expiry"), ("skip", "no-expiry"), ("fail", "no-expiry")]


def expected(kind: Kind, if_exists: str) -> dict[int, Any]:
    """Say what each key holds afterwards."""
    contents = {n: kind.new(n) for n in IDS}
    for n in there(kind, if_exists):
        if if_exists == "merge":
            assert kind.merged is not None
            contents[n] = kind.merged(n)
        elif if_exists != "replace":
            contents[n] = kind.old_content
    return contents


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_what_if_exists_says_is_what_happens(kind: Kind, servers: dict[str, Served], tmp_path: Path) -> None:
    for at, (if_exists, expiry) in enumerate(WAYS if kind.real else FAKE_WAYS):
        folder = tmp_path / f"{at}-{if_exists}-{expiry}"
        folder.mkdir()
        load_and_look(placed(server_of(kind), servers, folder), kind, if_exists, expiry)
    if kind.real:
        (tmp_path / "fake").mkdir()
        load_and_look(placed("fake", servers, tmp_path / "fake"), kind, "replace", "no-expiry")


def load_and_look(place: Place, kind: Kind, if_exists: str, expiry: str) -> None:
    tmp_path = place.file.parent
    for n in there(kind, if_exists):
        kind.old(place.client, f"k:{n}")
        place.client.expire(f"k:{n}", OLD_TTL_S)
    options = {**kind.options, "if_exists": if_exists}
    if if_exists == "merge" and kind.merged is None:
        with pytest.raises(UsageError, match="merge has no meaning for a string"):
            place.load(**options, **EXPIRIES[expiry])
        return
    report = place.load(
        **options, **EXPIRIES[expiry], max_rejects=2, rejects=tmp_path / "rejects.jsonl", workers=1
    )

    left = len(THERE) if if_exists in ("skip", "fail") else 0
    assert report.records == {
        "read": 6,
        "written": 6 - left,
        "skipped": left if if_exists == "skip" else 0,
        "rejected": left if if_exists == "fail" else 0,
    }
    assert report.exit_code == (1 if if_exists == "fail" else 0)
    assert {n: kind.holds(place.client, f"k:{n}") for n in IDS} == expected(kind, if_exists)
    assert keys_in(place.client) == 6
    for n in IDS:
        _check_expiry(place.client, kind, n, if_exists, expiry)
    if if_exists == "fail":
        _check_rejects(tmp_path / "rejects.jsonl", place.file)

    if expiry != "no-expiry":  # verify does not look at it
        return
    if not kind.verified:
        with pytest.raises(UsageError, match="verify cannot compare a stream"):
            place.verify(**options)
        return
    verified = place.verify(**options)
    assert verified.records["equal"] == 6 - left, verified.examples
    assert verified.records["missing"] + verified.records["different"] == left


def _check_expiry(client: Any, kind: Kind, n: int, if_exists: str, expiry: str) -> None:
    ttl = client.ttl(f"k:{n}")
    if n in THERE and if_exists in ("skip", "fail"):
        assert TTL_S < ttl <= OLD_TTL_S
    elif expiry != "no-expiry":
        assert TTL_S - 60 < ttl <= TTL_S
    elif n in there(kind, if_exists) and if_exists == "merge":
        assert TTL_S < ttl <= OLD_TTL_S
    elif kind.name != "json":  # of a module's keys fakeredis is no witness
        assert ttl == -1


def _check_rejects(path: Path, source: Path) -> None:
    rejects = [json.loads(line) for line in path.read_text().splitlines()]
    text = source.read_text()
    assert [(reject["file"], reject["record"]) for reject in rejects] == [(str(source), n) for n in THERE]
    for reject in rejects:
        assert reject["reason"] == "its key exists"
        assert text[reject["offset"] :].startswith(reject["raw"] + "\n")
        assert reject["raw"].startswith(f"{reject['record']},n")


@pytest.mark.parametrize(
    ("kinds", "if_exists", "split"),
    [
        (named("string", "hash", "hash-by-hset", "json", "set"), "replace", "record"),
        (named("hash-by-hset", "list"), "skip", "block"),
        (named("string", "hash", "zset"), "skip", "record"),
        (named("hash", "stream"), "fail", "block"),
    ],
    ids=["replace", "skip-by-block", "skip-by-record", "fail"],
)
def test_many_workers_do_the_same(
    kinds: list[Kind], if_exists: str, split: str, servers: dict[str, Served], tmp_path: Path
) -> None:
    for kind in kinds:
        folder = tmp_path / kind.name
        folder.mkdir()
        with_many_workers(placed(server_of(kind), servers, folder), kind, if_exists, split)


def with_many_workers(place: Place, kind: Kind, if_exists: str, split: str) -> None:
    for n in there(kind, if_exists):
        kind.old(place.client, f"k:{n}")
    report = place.load(
        **kind.options,
        if_exists=if_exists,
        workers=3,
        split=split,
        max_rejects="50%",
        rejects=place.file.parent / "rejects.jsonl",
    )
    assert report.records["read"] == 6
    assert {n: kind.holds(place.client, f"k:{n}") for n in IDS} == expected(kind, if_exists)


@every_kind
def test_a_load_that_skips_can_be_repeated_and_then_writes_nothing(
    kind: Kind, servers: dict[str, Served], tmp_path: Path
) -> None:
    place = placed(server_of(kind), servers, tmp_path)
    options = {**kind.options, "if_exists": "skip"}
    assert place.load(**options).records["written"] == 6
    assert place.load(**options).records == {"read": 6, "written": 0, "skipped": 6, "rejected": 0}
    assert {n: kind.holds(place.client, f"k:{n}") for n in IDS} == {n: kind.new(n) for n in IDS}
    if kind.verified:
        assert place.verify(**options).records["equal"] == 6


@every_kind
def test_fail_stops_the_run_unless_rejects_are_allowed(
    kind: Kind, servers: dict[str, Served], tmp_path: Path
) -> None:
    place = placed(server_of(kind), servers, tmp_path)
    kind.old(place.client, "k:1")
    with pytest.raises(RejectedError, match="its key exists") as caught:
        place.load(**kind.options, if_exists="fail", rejects=tmp_path / "rejects.jsonl")
    assert caught.value.exit_code == 5
    assert kind.holds(place.client, "k:1") == kind.old_content


@cases("kind", [kind for kind in KINDS if kind.real], ids=lambda kind: kind.name)
def test_another_type_is_replaced_where_keys_are_replaced(real: Place, kind: Kind) -> None:
    real.client.flushall()
    if kind.name in ("set", "string"):
        real.client.rpush("k:1", "other")
    else:
        real.client.sadd("k:1", "other")
    assert real.load(**kind.options).records["written"] == 6
    assert kind.holds(real.client, "k:1") == kind.new(1)


@cases("kind", ["hash", "list", "set", "zset", "stream"])
def test_a_key_of_another_type_is_a_reject_of_its_record_where_records_are_merged(
    real: Place, kind: str, tmp_path: Path
) -> None:
    real.client.flushall()
    real.client.set("k:2", "a string")
    options: dict[str, Any] = {"as_": kind, "if_exists": "merge"}
    options |= {} if kind in ("hash", "stream") else {"value": "{name}"}
    options |= {"score": "{id}"} if kind == "zset" else {}
    report = real.load(**options, max_rejects=1, rejects=tmp_path / "rejects.jsonl")
    assert report.records == {"read": 6, "written": 5, "skipped": 0, "rejected": 1}
    (reject,) = [json.loads(line) for line in (tmp_path / "rejects.jsonl").read_text().splitlines()]
    assert (reject["record"], reject["raw"].split(",")[:2]) == (2, ["2", "n2"])
    assert reject["reason"].startswith("WRONGTYPE")
    assert real.client.get("k:2") == b"a string"
    assert keys_in(real.client) == 6


# One key for all records: members are merged into commands of many members.

ONE_KEY: dict[str, tuple[dict[str, Any], Callable[[Any], Any], Any, Any]] = {
    "list": (
        {"as_": "list", "value": "{name}"},
        lambda client: sorted(client.lrange("all", 0, -1)),
        [b"n%d" % n for n in IDS],
        lambda client: client.rpush("all", "a-old"),
    ),
    "set": (
        {"as_": "set", "value": "{name}"},
        lambda client: sorted(client.smembers("all")),
        [b"n%d" % n for n in IDS],
        lambda client: client.sadd("all", "a-old"),
    ),
    "zset": (
        {"as_": "zset", "value": "{name}", "score": "{id}"},
        lambda client: client.zrange("all", 0, -1),
        [b"n%d" % n for n in IDS],
        lambda client: client.zadd("all", {"a-old": -1}),
    ),
}


ONE_KEY_CASES = [
    *((kind, if_exists, expiry, "real", 1) for kind in ONE_KEY for if_exists, expiry in WAYS[:7]),
    *((kind, "fail", "no-expiry", "real", 1) for kind in ONE_KEY),
    *((kind, "replace", "no-expiry", "fake", 1) for kind in ONE_KEY),
    ("list", "replace", "ttl", "real", 2),
    ("set", "merge", "ttl", "real", 2),
    ("zset", "skip", "ttl", "real", 2),
    ("list", "fail", "ttl", "real", 2),
]


@cases(("kind", "if_exists", "expiry", "server", "workers"), ONE_KEY_CASES)
def test_one_key_for_all_records(
    kind: str,
    if_exists: str,
    expiry: str,
    server: str,
    workers: int,
    servers: dict[str, Served],
    tmp_path: Path,
) -> None:
    place = placed(server, servers, tmp_path)
    options, members, new, put_old = ONE_KEY[kind]
    put_old(place.client)
    place.client.expire("all", OLD_TTL_S)
    options = {**options, "key": "all", "if_exists": if_exists, "workers": workers}
    report = place.load(**options, **EXPIRIES[expiry], max_rejects="100%", rejects=tmp_path / "rejects.jsonl")
    old = [b"a-old"]
    held = {"replace": new, "merge": old + new, "skip": old, "fail": old}[if_exists]
    assert members(place.client) == held
    count = {"replace": "written", "merge": "written", "skip": "skipped", "fail": "rejected"}[if_exists]
    assert report.records == {"read": 6, "written": 0, "skipped": 0, "rejected": 0, count: 6}
    ttl = place.client.ttl("all")
    if if_exists in ("skip", "fail") or (expiry == "no-expiry" and if_exists == "merge"):
        assert TTL_S < ttl <= OLD_TTL_S
    else:
        assert ttl == -1 if expiry == "no-expiry" else TTL_S - 60 < ttl <= TTL_S
    equal = 6 if if_exists in ("replace", "merge") else 0
    assert place.verify(**options).records["equal"] == equal


def test_members_of_one_key_travel_in_commands_of_many(real: Place) -> None:
    real.client.config_resetstat()
    real.load(as_="set", key="all", value="{name}")
    assert real.client.info("commandstats")["cmdstat_sadd"]["calls"] == 1
    assert real.client.scard("all") == 6


# Commands

COMMANDS: dict[str, tuple[list[str], Callable[[Any], Any], Any, bool]] = {
    "hset": (["HSET user:{id} {*}"], lambda c: c.hget("user:4", "name"), b"n4", True),
    "hset-one-key": (["HSET users {id} {name}"], lambda c: c.hlen("users"), 6, True),
    "sadd": (["SADD names:{id} {name} x"], lambda c: c.smembers("names:2"), {b"n2", b"x"}, True),
    "zadd-options": (["ZADD board GT CH {id} {name}"], lambda c: c.zscore("board", "n5"), 5.0, True),
    "rpush": (["RPUSH l:{id} {name} {id}"], lambda c: c.lrange("l:1", 0, -1), [b"n1", b"1"], True),
    "set-ex": (
        ["SET s:{id} {name} EX {ttl}"],
        lambda c: (c.get("s:3"), c.ttl("s:3") > 0),
        (b"n3", True),
        True,
    ),
    "geoadd": (
        ["GEOADD places {id}.25 {id}.25 {name}"],
        lambda c: [round(x, 2) for x in c.geopos("places", "n4")[0]],
        [4.25, 4.25],
        True,
    ),
    "several": (
        ["HSET user:{id} {*}", "SADD names {name}", "EXPIRE user:{id} {ttl}"],
        lambda c: (c.hget("user:0", "id"), c.scard("names"), c.ttl("user:0") > 0),
        (b"0", 6, True),
        True,
    ),
    "quoted": (
        ["SET 'q {id}' \"{{name}}: {name}\""],
        lambda c: c.get("q 1"),
        b"{name}: n1",
        True,
    ),
    "xadd": (["XADD s:{id} * {*}"], lambda c: c.xlen("s:1"), 1, False),
    "pfadd": (["PFADD seen {name}"], lambda c: c.pfcount("seen"), 6, False),
    "incrby": (["INCRBY total {id}"], lambda c: c.get("total"), b"15", False),
    "setbit": (["SETBIT bits {id} 1"], lambda c: c.bitcount("bits"), 6, False),
}


COMMANDS_ON_SERVERS = [
    *((name, "real", 1) for name in COMMANDS),
    *((name, "real", 2) for name in ("several", "xadd", "incrby")),
    *((name, "fake", 1) for name in ("zadd-options", "geoadd", "several", "xadd", "setbit")),
]


@cases(("name", "server", "workers"), COMMANDS_ON_SERVERS)
def test_a_command_is_carried_out_for_every_record(
    name: str, server: str, workers: int, servers: dict[str, Served], tmp_path: Path
) -> None:
    place = placed(server, servers, tmp_path)
    commands, look, found, verified = COMMANDS[name]
    options = {"command": commands, "workers": workers}
    report = place.load(**options)
    assert report.records == {"read": 6, "written": 6, "skipped": 0, "rejected": 0}
    assert look(place.client) == found
    if name == "geoadd" and place.server == "fake":
        return  # which keeps another score for a place
    if verified:
        assert place.verify(**options).records["equal"] == 6
    else:
        with pytest.raises(UsageError, match="verify"):
            place.verify(**options)


@cases("option", ["if_exists", "as_", "value", "ttl", "expire_at"])
def test_beside_a_command_options_of_a_type_are_refused(real: Place, option: str) -> None:
    value = {"if_exists": "replace", "as_": "hash", "value": "{id}", "ttl": 5, "expire_at": "{at}"}[option]
    with pytest.raises(UsageError, match="has no effect with --command"):
        real.load(command="SET {id} {name}", **{option: value})
    assert keys_in(real.client) == 0


def test_a_json_command_is_carried_out(servers: dict[str, Served], tmp_path: Path) -> None:
    place = placed("fake", servers, tmp_path)
    options = {"command": ["JSON.SET doc:{id} $ {json}"], "include": "id,name"}
    place.load(**options)
    assert place.client.json().get("doc:3") == _json_of(3)
    assert place.verify(**options).records["equal"] == 6


def test_a_type_that_the_server_does_not_know_ends_the_run(
    servers: dict[str, Served], tmp_path: Path
) -> None:
    place = placed("real", servers, tmp_path)
    with pytest.raises(etl.EtlError, match=r"the server has no JSON\.SET") as caught:
        place.load(as_="json")
    assert caught.value.exit_code == 4
