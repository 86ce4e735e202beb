"""Slots of a real Redis Cluster that move, or are held on their way, while a load runs."""

from __future__ import annotations

import pytest

from tests.cases import cases
from tests.fault.clustered import ALL_SLOTS, JOB, KINDS, TAG_SLOTS, Faulty
from tests.support import wait_until
from tests.support.cluster import slot_of
from tests.support.resharding import Resharder, begin_move, move_slot

MORE_THAN_A_FEW = 12
"""Slots that are on the move at once, next to each other."""


@cases("kind", KINDS)
def test_slots_that_move_all_the_time_lose_and_double_nothing(faulty: Faulty, kind: str) -> None:
    faulty.cluster.flush()
    slots = ALL_SLOTS if kind != "a list" else [slot_of("t0"), slot_of(JOB)]
    with Resharder(faulty.cluster, slots) as resharder:
        ended = faulty.load(kind)
    faulty.assert_loaded(kind, ended)
    assert resharder.moves > 3
    assert resharder.keys > 3


@cases("kind", ["strings", "hashes by RESTORE", "several commands a record"])
def test_slots_that_are_held_on_their_way_during_a_whole_load_hold_up_nothing(
    faulty: Faulty, kind: str
) -> None:
    cluster = faulty.cluster
    cluster.flush()
    faulty.load(kind, options=("--max-rate", "100000"))
    moves = [begin_move(cluster, slot, keys=20) for slot in TAG_SLOTS[:3]]
    for node in cluster.primaries():  # where the node's checkpoints would be
        first = next(start for start, _, primary in node.view() if primary == node.id)
        some = range(first, first + (MORE_THAN_A_FEW if node is cluster.primaries()[0] else 1))
        moves += [begin_move(cluster, slot) for slot in some if slot not in TAG_SLOTS[:3]]
    ended = faulty.load(kind, options=("--restart",))
    for move in moves:
        move.finish()
    cluster.wait_agreed()
    faulty.assert_loaded(kind, ended)


@cases("kind", ["strings", "several commands a record"])
def test_a_job_whose_slot_is_held_on_its_way_before_it_has_a_record_has_it_where_the_slot_goes(
    faulty: Faulty, kind: str
) -> None:
    faulty.cluster.flush()
    move = begin_move(faulty.cluster, slot_of(JOB))
    ended = faulty.load(kind, options=("--retry-for", "5"))
    assert len(move.keys(move.to)) == 1
    assert not move.keys(move.source)
    move.finish()
    faulty.cluster.wait_agreed()
    faulty.assert_loaded(kind, ended)


@pytest.mark.usefixtures("short_lock")
def test_a_lock_whose_slot_has_moved_is_renewed_where_it_is(faulty: Faulty) -> None:
    cluster, key = faulty.cluster, f"etl:{{{JOB}}}:lock"
    source = cluster.owner(slot_of(JOB))
    to = next(node for node in cluster.primaries() if node is not source)

    def left_ms() -> int:
        left = int(to.ask("PTTL", key))
        assert left > 0, "the lock is gone"
        return left

    def move_and_see_it_renewed() -> None:
        move_slot(cluster, slot_of(JOB), to)
        before = left_ms()
        wait_until(lambda: left_ms() > before, what="the lock to be renewed")

    faulty.load_all("strings", faulty.flowing, move_and_see_it_renewed)


def test_a_node_that_is_added_takes_slots_over_while_a_load_runs(faulty: Faulty) -> None:
    cluster = faulty.cluster
    before = {slot: cluster.owner(slot) for slot in TAG_SLOTS[:4]}

    def add() -> None:
        added = cluster.add_node()
        for slot in before:
            move_slot(cluster, slot, added)

    faulty.load_all("hashes by HSET", faulty.flowing, add)
    for slot, node in before.items():
        move_slot(cluster, slot, node)
    cluster.wait_agreed()
