"""Whether a cluster says that slots are migrated."""

from __future__ import annotations

from etl.sink.preflight.migrations import active_tasks, is_active


def test_redis_tells_of_active_tasks_in_cluster_info() -> None:
    info = b"cluster_state:ok\r\ncluster_slot_migration_active_tasks:2\r\n"
    assert active_tasks(info) == 2
    for other in (
        b"cluster_state:ok\r\n",
        b"cluster_slot_migration_active_tasks:many\r\n",
        None,
        ValueError("x"),
    ):
        assert active_tasks(other) == 0


def test_valkey_tells_of_jobs_that_have_not_ended() -> None:
    entry = [b"name", b"a", b"operation", b"EXPORT", b"state"]
    assert [
        is_active([*entry, state]) for state in (b"snapshotting", b"success", b"failed", b"cancelled")
    ] == [*(True, False, False, False)]
    assert not any(map(is_active, ([b"name", b"a"], b"text", [b"state"], None)))
