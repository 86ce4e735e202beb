"""Keys that are deleted before a load, at a node of a cluster whose replica never hears of it."""

from __future__ import annotations

from pathlib import Path

from tests.fault.commands import StartCommand
from tests.support.cluster import RealCluster, slot_of
from tests.support.processes import wait_until

COUNT = 1_200
JOB = "nightly"


def test_what_a_promoted_replica_has_kept_of_what_was_there_before_is_deleted_once_more(
    start: StartCommand, tmp_path: Path
) -> None:
    source = tmp_path / "records.csv"
    source.write_text("id,v\n" + "".join(f"{number},new-{number}\n" for number in range(COUNT)))
    with RealCluster(tmp_path / "cluster", replicas=1) as cluster:
        for node in cluster.primaries():
            for first, last, primary in node.view():
                if primary == node.id:
                    old = [f"s:{n}" for n in range(COUNT) if first <= slot_of(f"s:{n}") <= last]
                    with node.client().pipeline(transaction=False) as pipe:
                        for key in old:
                            pipe.sadd(key, "old")
                        pipe.execute()
        victim = next(node for node in cluster.primaries() if node is not cluster.owner(slot_of(JOB)))
        (replica,) = cluster.replicas(victim)
        wait_until(lambda: replica.ask("DBSIZE") == victim.ask("DBSIZE"), what="the replica to have all")
        replica.freeze()
        victim.ask("CLIENT", "KILL", "TYPE", "replica")

        def written() -> bool:
            client = victim.client()
            return any(client.smembers(key) not in (set(), {b"old"}) for key in client.keys("s:*"))

        members = ("--as", "set", "--key", "s:{id}", "--value", "{v}", "--job", JOB, "--workers", "2")
        load = start("load", source, "--to", cluster.url, *members, "--max-rate", "500", "--progress", "log")
        wait_until(written, what="records at the node that is to be killed")
        victim.kill()
        replica.thaw()
        ended = load.end()
        assert ended.code == 0, ended
        assert "a node was replaced that keys were deleted at" in ended.stderr
        assert cluster.dump() == {b"s:%d" % n: {b"new-%d" % n} for n in range(COUNT)}
