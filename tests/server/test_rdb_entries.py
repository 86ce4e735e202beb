"""RDB files made of entries, on real servers that check every byte: they hold all of it, and reload."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cases import cases
from tests.examples import examples
from tests.support import RealServer, StartServer
from tests.support.rdb_files import MAPPINGS, RdbFile, batch_of, check_rdb, differences, random_file
from tests.support.versions import NEW, OLD, SYSTEM, binary_of

READERS = [(OLD, 9), (SYSTEM, 9), (SYSTEM, 10), (NEW, 9), (NEW, 10), (NEW, 11)]
"""Servers with the versions of files that they take."""

EDGES = [0, 127, 128, 4095, 4096, 2**15, 2**23, 2**31, 2**63]
LENGTHS = [0, 1, 63, 64, 65, 239, 240, 241, 253, 254, 4094, 4095, 4096, 16_383, 16_384]


def any_value(rng: random.Random) -> bytes:
    number = rng.choice(EDGES) + rng.randint(-1, 1)
    texts = [b"%d" % number, b"%d" % -number, b"0%d" % number, rng.randbytes(rng.randint(0, 40)), b"-0", b""]
    texts.append(rng.choice([b"x", b"9", b"\0", b"\xff"]) * rng.choice(LENGTHS))
    return rng.choices(texts, [4, 4, 1, 6, 1, 1, 2])[0]


Start = Callable[[bytes], RealServer]


@pytest.fixture
def start(tmp_path: Path, start_server: StartServer) -> Callable[[str], Start]:
    """Return what makes, for the name of a server, what starts one from a file."""

    def of(name: str) -> Start:
        binary = binary_of(name)
        debug = () if name == OLD else ("--enable-debug-command", "yes")

        def from_file(data: bytes) -> RealServer:
            path = tmp_path / f"{random.randrange(1 << 60)}.rdb"
            path.write_bytes(data)
            place = ("--dbfilename", path.name, "--dir", str(tmp_path))
            return start_server(*place, "--sanitize-dump-payload", "yes", *debug, binary=binary)

        return from_file

    return of


@cases(("name", "version"), READERS)
def test_a_server_that_starts_from_a_file_holds_every_key_of_every_type(
    name: str, version: int, start: Callable[[str], Start], tmp_path: Path
) -> None:
    made = random_file(random.Random(version), version, any_value, keys_a_kind=60)
    data = made.to_bytes()
    (tmp_path / "checked.rdb").write_bytes(data)
    said = check_rdb(binary_of(name), tmp_path / "checked.rdb")
    assert "RDB looks OK" in said, said[-2000:]
    assert f"[info] {len(made.held)} keys read" in said
    client: Any = start(name)(data).client()
    assert differences(client, made.held) == []
    client.execute_command("DEBUG", "RELOAD")
    assert differences(client, made.held) == []


@dataclass(frozen=True)
class Reloading:
    """A server that loads one file after the other."""

    server: RealServer
    path: Path

    def load(self, made: RdbFile) -> list[str]:
        self.path.write_bytes(made.to_bytes())
        client: Any = self.server.client()
        client.execute_command("DEBUG", "RELOAD", "NOSAVE")
        return differences(client, made.held)


texts = st.one_of(
    st.sampled_from([b"", b"0", b"-1", b"00", b"v" * 63, b"v" * 64, b"v" * 4096]),
    st.integers(-(2**64), 2**64).map(b"%d".__mod__),
    st.binary(max_size=70),
)
members = st.lists(texts, min_size=1, max_size=9)
contents = st.dictionaries(st.binary(min_size=1, max_size=70), members, min_size=1, max_size=8)


@examples(1)
@given(contents=contents, kind=st.sampled_from(sorted(MAPPINGS)))
def any_keys_are_held(
    reloading: Reloading, version: int, contents: dict[bytes, list[bytes]], kind: str
) -> None:
    """Whatever is in them, keys are held by a server that reloads them."""
    made = RdbFile(version, [], {})
    keys, tags = list(contents), list(contents.values())
    count = {"string": 1, "json": 1}.get(kind, max(map(len, tags)))
    names = [f"f{at}" for at in range(count)]
    columns: dict[str, list[Any]] = {
        name: [one[at] if at < len(one) else None for one in tags] for at, name in enumerate(names)
    }
    scores = [[b"%d.5" % (len(text) % 3) for text in one] for one in tags]
    fixed = {"key": keys, "ms": [b"1"] * len(keys), "v": [one[0] for one in tags]}
    batch = batch_of({**fixed, **columns, "tags[]": tags, "scores[]": scores}, spread=names)
    hashes = [{b"f%d" % at: text for at, text in enumerate(one)} for one in tags]
    values: dict[str, list[Any]] = {
        "string": [one[0] for one in tags],
        "json": [one[0] for one in tags],
        "hash": hashes,
        "list": tags,
        "set": list(map(set, tags)),
        "zset": [dict(zip(one, map(float, of), strict=True)) for one, of in zip(tags, scores, strict=True)],
        "stream": [[(b"4000000000000-0", one)] for one in hashes],
    }
    made.add(kind, batch, values[kind])
    assert reloading.load(made) == []


@cases(("name", "version"), [(OLD, 9), (SYSTEM, 10), (NEW, 11)])
def test_any_keys_and_values_are_held(name: str, version: int, start: Callable[[str], Start]) -> None:
    server = start(name)(RdbFile(version, [], {}).to_bytes())
    found = {name: server.client().config_get(name)[name] or "" for name in ("dir", "dbfilename")}
    path = Path(found["dir"]) / found["dbfilename"]
    any_keys_are_held(Reloading(server, path), version)


@cases(("name", "version"), [(OLD, 9), (SYSTEM, 10), (NEW, 11)])
def test_small_keys_are_as_compact_as_those_the_server_makes_and_change_as_they_do(
    name: str, version: int, start: Callable[[str], Start]
) -> None:
    made = RdbFile(version, [], {})
    members = {"tags[]": [[b"b", b"a", b"7"]], "scores[]": [[b"2", b"1", b"1"]]}
    fixed: dict[str, list[Any]] = {"ms": [b"1"], "v": [b"12"], **members}
    for kind in MAPPINGS:
        made.add(kind, batch_of({**fixed, "key": [kind.encode()]}, spread=["v"]), [None])
    made.add("set", batch_of({**fixed, "key": [b"integers"], "tags[]": [[b"70000", b"-3"]]}), [None])
    client: Any = start(name)(made.to_bytes()).client()
    client.set("own:string", "12")
    client.set("own:json", "12")
    client.hset("own:hash", mapping={"v": "12"})
    client.rpush("own:list", "b", "a", "7")
    client.sadd("own:set", "b", "a", "7")
    client.sadd("own:integers", "70000", "-3")
    client.zadd("own:zset", {"b": 2, "a": 1, "7": 1})
    client.xadd("own:stream", {"v": "12"}, id="4000000000000-0")
    for key in (*MAPPINGS, "integers"):
        assert client.object("encoding", key) == client.object("encoding", f"own:{key}"), key
        # A set may be in another order, a stream counts otherwise, and in a ziplist numbers are texts.
        if key not in ("set", "stream") and name != OLD:
            assert client.dump(key) == client.dump(f"own:{key}"), key
    for prefix in ("", "own:"):
        client.hset(f"{prefix}hash", "more", "x" * 70)
        client.rpush(f"{prefix}list", "z", "x" * 9000)
        client.linsert(f"{prefix}list", "before", "a", "new")
        client.sadd(f"{prefix}set", *map(str, range(200)))
        client.sadd(f"{prefix}integers", str(2**40), "text")
        client.zadd(f"{prefix}zset", {"a": 9, "new": -1})
        client.zincrby(f"{prefix}zset", 5, "7")
        client.xadd(f"{prefix}stream", {"v": "13"}, id="4000000000001-0")
        client.xadd(f"{prefix}stream", {"other": "14"}, id="4000000000001-1")
        client.xdel(f"{prefix}stream", "4000000000000-0")
    assert client.hgetall("hash") == client.hgetall("own:hash")
    assert client.lrange("list", 0, -1) == client.lrange("own:list", 0, -1)
    assert client.smembers("set") == client.smembers("own:set")
    assert client.smembers("integers") == client.smembers("own:integers")
    assert client.zrange("zset", 0, -1, withscores=True) == client.zrange("own:zset", 0, -1, withscores=True)
    assert client.xrange("stream") == client.xrange("own:stream")
    client.execute_command("DEBUG", "RELOAD")
    assert client.xinfo_stream("stream")["length"] == 2


@cases("version", [9, 10, 11])
def test_an_independent_reader_finds_the_same(version: int, tmp_path: Path) -> None:
    import rdb  # rdb-py, which other tests do not need

    made = random_file(random.Random(7 + version), version, any_value, keys_a_kind=40)
    path = tmp_path / "made.rdb"
    path.write_bytes(made.to_bytes())
    values: dict[str, Callable[[Any], Any]] = {
        "string": lambda item: item["value"],
        "hash": lambda item: item["values"],
        "list": lambda item: item["values"],
        "set": lambda item: set(item["members"]),
        "sorted_set": lambda item: {member: score for score, member in item["values"]},
    }
    items: Any = rdb.RdbDecoder(path)
    found = {
        item["key"]: (values[item["type"]](item), item["expiry"]) for item in items if item["type"] in values
    }
    streams = {key for key, one in made.held.items() if one.kind == "stream"}  # which it passes over
    assert found == {key: (one.value, one.expires_at) for key, one in made.held.items() if key not in streams}


def test_a_key_twice_is_what_no_server_survives(start: Callable[[str], Start]) -> None:
    made = RdbFile(10, [], {})
    batch = batch_of({"key": [b"k", b"k"], "ms": [b"1", b"1"], "v": [b"1", b"2"]})
    made.add("string", batch, ["1", "2"])
    server = None
    with pytest.raises(AssertionError, match="the server ended"):
        server = start(SYSTEM)(replace(made).to_bytes())
    assert server is None
