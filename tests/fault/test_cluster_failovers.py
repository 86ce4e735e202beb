"""Primaries of a real Redis Cluster that die, freeze, hand over or forget while a load runs."""

from __future__ import annotations

from pathlib import Path
from signal import SIGKILL
from typing import Any

from tests.cases import cases
from tests.fault.clustered import (
    COUNT,
    JOB,
    SMALL_BLOCKS,
    TAG_SLOTS,
    Faulty,
    unread_bytes,
)
from tests.fault.commands import StartCommand, run_here
from tests.support import wait_until
from tests.support.cluster import ClusterNode, slot_of
from tests.support.resharding import move_slot

IN_FLIGHT = 100
"""Records of a few blocks of which a node has its part."""


def sets_of(node: ClusterNode) -> int:
    """Return how many keys a node was sent, each in a SET of its own."""
    stats: Any = node.client().info("commandstats")
    return int(stats.get("cmdstat_set", {}).get("calls", 0))


def holder(faulty: Faulty, name: str) -> ClusterNode:
    """Return the primary of some of the data, or of the job's record."""
    return faulty.cluster.owner(slot_of(name))


@cases("kind, name", [("strings", JOB), ("hashes by HSET", "t0"), ("a list", "t0")])
def test_a_primary_that_is_killed_is_replaced_by_its_replica(faulty: Faulty, kind: str, name: str) -> None:
    faulty.cluster.revive()
    faulty.cluster.flush()
    victim = holder(faulty, name)
    faulty.load_all(kind, faulty.flowing, lambda: faulty.cluster.kill_primary(victim))


@cases("kind", ["hashes by RESTORE", "a list", "several commands a record"])
def test_a_primary_that_hands_over_in_order_loses_nothing(faulty: Faulty, kind: str) -> None:
    cluster = faulty.cluster
    cluster.flush()
    (replica,) = cluster.replicas(of=holder(faulty, "t0"))
    faulty.load_all(kind, faulty.flowing, lambda: cluster.fail_over(replica))
    wait_until(lambda: len(cluster.replicas()) == 3, what="the primary before to be a replica")


def test_a_primary_that_is_frozen_for_a_moment_is_waited_for(faulty: Faulty) -> None:
    victim = holder(faulty, "t0")

    def freeze_until_it_is_asked() -> None:
        victim.freeze()
        wait_until(lambda: unread_bytes(victim.server.port), what="commands that it does not read")
        victim.thaw()

    faulty.load_all("hashes by HSET", faulty.flowing, freeze_until_it_is_asked)
    assert holder(faulty, "t0") is victim


def test_a_primary_that_is_frozen_until_it_is_replaced_and_comes_back(faulty: Faulty) -> None:
    cluster, victim = faulty.cluster, holder(faulty, "t0")

    def freeze_until_it_is_replaced() -> None:
        victim.freeze()
        wait_until(lambda: holder(faulty, "t0") is not victim, what="a replica to be promoted")
        victim.thaw()

    faulty.load_all("strings", faulty.flowing, freeze_until_it_is_replaced)
    cluster.wait_agreed()


def test_what_a_promoted_replica_never_got_is_loaded_again_and_only_that(
    faulty: Faulty, tmp_path: Path
) -> None:
    cluster, victim = faulty.cluster, holder(faulty, "t0")
    (replica,) = cluster.replicas(of=victim)
    others = [node for node in cluster.primaries() if node is not victim]

    def lose_touch() -> None:
        victim.ask("ACL", "SETUSER", "default", "-psync", "-sync")
        victim.ask("CLIENT", "KILL", "TYPE", "replica")
        wait_until(lambda: not replica.linked(), what="the replica to have lost its primary")

    lacking, sent = 0, dict[str, int]()

    def kill() -> None:
        nonlocal lacking
        lacking = victim.ask("DBSIZE") - replica.ask("DBSIZE")
        sent.update({node.id: sets_of(node) for node in others})
        cluster.kill_primary(victim)

    before = {node.id: sets_of(node) for node in cluster.nodes}
    file = tmp_path / "numbers.csv"
    file.write_text("id,tag,value\n" + "".join(f"{number},t,{number}\n" for number in range(COUNT)))
    ended = Faulty(cluster, faulty.capsys, file).load(
        "strings",
        faulty.flowing,
        lose_touch,
        lambda: faulty.flowing(300, at=victim),
        kill,
        options=("--key", "k:{id}", "--max-rate", "600"),  # so that little is on its way at any time
    )
    assert ended.code == 0, ended
    assert ended.records == {"read": COUNT, "written": COUNT, "skipped": 0, "rejected": 0}
    assert cluster.dump() == {b"k:%d" % number: b"%d" % number for number in range(COUNT)}
    assert lacking >= 250
    for node in others:
        own, at_kill = node.ask("DBSIZE"), sent[node.id] - before[node.id]
        # What was not confirmed when the primary died, and what was on its way since, is sent twice.
        assert sets_of(node) - before[node.id] <= own + (own - at_kill) + IN_FLIGHT
    assert sets_of(replica) - before[replica.id] <= replica.ask("DBSIZE") + IN_FLIGHT


def test_checkpoints_wait_for_the_replicas_of_all_primaries(faulty: Faulty) -> None:
    faulty.cluster.each("CONFIG", "RESETSTAT")
    faulty.assert_loaded("strings", faulty.load("strings", options=("--wait-replicas", "1")))
    for node in faulty.cluster.primaries():
        stats: Any = node.client().info("commandstats")
        assert stats["cmdstat_wait"]["calls"] > 3
    more = faulty.load("strings", options=("--wait-replicas", "2", "--retry-for", "1"))
    assert more.code == 4, more
    assert "replica" in more.sentence


def test_a_run_whose_parent_is_killed_goes_on_after_slots_were_moved(
    faulty: Faulty, start: StartCommand
) -> None:
    cluster = faulty.cluster
    command = start(*faulty.words("strings", "--workers", "2"), patch=SMALL_BLOCKS)
    faulty.flowing(300)
    command.signal(SIGKILL, to_all=True)
    command.end()
    for slot in TAG_SLOTS[:4]:
        source = cluster.owner(slot)
        move_slot(cluster, slot, next(node for node in cluster.primaries() if node is not source))
    ended = run_here(faulty.capsys, *faulty.words("strings"))
    assert ended.report["resumed_from"] > 0
    faulty.assert_loaded("strings", ended)


@cases("name", ["t0", "t1", JOB])
def test_a_primary_that_is_flushed_is_loaded_again(faulty: Faulty, name: str) -> None:
    faulty.cluster.flush()
    victim = holder(faulty, name)
    faulty.load_all("strings", faulty.flowing, lambda: victim.ask("FLUSHALL"))
