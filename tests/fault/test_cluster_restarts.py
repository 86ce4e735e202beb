"""Primaries of a real Redis Cluster without replicas that are killed and started again during a load."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.cases import cases
from tests.fault.clustered import JOB, Faulty
from tests.support.cluster import RealCluster, slot_of

LOADS = [
    ("strings", JOB),
    ("hashes by HSET", "t1"),
    ("several commands a record", "t0"),
    ("a list", "t0"),
]
"""Kinds of loads, and whose primary is killed."""


@pytest.fixture(scope="module")
def appending(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCluster]:
    """A cluster whose nodes have their keys again when they are started again."""
    with RealCluster(tmp_path_factory.mktemp("appending"), "--appendonly", "yes") as cluster:
        yield cluster


@pytest.fixture(scope="module")
def forgetting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCluster]:
    """A cluster whose nodes are empty when they are started again."""
    with RealCluster(tmp_path_factory.mktemp("forgetting")) as cluster:
        yield cluster


@cases("kept", [True, False])
def test_a_node_that_is_started_again_is_loaded_with_what_it_has_lost(
    faulty: Faulty, appending: RealCluster, forgetting: RealCluster, kept: bool
) -> None:
    place = replace(faulty, cluster=appending if kept else forgetting)
    for kind, name in LOADS:
        place.cluster.flush()
        victim = place.cluster.owner(slot_of(name))
        place.load_all(kind, place.flowing, victim.server.kill, victim.server.start, place.flowing)
        place.cluster.wait_agreed()
