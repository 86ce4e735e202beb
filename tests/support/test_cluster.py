"""The cluster, the resharder and the scripted node are instruments: here they are calibrated."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.cluster import RedisCluster

from tests.cases import cases
from tests.support import OK
from tests.support.cluster import RealCluster, slot_of
from tests.support.resharding import Resharder, begin_move, move_slot
from tests.support.scripted_node import CLUSTERDOWN, TRYAGAIN, ScriptedNode, owner_of, share_slots
from tests.support.versions import NEW, SYSTEM, binary_of

TAGS = [f"{{{number}}}" for number in range(8)]


@pytest.fixture(scope="module", params=[SYSTEM, NEW])
def cluster(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealCluster]:
    folder = tmp_path_factory.mktemp("cluster")
    with RealCluster(folder, replicas=1, binary=binary_of(request.param)) as cluster:
        yield cluster


@pytest.fixture
def client(cluster: RealCluster) -> Iterator[Any]:
    cluster.flush()
    port = cluster.living()[0].server.port
    with RedisCluster.from_url(f"redis://127.0.0.1:{port}") as client:
        yield client


def test_keys_are_found_on_all_primaries_with_their_values(cluster: RealCluster, client: Any) -> None:
    client.set("string", "one")
    client.rpush("list", "a", "b", "a")
    client.sadd("set", "a", "b")
    client.hset("hash", "field", "value")
    client.zadd("zset", {"a": 1.5})
    client.xadd("stream", {"f": "v"})
    client.hset("etl:{job}", "state", "complete")
    held = {
        b"string": b"one",
        b"list": [b"a", b"b", b"a"],
        b"set": {b"a", b"b"},
        b"hash": {b"field": b"value"},
        b"zset": {b"a": 1.5},
        b"stream": [{b"f": b"v"}],
    }
    assert cluster.dump() == held
    assert cluster.dump(with_jobs=True) == {**held, b"etl:{job}": {b"state": b"complete"}}
    assert len(cluster.primaries()) == len(cluster.replicas()) == 3
    assert cluster.owner(slot_of("string")).client().get("string") == b"one"


def test_a_slot_that_is_held_redirects_and_is_moved_and_moved_back(cluster: RealCluster, client: Any) -> None:
    values = {f"{{tag}}{number}": str(number) for number in range(30)}
    for key, value in values.items():
        client.set(key, value)
    slot = slot_of("{tag}")
    before = cluster.owner(slot)
    move = begin_move(cluster, slot, keys=10)
    assert (len(move.keys(move.source)), len(move.keys(move.to))) == (20, 10)
    held = cluster.dump()
    assert held == {key.encode(): value.encode() for key, value in values.items()}
    with pytest.raises(redis.exceptions.AskError):
        move.source.client().set("{tag}new", "x")
    assert client.set("{tag}new", "x")  # redis-py follows it
    assert cluster.owner(slot) is before
    move.move_back()
    assert cluster.owner(slot) is before
    cluster.wait_agreed()
    assert cluster.dump() == {**held, b"{tag}new": b"x"}


def test_slots_move_all_the_time_under_a_client_that_follows(cluster: RealCluster, client: Any) -> None:
    values: dict[bytes, bytes] = {}
    with Resharder(cluster, [slot_of(tag) for tag in TAGS]) as resharder:
        while resharder.moves < 8 or resharder.keys < 50:
            number = len(values)
            client.set(f"{TAGS[number % 8]}{number}", str(number))
            values[f"{TAGS[number % 8]}{number}".encode()] = str(number).encode()
    assert cluster.dump() == values
    cluster.wait_agreed()


def test_an_added_node_a_planned_failover_and_a_killed_primary(cluster: RealCluster, client: Any) -> None:
    client.set("{tag}", "one")
    added = cluster.add_node()
    assert added not in cluster.primaries()
    move_slot(cluster, slot_of("{tag}"), added)
    cluster.wait_agreed()
    assert cluster.owner(slot_of("{tag}")) is added
    (replica,) = cluster.replicas(of=cluster.owner(slot_of("x")))
    cluster.fail_over(replica)
    assert cluster.owner(slot_of("x")) is replica
    killed = cluster.owner(slot_of("y"))
    assert killed is not added
    promoted = cluster.kill_primary(killed)
    assert cluster.owner(slot_of("y")) is promoted is not killed
    assert cluster.dump() == {b"{tag}": b"one"}
    frozen = cluster.owner(slot_of("{tag}"))
    frozen.freeze()
    assert frozen not in cluster.living()
    frozen.thaw()
    cluster.wait_agreed()


def test_a_closed_cluster_leaves_no_process(tmp_path: Path) -> None:
    with RealCluster(tmp_path, primaries=1) as cluster:
        pids = [node.server.pid for node in cluster.nodes]
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


@cases("host", ["127.0.0.1", "", "?", None, "localhost"])
def test_a_scripted_node_names_endpoints_as_it_is_told(host: str | None) -> None:
    with ScriptedNode(name="a") as first, ScriptedNode(name="b") as second:
        share_slots([first, second], host)

        with redis.Redis(port=second.port) as client:
            named = None if host is None else host.encode()
            assert client.execute_command("CLUSTER SLOTS") == [
                [0, 8191, [named, first.port, first.id.encode(), []]],
                [8192, 16383, [named, second.port, second.id.encode(), []]],
            ]
            assert client.execute_command("CLUSTER MYID") == second.id.encode()
            assert client.info()["cluster_enabled"] == 1
        assert (first.asked_for_slots, second.asked_for_slots) == (0, 1)
        assert second.commands == []


def test_scripted_nodes_redirect_what_is_not_theirs_and_what_a_test_has_them_redirect() -> None:
    nodes = [ScriptedNode(name="a"), ScriptedNode(name="b")]
    with nodes[0], nodes[1]:
        share_slots(nodes)
        home = owner_of(b"key", nodes)
        other = next(node for node in nodes if node is not home)
        replies = iter([other.ask(b"key"), TRYAGAIN, CLUSTERDOWN, OK])
        home.answer = lambda command: next(replies)
        with redis.Redis(port=home.port) as client:
            for name in ("AskError", "TryAgainError", "ClusterDownError"):
                with pytest.raises(getattr(redis.exceptions, name)):
                    client.set("key", "value")
            assert client.set("key", "value")
        with redis.Redis(port=other.port) as client:
            with pytest.raises(redis.exceptions.MovedError) as failure:
                client.hset("etl:{key}", "field", "value")
            assert (failure.value.slot_id, failure.value.port) == (slot_of("key"), home.port)
            client.execute_command("ASKING")
            assert client.set("key", "value")
        sets = [[b"SET", b"key", b"value"]]
        assert home.conversations == [sets * 4]
        assert other.conversations == [[[b"HSET", b"etl:{key}", b"field", b"value"], [b"ASKING"], *sets]]
